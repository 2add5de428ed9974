"""Largest frequencies between the accepted steps, which may be far apart."""

import numpy as np

from gnncore.compiled import compiled
from gridstab.dynamics.reference.runge_kutta import Workspace

PIECES = 8
"""A step is looked at in so many pieces; a parabola finds the crest between three looks."""


@compiled()
def highest_crest(workspace: Workspace, step: float, largest: float) -> float:
    """The largest |ω_i| within the last accepted step, or ``largest`` where none exceeds it.

    Within the step, ω_i is the polynomial of fourth degree in u = (t − t_0)/h that has the
    frequencies and accelerations of both ends and whose integral is the advance of the phase: the
    derivative of Hermite's quintic for θ_i. That needs no further slope and suits any method.
    """
    nodes = len(workspace.sine)
    look = np.empty(PIECES + 1)
    for i in range(nodes):
        first, last = workspace.old_state[nodes + i], workspace.state[nodes + i]
        rise = step * workspace.old_slope[nodes + i]
        fall = step * workspace.slopes[0, nodes + i]
        mean = (workspace.state[i] - workspace.old_state[i]) / step
        bulge = 30.0 * (mean - (first + last) / 2.0 - (rise - fall) / 12.0)
        # No point of the polynomial is further out than this.
        ends = max(abs(first), abs(last))
        if ends + (abs(rise) + abs(fall)) * 4.0 / 27.0 + abs(bulge) / 16.0 <= largest:
            continue
        for k in range(PIECES + 1):
            u = k / PIECES
            v = 1.0 - u
            cubic = first * v * v * (1.0 + 2.0 * u) + last * u * u * (1.0 + 2.0 * v)
            look[k] = abs(cubic + u * v * (rise * v - fall * u + bulge * u * v))
        for k in range(1, PIECES):
            before, here, after = look[k - 1], look[k], look[k + 1]
            bend = 2.0 * here - before - after
            if here >= before and here >= after and bend > 0.0:
                largest = max(largest, here + (after - before) ** 2 / (8.0 * bend))
    return largest
