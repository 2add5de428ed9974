"""The right-hand side of the swing equation, compiled; the state is (θ_1 … θ_n, ω_1 … ω_n)."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gnncore.compiled import compiled
from gridstab.dynamics.swing import SwingModel


class SwingArrays(NamedTuple):
    """What the right-hand side reads, as writable contiguous arrays of one type each."""

    row_start: Int[np.ndarray, " nodes+1"]
    neighbours: Int[np.ndarray, " neighbours"]
    neighbour_coupling: Float[np.ndarray, " neighbours"]
    power: Float[np.ndarray, " nodes"]
    damping: Float[np.ndarray, " nodes"]
    inertia: Float[np.ndarray, " nodes"]


def swing_arrays(model: SwingModel) -> SwingArrays:
    """Copies, because numba compiles anew for read-only arrays and the grid's arrays are."""
    grid = model.grid
    return SwingArrays(
        model.row_start.copy(),
        model.neighbours.copy(),
        model.neighbour_coupling.copy(),
        grid.power.copy(),
        grid.damping.copy(),
        grid.inertia.copy(),
    )


@compiled()
def right_hand_side(
    state: Float[np.ndarray, " 2*nodes"],
    slope: Float[np.ndarray, " 2*nodes"],
    sine: Float[np.ndarray, " nodes"],
    cosine: Float[np.ndarray, " nodes"],
    swing: SwingArrays,
) -> None:
    """Writes the time derivative of ``state`` to ``slope``; ``sine`` and ``cosine`` are scratch.

    sin(θ_j − θ_i) = sin θ_j cos θ_i − cos θ_j sin θ_i, so a node costs one sine and one cosine
    however many lines it has.
    """
    nodes = len(sine)
    for i in range(nodes):
        sine[i] = math.sin(state[i])
        cosine[i] = math.cos(state[i])
    for i in range(nodes):
        sine_sum = 0.0
        cosine_sum = 0.0
        for entry in range(swing.row_start[i], swing.row_start[i + 1]):
            j = swing.neighbours[entry]
            sine_sum += swing.neighbour_coupling[entry] * sine[j]
            cosine_sum += swing.neighbour_coupling[entry] * cosine[j]
        coupling = cosine[i] * sine_sum - sine[i] * cosine_sum
        omega = state[nodes + i]
        slope[i] = omega
        slope[nodes + i] = (swing.power[i] - swing.damping[i] * omega + coupling) / swing.inertia[i]
