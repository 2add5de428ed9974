"""The bare integrator on given states: for tests of its order, and for its speed."""

from typing import Any, Literal

import numpy as np

from gnncore.compiled import compiled
from gridstab.dynamics.native.integrator import (
    PROCESSOR,
    STEP_ROWS,
    displace,
    half_kick,
    kick_and_drift,
    process_all,
)
from gridstab.dynamics.native.simd import Lanes, aligned_rows
from gridstab.dynamics.native.state import make_state
from gridstab.dynamics.native.tables import Tables, lanes_of
from gridstab.dynamics.swing import SwingModel

Precision = Literal["float32", "float64"]


@compiled(error_model="numpy")
def _advance(
    lanes: Any, state: Any, network: Any, nodes: Any, coupling: Any, steps: Any, count: int,
    strength: float, room: Any,
) -> None:  # fmt: skip
    processed_lanes = state.theta.shape[1] if strength != 0.0 else 0
    for lane in range(processed_lanes):
        process_all(state, network, nodes, coupling, lane, strength, room)
    for step in range(count + 1):
        displace(lanes, state, network, nodes, coupling, steps)
        if step == count:
            half_kick(lanes, state, network, nodes, coupling, steps)
            break
        share = 0.5 if step == 0 else 1.0
        kick_and_drift(lanes, state, network, nodes, coupling, steps, share)
    for lane in range(processed_lanes):
        # To the order of the method, the inverse of the processor is the processor of −h².
        process_all(state, network, nodes, coupling, lane, -strength, room)


def advance(
    model: SwingModel,
    theta: np.ndarray[Any, Any],
    omega: np.ndarray[Any, Any],
    *,
    step: float,
    steps: int,
    precision: Precision = "float64",
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """States after ``steps`` steps of length ``step`` [s].

    Args:
        model: The grid around its operating point.
        theta: Phases [rad], shape ``(nodes, trajectories)``.
        omega: Frequencies [rad/s], same shape.
        step: Length of a step [s].
        steps: Number of steps.
        precision: ``float64`` or ``float32``.

    Returns:
        Phases [rad] and frequencies [rad/s], same shape.
    """
    lanes = lanes_of(precision)
    tables = Tables(model, lanes, step)
    results = np.empty_like(theta), np.empty_like(omega)
    for first in range(0, theta.shape[1], lanes.count):
        part = slice(first, first + lanes.count)
        width = theta[:, part].shape[1]
        state, steps_of_lanes = _start(tables, theta[:, part], omega[:, part], width)
        _advance(
            lanes, state, tables.network, tables.nodes, tables.coupling, steps_of_lanes, steps,
            float(tables.step_table[0, PROCESSOR]), np.empty((2, len(theta))),
        )  # fmt: skip
        results[0][tables.order, part] = np.pi * state.theta[:, :width]
        results[1][tables.order, part] = state.omega[:, :width]
    return results


def bare_steps(model: SwingModel, steps: int, precision: Precision = "float32") -> int:
    """Makes ``steps`` steps of 0.05 s in every lane; gives the lane-steps made."""
    lanes = lanes_of(precision)
    theta = np.repeat(model.theta[:, None], lanes.count, axis=1)
    theta += 0.1 * np.sin(np.arange(theta.size)).reshape(theta.shape)
    tables = Tables(model, lanes, 0.05)
    state, steps_of_lanes = _start(tables, theta, np.zeros_like(theta), lanes.count)
    _advance(
        lanes, state, tables.network, tables.nodes, tables.coupling, steps_of_lanes, steps,
        0.0, np.empty((2, len(theta))),
    )  # fmt: skip
    return steps * lanes.count


def _start(
    tables: Tables, theta: np.ndarray[Any, Any], omega: np.ndarray[Any, Any], width: int
) -> tuple[Any, np.ndarray[Any, Any]]:
    lanes: Lanes = tables.lanes
    state = make_state(len(tables.order), lanes)
    state.theta[:, :width] = theta[tables.order] / np.pi
    state.omega[:, :width] = omega[tables.order]
    state.trig[0::2, :width] = np.sin(theta[tables.order])
    state.trig[1::2, :width] = np.cos(theta[tables.order])
    steps = aligned_rows(STEP_ROWS, lanes)
    steps[:] = tables.step_table[0][:, None]
    return state, steps
