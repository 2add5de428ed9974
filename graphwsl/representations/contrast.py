"""Contrastive losses: two views of a network belong together."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def nt_xent(
    first: Float[Tensor, "networks channels"],
    second: Float[Tensor, "networks channels"],
    temperature: float,
) -> Float[Tensor, " networks"]:
    """Normalised temperature-scaled cross entropy (Chen et al., SimCLR, 2020), a network.

    Args:
        first: Projections of one view of each network.
        second: Projections of another.
        temperature: Smaller ones repel near networks more.
    """
    if len(first) < 2:  # there is nobody to be told apart from
        return first.sum(1) * 0.0
    both = functional.normalize(torch.cat([first, second]), dim=1)
    likeness = both @ both.T / temperature
    likeness = likeness.masked_fill(
        torch.eye(len(both), dtype=torch.bool, device=both.device), -9e9
    )
    partner = torch.arange(len(both), device=both.device).roll(len(first))
    losses = functional.cross_entropy(likeness, partner, reduction="none")
    return losses.view(2, -1).mean(0)


def positive(
    first: Float[Tensor, "networks channels"], second: Float[Tensor, "networks channels"]
) -> Float[Tensor, " networks"]:
    """One less the cosine of the two views: pairs attract, nothing repels."""
    return 1 - functional.cosine_similarity(first, second, dim=1)
