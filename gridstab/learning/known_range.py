"""What a model has seen: the range of every quantity in its training set, and who is beyond it.

A network answers for any input, and beyond its training set with nothing behind the answer:
trained where every damping is 0.1, it predicts 0.71 for a node whose basin stability at a damping
of 0.01 is 0.05. So a trained model keeps the ranges of its training set, and predictions say which
nodes are beyond them, and in what.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from jaxtyping import Bool, Float

from gridstab.features.feature_set import FeatureSet
from gridstab.grids.power_grid import PowerGrid

SIZE = "number of nodes"
"""The quantity that a grid has as a whole."""

FEATURE = "feature "

TOLERANCE = 1e-6
"""Share of a bound, or of 1 where the bound is smaller, by which a value may pass it."""

EXAMPLES = 3


def _lines_of(grid: PowerGrid) -> tuple[np.ndarray, np.ndarray]:
    return grid.lines.T.ravel(), np.tile(grid.coupling, 2)


def _largest_coupling(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    largest = np.full(grid.num_nodes, -inf)
    np.maximum.at(largest, *_lines_of(grid))
    return np.where(np.isinf(largest), 0.0, largest)


def _smallest_coupling(grid: PowerGrid) -> Float[np.ndarray, " nodes"]:
    smallest = np.full(grid.num_nodes, inf)
    np.minimum.at(smallest, *_lines_of(grid))
    return np.where(np.isinf(smallest), 0.0, smallest)


QUANTITIES: dict[str, Callable[[PowerGrid], Float[np.ndarray, " nodes"]]] = {
    "power": lambda grid: grid.power,
    # Between -1 and 1, of which many training grids have nothing else, there may be others.
    "absolute power": lambda grid: np.abs(grid.power),
    "inertia": lambda grid: grid.inertia,
    "damping": lambda grid: grid.damping,
    "largest coupling": _largest_coupling,
    "smallest coupling": _smallest_coupling,
    "number of lines": lambda grid: grid.degree.astype(np.float64),
    SIZE: lambda grid: np.full(grid.num_nodes, float(grid.num_nodes)),
}
"""What labels depend on, of every node, whether the model sees it or not."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Beyond:
    """Where grids are beyond a :class:`KnownRange`.

    Attributes:
        values: Values of every quantity, one a node of all grids.
        is_beyond: Whether that value is.
        known: The range of every quantity.
        labels: Names of the nodes.
    """

    values: dict[str, Float[np.ndarray, " nodes"]]
    is_beyond: dict[str, Bool[np.ndarray, " nodes"]]
    known: dict[str, Interval]
    labels: tuple[str, ...]

    @classmethod
    def of_any(cls, several: Sequence["Beyond"]) -> "Beyond":
        """Beyond what one of several models was trained on, for the same grids.

        Args:
            several: One a model, at least one.
        """
        merged = several[0]
        for other in several[1:]:
            masks, known = dict(merged.is_beyond), dict(merged.known)
            for name, mask in other.is_beyond.items():
                masks[name] = masks.get(name, False) | mask
                low, high = other.known[name]
                known[name] = (
                    max(low, known.get(name, (low, high))[0]),
                    min(high, known.get(name, (low, high))[1]),
                )
            merged = cls(merged.values | other.values, masks, known, merged.labels)
        return merged

    @classmethod
    def of_known(cls, several: Sequence["Beyond | None"]) -> "Beyond | None":
        """As :meth:`of_any`, of the models of which it is known; None where of none.

        Args:
            several: One a model.
        """
        known = [one for one in several if one is not None]
        return cls.of_any(known) if known else None

    def __bool__(self) -> bool:
        return any(bool(mask.any()) for mask in self.is_beyond.values())

    @property
    def nodes(self) -> Bool[np.ndarray, " nodes"]:
        """Which nodes are beyond it in anything but the size of their grid."""
        masks = [mask for name, mask in self.is_beyond.items() if name != SIZE]
        return np.logical_or.reduce(masks) if masks else np.zeros(len(self.labels), dtype=bool)

    def of(self, node: int) -> list[str]:
        """The quantities in which a node is beyond it, with its values and the ranges."""
        return [
            f"{name} {self.values[name][node]:.4g} ({_trained_on(self.known[name])})"
            for name, mask in self.is_beyond.items()
            if mask[node]
        ]

    @property
    def text(self) -> str:
        """All of it in one line, features together; empty where no node is beyond it."""
        if not self:
            return ""
        parts = []
        found = {name: mask for name, mask in self.is_beyond.items() if mask.any()}
        for name, mask in found.items():
            if name in QUANTITIES:
                low, high = self.values[name][mask].min(), self.values[name][mask].max()
                span = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
                where = "" if name == SIZE else _at(mask, self.labels)
                parts.append(f"{name} {span} ({_trained_on(self.known[name])}){where}")
        features = [name for name in found if name not in QUANTITIES]
        if features:
            mask = np.logical_or.reduce([found[name] for name in features])
            names = ", ".join(name.removeprefix(FEATURE) for name in features[:EXAMPLES])
            more = f" and {len(features) - EXAMPLES} more" if len(features) > EXAMPLES else ""
            parts.append(f"features {names}{more}{_at(mask, self.labels)}")
        return "beyond what the model was trained on: " + "; ".join(parts)


@dataclass(frozen=True)
class KnownRange:
    """Smallest and largest value of every quantity and feature of nodes in a training set.

    Attributes:
        intervals: Intervals by name: those of :data:`QUANTITIES`, and columns of features.
    """

    intervals: dict[str, Interval]

    @classmethod
    def of(
        cls,
        grids: Iterable[PowerGrid],
        features: FeatureSet,
        x: Float[np.ndarray, "nodes channels"],
    ) -> "KnownRange":
        """The ranges of a training set.

        Args:
            grids: Its grids, at least one.
            features: What the model sees.
            x: Their features, as they are before normalisation.
        """
        rows: dict[str, list[np.ndarray]] = {name: [] for name in QUANTITIES}
        for grid in grids:
            for name, quantity in QUANTITIES.items():
                rows[name].append(quantity(grid))
        values = {name: np.concatenate(parts) for name, parts in rows.items()}
        values |= _columns(features, x)
        return cls({name: (float(v.min()), float(v.max())) for name, v in values.items()})

    @classmethod
    def from_dict(cls, values: Mapping[str, Mapping[str, float]]) -> "KnownRange":
        """The range of which :meth:`to_dict` gave this.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: It did not give this.
        """
        intervals = {
            str(name): (float(one["low"]), float(one["high"])) for name, one in values.items()
        }
        if any(not low <= high for low, high in intervals.values()):
            raise ValueError("an interval is empty")
        return cls(intervals)

    def joined(self, other: "KnownRange") -> "KnownRange":
        """What one of two training sets holds, of what is known of both.

        Args:
            other: The range of the other one.
        """
        both = self.intervals.keys() & other.intervals.keys()
        return KnownRange(
            {
                name: (min(low, other.intervals[name][0]), max(high, other.intervals[name][1]))
                for name, (low, high) in self.intervals.items()
                if name in both
            }
        )

    def to_dict(self) -> dict[str, dict[str, float]]:
        """The range as plain JSON values."""
        return {name: {"low": low, "high": high} for name, (low, high) in self.intervals.items()}

    def beyond(
        self,
        grids: Iterable[PowerGrid],
        features: FeatureSet,
        x: Float[np.ndarray, "nodes channels"],
    ) -> Beyond:
        """Where grids are beyond it.

        Args:
            grids: The grids.
            features: What the model sees.
            x: Their features, as they are before normalisation.
        """
        several = list(grids)
        values = {
            name: np.concatenate([quantity(grid) for grid in several])
            for name, quantity in QUANTITIES.items()
        }
        values |= _columns(features, x)
        known = {name: values[name] for name in values if name in self.intervals}
        is_beyond = {name: _is_beyond(v, self.intervals[name]) for name, v in known.items()}
        if "power" in is_beyond and "absolute power" in is_beyond:
            is_beyond["absolute power"] &= ~is_beyond["power"]  # which says it already
        return Beyond(
            known,
            is_beyond,
            self.intervals,
            tuple(label for grid in several for label in grid.labels),
        )


def _columns(
    features: FeatureSet, x: Float[np.ndarray, "nodes channels"]
) -> dict[str, Float[np.ndarray, " nodes"]]:
    return {
        FEATURE + name: np.asarray(column, dtype=np.float64)
        for name, column in zip(features.node_columns, np.asarray(x).T, strict=True)
        if name not in QUANTITIES
    }


def _is_beyond(
    values: Float[np.ndarray, " nodes"], interval: Interval
) -> Bool[np.ndarray, " nodes"]:
    low, high = interval
    below = values < low - TOLERANCE * max(1.0, abs(low))
    return below | (values > high + TOLERANCE * max(1.0, abs(high)))


def _at(mask: Bool[np.ndarray, " nodes"], labels: Sequence[str]) -> str:
    if mask.all():
        return " at every node"
    some = [labels[node] for node in np.flatnonzero(mask)[:EXAMPLES]]
    more = int(mask.sum()) - len(some)
    return f" at node {', '.join(some)}" + (f" and {more} more" if more else "")


def _trained_on(interval: Interval) -> str:
    low, high = interval
    return f"trained on {low:.4g}" if low == high else f"trained on {low:.4g} to {high:.4g}"
