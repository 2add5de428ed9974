"""A stop rule's energies and times on one grid; every engine reads these."""

import math
from dataclasses import dataclass

from gridstab.dynamics.engine import RETURN_FREQUENCY, StopRule
from gridstab.dynamics.swing import SwingModel

PUBLISHED_TIME_CONSTANT = 10.0
"""m/D of the published data [s], for which the stop rules' windows are made."""

SPARE = 1.25
"""By how much longer than their slowest mode alone trapped swings may take to die out."""


@dataclass(frozen=True)
class Thresholds:
    """What :func:`thresholds` gives.

    Attributes:
        trapping_energy: A state in the basin box with less than this energy stays in it.
        quiet_energy: With less than this, no |ω_i| exceeds the return frequency any more.
        time_to_settle: A trapped state ends a trajectory while at least this is left to the
            horizon [s]; infinite without damping, which leaves trapped states swinging.
        settled_window: Length of the windows that are compared [s]; infinite without damping.
    """

    trapping_energy: float
    quiet_energy: float
    time_to_settle: float
    settled_window: float


def thresholds(rule: StopRule, model: SwingModel) -> Thresholds:
    """The rule's energies and times on this grid."""
    grid = model.grid
    trapping_energy = rule.margin * model.lowest_barrier
    # ½ m ω² is at most the energy; 2 % cover rounding.
    quiet_energy = 0.98 * 0.5 * float(grid.inertia.min()) * RETURN_FREQUENCY**2
    # Swings decay at half of D/m.
    rate = 2 * model.slowest_decay
    time_to_settle, settled_window = math.inf, math.inf
    if rate > 0:
        # Light nodes on strong lines swing a thousand times faster than what counts as returned.
        foldings = SPARE * math.log(max(trapping_energy / quiet_energy, 1.0))
        time_to_settle = max(rule.settling, foldings) / rate
        settled_window = rule.settled_window
        stretch = 1 / (rate * PUBLISHED_TIME_CONSTANT)
        if stretch > 1:
            # In whole late blocks of the fixed-step engines, so that all compare the same windows.
            block = 2 * rule.check_interval
            settled_window = block * math.ceil(stretch * settled_window / block - 1e-9)
    return Thresholds(
        trapping_energy,
        # A state can be slow and yet cross a barrier that is lower still.
        min(quiet_energy, trapping_energy),
        time_to_settle,
        settled_window,
    )
