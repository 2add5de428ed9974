"""What every simulation engine takes and gives: perturbations in, one outcome a trajectory out."""

import os
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from gnncore.moved import moved_names
from gnncore.registry import Registry
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import InvalidParameterError

RETURN_FREQUENCY = 0.1
"""A grid has returned when every |ω_i| is below this [rad/s] (the published label)."""


class Status(IntEnum):
    """What became of a trajectory."""

    UNDECIDED = -1
    """Below the barrier but still swinging at the horizon, or not finite."""
    LEFT = 0
    """Did not return to the operating point's frequency."""
    RETURNED = 1


class Reason(IntEnum):
    """Why a trajectory was stopped."""

    HORIZON = 0
    """The horizon was reached and the frequencies decided."""
    CERTIFIED = 1
    """The energy fell below the lowest barrier: the state provably returns."""
    SETTLED = 2
    """Mean frequencies and their extremes repeat away from zero: another attractor."""
    PUBLISHED = 3
    """All |ω_i| ≤ 0.1 at one instant after t = 1, the rule of the published data."""
    DIVERGED = 4
    """The state is no longer finite."""


@dataclass(frozen=True)
class StopRule:
    """When a trajectory may stop before the horizon.

    Attributes:
        name: Name in :data:`STOP_RULES`.
        published: Stop as returned at the first t ≥ 1 with all |ω_i| ≤ 0.1 (Nauck et al. 2022).
        certified: Stop as returned once the energy is below :attr:`margin` of the lowest barrier.
        settled: Stop as left once two consecutive windows agree to ``settled_tolerance`` in every
            node's mean, largest and smallest frequency, some mean exceeding ``settled_frequency``.
        margin: Share of the barrier used; the rest covers discretisation and rounding.
        settling: A certified stop leaves at least this many of the grid's slowest time constants to
            the horizon (m/D, or longer in creeping grids), so that the frequencies have fallen
            below the threshold by then: 100 s at D = 0.1; more where light nodes on strong
            lines swing so fast that this is not enough.
        settled_window: Length of a window [s], longer in proportion where that time constant
            exceeds 10 s.
        settled_tolerance: Largest change from one window to the next [rad/s].
        settled_frequency: Mean frequency that some node must exceed [rad/s].
    """

    name: str
    published: bool = False
    certified: bool = False
    settled: bool = False
    margin: float = 0.97
    settling: float = 10.0
    settled_window: float = 10.0
    settled_tolerance: float = 0.02
    settled_frequency: float = 1.0

    @property
    def check_interval(self) -> float:
        """Time between two checks [s]; the instantaneous published rule needs a finer one."""
        return 0.2 if self.published else 1.0


STOP_RULES: Registry[StopRule] = Registry(
    "stop rule",
    InvalidParameterError,
    {
        rule.name: rule
        for rule in (
            StopRule("horizon"),
            StopRule("published", published=True),
            StopRule("certified", certified=True),
            StopRule("fast", certified=True, settled=True),
        )
    },
)
"""All stop rules by name."""


def stop_rule(stop: str | StopRule) -> StopRule:
    """The rule of that name.

    Raises:
        InvalidParameterError: No such rule.
    """
    return stop if isinstance(stop, StopRule) else STOP_RULES.find(stop)


@dataclass(frozen=True, eq=False)
class Perturbations:
    """Offsets from the operating point, one node a trajectory.

    Attributes:
        node: Perturbed node, shape ``(trajectories,)``.
        dtheta: Phase offset [rad].
        domega: Frequency offset [rad/s].
    """

    node: Int[np.ndarray, " trajectories"]
    dtheta: Float[np.ndarray, " trajectories"]
    domega: Float[np.ndarray, " trajectories"]

    def __len__(self) -> int:
        return len(self.node)

    def __getitem__(self, part: slice | Int[np.ndarray, " part"]) -> "Perturbations":
        return Perturbations(self.node[part], self.dtheta[part], self.domega[part])


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Outcomes, one entry a trajectory, in the order of the perturbations.

    Attributes:
        status: :class:`Status`.
        reason: :class:`Reason`.
        stop_time: Time at which the trajectory was stopped [s].
        max_frequency: Largest |ω_i| over all nodes and steps up to the stop [rad/s].
    """

    status: Int[np.ndarray, " trajectories"]
    reason: Int[np.ndarray, " trajectories"]
    stop_time: Float[np.ndarray, " trajectories"]
    max_frequency: Float[np.ndarray, " trajectories"]

    @classmethod
    def empty(cls, count: int) -> "Trajectories":
        """Room for ``count`` outcomes, all undecided."""
        return cls(
            np.full(count, Status.UNDECIDED, np.int8),
            np.full(count, Reason.DIVERGED, np.int8),
            np.zeros(count),
            np.zeros(count),
        )

    @classmethod
    def concatenate(cls, parts: "list[Trajectories]") -> "Trajectories":
        """The outcomes of several batches, in order."""
        return cls(
            *(
                np.concatenate([getattr(part, field) for part in parts])
                for field in ("status", "reason", "stop_time", "max_frequency")
            )
        )


@dataclass(frozen=True)
class Availability:
    """Whether an engine can run on this machine; ``why`` is empty where it can."""

    usable: bool
    why: str
    version: str


@runtime_checkable
class Engine(Protocol):
    """Simulates perturbed trajectories of one grid."""

    name: str

    def availability(self) -> Availability:
        """Whether this engine can run here, why not, and its version."""
        ...

    def run(
        self,
        model: SwingModel,
        perturbations: Perturbations,
        *,
        stop: StopRule,
        horizon: float = 500.0,
        threads: int = 1,
    ) -> Trajectories:
        """Outcomes of the perturbations; the same whatever the batch and the threads."""
        ...


def available_threads() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


__getattr__ = moved_names(
    __name__,
    {"ENGINES": "gridstab.dynamics.engines", "make_engine": "gridstab.dynamics.engines"},
)
