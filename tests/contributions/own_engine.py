"""An engine: a grid returns from slow perturbations, and from no others."""

import numpy as np

from gridstab.dynamics.engine import Availability, Reason, Status, Trajectories
from gridstab.dynamics.engines import ENGINES


@ENGINES.register("own_threshold")
class ThresholdEngine:
    name = "own_threshold"

    def availability(self) -> Availability:
        return Availability(usable=True, why="", version="1.0")

    def run(self, model, perturbations, *, stop, horizon=500.0, threads=1) -> Trajectories:
        outcome = Trajectories.empty(len(perturbations))
        is_slow = np.abs(perturbations.domega) < 5.0
        outcome.status[:] = np.where(is_slow, Status.RETURNED, Status.LEFT)
        outcome.reason[:] = Reason.SETTLED
        outcome.stop_time[:] = horizon
        outcome.max_frequency[:] = np.abs(perturbations.domega)
        return outcome
