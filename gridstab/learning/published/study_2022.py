"""The models of 2022 (Chaos 33 103103, arXiv:2206.06369; climate workshop arXiv:2212.11130)."""

from collections.abc import Iterator

from gnncore.training import TrainingSettings
from gridstab.learning.published.model import PublishedModel, sgd, stack

SOURCE = "Nauck et al. 2023, Chaos 33 103103 (arXiv:2206.06369), companion repositories"


def models() -> Iterator[PublishedModel]:
    """Six models that end with the sigmoid, and the small example of the companion repository."""
    arma_bench = {"num_stacks": 3, "num_layers": 4, "shared_weights": True, "dropout": 0.25}
    yield PublishedModel(
        "Ar-bench",
        stack(
            "arma",
            [16, 1],
            layer_options=[arma_bench, arma_bench | {"act": None}],
            normalisation=["batch_norm", "identity"],
            dropout=[0.5, 0.0],
            head="identity",
        ),
        sgd(0.914149, batch_size=228, epochs=400),
        SOURCE,
    )
    yield PublishedModel(
        "ArmaNet3",
        stack(
            "arma",
            [35, 96, 1],
            layer_options=[
                {
                    "num_stacks": stacks,
                    "num_layers": layers,
                    "shared_weights": True,
                    "dropout": 0.25,
                }
                for stacks, layers in ((51, 7), (7, 9), (45, 1))
            ],
            normalisation="batch_norm",
            head="identity",
        ),
        sgd(3.0, batch_size=228, epochs=1500, seed=4),
        SOURCE,
    )
    yield PublishedModel(
        "GCNNet",
        stack(
            "gcn",
            [128] * 6 + [1],
            layer_options={"improved": True},
            normalisation=["batch_norm"] * 6 + ["identity"],
            head="identity",
        ),
        _adamw(),
        SOURCE,
        "Published are improved GCN layers, batch norm and no linear layer at the end; depth, "
        "channels and training are chosen here.",
    )
    yield PublishedModel(
        "SAGENet",
        stack(
            "sage",
            [128] * 6 + [1],
            edge_channels=0,
            normalisation=["batch_norm"] * 6 + ["identity"],
            head="identity",
        ),
        _adamw(),
        SOURCE,
        "Published are SAGE layers without edge weights, batch norm and no linear layer at the "
        "end; depth, channels and training are chosen here.",
    )
    hops = [6, 4, 7, 6, 10, 1, 9, 2, 2, 2, 10, 5, 9]
    yield PublishedModel(
        "TAGNet13",
        stack(
            "tag",
            [71, 26, 132, 67, 128, 81, 56, 40, 30, 62, 141, 48, 1],
            layer_options=[{"K": hop} for hop in hops],
            normalisation=["batch_norm"] * 12 + ["identity"],
            head="identity",
        ),
        sgd(0.193048, batch_size=52, epochs=400),
        SOURCE,
    )
    yield PublishedModel(
        "TransformerNet",
        stack(
            "transformer",
            [128] * 4,
            edge_channels=0,
            layer_options={"heads": 4, "dropout": 0.1},
            normalisation="batch_norm",
            activation="relu",
        ),
        _adamw(),
        SOURCE,
        "Published are transformer layers without edge signal whose heads are concatenated, and "
        "a linear layer at the end; depth, channels, heads, dropout, normalisation and training "
        "are chosen here.",
    )
    yield PublishedModel(
        "small TAG",
        stack(
            "tag",
            [20, 20, 1],
            layer_options={"K": 3},
            normalisation="batch_norm",
            head="identity",
        ),
        sgd(3.0, batch_size=228, epochs=400),
        f"{SOURCE}, trained on the first 1,000 grids",
    )


def _adamw() -> TrainingSettings:
    return TrainingSettings(
        epochs=400, batch_size=64, learning_rate=1e-3, weight_decay=1e-4, schedule="cosine"
    )
