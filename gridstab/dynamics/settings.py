"""What a simulation of a grid depends on, checked once."""

from dataclasses import dataclass, fields

import numpy as np

from gridstab.arguments import at_least as at_least
from gridstab.arguments import at_most
from gridstab.arguments import positive as positive
from gridstab.dynamics.engine import stop_rule
from gridstab.dynamics.sampling import DOMEGA_RANGE as DOMEGA_RANGE
from gridstab.dynamics.sampling import DTHETA_RANGE, SAMPLERS, SCRAMBLES
from gridstab.errors import InvalidParameterError

MOST_SAMPLES = 10**9
"""Most trajectories a node, a hundred thousand times the published number."""

LONGEST_HORIZON = 1_000_000
"""Longest simulated time [s], eleven days; an engine's steps to it can still be counted."""

LARGEST_DTHETA = 1_000
"""Largest phase offset [rad]; beyond, the angle within a turn is lost to rounding."""

LARGEST_DOMEGA = 10_000
"""Largest frequency offset [rad/s], which an engine's steps can still follow."""

FIRST_STAGE = 100
"""With a target precision, intervals are looked at after about 100, 200, 400, ... samples."""


@dataclass(frozen=True)
class Settings:
    """How to perturb and simulate every node of a grid.

    Two simulations with equal settings, grid and grid number give the same counts.

    Attributes:
        samples: Trajectories a node; with ``precision``, the most a node may take.
        seed: Seed of all random streams.
        engine: Name of the engine, or ``auto`` for the fastest that runs here.
        stop: Name of the stop rule (``gridstab.dynamics.STOP_RULES``).
        sampler: ``mc`` for independent perturbations, ``sobol`` for scrambled Sobol points.
        scrambles: Independent Sobol sequences; ``samples`` is a power of two of each.
        precision: Stop sampling a node once half the width of its 95 % interval is at most this;
            None for the same number of samples everywhere. To stop when an interval happens to be
            narrow makes it optimistic: with ``sobol`` it covers about 92 %, with ``mc`` still 95 %.
        horizon: Longest simulated time [s].
        dtheta_range: Largest phase offset [rad].
        domega_range: Largest frequency offset [rad/s].

    Raises:
        InvalidParameterError: A value outside its range; the message names it.
    """

    samples: int = 1000
    seed: int = 0
    engine: str = "auto"
    stop: str = "fast"
    sampler: str = "mc"
    scrambles: int = SCRAMBLES
    precision: float | None = None
    horizon: float = 500.0
    dtheta_range: float = DTHETA_RANGE
    domega_range: float = DOMEGA_RANGE

    def __post_init__(self) -> None:
        # Engines compile for types, and files hold Python's.
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, np.generic):
                object.__setattr__(self, each.name, value.item())
        at_least("samples", self.samples, 1)
        at_most("samples", self.samples, MOST_SAMPLES)
        at_least("seed", self.seed, 0)
        _text("engine", self.engine)
        stop_rule(self.stop)
        positive("horizon", self.horizon)
        positive("dtheta_range", self.dtheta_range)
        positive("domega_range", self.domega_range)
        at_most("horizon", self.horizon, LONGEST_HORIZON, " s")
        at_most("dtheta_range", self.dtheta_range, LARGEST_DTHETA, " rad")
        at_most("domega_range", self.domega_range, LARGEST_DOMEGA, " rad/s")
        if self.precision is not None:
            positive("precision", self.precision)
            if self.precision >= 0.5:
                raise InvalidParameterError(f"precision must be below 0.5, got {self.precision}")
        SAMPLERS.find(self.sampler)
        if self.sampler == "sobol":
            at_least("scrambles", self.scrambles, 2)
            self._check_balance()

    def _check_balance(self) -> None:
        points, rest = divmod(int(self.samples), int(self.scrambles))
        if rest or points.bit_count() != 1:
            below = self.scrambles << max(points.bit_length() - 1, 0)
            nearest = (
                f"{below} or {2 * below}" if points and 2 * below <= MOST_SAMPLES else f"{below}"
            )
            raise InvalidParameterError(
                f"samples of the sobol sampler must be {self.scrambles} scrambles times a power of "
                f"two, got {self.samples}; use {nearest}"
            )

    @property
    def recorded_scrambles(self) -> int:
        """Columns of ``scramble_stable``: none for independent perturbations."""
        return self.scrambles if self.sampler == "sobol" else 0

    @property
    def stages(self) -> list[int]:
        """Samples after which a node may stop: all of them, or a doubling schedule.

        The schedule depends on the settings alone, so a node stops at the same sample wherever
        and beside whatever else it is simulated.
        """
        if self.precision is None:
            return [self.samples]
        first = FIRST_STAGE
        if self.sampler == "sobol":
            first = self.scrambles
            while first < FIRST_STAGE:
                first *= 2
        stages = []
        while first < self.samples:
            stages.append(first)
            first *= 2
        return [*stages, self.samples]


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidParameterError(f"{name} must be a name, got {value!r}")
