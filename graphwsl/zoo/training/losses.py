"""What networks learn by: cross-entropy of classes, or the squared error of numbers."""

from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional


def losses_of(
    outputs: Float[Tensor, "models outputs batch *positions"],
    labels: Shaped[Tensor, "models batch *label"],
) -> Float[Tensor, "models batch"]:
    """The loss of every sample: mean cross-entropy of its classes, or mean squared error.

    Args:
        outputs: Outputs of the networks.
        labels: Classes, whole numbers, of shape ``(models, batch, *positions)``; or numbers of
            shape ``(models, batch, outputs)``.
    """
    if labels.is_floating_point():
        return (outputs.movedim(1, -1) - labels).square().mean(-1)
    losses = functional.cross_entropy(outputs, labels, reduction="none")
    return losses.flatten(2).mean(2) if losses.ndim > 2 else losses


def share_right(
    logits: Float[Tensor, "models classes batch *positions"],
    labels: Shaped[Tensor, "models batch *positions"],
) -> Shaped[Tensor, "models batch"]:
    """The share of a sample's classes that have the largest logit: 0 or 1 where it has one."""
    right = logits.argmax(1) == labels
    return right.flatten(2).double().mean(2) if right.ndim > 2 else right
