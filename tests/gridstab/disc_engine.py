"""An engine whose basin is a known shape, so that shares, counts and intervals have exact truth.

A trajectory returns if and only if (Δθ/π)² + (Δω/15)² < r²; in the unit square of perturbations
that is a disc of share π r² / 4. The other outcomes are functions of the perturbation as well.
"""

import numpy as np

from gridstab.dynamics.engine import (
    Availability,
    Perturbations,
    Reason,
    Status,
    StopRule,
    Trajectories,
)
from gridstab.dynamics.swing import SwingModel
from gridstab.grids.power_grid import PowerGrid


class DiscEngine:
    """Returns inside the disc of radius ``radius[node]``; undecided in a thin ring around it."""

    name = "disc"

    def __init__(self, radius: float | np.ndarray = 0.8, undecided_to: float = 0.0) -> None:
        self.radius = np.atleast_1d(radius)
        self.undecided_to = undecided_to
        self.batches: list[int] = []

    def availability(self) -> Availability:
        return Availability(True, "", "1.0")

    def run(
        self,
        model: SwingModel,
        perturbations: Perturbations,
        *,
        stop: StopRule,
        horizon: float = 500.0,
        threads: int = 1,
    ) -> Trajectories:
        self.batches.append(len(perturbations))
        squared = (perturbations.dtheta / np.pi) ** 2 + (perturbations.domega / 15) ** 2
        radius = self.radius[perturbations.node % len(self.radius)]
        status = np.where(squared < radius**2, Status.RETURNED, Status.LEFT)
        ring = (status == Status.LEFT) & (squared < self.undecided_to**2)
        status = np.where(ring, Status.UNDECIDED, status).astype(np.int8)
        reason = np.where(status == Status.RETURNED, Reason.CERTIFIED, Reason.SETTLED)
        return Trajectories(
            status=status,
            reason=np.where(ring, Reason.HORIZON, reason).astype(np.int8),
            stop_time=100 * np.sqrt(squared) + 0.1,
            max_frequency=np.abs(perturbations.domega) + np.abs(perturbations.dtheta),
        )

    def share(self, node: int = 0) -> float:
        """Exact share of the plane that returns (radius at most 1)."""
        return float(np.pi * self.radius[node % len(self.radius)] ** 2 / 4)


def ring_grid(nodes: int = 6) -> PowerGrid:
    """A ring of alternating generators and consumers."""
    line = np.arange(nodes)
    return PowerGrid.from_arrays(
        np.stack([line, (line + 1) % nodes], axis=1), np.where(line % 2, 1.0, -1.0), name="ring"
    )


def ring_model(nodes: int = 6) -> SwingModel:
    """The ring at a state that the disc engine does not look at."""
    return SwingModel.of(ring_grid(nodes), theta=np.zeros(nodes))
