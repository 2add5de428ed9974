"""Loss and accuracy of a population on samples that all its networks share, or each its own."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from graphwsl.zoo.training.batched_networks import BatchedNetworks
from graphwsl.zoo.training.losses import losses_of, share_right

BATCH = 64


@torch.no_grad()
def evaluate(
    networks: BatchedNetworks,
    parameters: Sequence[Tensor],
    images: Shaped[Tensor, "samples *sample"],
    labels: Shaped[Tensor, "*labels"],
    subset: Int[Tensor, "models chosen"] | None = None,
    *,
    buffers: Sequence[Tensor] = (),
    own_labels: bool = False,
) -> tuple[Float[Tensor, " models"], Float[Tensor, " models"] | None]:
    """Mean loss and share of right classes of every network.

    Args:
        networks: What computes the outputs of the networks.
        parameters: Parameters of all networks, as :meth:`BatchedNetworks.logits` takes them.
        images: Standardised images, or other samples.
        labels: Their classes, or numbers to approximate. Shape ``(samples, ...)``.
        subset: The samples that each network is evaluated on; None is all of them for all.
        buffers: Buffers of all networks, as :meth:`BatchedNetworks.logits` takes them.
        own_labels: Whether every network has its own labels, of shape ``(models, samples, ...)``.

    Returns:
        The mean cross-entropy and the share of right classes; for numbers the mean squared error
        and None.
    """
    models = len(parameters[0])
    samples = len(images) if subset is None else subset.shape[1]
    labels = labels if own_labels else labels.expand(models, *labels.shape)
    rows = torch.arange(models)[:, None]
    classes = not labels.is_floating_point()
    loss = torch.zeros(models, dtype=torch.float64)
    right = torch.zeros(models, dtype=torch.float64)
    for start in range(0, samples, BATCH):
        indices = torch.arange(start, min(start + BATCH, samples))
        count = len(indices)
        surplus = -count % networks.batch_multiple
        indices = torch.cat([indices, indices[:1].expand(surplus)])
        if subset is None:
            x = networks.shared_images(images[indices], models)
            y = labels[:, indices]
        else:
            x = networks.images(images, subset[:, indices])
            y = labels[rows, subset[:, indices]]
        logits = networks.logits(parameters, x, buffers=buffers)
        loss += losses_of(logits, y)[:, :count].sum(1, dtype=torch.float64)
        if classes:
            right += share_right(logits, y)[:, :count].sum(1)
    return loss / samples, right / samples if classes else None
