"""A stop rule's energies and times on one grid; every engine reads these."""

import math
from dataclasses import dataclass

from gridstab.dynamics.engine import RETURN_FREQUENCY, StopRule
from gridstab.dynamics.swing import SwingModel


@dataclass(frozen=True)
class Thresholds:
    """What :func:`thresholds` gives.

    Attributes:
        trapping_energy: A state in the basin box with less than this energy stays in it.
        quiet_energy: With less than this, no |ω_i| exceeds the return frequency any more.
        time_to_settle: A trapped state ends a trajectory while at least this is left to the
            horizon [s]; infinite without damping, which leaves trapped states swinging.
    """

    trapping_energy: float
    quiet_energy: float
    time_to_settle: float


def thresholds(rule: StopRule, model: SwingModel) -> Thresholds:
    """The rule's energies and times on this grid."""
    grid = model.grid
    trapping_energy = rule.margin * model.lowest_barrier
    # ½ m ω² is at most the energy; 2 % cover rounding.
    quiet_energy = 0.98 * 0.5 * float(grid.inertia.min()) * RETURN_FREQUENCY**2
    slowest_decay = float((grid.damping / grid.inertia).min())
    return Thresholds(
        trapping_energy,
        # A state can be slow and yet cross a barrier that is lower still.
        min(quiet_energy, trapping_energy),
        rule.settling / slowest_decay if slowest_decay > 0 else math.inf,
    )
