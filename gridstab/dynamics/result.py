"""Stability of every node of a grid: counts, ratios and their intervals."""

from dataclasses import dataclass, field
from math import isnan
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from gridstab.arguments import at_least, positive
from gridstab.dynamics.counts import FREQUENCY_BIN as FREQUENCY_BIN
from gridstab.dynamics.counts import FREQUENCY_BINS as FREQUENCY_BINS
from gridstab.dynamics.counts import NodeCounts
from gridstab.dynamics.intervals import stability_interval
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid

SURVIVABILITY_BOUND = 15.0
"""Published bound on |ω| for survivability and troublemakers [rad/s]."""


@dataclass(frozen=True, eq=False)
class StabilityResult:
    """What :func:`gridstab.simulate` returns; every array has one row a node.

    Counts are stored, ratios are computed from them, so every label carries its interval.

    Attributes:
        grid: The grid.
        n_samples: Trajectories simulated.
        n_stable: Trajectories that returned.
        n_undecided: Trajectories that are neither (see ``gridstab.dynamics.engine.Status``).
        max_frequency_counts: Histogram of each trajectory's largest |ω| over all nodes and times,
            shape ``(nodes, FREQUENCY_BINS + 1)``; the last bin is open.
        max_frequency_deviation: Largest |ω| seen in any trajectory of the node [rad/s].
        return_time_sum: Sum of the stopping times of the returned trajectories, each rounded to
            2⁻¹⁰ s so that the sum is exact and the same in any order [s].
        reason_counts: Trajectories by stopping reason (``Reason``), shape ``(nodes, 5)``.
        scramble_stable: Returned trajectories by independent scramble of the Sobol sampler, shape
            ``(nodes, scrambles)``; shape ``(nodes, 0)`` for plain Monte Carlo.
        settings: The resolved settings of the simulation (engine, stop rule, seed, ...).
    """

    grid: PowerGrid
    n_samples: Int[np.ndarray, " nodes"]
    n_stable: Int[np.ndarray, " nodes"]
    n_undecided: Int[np.ndarray, " nodes"]
    max_frequency_counts: Int[np.ndarray, "nodes bins"]
    max_frequency_deviation: Float[np.ndarray, " nodes"]
    return_time_sum: Float[np.ndarray, " nodes"]
    reason_counts: Int[np.ndarray, "nodes 5"]
    scramble_stable: Int[np.ndarray, "nodes scrambles"]
    settings: dict[str, object] = field(default_factory=dict)

    @classmethod
    def of(
        cls, grid: PowerGrid, counts: NodeCounts, settings: dict[str, object] | None = None
    ) -> "StabilityResult":
        """The result of counts for every node of ``grid``, in order."""
        return cls(grid=grid, **vars(counts), settings=settings or {})

    @property
    def n_unstable(self) -> Int[np.ndarray, " nodes"]:
        """Trajectories that did not return."""
        return self.n_samples - self.n_stable - self.n_undecided

    @property
    def snbs(self) -> Float[np.ndarray, " nodes"]:
        """Single-node basin stability: the share of trajectories that returned."""
        return self.n_stable / self.n_samples

    @property
    def interval(self) -> Float[np.ndarray, "nodes 2"]:
        """95 % interval of :attr:`snbs`: Wilson's, or from the independent scrambles."""
        return stability_interval(self.n_stable, self.n_samples, self.scramble_stable)

    @property
    def short_of_precision(self) -> Bool[np.ndarray, " nodes"]:
        """Nodes whose interval is wider than the ``precision`` that was asked for.

        They took all ``samples`` and would have needed more; none where no precision was asked for.
        """
        asked = self.settings.get("precision")
        if not isinstance(asked, int | float):
            return np.zeros(len(self.n_samples), bool)
        return np.diff(self.interval, axis=1).ravel() / 2 > asked

    @property
    def survivability(self) -> Float[np.ndarray, " nodes"]:
        """Share of trajectories whose frequencies stay below 15 rad/s (the published bound)."""
        return self.survivability_within(SURVIVABILITY_BOUND)

    def survivability_within(self, bound: float) -> Float[np.ndarray, " nodes"]:
        """Share of trajectories in which every |ω_i| stays below ``bound`` [rad/s].

        Exact at multiples of 0.1 rad/s; in between, linear within the bin.

        Raises:
            InvalidParameterError: The bound is outside 0 to 60 rad/s.
        """
        top = FREQUENCY_BIN * FREQUENCY_BINS
        positive("bound", bound)
        if bound > top:
            raise InvalidParameterError(f"bound must be above 0 and at most {top:g}, got {bound}")
        below = np.concatenate(
            [np.zeros((len(self.n_samples), 1)), self.max_frequency_counts.cumsum(axis=1)], axis=1
        )
        position = round(bound / FREQUENCY_BIN, 9)
        low = int(position)
        share = below[:, low] + (position - low) * self.max_frequency_counts[:, low]
        return share / self.n_samples

    @property
    def mean_return_time(self) -> Float[np.ndarray, " nodes"]:
        """Mean stopping time of the returned trajectories [s]; NaN where none returned.

        Under the ``published`` rule this is when all frequencies first fell below 0.1 rad/s,
        under ``certified`` and ``fast`` when the return became certain.
        """
        with np.errstate(invalid="ignore"):
            return np.where(self.n_stable > 0, self.return_time_sum / self.n_stable, np.nan)

    @property
    def troublemaker(self) -> Bool[np.ndarray, " nodes"]:
        """Nodes at which some perturbation drives a frequency beyond 15 rad/s."""
        return self.max_frequency_deviation > SURVIVABILITY_BOUND

    def weakest(self, count: int = 5) -> Int[np.ndarray, " weakest"]:
        """Nodes of lowest :attr:`snbs`, the weakest first.

        Raises:
            InvalidParameterError: ``count`` is negative, or no integer.
        """
        at_least("count", count, 0)
        return np.argsort(self.snbs, kind="stable")[:count]

    def weakest_labels(self, count: int = 5) -> list[str]:
        """What the nodes of :meth:`weakest` are called.

        Raises:
            InvalidParameterError: ``count`` is negative.
        """
        return [self.grid.labels[node] for node in self.weakest(count).tolist()]

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns by name, one entry a node, ready for JSON or ``pandas.DataFrame``.

        ``node`` is the number of the node, ``name`` its label.
        """
        low, high = self.interval.T
        times = self.mean_return_time.tolist()
        return {
            "node": list(range(len(self.n_samples))),
            "name": list(self.grid.labels),
            "samples": self.n_samples.tolist(),
            "stable": self.n_stable.tolist(),
            "undecided": self.n_undecided.tolist(),
            "snbs": self.snbs.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "survivability": self.survivability.tolist(),
            "max_frequency_deviation": self.max_frequency_deviation.tolist(),
            "mean_return_time": [None if isnan(time) else time for time in times],
            "troublemaker": self.troublemaker.tolist(),
        }

    def table(self) -> list[dict[str, Any]]:
        """The rows of :meth:`to_dict`, one a node."""
        columns = self.to_dict()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def __repr__(self) -> str:
        half = float(np.diff(self.interval, axis=1).mean()) / 2
        short = int(self.short_of_precision.sum())
        missed = f", precision not reached at {short} nodes" if short else ""
        return (
            f"StabilityResult({self.grid.name!r}, nodes={self.grid.num_nodes}, "
            f"samples={int(self.n_samples.sum())}, "
            f"mean SNBS {self.snbs.mean():.4f}, "
            f"95 % interval of a node ±{half:.4f} on average{missed})"
        )
