"""What a representation is made and trained with: published, or small enough for two cores."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from gnncore.configuration import Configuration, DeviceName
from gnncore.training import TrainingSettings
from graphwsl.errors import RepresentationError

Count = Annotated[int, Field(ge=1, le=10**6)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]

Size = Literal["published", "small"]
Settings = TypeVar("Settings", bound="RepresentationSettings")


class RepresentationSettings(Configuration):
    """Options that all methods share: the loss, the augmentations and the training.

    The loss is γ contrast + (1 − γ) (β structure + (1 − β) behaviour), as Meynent et al. write it
    ("Structure Is Not Enough", 2025).

    Attributes:
        latent_channels: Numbers of a latent.
        normalise: On which scale errors of weights are counted. ``none``: as they are. ``layer``:
            every layer by its mean and deviation over the training networks (the layer-wise
            normalised loss of 2022). ``batch``: all numbers of a batch by one mean and deviation,
            as the code of 2025 does. ``token``: every token by its own, as its paper says.
        contrast: γ, the share of the contrastive loss; 0 leaves it away.
        contrast_kind: ``nt_xent``, or ``positive``: pairs attract and nothing repels.
        temperature: Temperature of NT-Xent.
        structure: β, the share of the error of weights in what remains; 1 runs no network.
        behaviour_kind: ``outputs``: mean squared difference of outputs. ``distillation``:
            divergence of softened classes at temperature 2.
        queries: Unlabelled inputs a step on which behaviour is compared.
        views: Symmetric copies that are kept to draw from; 0 shows networks as they are.
        noise: Deviation of numbers that inputs are multiplied with in training, around 1.
        erase: Chance that a block of a network's tokens is erased in training.
        align: Permute networks to be close to a reference first.
        epochs: Passes over the training networks.
        batch_size: Networks a step.
        learning_rate: The largest.
        weight_decay: Decoupled.
        schedule: Schedule of the learning rate.
        clip_norm: Largest norm of the gradient.
        device: ``auto``, ``cpu``, ``cuda`` …
    """

    title = "settings of a representation"
    error_class = RepresentationError

    latent_channels: Count = 32
    normalise: Literal["none", "layer", "batch", "token"] = "layer"
    contrast: Share = 0.0
    contrast_kind: Literal["nt_xent", "positive"] = "nt_xent"
    temperature: Positive = 0.1
    structure: Share = 1.0
    behaviour_kind: Literal["outputs", "distillation"] = "outputs"
    queries: Count = 64
    views: Annotated[int, Field(ge=0, le=10**6)] = 0
    noise: NotNegative = 0.0
    erase: Share = 0.0
    align: bool = False
    epochs: Count = 50
    batch_size: Count = 32
    learning_rate: Positive = 1e-3
    weight_decay: NotNegative = 0.0
    schedule: Literal["cosine", "one_cycle"] | None = "one_cycle"
    clip_norm: Positive | None = 1.0
    device: DeviceName = "cpu"

    def replaced(self: Settings, **options: Any) -> Settings:
        """The same settings with others in place.

        Raises:
            RepresentationError: An unknown option, or a value out of range.
        """
        return type(self)(**{**self.model_dump(), **options})

    def training(self, seed: int, epochs: int | None) -> TrainingSettings:
        """Settings of the core's loop."""
        return TrainingSettings(
            epochs=epochs or self.epochs,
            batch_size=self.batch_size,
            group_by="kind",
            group_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            clip_norm=self.clip_norm,
            device=self.device,
            seed=seed,
        )


class TokenSettings(RepresentationSettings):
    """Options of methods that read networks as sequences of tokens.

    Attributes:
        tokens: ``sparse``, a unit a token, or ``dense``, a layer's numbers in chunks.
        width: Numbers of a token; None as many as the unit with the most has.
        window: Tokens that are read together; None for the whole network.
        halo: Further tokens on either side that are read and thrown away, at inference.
        channels: Channels of the transformer.
        blocks: Blocks of attention, in the encoder and in the decoder each.
        heads: Heads of attention.
        positions: ``learned`` tables, or ``sinusoidal``, for networks of any size.
        dropout: Dropout in training.
    """

    tokens: Literal["sparse", "dense"] = "sparse"
    width: Count | None = None
    window: Count | None = None
    halo: Annotated[int, Field(ge=0, le=10**6)] = 0
    channels: Count = 128
    blocks: Count = 2
    heads: Count = 4
    positions: Literal["learned", "sinusoidal"] = "learned"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
