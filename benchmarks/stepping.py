"""Speed of the bare stepping kernel, and the share of the processor's peak that it reaches."""

from dataclasses import dataclass

from benchmarks.fma_peak import fma_peak
from benchmarks.timing import Spread, repeat_for
from gridstab.dynamics.native import sincos
from gridstab.dynamics.native.fixed_step import Precision, bare_steps
from gridstab.dynamics.swing import SwingModel

FORMULA = "nodes · (18 + sincos) + 4 Σ degree"
"""FLOP of one step of one trajectory on a homogeneous grid, fused operations counted as two.

A node takes 2 · 2 · degree additions for the two passes' sums over its neighbours and 2 · 4 for the
forces made of them; 5 for the displaced sine and cosine; 2 for the kick, 3 for the drift; and one
sine with its cosine. Comparisons, sign changes and loads are not counted.
"""


def sincos_flop(precision: Precision) -> int:
    """2 for rounding, 1 for the remainder, 1 for its square, and both polynomials."""
    sine, cosine = {
        "float32": (sincos.SINE_32, sincos.COSINE_32),
        "float64": (sincos.SINE_64, sincos.COSINE_64),
    }[precision]
    return 4 + (2 * (len(sine) - 1) + 1) + 2 * (len(cosine) - 1)


def flop_per_lane_step(model: SwingModel, precision: Precision) -> int:
    """The value of :data:`FORMULA`."""
    grid = model.grid
    return grid.num_nodes * (18 + sincos_flop(precision)) + 4 * 2 * grid.num_lines


@dataclass(frozen=True)
class SteppingSpeed:
    """Speed of the bare step on one core."""

    precision: Precision
    lane_steps: Spread
    """Million steps of one trajectory a second."""
    flop: int
    """FLOP a step."""
    gflops: float
    peak: Spread
    """GFLOP/s of independent fused multiply-adds."""

    @property
    def share(self) -> float:
        """Of the peak, in percent."""
        return 100 * self.gflops / self.peak.median


def stepping_speed(
    model: SwingModel, precision: Precision, *, steps: int, repeats: int
) -> SteppingSpeed:
    """Measures the step without checks, refills and stop rules."""
    timings = repeat_for(lambda: bare_steps(model, steps, precision), repeats=repeats)
    speed = Spread.of([timing.result / timing.cpu / 1e6 for timing in timings])
    flop = flop_per_lane_step(model, precision)
    peak = fma_peak(precision, repeats=repeats)
    return SteppingSpeed(precision, speed, flop, speed.median * flop / 1e3, peak)
