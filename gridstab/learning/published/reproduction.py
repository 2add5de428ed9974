"""Two small TAGs of an independent reproduction of arXiv:2402.17500."""

from collections.abc import Iterator

from gnncore.training import TrainingSettings
from gridstab.learning.published.model import PublishedModel, stack

SOURCE = "github.com/jcreutzig/uda_project_2024, an independent reproduction"


def models() -> Iterator[PublishedModel]:
    """TAG with ReLU even before the sigmoid: no prediction of theirs is below one half."""
    for layers, channels, hops in ((7, 25, 4), (9, 10, 4)):
        yield PublishedModel(
            f"TAG {layers}x{channels}x{hops}",
            stack(
                "tag",
                [channels] * (layers - 1) + [1],
                layer_options={"K": hops},
                normalisation="batch_norm",
                activation="relu",
                head="identity",
            ),
            TrainingSettings(
                epochs=400,
                batch_size=500,
                optimiser="sgd",
                learning_rate=3.0,
                momentum=0.9,
                patience=10,
            ),
            SOURCE,
            "Its batches are not shuffled; here they are.",
        )
