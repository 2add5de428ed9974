"""An ensemble of initial states through SciPy, one after the other."""

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.peers import TOLERANCE, Solve, States
from benchmarks.peers.right_hand_side import State


def one_by_one(right_hand_side: Callable[[float, State], State], method: str) -> Solve:
    """Solves with ``solve_ivp``; only the last state is kept."""

    def solve(states: States, horizon: float) -> States:
        ends = np.empty_like(states)
        for end, state in zip(ends, states, strict=True):
            solution = solve_ivp(
                right_hand_side,
                (0.0, horizon),
                state,
                method=method,
                t_eval=[horizon],
                rtol=TOLERANCE,
                atol=TOLERANCE,
            )
            end[:] = solution.y[:, -1]
        return ends

    return solve
