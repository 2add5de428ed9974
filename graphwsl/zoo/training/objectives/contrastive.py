"""Learning by contrast: two views of an image are alike, and unlike those of all other images.

The normalised temperature-scaled cross-entropy of Chen et al., "A Simple Framework for Contrastive
Learning of Visual Representations", 2020, with views that suit small images: turned, scaled,
shifted, of another contrast, and with a square erased.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from graphwsl.errors import ZooError
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.objectives.objective import Batch, Objective

TEMPERATURE = 0.1
"""Cosines are divided by it."""
PROJECTION = 32
"""Numbers that the head gives, whose cosines are compared."""
ANGLE, SCALE, SHIFT, CONTRAST = math.radians(20), 0.2, 0.15, 0.4
"""Of a view, at most: turn, change of size, shift in heights of the image, change of contrast."""
ERASED = 0.25
"""Side of the square that is erased, in heights of the image."""


class Contrastive(Objective):
    """Learns from images without their labels; the head of the networks is a projection."""

    outputs = PROJECTION
    passes = 2

    def require(self, data: DataSet) -> None:
        """See :class:`Objective`."""
        if len(data.sample_shape) != 3:
            raise ZooError(
                f"the objective 'contrastive' needs images, the samples are of shape "
                f"{data.sample_shape}"
            )

    def losses(self, batch: Batch) -> Float[Tensor, "models batch"]:
        """See :class:`Objective`."""
        both = torch.cat([views(batch.samples, batch.generators) for _ in range(2)], dim=1)
        return contrast(batch.outputs(both).transpose(1, 2))


def contrast(
    projections: Float[Tensor, "models views numbers"], temperature: float = TEMPERATURE
) -> Float[Tensor, "models batch"]:
    """How surely the other view of an image is told among all views, as a cross-entropy.

    Args:
        projections: First views of all images, then their second views.
        temperature: Divisor of the cosines.

    Returns:
        The mean of both views of each image.
    """
    models, count, _ = projections.shape
    unit = functional.normalize(projections, dim=2)
    itself = torch.eye(count, dtype=torch.bool)
    likeness = (unit @ unit.transpose(1, 2) / temperature).masked_fill(itself, -math.inf)
    other = torch.arange(count).roll(count // 2).expand(models, -1)
    losses = functional.cross_entropy(likeness.transpose(1, 2), other, reduction="none")
    return losses.unflatten(1, (2, count // 2)).mean(1)


def views(
    images: Float[Tensor, "models batch channels height width"],
    generators: Sequence[torch.Generator],
) -> Float[Tensor, "models batch channels height width"]:
    """A view of each image, drawn from the stream of its network.

    Args:
        images: Images of each network.
        generators: A stream of each network.
    """
    count, height, width = images.shape[1], *images.shape[3:]
    draws = [torch.rand(count, 7, generator=generator) for generator in generators]
    even = (2 * torch.stack(draws) - 1).flatten(0, 1)
    turn, scale, right, down, change, *corner = even.unbind(1)
    cosine = (ANGLE * turn).cos() / (1 + SCALE * scale)
    sine = (ANGLE * turn).sin() / (1 + SCALE * scale)
    # Coordinates of an image go from -1 to 1, two heights.
    rows = [cosine, -sine, 2 * SHIFT * right, sine, cosine, 2 * SHIFT * down]
    flat = images.flatten(0, 1)
    grid = functional.affine_grid(
        torch.stack(rows, dim=1).view(-1, 2, 3), list(flat.shape), align_corners=False
    )
    moved = functional.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    moved = moved * (1 + CONTRAST * change).view(-1, 1, 1, 1)
    gone = [
        ((torch.arange(size) + 0.5) / size * 2 - 1 - (1 - ERASED) * at[:, None]).abs() < ERASED
        for size, at in zip((height, width), corner, strict=True)
    ]
    erased = gone[0][:, None, :, None] & gone[1][:, None, None, :]
    return moved.masked_fill(erased, 0.0).view(images.shape)
