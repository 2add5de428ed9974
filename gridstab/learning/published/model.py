"""What a published model is, and the pattern that most of them share."""

from dataclasses import dataclass, field
from typing import Any

from gnncore.models import ModelSpecification
from gnncore.training import TrainingSettings
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.tasks import TASKS, Task


@dataclass(frozen=True)
class PublishedModel:
    """A model and how it was trained.

    Attributes:
        name: As published.
        specification: Its architecture, for published features and shares as targets.
        settings: How it is trained.
        source: Where both are published.
        choices: What the source leaves open and how it is filled; empty where nothing is.
        features: What it sees of a grid.
        augment: Whether training grids are mirrored (P → −P) at random.
        clip: Share of the training values in either tail beyond which features are cut off.
    """

    name: str
    specification: ModelSpecification
    settings: TrainingSettings
    source: str
    choices: str = ""
    features: FeatureSet = field(default_factory=FeatureSet)
    augment: bool = False
    clip: float = 0.0

    def specification_for(
        self, task: Task = TASKS["snbs"], features: FeatureSet | None = None
    ) -> ModelSpecification:
        """The same architecture for another task, or for other features.

        Args:
            task: Decides whether a sigmoid ends the model.
            features: What the model sees, by default its own. Models that use no edge signal
                ignore those of lines.

        Raises:
            SpecificationError: The model cannot use these features. Layers whose lines have a
                single weight refuse several features of lines when the model is built.
        """
        seen = self.features if features is None else features
        uses_edges = self.specification.edge_channels > 0
        values: dict[str, Any] = self.specification.model_dump()
        values |= {
            "in_channels": seen.in_channels,
            "edge_channels": seen.edge_channels if uses_edges else 0,
            "output": task.output,
        }
        return ModelSpecification(**values)


def stack(layer: str, channels: list[int], **options: Any) -> ModelSpecification:
    """Layers of the given output channels, ReLU between them, a sigmoid at the end."""
    values: dict[str, Any] = {
        "in_channels": 1,
        "edge_channels": 1,
        "layer": layer,
        "hidden_channels": channels,
        "activation": ["relu"] * (len(channels) - 1) + ["identity"],
        "output": "sigmoid",
    }
    return ModelSpecification(**values | options)


def sgd(learning_rate: float, batch_size: int, epochs: int, seed: int = 1) -> TrainingSettings:
    """Stochastic gradient descent as in the second study: constant rate, momentum 0.9."""
    return TrainingSettings(
        epochs=epochs,
        batch_size=batch_size,
        optimiser="sgd",
        learning_rate=learning_rate,
        momentum=0.9,
        weight_decay=1e-9,
        decay="all",
        seed=seed,
    )
