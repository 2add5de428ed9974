"""Counts of outcomes for a block of nodes, in sums that do not depend on how work was split."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int

from gridstab.dynamics.engine import Reason, Status, Trajectories

FREQUENCY_BIN = 0.1
FREQUENCY_BINS = 600
"""Largest frequency deviations are counted in bins of 0.1 rad/s up to 60, and one above."""

# Tenths as the nearest doubles, so that a value of exactly 15.0 falls in the bin that starts there.
_BIN_STARTS = np.arange(FREQUENCY_BINS + 1) / 10

TICK = 1 / 1024
"""Stopping times are summed in multiples of 2⁻¹⁰ s: such sums of doubles are exact up to 10¹² s,
and therefore the same in any order."""


@dataclass(frozen=True, eq=False)
class NodeCounts:
    """What became of the trajectories of a block of nodes; the fields of ``StabilityResult``.

    Every field is a count, a maximum or an exact sum, so counts of parts of the work combine to
    bitwise the counts of the whole, however it was split.

    Attributes:
        n_samples: Trajectories simulated.
        n_stable: Trajectories that returned.
        n_undecided: Trajectories that are neither stable nor unstable.
        max_frequency_counts: Histogram of each trajectory's largest |ω|.
        max_frequency_deviation: Largest |ω| of all trajectories [rad/s].
        return_time_sum: Sum of the stopping times of the returned trajectories, each rounded to
            2⁻¹⁰ s [s].
        reason_counts: Trajectories by stopping reason.
        scramble_stable: Returned trajectories by scramble; no columns for plain Monte Carlo.
    """

    n_samples: Int[np.ndarray, " nodes"]
    n_stable: Int[np.ndarray, " nodes"]
    n_undecided: Int[np.ndarray, " nodes"]
    max_frequency_counts: Int[np.ndarray, "nodes bins"]
    max_frequency_deviation: Float[np.ndarray, " nodes"]
    return_time_sum: Float[np.ndarray, " nodes"]
    reason_counts: Int[np.ndarray, "nodes 5"]
    scramble_stable: Int[np.ndarray, "nodes scrambles"]

    @classmethod
    def zeros(cls, nodes: int, scrambles: int = 0) -> "NodeCounts":
        """The counts of no trajectories."""
        return cls(
            n_samples=np.zeros(nodes, np.int64),
            n_stable=np.zeros(nodes, np.int64),
            n_undecided=np.zeros(nodes, np.int64),
            max_frequency_counts=np.zeros((nodes, FREQUENCY_BINS + 1), np.int64),
            max_frequency_deviation=np.zeros(nodes),
            return_time_sum=np.zeros(nodes),
            reason_counts=np.zeros((nodes, len(Reason)), np.int64),
            scramble_stable=np.zeros((nodes, scrambles), np.int64),
        )

    @classmethod
    def concatenate(cls, blocks: Sequence["NodeCounts"]) -> "NodeCounts":
        """The counts of several blocks of nodes, one after the other."""
        return cls(
            *(
                np.concatenate([getattr(block, field.name) for block in blocks])
                for field in fields(cls)
            )
        )

    def merge(self, other: "NodeCounts") -> "NodeCounts":
        """The counts of both, taken from different samples of the same nodes."""
        values = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
        }
        values["max_frequency_deviation"] = np.maximum(
            self.max_frequency_deviation, other.max_frequency_deviation
        )
        return NodeCounts(**values)

    def add(
        self,
        row: Int[np.ndarray, " trajectories"],
        sample: Int[np.ndarray, " trajectories"],
        trajectories: Trajectories,
    ) -> None:
        """Count trajectories in place.

        Args:
            row: Row of the trajectory's node in this block.
            sample: Number of the trajectory in its node's stream.
            trajectories: The outcomes.
        """
        nodes, scrambles = self.scramble_stable.shape
        returned = trajectories.status == Status.RETURNED
        # A state that is no longer finite has left every bound.
        largest = np.where(np.isnan(trajectories.max_frequency), np.inf, trajectories.max_frequency)
        bins = np.searchsorted(_BIN_STARTS, largest, side="right") - 1
        ticks = np.rint(trajectories.stop_time[returned] / TICK)

        self.n_samples[:] += np.bincount(row, minlength=nodes)
        self.n_stable[:] += np.bincount(row[returned], minlength=nodes)
        self.n_undecided[:] += np.bincount(
            row[trajectories.status == Status.UNDECIDED], minlength=nodes
        )
        np.add.at(self.max_frequency_counts, (row, bins), 1)
        np.maximum.at(self.max_frequency_deviation, row, largest)
        self.return_time_sum[:] += TICK * np.bincount(row[returned], ticks, minlength=nodes)
        np.add.at(self.reason_counts, (row, trajectories.reason), 1)
        if scrambles:
            np.add.at(self.scramble_stable, (row[returned], sample[returned] % scrambles), 1)
