"""The eight models of 2021 (New J. Phys. 24 043041, arXiv:2108.08230).

They were trained on 800 grids, and their best epoch was picked on the test set; here it is picked
on the validation set. In double precision there, in single here.
"""

from collections.abc import Iterator

from gnncore.models import ModelSpecification
from gnncore.training import TrainingSettings
from gridstab.learning.published.model import PublishedModel, stack

SOURCE = "Nauck et al. 2022, New J. Phys. 24 043041 (arXiv:2108.08230), companion repository"

# The weight decay of 1e-9 in the authors' configuration never reaches their optimiser.
SETTINGS = TrainingSettings(
    epochs=500, batch_size=100, optimiser="sgd", learning_rate=0.3, momentum=0.9, seed=1
)


def models() -> Iterator[PublishedModel]:
    """Eight models, each with a linear layer from one channel to one before the sigmoid."""

    def model(name: str, specification: ModelSpecification) -> PublishedModel:
        return PublishedModel(name, specification, SETTINGS, SOURCE)

    arma = {"num_stacks": 3, "num_layers": 4}
    regular_arma = arma | {"shared_weights": True, "dropout": 0.25}
    yield model("GCNNet01", stack("gcn", [4, 1], dropout=[0.5, 0.0]))
    yield model("GCNNet02", stack("gcn", [16, 4, 1], dropout=[0.5, 0.0, 0.0]))
    yield model(
        "GCNNet03",
        stack(
            "gcn",
            [16, 4, 1],
            normalisation=["batch_norm", "batch_norm", "identity"],
            dropout=[0.5, 0.0, 0.0],
        ),
    )
    yield model("ArmaNet01", stack("arma", [1], layer_options=arma))
    yield model(
        "ArmaNet02",
        stack(
            "arma",
            [16, 1],
            layer_options=[regular_arma, regular_arma | {"act": None}],
            normalisation=["batch_norm", "identity"],
            dropout=[0.5, 0.0],
        ),
    )
    yield model("SGNet01", stack("sg", [1], layer_options={"K": 2}, activation="relu"))
    yield model("SGNet02", stack("sg", [4, 1], layer_options={"K": 2}, dropout=[0.5, 0.0]))
    yield model("TAGNet01", stack("tag", [4, 1], layer_options={"K": 3}, dropout=[0.5, 0.0]))
