"""Features on a common scale and within known bounds, from the training set alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gnncore.training import GraphStore
from gridstab.errors import DatasetError
from gridstab.features.feature_set import FeatureSet

Values = tuple[float, ...]


@dataclass(frozen=True)
class Normalisation:
    """(value − shift) / scale for every column of features, cut off at the bounds.

    Columns of nodes are shifted to mean 0 and scaled to variance 1 over all nodes of the training
    set. Columns that change their sign in the mirror (P, θ, ω) → (−P, −θ, −ω) are only scaled, to
    mean square 1, so that the mirror stays a change of sign; so are columns of lines, so that
    weights stay positive. Constant columns stay as they are. For the published features, P = ±1
    and a constant coupling, nothing changes at all.

    Bounds keep a network from what it has not seen: grids of another size or origin have features
    beyond the tails of the training set, where it would extrapolate.

    Attributes:
        node_shift: One entry a column of ``x``.
        node_scale: One entry a column of ``x``, positive.
        edge_shift: One entry a column of ``edge_attr``.
        edge_scale: One entry a column of ``edge_attr``, positive.
        node_low: Smallest normalised values; none without bounds.
        node_high: Largest normalised values.
        edge_low: The same for lines.
        edge_high: The same for lines.
    """

    node_shift: Values
    node_scale: Values
    edge_shift: Values
    edge_scale: Values
    node_low: Values = ()
    node_high: Values = ()
    edge_low: Values = ()
    edge_high: Values = ()

    @classmethod
    def of(cls, train: GraphStore, features: FeatureSet, clip: float = 0.0) -> "Normalisation":
        """The constants of a training set.

        Args:
            train: The training set.
            features: Its features.
            clip: Share of the values in either tail of a column that the bounds cut off; 0 sets
                no bounds. Columns that change sign in the mirror have symmetric bounds.

        Raises:
            DatasetError: The columns of the store are not those of the features.
        """
        x, edge_attr = train.tensors["x"], _edges(train)
        _check_columns(x, edge_attr, features.in_channels, features.edge_channels)
        node_shift, node_scale = _constants(x, [sign > 0 for sign in features.node_parity])
        edge_shift, edge_scale = _constants(edge_attr, [False] * features.edge_channels)
        constants = cls(node_shift, node_scale, edge_shift, edge_scale)
        if not clip:
            return constants
        scaled = constants(train)
        node_low, node_high = _bounds(scaled.tensors["x"], features.node_parity, clip)
        edge_low, edge_high = _bounds(_edges(scaled), features.edge_parity, clip)
        return replace(
            constants,
            node_low=node_low,
            node_high=node_high,
            edge_low=edge_low,
            edge_high=edge_high,
        )

    def widened(self, train: GraphStore, features: FeatureSet, clip: float) -> "Normalisation":
        """The same constants, with bounds that let the values of a further training set pass.

        Args:
            train: The further training set.
            features: Its features.
            clip: As for :meth:`of`, of this set.

        Raises:
            DatasetError: The columns of the store are not those of the features.
        """
        if not self.node_low:
            return self
        scaled = replace(self, node_low=(), node_high=(), edge_low=(), edge_high=())(train)
        node_low, node_high = _bounds(scaled.tensors["x"], features.node_parity, clip)
        edge_low, edge_high = _bounds(_edges(scaled), features.edge_parity, clip)
        return replace(
            self,
            node_low=tuple(map(min, self.node_low, node_low)),
            node_high=tuple(map(max, self.node_high, node_high)),
            edge_low=tuple(map(min, self.edge_low, edge_low)),
            edge_high=tuple(map(max, self.edge_high, edge_high)),
        )

    def __call__(self, store: GraphStore) -> GraphStore:
        """The store with normalised features; all else is shared.

        Raises:
            DatasetError: Other numbers of columns.
        """
        x, edge_attr = store.tensors["x"], _edges(store)
        _check_columns(x, edge_attr, len(self.node_shift), len(self.edge_shift))
        x = _apply(x, self.node_shift, self.node_scale)
        tensors = store.tensors | {"x": _clamped(x, self.node_low, self.node_high)}
        if "edge_attr" in tensors:
            edge_attr = _apply(edge_attr, self.edge_shift, self.edge_scale)
            tensors["edge_attr"] = _clamped(edge_attr, self.edge_low, self.edge_high)
        return replace(store, tensors=tensors)


def _edges(store: GraphStore) -> Float[Tensor, "edges edge_channels"]:
    return store.tensors.get("edge_attr", torch.zeros(0, 0))


def _check_columns(
    x: Float[Tensor, "nodes channels"],
    edge_attr: Float[Tensor, "edges edge_channels"],
    node_columns: int,
    edge_columns: int,
) -> None:
    found = x.shape[1], edge_attr.shape[1]
    if found != (node_columns, edge_columns):
        raise DatasetError(
            f"the data has {found[0]} features of nodes and {found[1]} of lines, expected "
            f"{node_columns} and {edge_columns}; load it with the features of the training"
        )


def _constants(values: Float[Tensor, "rows columns"], shifted: list[bool]) -> tuple[Values, Values]:
    shifts, scales = [], []
    for column, may_shift in zip(values.double().T, shifted, strict=True):
        constant = not len(column) or bool((column == column[0]).all())
        shift = float(column.mean()) if may_shift and not constant else 0.0
        shifts.append(shift)
        scales.append(1.0 if constant else float((column - shift).square().mean().sqrt()))
    return tuple(shifts), tuple(scales)


def _apply(
    values: Float[Tensor, "rows columns"], shift: Values, scale: Values
) -> Float[Tensor, "rows columns"]:
    return (values - values.new_tensor(shift)) / values.new_tensor(scale)


def _bounds(
    values: Float[Tensor, "rows columns"], parity: Sequence[int], clip: float
) -> tuple[Values, Values]:
    lows, highs = [], []
    for column, sign in zip(values.double().T.numpy(), parity, strict=True):
        if not len(column):
            low, high = -float("inf"), float("inf")
        elif sign < 0:  # the tails of both signs together
            high = float(np.quantile(np.abs(column), 1 - 2 * clip))
            low = -high
        else:
            low, high = map(float, np.quantile(column, [clip, 1 - clip]))
        lows.append(low)
        highs.append(high)
    return tuple(lows), tuple(highs)


def _clamped(
    values: Float[Tensor, "rows columns"], low: Values, high: Values
) -> Float[Tensor, "rows columns"]:
    if not low:
        return values
    return values.clamp(values.new_tensor(low), values.new_tensor(high))
