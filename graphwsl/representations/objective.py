"""What autoencoders of weights are trained for: terms that the module itself gives a network."""

import hashlib
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gnncore.training.dataset import Batch
from graphwsl.representations.settings import RepresentationSettings


@dataclass(frozen=True)
class Terms:
    """The weighted sum of terms, each the mean over networks.

    Attributes:
        names: Names of the columns that the module gives, shape ``(networks, terms)``.
        weights: Weight of each column.
        of: What else the terms depend on, so that a training is resumed with the same alone.
        select_by: The term, or ``loss``, whose smallest value on validation is kept.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    of: str = ""
    select_by: str = "loss"

    @property
    def maximise(self) -> bool:
        """Smaller is better."""
        return False

    def check(self, data: Batch) -> None:
        """Networks need no labels."""

    def loss(self, prediction: Tensor, data: Batch) -> Float[Tensor, ""]:
        """See :meth:`gnncore.training.Objective.loss`."""
        return (prediction * prediction.new_tensor(self.weights)).sum(1).mean()

    def size(self, data: Batch) -> Float[Tensor, ""]:
        """The number of networks."""
        return data["kind"].new_tensor(len(data["kind"])).float()

    def metrics(self, prediction: Tensor, data: Batch) -> dict[str, float]:
        """The mean of each term."""
        return dict(zip(self.names, prediction.mean(0).tolist(), strict=True))


def fingerprint(name: str, settings: RepresentationSettings, inputs: Tensor | None) -> str:
    """A hash of what a loss depends on besides networks and weights.

    Args:
        name: Name of the method.
        settings: Settings of the method.
        inputs: Samples on which behaviour is compared.
    """
    digest = hashlib.sha256(f"{name} {settings.model_dump_json(exclude={'device'})}".encode())
    if inputs is not None:
        digest.update(f"{inputs.dtype} {tuple(inputs.shape)}".encode())
        digest.update(inputs.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
