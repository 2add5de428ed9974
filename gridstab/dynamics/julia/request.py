"""What Python asks of GridDynamics: one structure, the same for both sides, and its arrays."""

import ctypes
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gridstab.dynamics.engine import RETURN_FREQUENCY, Perturbations, StopRule
from gridstab.dynamics.sampling import DOMEGA_RANGE
from gridstab.dynamics.schedule import make_schedule
from gridstab.dynamics.swing import SwingModel
from gridstab.dynamics.thresholds import thresholds

METHODS = {"fast": 0, "tsit5": 1, "dop853": 2}
"""Numbers of the methods: processed Takahashi–Imada, Tsitouras 5(4), Dormand–Prince 8(5,3)."""

DONE, FAILED, CANCELLED = 0, 1, 2
"""What GridDynamics returns."""

Arrays = dict[str, np.ndarray]


def _fields(kind: type, names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]


class Request(ctypes.Structure):
    """``GridDynamics.Request``: the same fields in the same order, eight bytes each."""

    _fields_ = [
        *_fields(ctypes.c_int64, "nodes lines trajectories"),
        *_fields(ctypes.c_void_p, "line_ends power inertia damping coupling theta"),
        *_fields(ctypes.c_void_p, "node dtheta domega status reason stop_time max_frequency"),
        *_fields(ctypes.c_int64, "method"),
        *_fields(ctypes.c_double, "rtol atol"),
        *_fields(ctypes.c_int64, "published certified settled"),
        *_fields(ctypes.c_double, "trapping_energy quiet_energy time_to_settle return_frequency"),
        *_fields(ctypes.c_double, "settled_window settled_tolerance settled_frequency"),
        *_fields(ctypes.c_double, "horizon interval"),
        *_fields(ctypes.c_int64, "steps switch window time_to_settle_intervals not_before final"),
        *_fields(ctypes.c_double, "check_interval"),
        *_fields(ctypes.c_int64, "threads"),
        *_fields(ctypes.c_void_p, "done cancel message"),
        *_fields(ctypes.c_int64, "message_length"),
    ]


@dataclass(frozen=True, eq=False)
class Problem:
    """The input of a request.

    Attributes:
        inputs: Contiguous arrays by the names of the structure's pointers.
        numbers: Its other fields by name, but for the three sizes.
    """

    inputs: Arrays
    numbers: dict[str, int | float]

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.inputs["power"])

    @property
    def trajectories(self) -> int:
        """Number of trajectories."""
        return len(self.inputs["node"])

    def empty_states(
        self,
    ) -> tuple[Float[np.ndarray, "trajectories nodes"], Float[np.ndarray, "trajectories nodes"]]:
        """Room for phases and frequencies."""
        shape = (self.trajectories, self.nodes)
        return np.full(shape, np.nan), np.full(shape, np.nan)

    def request(
        self,
        outputs: Arrays,
        *,
        done: Int[np.ndarray, " 1"],
        cancel: Int[np.ndarray, " 1"],
        message: ctypes.Array[ctypes.c_char],
    ) -> Request:
        """The structure; the arrays must outlive it.

        Args:
            outputs: Where the outcomes go; contiguous, by the names of the structure's pointers.
            done: Receives the number of finished trajectories.
            cancel: Anything but zero asks GridDynamics to stop.
            message: Receives the text of an error.
        """
        arrays = {**self.inputs, **outputs, "done": done, "cancel": cancel}
        assert all(array.flags.c_contiguous for array in arrays.values())
        return Request(
            nodes=self.nodes,
            lines=len(self.inputs["coupling"]),
            trajectories=self.trajectories,
            message=ctypes.addressof(message),
            message_length=len(message),
            **{name: array.ctypes.data for name, array in arrays.items()},
            **self.numbers,
        )


def make_problem(
    model: SwingModel,
    perturbations: Perturbations,
    *,
    method: str,
    tolerance: float,
    stop: StopRule,
    horizon: float,
    threads: int,
    fastest_offset: float = DOMEGA_RANGE,
) -> Problem:
    """Everything that a request says.

    Args:
        model: The grid around its operating point.
        perturbations: One node and its offsets a trajectory.
        method: One of :data:`METHODS`.
        tolerance: Relative and absolute tolerance of a step of the adaptive methods.
        stop: When a trajectory may stop early.
        horizon: Longest time [s].
        threads: Most threads of Julia to use.
        fastest_offset: Largest frequency offset of the perturbations [rad/s].
    """
    grid, limits = model.grid, thresholds(stop, model)
    schedule = make_schedule(model, stop, horizon, fastest_offset=fastest_offset)
    inputs = {
        "line_ends": np.ascontiguousarray(grid.lines, np.int64),
        "node": np.ascontiguousarray(perturbations.node, np.int64),
    }
    for name in ("power", "inertia", "damping", "coupling"):
        inputs[name] = np.ascontiguousarray(getattr(grid, name), np.float64)
    inputs["theta"] = np.ascontiguousarray(model.theta, np.float64)
    inputs["dtheta"] = np.ascontiguousarray(perturbations.dtheta, np.float64)
    inputs["domega"] = np.ascontiguousarray(perturbations.domega, np.float64)
    numbers: dict[str, int | float] = {
        "method": METHODS[method],
        "rtol": tolerance,
        "atol": tolerance,
        "published": int(stop.published),
        "certified": int(stop.certified),
        "settled": int(stop.settled),
        "trapping_energy": limits.trapping_energy,
        "quiet_energy": limits.quiet_energy,
        "time_to_settle": limits.time_to_settle,
        "return_frequency": RETURN_FREQUENCY,
        "settled_window": limits.settled_window,
        "settled_tolerance": stop.settled_tolerance,
        "settled_frequency": stop.settled_frequency,
        "horizon": float(horizon),
        "interval": schedule.interval,
        "steps": schedule.steps,
        "switch": schedule.switch,
        "window": schedule.window,
        "time_to_settle_intervals": schedule.time_to_settle,
        "not_before": schedule.not_before,
        "final": schedule.end,
        "check_interval": stop.check_interval,
        "threads": threads,
    }
    return Problem(inputs, numbers)
