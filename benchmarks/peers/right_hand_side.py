"""The swing equation as NumPy, numba and dense-matrix users write it.

With s = sin θ and c = cos θ, Σ_j K_ij sin(θ_j − θ_i) = c_i Σ_j K_ij s_j − s_i Σ_j K_ij c_j:
one sine and one cosine a node instead of one sine a line.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from gridstab.dynamics.swing import SwingModel

State = Float[np.ndarray, " 2*nodes"]


def numpy_right_hand_side(model: SwingModel) -> Callable[[float, State], State]:
    """Vectorised over the nodes, with a sparse coupling matrix."""
    grid = model.grid
    nodes, coupling = grid.num_nodes, grid.adjacency(weighted=True)
    power, damping, inertia = grid.power, grid.damping, grid.inertia

    def right_hand_side(time: float, state: State) -> State:
        omega = state[nodes:]
        sine, cosine = np.sin(state[:nodes]), np.cos(state[:nodes])
        pull = cosine * (coupling @ sine) - sine * (coupling @ cosine)
        return np.concatenate([omega, (power - damping * omega + pull) / inertia])

    return right_hand_side


def numba_right_hand_side(model: SwingModel) -> Callable[[float, State], State]:
    """Loops over compressed rows, compiled."""
    from numba import njit

    accelerate = numba_acceleration(model)
    nodes = model.grid.num_nodes

    @njit(error_model="numpy")
    def right_hand_side(time: float, state: State) -> State:
        change = np.empty(2 * nodes)
        accelerate(state, change)
        return change

    return right_hand_side


def numba_acceleration(model: SwingModel) -> Callable[[State, State], None]:
    """Writes the right-hand side of a state into a second array; also for C callbacks."""
    from numba import njit

    grid = model.grid
    nodes = grid.num_nodes
    row_start, neighbours = model.row_start, model.neighbours
    coupling = model.neighbour_coupling
    power, damping, inertia = grid.power, grid.damping, grid.inertia

    @njit(error_model="numpy")
    def accelerate(state, change):  # type: ignore[no-untyped-def]
        sine, cosine = np.empty(nodes), np.empty(nodes)
        for i in range(nodes):
            sine[i], cosine[i] = np.sin(state[i]), np.cos(state[i])
        for i in range(nodes):
            sines = cosines = 0.0
            for k in range(row_start[i], row_start[i + 1]):
                sines += coupling[k] * sine[neighbours[k]]
                cosines += coupling[k] * cosine[neighbours[k]]
            omega = state[nodes + i]
            pull = cosine[i] * sines - sine[i] * cosines
            change[i] = omega
            change[nodes + i] = (power[i] - damping[i] * omega + pull) / inertia[i]

    return accelerate
