"""The mirror symmetry of the swing equation as augmentation.

If (θ, ω) solves m dω/dt = P − D ω + Σ K sin(Δθ), then (−θ, −ω) solves it with −P. The published
perturbations are symmetric as well, so a grid and its mirror image have the same labels. Those that
are stability landscapes are turned by half a turn.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor
from torch_geometric.data import Data

from gridstab.features.feature_set import FeatureSet
from gridstab.learning.data import GridDataset


def flip_signs(data: Data, generator: torch.Generator, *, features: FeatureSet) -> Data:
    """Mirror each graph of a batch with probability one half.

    With the features of the data set bound, it is what :func:`gnncore.training.fit` takes:
    ``fit(..., augment=functools.partial(flip_signs, features=dataset.features))``.

    Args:
        data: A graph or a batch.
        generator: Decides; on the CPU.
        features: What the columns of ``x`` and ``edge_attr`` are.

    Returns:
        A copy with new ``x`` and ``edge_attr``, and turned landscapes; all else is shared.
    """
    batch = data.batch
    if batch is None:
        batch = torch.zeros(len(data.x), dtype=torch.int64, device=data.x.device)
    graphs = int(getattr(data, "num_graphs", 1))
    flipped = (torch.rand(graphs, generator=generator) < 0.5).to(data.x.device)
    result = copy.copy(data)
    result.x = _mirror(data.x, features.node_parity, flipped[batch])
    y = data.get("y")
    if y is not None and y.ndim > 1:
        result.y = torch.where(flipped[batch][:, None], mirrored_images(y), y)
    if data.edge_attr is not None:
        of_edge = flipped[batch[data.edge_index[0]]]
        result.edge_attr = _mirror(data.edge_attr, features.edge_parity, of_edge)
    return result


def mirrored(dataset: GridDataset) -> GridDataset:
    """The mirror images of all grids, with the same labels, or turned landscapes.

    Their features are those that would be computed from the grids with −P.
    """
    tensors = dataset.grids.tensors
    turned = {"power": -tensors["power"]}
    if "landscape" in tensors:
        turned["landscape"] = tensors["landscape"].flip(1, 2)
    grids = replace(dataset.grids, tensors={**tensors, **turned})
    edge_attr = dataset.store.tensors.get("edge_attr", torch.zeros(0, 0))
    every_node, every_edge = (
        torch.ones(len(values), dtype=torch.bool)
        for values in (dataset.store.tensors["x"], edge_attr)
    )
    return GridDataset(
        grids,
        _mirror(dataset.store.tensors["x"], dataset.features.node_parity, every_node),
        _mirror(edge_attr, dataset.features.edge_parity, every_edge),
        name=dataset.name,
        features=dataset.features,
        target=dataset.target,
        splits=dataset.splits,
    )


def mirrored_images(images: Tensor) -> Tensor:
    """Stability landscapes of the mirror images of grids: pixels row by row, in reversed order."""
    return images.flip(-1)


def _mirror(values: Tensor, parity: tuple[int, ...], flipped: Tensor) -> Tensor:
    odd = torch.tensor(parity, device=values.device) < 0
    return torch.where(flipped[:, None] & odd, -values, values)
