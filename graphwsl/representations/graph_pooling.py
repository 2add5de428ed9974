"""One vector of a whole network for the graph autoencoder: its layers, each by what they hold.

The mean of latents tells little of a network: latents are nearly linear in its weights, so that
those of a layer add up to about nothing. What tells networks apart is how large weights and latents
are, layer by layer: statistics of the weights, among them the logarithm of their variance, and the
logarithm of the mean square of the latents that matter most. No order of units counts in any.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.populations.layer_statistics import PER_SET, layer_statistics
from graphwsl.populations.population import Architecture

STRONGEST = 8
"""Latents of a unit whose size counts; they come in the order of what they explain."""

LEAST_VARIANCE = 1e-6
LEAST_SQUARE = 1e-4


def pooled(
    architecture: Architecture,
    rows: Float[Tensor, "networks entries"],
    latents: Float[Tensor, "networks tokens latent_channels"],
    layer_of: Int[Tensor, " tokens"],
    layers: int,
) -> Float[Tensor, "networks features"]:
    """The vectors of networks of one architecture, as long for one of any depth.

    Args:
        architecture: What the networks have in common.
        rows: Their flattened states.
        latents: Latents of their units.
        layer_of: The layer of each unit, in ascending order of depth.
        layers: Layers of the deepest network that was learnt from; so many are told, and of a
            network that has fewer or more those as far from its beginning and its end.
    """
    known = torch.from_numpy(layer_statistics(architecture, rows.double().numpy()))
    variances = (known[..., [1, PER_SET + 1]].clamp(min=0) + LEAST_VARIANCE).log()
    statistics = torch.cat([known, variances], dim=2).nan_to_num(0.0).float()
    squares = latents[..., :STRONGEST].square()
    energies = torch.stack(
        [squares[:, layer_of == layer].mean(1) for layer in layer_of.unique()], dim=1
    )
    parts = [_resampled(part, layers) for part in (statistics, (energies + LEAST_SQUARE).log())]
    return torch.cat(parts, dim=2).flatten(1)


def _resampled(
    found: Float[Tensor, "networks all features"], layers: int
) -> Float[Tensor, "networks some features"]:
    """So many layers, evenly from all; the first is the first, and the last of several the last."""
    chosen = torch.linspace(0, found.shape[1] - 1, layers).round().long()
    return found[:, chosen]
