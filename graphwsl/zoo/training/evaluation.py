"""Loss and accuracy of a population on images that all its networks share, or each its own."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from graphwsl.zoo.training.batched_networks import BatchedNetworks

BATCH = 64


@torch.no_grad()
def evaluate(
    networks: BatchedNetworks,
    parameters: Sequence[Tensor],
    images: Float[Tensor, "samples channels height width"],
    labels: Int[Tensor, " samples"],
    subset: Int[Tensor, "models chosen"] | None = None,
) -> tuple[Float[Tensor, " models"], Float[Tensor, " models"]]:
    """Mean cross-entropy and share of right classes of every network.

    Args:
        networks: The architecture.
        parameters: Of all networks, as :meth:`BatchedNetworks.logits` takes them.
        images: Standardised images.
        labels: Their classes.
        subset: The images that each network is evaluated on; None is all of them for all.
    """
    models = len(parameters[0])
    samples = len(images) if subset is None else subset.shape[1]
    loss = torch.zeros(models, dtype=torch.float64)
    right = torch.zeros(models, dtype=torch.float64)
    for start in range(0, samples, BATCH):
        places = torch.arange(start, min(start + BATCH, samples))
        count = len(places)
        surplus = -count % networks.batch_multiple
        places = torch.cat([places, places[:1].expand(surplus)])
        if subset is None:
            x = networks.shared_images(images[places], models)
            y = labels[places].expand(models, -1)
        else:
            x = networks.images(images, subset[:, places])
            y = labels[subset[:, places]]
        logits = networks.logits(parameters, x)
        losses = functional.cross_entropy(logits, y, reduction="none")
        loss += losses[:, :count].sum(1, dtype=torch.float64)
        right += (logits.argmax(1) == y)[:, :count].sum(1)
    return loss / samples, right / samples
