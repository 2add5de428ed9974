"""The tests that end a trajectory: the energy certificate and the settled windows, lane by lane.

Certificate. Relative to the operating point, a state in the box −π − φ*_e < φ_e < π − φ*_e has the
potential energy U = Σ_e K_e g_e(φ_e) with

    g_e(φ) = cos φ*_e − cos φ − (φ − φ*_e) sin φ*_e ≥ 0.

To leave the box, some line must pass its wall, which costs at least the lowest barrier; damping
only takes energy. A state whose angle differences have a consistent lift into the box (the turns
taken out add up to zero around every cycle) and whose energy is below the barrier therefore stays
for ever, and returns. Derivation: ``docs/certificate.md``.
"""

import math
from typing import Any

import numpy as np

from gridstab.dynamics.native.integrator import inline, rows_of
from gridstab.dynamics.native.simd import (
    absolute,
    broadcast,
    load,
    maximum,
    nearest,
    select,
    store,
)

UNSET = 1e9
"""Stands for a frequency of a window that has not been observed yet."""


@inline
def wrap_angles(lanes: Any, state: Any) -> None:
    """Takes full turns out of every angle, so that float32 keeps resolving it, and counts them."""
    for i in rows_of(state):
        theta = load(lanes, state.theta, i)
        turns = nearest(theta * 0.5)
        store(theta - 2.0 * turns, state.theta, i)
        store(load(lanes, state.turns, i) + turns, state.turns, i)


@inline
def kinetic_energy(lanes: Any, state: Any, nodes: Any) -> Any:
    """½ Σ m ω² and the largest |ω|."""
    energy = broadcast(lanes, 0.0)
    fastest = broadcast(lanes, 0.0)
    for i in rows_of(state):
        omega = load(lanes, state.omega, i)
        energy += nodes.half_inertia[i] * omega * omega
        fastest = maximum(fastest, absolute(omega))
    return energy, fastest


@inline
def potential_energy(lanes: Any, state: Any, lines: Any, coupling: Any, line_turns: Any) -> Any:
    """Σ K g(φ), with every φ lifted into its box; the lifts go to ``line_turns``."""
    energy = broadcast(lanes, 0.0)
    for e in range(np.uint64(lines.tail.shape[0])):
        a, b = lines.tail[e], lines.head[e]
        # In half turns from the operating point; the box ends half a turn from −φ*.
        shift = load(lanes, state.theta, a) - load(lanes, state.theta, b) - lines.phase[e]
        turns = nearest(shift * 0.5 + lines.phase[e])
        store(turns, line_turns, e)
        sine_a, cosine_a = load(lanes, state.trig, 2 * a), load(lanes, state.trig, 2 * a + 1)
        sine_b, cosine_b = load(lanes, state.trig, 2 * b), load(lanes, state.trig, 2 * b + 1)
        cosine = cosine_a * cosine_b + sine_a * sine_b
        energy += coupling[e] * (
            lines.cosine[e] - cosine - (shift - 2.0 * turns) * (math.pi * lines.sine[e])
        )
    return energy


@inline
def winding(lanes: Any, lines: Any, line_turns: Any, node_turns: Any) -> Any:
    """Σ over the fundamental cycles of their turns squared: 0 where the lift is consistent."""
    store(broadcast(lanes, 0.0), node_turns, lines.tree_root)
    for q in range(np.uint64(lines.tree_node.shape[0])):
        turns = load(lanes, line_turns, lines.tree_line[q]) * lines.tree_sign[q]
        store(load(lanes, node_turns, lines.tree_parent[q]) + turns, node_turns, lines.tree_node[q])
    total = broadcast(lanes, 0.0)
    for q in range(np.uint64(lines.chord.shape[0])):
        e = lines.chord[q]
        ends = load(lanes, node_turns, lines.tail[e]) - load(lanes, node_turns, lines.head[e])
        excess = load(lanes, line_turns, e) - ends
        total += excess * excess
    return total


@inline
def close_windows(lanes: Any, state: Any, windows: Any, closing: Any, length: float) -> Any:
    """Compares the window that ends with the one before it, in the lanes that ``closing`` marks.

    Gives the largest change of any node's mean, highest or lowest frequency, and the largest
    |mean frequency|; both are meaningful in closing lanes only. Opens the next window there.
    """
    change = broadcast(lanes, 0.0)
    fastest = broadcast(lanes, 0.0)
    for i in rows_of(state):
        theta = load(lanes, state.theta, i)
        turns = load(lanes, state.turns, i)
        start = load(lanes, windows.start, i)
        highest = load(lanes, windows.highest, i)
        lowest = load(lanes, windows.lowest, i)
        last_mean = load(lanes, windows.last_mean, i)
        last_highest = load(lanes, windows.last_highest, i)
        last_lowest = load(lanes, windows.last_lowest, i)

        mean = (2.0 * turns + theta - start) * (math.pi / length)
        change = maximum(absolute(mean - last_mean), change)
        change = maximum(absolute(highest - last_highest), change)
        change = maximum(absolute(lowest - last_lowest), change)
        fastest = maximum(absolute(mean), fastest)

        store(select(closing, theta, start), windows.start, i)
        store(select(closing, broadcast(lanes, 0.0), turns), state.turns, i)
        store(select(closing, mean, last_mean), windows.last_mean, i)
        store(select(closing, highest, last_highest), windows.last_highest, i)
        store(select(closing, lowest, last_lowest), windows.last_lowest, i)
        store(select(closing, broadcast(lanes, -UNSET), highest), windows.highest, i)
        store(select(closing, broadcast(lanes, UNSET), lowest), windows.lowest, i)
    return change, fastest
