"""Linear maps between the numbers of units and their latents, one for each kind of layer.

They begin as the principal components of the training networks, the best linear autoencoder, so
that transformers need to learn only what these leave: to rebuild a number as it is takes them
thousands of steps otherwise. Where it is known how steeply outputs depend on weights, components
are those of weights in that metric: directions that no input excites need no latents.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from graphwsl.populations.token_layout import TokenLayout

FLOOR = 1e-3
"""Least weight of a direction, relative to the mean, lest what no sample excites is lost."""

Kind = tuple[int, int]
"""A layer type, and how many numbers a unit has."""


class LayerMaps(nn.Module):
    """Encoders and decoders by kind of layer.

    Args:
        kinds: Kinds of layers that are learnt from.
        width: Numbers of the widest unit.
        latent_channels: Numbers of a latent.
    """

    def __init__(self, kinds: Sequence[Kind], width: int, latent_channels: int) -> None:
        super().__init__()
        self.kinds = list(kinds)
        self.mean = nn.Parameter(torch.zeros(len(kinds), width))
        self.into = nn.Parameter(torch.zeros(len(kinds), width, latent_channels))
        self.back = nn.Parameter(torch.zeros(len(kinds), latent_channels, width))
        self.is_begun = [False] * len(kinds)

    def number(self, kind: Kind) -> int:
        """The map of a kind; of the kind most like it where there is none."""

        def unlikeness(number: int) -> tuple[bool, int]:
            known_type, known_width = self.kinds[number]
            return known_type != kind[0], abs(known_width - kind[1])

        return min(range(len(self.kinds)), key=unlikeness)

    @torch.no_grad()
    def begin(
        self,
        number: int,
        values: Float[Tensor, "*units width"],
        slopes: Sequence[Float[Tensor, "*units width"]],
    ) -> None:
        """Set a map to the principal components of units, unless it was set before.

        Args:
            number: Number of the map.
            values: Numbers of units of many networks.
            slopes: Gradients of outputs by these values, of several random directions; none where
                every number counts alike.
        """
        if self.is_begun[number]:
            return
        self.is_begun[number] = True
        values = values.flatten(0, -2).double()
        mean = values.mean(0)
        root, inverse = _metric(slopes, values.shape[1])
        found = (values - mean) @ root
        components = torch.linalg.eigh(found.T @ found).eigenvectors.flip(1)
        components = components[:, : self.into.shape[2]]
        # The sign of a component is arbitrary; that of its largest entry tells it.
        largest = components.abs().argmax(0)
        components = components * components[largest, torch.arange(len(largest))].sign()
        self.mean[number] = mean.float()
        self.into[number, :, : components.shape[1]] = (root @ components).float()
        self.back[number, : components.shape[1]] = (components.T @ inverse).float()

    @property
    def common(self) -> Float[Tensor, "kinds latent_channels"]:
        """What the mean of each kind would be as a latent, were it not taken off."""
        return torch.einsum("kw,kwl->kl", self.mean, self.into)

    def encode(
        self, number: int, values: Float[Tensor, "*units width"]
    ) -> Float[Tensor, "*units latent_channels"]:
        """Latents of units of one kind."""
        return (values - self.mean[number]) @ self.into[number]

    def decode(
        self, number: int, latents: Float[Tensor, "*units latent_channels"]
    ) -> Float[Tensor, "*units width"]:
        """The numbers of units of one kind."""
        return latents @ self.back[number] + self.mean[number]


def _metric(
    slopes: Sequence[Float[Tensor, "*units width"]], width: int
) -> tuple[Float[Tensor, "width width"], Float[Tensor, "width width"]]:
    """The root of the mean product of slopes, and its inverse; identities without slopes."""
    if not slopes:
        return torch.eye(width).double(), torch.eye(width).double()
    flat = torch.cat([some.flatten(0, -2) for some in slopes]).double()
    products = flat.T @ flat
    products = products / products.diagonal().mean().clamp(min=1e-30)
    values, vectors = torch.linalg.eigh(products)
    values = values.clamp(min=0) + FLOOR
    return (vectors * values.sqrt()) @ vectors.T, (vectors * values.rsqrt()) @ vectors.T


def kinds_of(layout: TokenLayout) -> list[Kind]:
    """The kind of every token."""
    counts = layout.mask.sum(1).tolist()
    return [(int(kind), int(count)) for kind, count in zip(layout.layer_types, counts, strict=True)]


def numbers_of(maps: LayerMaps, layout: TokenLayout) -> Int[Tensor, " tokens"]:
    """The map of every token."""
    found = {kind: maps.number(kind) for kind in dict.fromkeys(kinds_of(layout))}
    return torch.tensor([found[kind] for kind in kinds_of(layout)])
