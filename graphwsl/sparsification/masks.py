"""Which weights go: those of least magnitude, or of most noise, of every network by itself.

Masks are of weight matrices and kernels; biases, norms and embeddings stay, as is usual.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from graphwsl.errors import ZooError

Weights = Mapping[str, Float[Tensor, "models *shape"]]
"""A number an entry of parameters, by their names."""

PRUNED = (
    nn.Linear,
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
"""Layers whose weights are pruned."""


def prunable(module: nn.Module) -> list[str]:
    """Names of the weights that are pruned, tied ones once.

    Raises:
        ZooError: The network has none.
    """
    first = {id(tensor): name for name, tensor in reversed(list(module.named_parameters()))}
    names = [first[id(part.weight)] for part in module.modules() if isinstance(part, PRUNED)]
    if not names:
        raise ZooError(
            f"{type(module).__name__} has no linear layer or convolution whose weights could be "
            "pruned"
        )
    return list(dict.fromkeys(names))


def highest(scores: Weights, sparsity: Float[Tensor, " models"]) -> dict[str, Bool[Tensor, "..."]]:
    """The entries of highest score of every network, whichever layer they are in.

    Exactly ``round(sparsity * entries)`` go; of equal scores, the later ones.

    Args:
        scores: A number an entry, by name. Shapes ``(models, ...)``.
        sparsity: Share of the entries that go, of each network.

    >>> masks = highest({"a": torch.tensor([[3.0, 1.0], [1.0, 2.0]])}, torch.tensor([0.5, 0.5]))
    >>> masks["a"].tolist()
    [[True, False], [False, True]]
    """
    flat = torch.cat([values.flatten(1) for values in scores.values()], dim=1)
    entries = flat.shape[1]
    order = flat.argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(entries).expand_as(order))
    stay = entries - (sparsity.double() * entries).round().long()
    kept = rank < stay[:, None]
    parts = kept.split([values[0].numel() for values in scores.values()], dim=1)
    return {
        name: part.reshape(values.shape)
        for (name, values), part in zip(scores.items(), parts, strict=True)
    }


def magnitude(weights: Weights, names: list[str]) -> dict[str, Float[Tensor, "..."]]:
    """The score of magnitude pruning: the absolute value."""
    return {name: weights[name].abs() for name in names}
