"""The processed Takahashi–Imada integrator with exact damped drift, on all lanes at once.

With accelerations f_i(θ) = (P_i + Σ_j K_ij sin(θ_j − θ_i)) / m_i and friction γ_i = D_i/m_i, one
step h is

    kick    ω ← ω + h f(θ + (h²/12) f(θ))
    drift   θ ← θ + a ω,   ω ← e ω        with e = exp(−γh), a = (1 − e)/γ

the drift being the exact damped flow without forces. Kicks and drifts alternate to second order;
conjugated by the processor

    θ ← θ − (h²/12) f,   ω ← ω + (h²/12) (f'(θ) ω + γ f)

which is applied once, when a trajectory starts or changes its step, the scheme is of fourth
order. The force is evaluated twice a step, but sine and cosine only once: the displaced angles
differ so little that sin(θ + d) = sin θ + d cos θ is enough, to the same order. A block of steps
starts and ends with half a kick, so that phases and frequencies are synchronous where they are
checked. The operating point stays exactly where it is. Derivation and measured order:
``docs/integrator.md``.
"""

import math
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
from gridstab.dynamics.native.sincos import sincos_half_turns

# Rows of the step table: what the lanes' own step sizes determine. In a homogeneous grid the gain
# K/m is part of KICK and DISPLACEMENT. DRIFT gives half turns, as theta is stored.
KICK, DISPLACEMENT, DRIFT, DECAY, IS_LATE, PROCESSOR, REMAINS = range(7)
STEP_ROWS = 7

LAST_SHARE = 0.5 - 0.5 * math.sqrt(2 / 3)
"""Before this last share of a kick, the scheme's ω is the exact one of that moment, up to h³.

In the middle of the kick it is ω + (h²/12) (d²ω/dt² + 2γf − γ²ω), because of the processor; a time
s h/2 later, times what :func:`remains_at_look` leaves of it, it is
ω(t + s h/2) + h² (1/12 − s²/8) d²ω/dt². Crests are therefore missed but hardly overestimated.
"""

WEAK_FRICTION_STEP = 0.005
"""Up to this γh the friction of a share of a kick is left out where ω is looked at.

It would lower the largest frequency by 0.2 %, by 0.4 % with the late step. All data published with
D/m = 0.1 were made so, and stay as they are.
"""

inline = njit(forceinline=True, error_model="numpy")


def drift_coefficients(friction: np.ndarray, step: float) -> np.ndarray:
    """a [half turns s] and e of the exact damped drift, shape ``(2, nodes)``; a = h at γ = 0."""
    x = friction * step
    a = np.divide(-np.expm1(-x), friction, out=np.full_like(x, step), where=x > 0)
    return np.stack([a / np.pi, np.exp(-x)])


def remains_at_look(friction: np.ndarray, step: float, early_step: float) -> np.ndarray:
    """e^(−γτ), what friction leaves of ω in the time τ from a kick to the look, shape ``(nodes,)``.

    1 where friction is weak, see :data:`WEAK_FRICTION_STEP`.
    """
    weak = friction * early_step <= WEAK_FRICTION_STEP
    return np.where(weak, 1.0, np.exp(-friction * step / math.sqrt(6)))


@inline
def rows_of(state: Any) -> Any:
    """The numbers of the nodes; unsigned, which spares every index a test for being negative."""
    return range(np.uint64(state.theta.shape[0]))


@inline
def unscaled_force(lanes: Any, trig: Any, network: Any, nodes: Any, coupling: Any, i: Any) -> Any:
    """P_i + Σ_j K_ij sin(θ_j − θ_i), or that divided by K where the grid is homogeneous."""
    sines = broadcast(lanes, 0.0)
    cosines = broadcast(lanes, 0.0)
    for k in range(network.row_start[i], network.row_start[i + 1]):
        row = network.neighbours[k]
        if coupling is None:
            sines += load(lanes, trig, row)
            cosines += load(lanes, trig, row + 1)
        else:
            sines += coupling[k] * load(lanes, trig, row)
            cosines += coupling[k] * load(lanes, trig, row + 1)
    sine = load(lanes, trig, 2 * i)
    cosine = load(lanes, trig, 2 * i + 1)
    return (cosine * sines + nodes.power[i]) - sine * cosines


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
    for i in rows_of(state):
        force = unscaled_force(lanes, state.trig, network, nodes, coupling, i)
        d = force * per_node(strength, nodes, coupling, i)
        sine = load(lanes, state.trig, 2 * i)
        cosine = load(lanes, state.trig, 2 * i + 1)
        store(sine + cosine * d, state.displaced, 2 * i)
        store(cosine - sine * d, state.displaced, 2 * i + 1)


@inline
def drift_of(lanes: Any, steps: Any, nodes: Any, coupling: Any, i: Any) -> Any:
    """a, e and e^(−γτ) of node i in every lane."""
    if coupling is None:
        return load(lanes, steps, DRIFT), load(lanes, steps, DECAY), load(lanes, steps, REMAINS)
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
    """``share`` of a kick, then a drift; gives the largest |ω| of every lane.

    ω is looked at where it is exact, see :data:`LAST_SHARE`.
    """
    strength = share * load(lanes, steps, KICK)
    exact = 1.0 - LAST_SHARE / share
    fastest = broadcast(lanes, 0.0)
    for i in rows_of(state):
        force = unscaled_force(lanes, state.displaced, network, nodes, coupling, i)
        impulse = force * per_node(strength, nodes, coupling, i)
        before = load(lanes, state.omega, i)
        a, decay, remains = drift_of(lanes, steps, nodes, coupling, i)
        fastest = maximum(remains * absolute(before + exact * impulse), fastest)
        omega = before + impulse
        theta = load(lanes, state.theta, i) + a * omega
        store(decay * omega, state.omega, i)
        store(theta, state.theta, i)
        sine, cosine = sincos_half_turns(theta)
        store(sine, state.trig, 2 * i)
        store(cosine, state.trig, 2 * i + 1)
    return fastest


@inline
def half_kick(lanes: Any, state: Any, network: Any, nodes: Any, coupling: Any, steps: Any) -> None:
    """The closing half of a kick."""
    strength = 0.5 * load(lanes, steps, KICK)
    for i in rows_of(state):
        force = unscaled_force(lanes, state.displaced, network, nodes, coupling, i)
        impulse = force * per_node(strength, nodes, coupling, i)
        store(load(lanes, state.omega, i) + impulse, state.omega, i)


@inline
def track_extremes(lanes: Any, state: Any, windows: Any) -> None:
    """Largest and smallest frequency of every node in the present window."""
    for i in rows_of(state):
        omega = load(lanes, state.omega, i)
        store(maximum(omega, load(lanes, windows.highest, i)), windows.highest, i)
        store(minimum(omega, load(lanes, windows.lowest, i)), windows.lowest, i)


@inline
def processed(
    state: Any, network: Any, nodes: Any, coupling: Any, lane: Any, i: Any, strength: float
) -> Any:
    """θ [half turns] and ω of one node and lane after the processor, in float64.

    ``strength`` is h²/12 for a fresh state, (h'² − h²)/12 for a change of step from h to h'.
    """
    sine, cosine = np.float64(state.trig[2 * i, lane]), np.float64(state.trig[2 * i + 1, lane])
    omega = np.float64(state.omega[i, lane])
    force = np.float64(nodes.power[i])
    rate = 0.0
    for k in range(network.row_start[i], network.row_start[i + 1]):
        row = network.neighbours[k]
        other_sine, other_cosine = state.trig[row, lane], state.trig[row + 1, lane]
        difference = state.omega[row // 2, lane] - omega
        weight = 1.0 if coupling is None else coupling[k]
        force += weight * (cosine * other_sine - sine * other_cosine)
        rate += weight * (cosine * other_cosine + sine * other_sine) * difference
    f = force * nodes.gain[i]
    theta = state.theta[i, lane] - strength * f / np.pi
    return theta, omega + strength * (rate * nodes.gain[i] + nodes.friction[i] * f)


@inline
def set_node(state: Any, lane: Any, i: Any, theta: float, omega: float) -> None:
    """Puts a node of a lane at ``theta`` [half turns] and ``omega``."""
    state.theta[i, lane] = theta
    state.omega[i, lane] = omega
    state.trig[2 * i, lane] = np.sin(np.pi * theta)
    state.trig[2 * i + 1, lane] = np.cos(np.pi * theta)


@inline
def process_all(
    state: Any, network: Any, nodes: Any, coupling: Any, lane: Any, strength: float, room: Any
) -> None:
    """Applies the processor to a whole lane; ``room`` has shape ``(2, nodes)``."""
    for i in range(state.theta.shape[0]):
        room[0, i], room[1, i] = processed(state, network, nodes, coupling, lane, i, strength)
    for i in range(state.theta.shape[0]):
        set_node(state, lane, i, room[0, i], room[1, i])


@inline
def process_around(
    state: Any, network: Any, nodes: Any, coupling: Any, lane: Any, node: Any, strength: float,
    room: Any,
) -> None:  # fmt: skip
    """Applies the processor where ``node`` alone is off the operating point.

    Forces vanish elsewhere, so only the node and its neighbours change.
    """
    first, last = network.row_start[node], network.row_start[node + 1]
    theta, omega = processed(state, network, nodes, coupling, lane, node, strength)
    for k in range(first, last):
        j = network.neighbours[k] // 2
        room[0, j], room[1, j] = processed(state, network, nodes, coupling, lane, j, strength)
    for k in range(first, last):
        j = network.neighbours[k] // 2
        set_node(state, lane, j, room[0, j], room[1, j])
    set_node(state, lane, node, theta, omega)
