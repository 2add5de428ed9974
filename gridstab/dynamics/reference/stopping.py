"""When a trajectory may stop: the energy certificate and the test for another attractor.

Both look at one trajectory at a time. ``docs/certificate.md`` derives the certificate.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gnncore.compiled import compiled
from gridstab.dynamics.engine import StopRule
from gridstab.dynamics.swing import SwingModel
from gridstab.dynamics.thresholds import thresholds


class Certificate(NamedTuple):
    """What :func:`basin_energy` reads (see ``SwingModel``), and two scratch rows for turns."""

    tail: Int[np.ndarray, " lines"]
    head: Int[np.ndarray, " lines"]
    coupling: Float[np.ndarray, " lines"]
    phase_difference: Float[np.ndarray, " lines"]
    inertia: Float[np.ndarray, " nodes"]
    tree_node: Int[np.ndarray, " nodes-1"]
    tree_parent: Int[np.ndarray, " nodes-1"]
    tree_line: Int[np.ndarray, " nodes-1"]
    tree_sign: Float[np.ndarray, " nodes-1"]
    chord: Int[np.ndarray, " chords"]
    line_turns: Float[np.ndarray, " lines"]
    node_turns: Float[np.ndarray, " nodes"]


class Stops(NamedTuple):
    """A :class:`~gridstab.dynamics.engine.StopRule` with a grid's energies and times."""

    published: bool
    certified: bool
    settled: bool
    trapping_energy: float
    quiet_energy: float
    time_to_settle: float
    check_interval: float
    settled_window: float
    settled_tolerance: float
    settled_frequency: float


class Window(NamedTuple):
    """Frequencies of every node over the running and the previous window."""

    start_theta: Float[np.ndarray, " nodes"]
    lowest: Float[np.ndarray, " nodes"]
    highest: Float[np.ndarray, " nodes"]
    previous_mean: Float[np.ndarray, " nodes"]
    previous_lowest: Float[np.ndarray, " nodes"]
    previous_highest: Float[np.ndarray, " nodes"]


def make_certificate(model: SwingModel) -> Certificate:
    """Arrays of ``model``, with scratch of their own: one certificate a thread."""
    grid = model.grid
    return Certificate(
        grid.lines[:, 0].copy(),
        grid.lines[:, 1].copy(),
        grid.coupling.copy(),
        model.phase_difference.copy(),
        grid.inertia.copy(),
        model.tree_node.copy(),
        model.tree_parent.copy(),
        model.tree_line.copy(),
        model.tree_sign.copy(),
        model.chord.copy(),
        np.zeros(grid.num_lines),
        np.zeros(grid.num_nodes),
    )


def make_stops(rule: StopRule, model: SwingModel) -> Stops:
    """The rule for one grid."""
    limits = thresholds(rule, model)
    return Stops(
        rule.published,
        rule.certified,
        rule.settled,
        limits.trapping_energy,
        limits.quiet_energy,
        limits.time_to_settle,
        rule.check_interval,
        limits.settled_window,
        rule.settled_tolerance,
        rule.settled_frequency,
    )


@compiled()
def largest_frequency(omega: Float[np.ndarray, " nodes"]) -> float:
    """The largest frequency of a node, max |ω_i|."""
    largest = 0.0
    for frequency in omega:
        largest = max(largest, abs(frequency))
    return largest


@compiled()
def basin_energy(
    theta: Float[np.ndarray, " nodes"],
    omega: Float[np.ndarray, " nodes"],
    certificate: Certificate,
) -> float:
    """Energy above the operating point of a state in its basin box, infinite outside.

    ½ Σ m ω² + Σ K_e g(φ_e) with g(φ) = cos φ* − cos φ − (φ − φ*) sin φ*, where whole turns of the
    nodes have been taken off so that every φ_e = θ_a − θ_b lies in (−π − φ*_e, π − φ*_e).
    """
    c = certificate
    energy = 0.0
    for i in range(len(omega)):
        energy += 0.5 * c.inertia[i] * omega[i] ** 2
    for line in range(len(c.tail)):
        rest = c.phase_difference[line]
        phase = theta[c.tail[line]] - theta[c.head[line]]
        turns = np.rint((phase + rest) / (2.0 * math.pi))
        phase -= 2.0 * math.pi * turns
        c.line_turns[line] = turns
        bent = math.cos(rest) - math.cos(phase) - (phase - rest) * math.sin(rest)
        energy += c.coupling[line] * bent
    # Turns of the nodes explain the turns of the lines only if these cancel around every cycle.
    c.node_turns[0] = 0.0
    for k in range(len(c.tree_node)):
        turns = c.tree_sign[k] * c.line_turns[c.tree_line[k]]
        c.node_turns[c.tree_node[k]] = c.node_turns[c.tree_parent[k]] + turns
    for line in c.chord:
        if c.line_turns[line] != c.node_turns[c.tail[line]] - c.node_turns[c.head[line]]:
            return np.inf
    return energy


@compiled()
def certified(energy: float, time_left: float, stops: Stops) -> bool:
    """Whether a state of this basin energy returns, and within the time that is left."""
    return energy < stops.quiet_energy or (
        energy < stops.trapping_energy and time_left >= stops.time_to_settle
    )


@compiled()
def make_window(nodes: int) -> Window:
    """Room for the windows of one trajectory."""
    return Window(
        np.zeros(nodes),
        np.zeros(nodes),
        np.zeros(nodes),
        np.zeros(nodes),
        np.zeros(nodes),
        np.zeros(nodes),
    )


@compiled()
def open_first_window(window: Window, theta: Float[np.ndarray, " nodes"]) -> None:
    """Begins a trajectory; its first window has no predecessor to agree with."""
    window.start_theta[:] = theta
    window.lowest[:] = np.inf
    window.highest[:] = -np.inf
    window.previous_mean[:] = np.inf
    window.previous_lowest[:] = np.inf
    window.previous_highest[:] = np.inf


@compiled()
def widen_window(window: Window, omega: Float[np.ndarray, " nodes"]) -> None:
    """Takes the frequencies of one more step into the running window."""
    for i in range(len(omega)):
        window.lowest[i] = min(window.lowest[i], omega[i])
        window.highest[i] = max(window.highest[i], omega[i])


@compiled()
def close_window(window: Window, theta: Float[np.ndarray, " nodes"], stops: Stops) -> bool:
    """Ends the running window, opens the next, and tells whether the trajectory has settled.

    Settled: in every node the mean, smallest and largest frequency are those of the previous
    window to the tolerance, and some node turns faster than the rule's frequency on average.
    """
    change = 0.0
    fastest = 0.0
    for i in range(len(theta)):
        mean = (theta[i] - window.start_theta[i]) / stops.settled_window
        fastest = max(fastest, abs(mean))
        change = max(
            change,
            abs(mean - window.previous_mean[i]),
            abs(window.lowest[i] - window.previous_lowest[i]),
            abs(window.highest[i] - window.previous_highest[i]),
        )
        window.previous_mean[i] = mean
        window.previous_lowest[i] = window.lowest[i]
        window.previous_highest[i] = window.highest[i]
    window.start_theta[:] = theta
    window.lowest[:] = np.inf
    window.highest[:] = -np.inf
    return fastest > stops.settled_frequency and change < stops.settled_tolerance
