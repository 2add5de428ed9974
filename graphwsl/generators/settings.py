"""What a generator is made and trained with: published, or small enough for two cores."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from gnncore.configuration import Configuration, DeviceName
from gnncore.training import TrainingSettings
from graphwsl.errors import GeneratorError

Count = Annotated[int, Field(ge=1, le=10**6)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Settings = TypeVar("Settings", bound="GeneratorSettings")


class GeneratorSettings(Configuration):
    """Options that all methods share: the training.

    Attributes:
        epochs: Passes over the training networks.
        batch_size: Networks a step.
        learning_rate: The largest.
        weight_decay: Decoupled.
        schedule: Schedule of the learning rate.
        warm_up: Share of all steps in which the learning rate rises.
        clip_norm: Largest norm of the gradient.
        patience: Stop after so many epochs in which what chooses the epoch does not fall; None
            never stops.
        average_decay: Decay a step of the moving average of the weights that is kept; None keeps
            the weights themselves.
        held_out: Share of the networks on which the epoch is chosen, where no others are given; 0
            chooses it by some of the training networks.
        device: ``auto``, ``cpu``, ``cuda`` …
    """

    title = "settings of a generator"
    error_class = GeneratorError

    epochs: Count = 100
    batch_size: Count = 32
    learning_rate: Positive = 1e-3
    weight_decay: NotNegative = 0.0
    schedule: Literal["cosine", "one_cycle"] | None = "cosine"
    warm_up: Share = 0.05
    clip_norm: Positive | None = 1.0
    patience: Count | None = None
    average_decay: Share | None = None
    held_out: Share = 0.1
    device: DeviceName = "cpu"

    def replaced(self: Settings, **options: Any) -> Settings:
        """The same settings with others in place.

        Args:
            **options: Options by name.

        Raises:
            GeneratorError: An unknown option, or a value out of range.
        """
        return type(self)(**{**self.model_dump(), **options})

    def training(self, seed: int, epochs: int | None = None) -> TrainingSettings:
        """Settings of the core's loop.

        Args:
            seed: Seed of batches and noise.
            epochs: Passes in place of its own.
        """
        return TrainingSettings(
            epochs=epochs or self.epochs,
            batch_size=self.batch_size,
            group_by="kind",
            group_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            warm_up=self.warm_up,
            clip_norm=self.clip_norm,
            patience=self.patience,
            average_decay=self.average_decay,
            device=self.device,
            seed=seed,
        )
