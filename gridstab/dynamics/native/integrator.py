"""The processed Takahashi–Imada integrator with exact damped drift, on all lanes at once.

With accelerations f_i(θ) = (1/m_i) Σ_j K_ij sin(θ_j − θ_i) and friction γ_i = D_i/m_i, one step h is

    kick    ω ← ω + h f(θ + (h²/12) f(θ))
    drift   θ ← θ + a ω + b P/m,   ω ← e ω + a P/m

with e = exp(−γh), a = (1 − e)/γ, b = (h − a)/γ, the exact flow without coupling. Between kick and
drift the scheme is of second order; conjugated by the processor

    θ ← θ − (h²/12) f,   ω ← ω + (h²/12) (f'(θ) ω + γ f)

which is applied once, when a trajectory starts or changes its step, it is of fourth order. The
force is evaluated twice a step, but sine and cosine only once: the displaced angles differ so
little that sin(θ + d) = sin θ + d cos θ is enough, to the same order. A block of steps starts and
ends with half a kick, so that phases and frequencies are synchronous where they are checked.
Derivation and measured order: ``docs/integrator.md``.
"""

from typing import Any

import numpy as np
from numba import njit

from gridstab.dynamics.native.simd import (
    absolute,
    broadcast,
    load,
    maximum,
    minimum,
    select,
    store,
)
from gridstab.dynamics.native.sincos import sincos

# Rows of the step table: what the lanes' own step sizes determine.
# A homogeneous grid's gain K/m is part of KICK and DISPLACEMENT.
KICK, DISPLACEMENT, DRIFT, DRIFT_POWER, DECAY, IS_LATE, PROCESSOR = range(7)
STEP_ROWS = 7

inline = njit(forceinline=True, error_model="numpy")


def drift_coefficients(friction: np.ndarray, step: float) -> np.ndarray:
    """a, b and e of the exact damped drift, shape ``(3, nodes)``; the limits hold at γ = 0."""
    x = friction * step
    small = x < 1e-4
    safe = np.where(small, 1.0, x)
    a = np.where(small, 1 - x / 2 + x * x / 6, -np.expm1(-safe) / safe) * step
    b = np.where(small, 0.5 - x / 6, (safe + np.expm1(-safe)) / safe**2) * step**2
    return np.stack([a, b, np.exp(-x)])


@inline
def neighbour_sums(lanes: Any, sine: Any, cosine: Any, network: Any, coupling: Any, i: Any) -> Any:
    """Σ_j sin θ_j and Σ_j cos θ_j over the neighbours of node i, weighted by their coupling."""
    sines = broadcast(lanes, 0.0)
    cosines = broadcast(lanes, 0.0)
    for k in range(network.row_start[i], network.row_start[i + 1]):
        j = network.neighbours[k]
        if coupling is None:
            sines += load(lanes, sine, j)
            cosines += load(lanes, cosine, j)
        else:
            sines += coupling[k] * load(lanes, sine, j)
            cosines += coupling[k] * load(lanes, cosine, j)
    return sines, cosines


@inline
def per_node(vector: Any, nodes: Any, coupling: Any, i: Any) -> Any:
    """``vector`` times the node's gain, which a homogeneous grid's step table contains already."""
    if coupling is None:
        return vector
    return vector * nodes.gain[i]


@inline
def displace(lanes: Any, state: Any, network: Any, nodes: Any, coupling: Any, steps: Any) -> None:
    """Sine and cosine of θ + (h²/12) f(θ)."""
    strength = load(lanes, steps, DISPLACEMENT)
    for i in range(state.theta.shape[0]):
        sines, cosines = neighbour_sums(lanes, state.sine, state.cosine, network, coupling, i)
        sine = load(lanes, state.sine, i)
        cosine = load(lanes, state.cosine, i)
        d = (cosine * sines - sine * cosines) * per_node(strength, nodes, coupling, i)
        store(sine + cosine * d, state.displaced_sine, i)
        store(cosine - sine * d, state.displaced_cosine, i)


@inline
def kick(lanes: Any, state: Any, network: Any, nodes: Any, coupling: Any, i: Any, h: Any) -> Any:
    """h f_i at the displaced angles."""
    sines, cosines = neighbour_sums(
        lanes, state.displaced_sine, state.displaced_cosine, network, coupling, i
    )
    sine = load(lanes, state.displaced_sine, i)
    cosine = load(lanes, state.displaced_cosine, i)
    return (cosine * sines - sine * cosines) * per_node(h, nodes, coupling, i)


@inline
def drift_of(lanes: Any, steps: Any, nodes: Any, coupling: Any, i: Any) -> Any:
    """a, b and e of node i in every lane."""
    if coupling is None:
        return (
            load(lanes, steps, DRIFT),
            load(lanes, steps, DRIFT_POWER),
            load(lanes, steps, DECAY),
        )
    late = load(lanes, steps, IS_LATE) > 0.0
    return (
        select(late, broadcast(lanes, nodes.late[0, i]), broadcast(lanes, nodes.early[0, i])),
        select(late, broadcast(lanes, nodes.late[1, i]), broadcast(lanes, nodes.early[1, i])),
        select(late, broadcast(lanes, nodes.late[2, i]), broadcast(lanes, nodes.early[2, i])),
    )


@inline
def kick_and_drift(
    lanes: Any, state: Any, network: Any, nodes: Any, coupling: Any, steps: Any, share: float
) -> Any:
    """``share`` of a kick, then a drift; gives the largest |ω| of every lane, mid-kick."""
    h = share * load(lanes, steps, KICK)
    fastest = broadcast(lanes, 0.0)
    for i in range(state.theta.shape[0]):
        impulse = kick(lanes, state, network, nodes, coupling, i, h)
        before = load(lanes, state.omega, i)
        fastest = maximum(absolute(before + 0.5 * impulse), fastest)
        omega = before + impulse
        a, b, decay = drift_of(lanes, steps, nodes, coupling, i)
        power = broadcast(lanes, nodes.power[i])
        theta = load(lanes, state.theta, i) + (a * omega + b * power)
        store(decay * omega + a * power, state.omega, i)
        store(theta, state.theta, i)
        sine, cosine = sincos(theta)
        store(sine, state.sine, i)
        store(cosine, state.cosine, i)
    return fastest


@inline
def half_kick(lanes: Any, state: Any, network: Any, nodes: Any, coupling: Any, steps: Any) -> None:
    """The closing half of a kick."""
    h = 0.5 * load(lanes, steps, KICK)
    for i in range(state.theta.shape[0]):
        impulse = kick(lanes, state, network, nodes, coupling, i, h)
        store(load(lanes, state.omega, i) + impulse, state.omega, i)


@inline
def track_extremes(lanes: Any, state: Any, windows: Any) -> None:
    """Largest and smallest frequency of every node in the present window."""
    for i in range(state.omega.shape[0]):
        omega = load(lanes, state.omega, i)
        store(maximum(omega, load(lanes, windows.highest, i)), windows.highest, i)
        store(minimum(omega, load(lanes, windows.lowest, i)), windows.lowest, i)


@inline
def process(
    lanes: Any, state: Any, network: Any, nodes: Any, coupling: Any, strength: Any
) -> None:
    """The processor with ``strength`` in place of h²/12; lanes of strength 0 stay as they are.

    A change of step from h to h' has the strength (h'² − h²)/12.
    """
    # The displaced rows are free between steps; here they hold f and f'(θ) ω + γ f.
    force, rate = state.displaced_sine, state.displaced_cosine
    for i in range(state.theta.shape[0]):
        sine = load(lanes, state.sine, i)
        cosine = load(lanes, state.cosine, i)
        omega = load(lanes, state.omega, i)
        f = broadcast(lanes, 0.0)
        df = broadcast(lanes, 0.0)
        for k in range(network.row_start[i], network.row_start[i + 1]):
            j = network.neighbours[k]
            other_sine = load(lanes, state.sine, j)
            other_cosine = load(lanes, state.cosine, j)
            sine_of_difference = cosine * other_sine - sine * other_cosine
            cosine_of_difference = cosine * other_cosine + sine * other_sine
            change = cosine_of_difference * (load(lanes, state.omega, j) - omega)
            if coupling is None:
                f += sine_of_difference
                df += change
            else:
                f += coupling[k] * sine_of_difference
                df += coupling[k] * change
        f *= nodes.gain[i]
        store(f, force, i)
        store(df * nodes.gain[i] + f * nodes.friction[i], rate, i)
    changes = absolute(strength) > 0.0
    for i in range(state.theta.shape[0]):
        theta = load(lanes, state.theta, i) - strength * load(lanes, force, i)
        store(theta, state.theta, i)
        store(load(lanes, state.omega, i) + strength * load(lanes, rate, i), state.omega, i)
        sine, cosine = sincos(theta)
        store(select(changes, sine, load(lanes, state.sine, i)), state.sine, i)
        store(select(changes, cosine, load(lanes, state.cosine, i)), state.cosine, i)
