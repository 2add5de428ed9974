"""An ensemble through numbalsoda, whose integrators are compiled Fortran and C++."""

from collections.abc import Callable

import numpy as np
from numba import carray, cfunc
from numbalsoda import lsoda_sig

from benchmarks.peers import TOLERANCE, Solve, States
from benchmarks.peers.right_hand_side import numba_acceleration
from gridstab.dynamics.swing import SwingModel

STEP_LIMIT = 10_000_000


def one_by_one(model: SwingModel, integrator: Callable[..., tuple[np.ndarray, bool]]) -> Solve:
    """Solves with ``numbalsoda.dop853`` or ``numbalsoda.lsoda``; only the last state is kept."""
    accelerate = numba_acceleration(model)
    size = 2 * model.grid.num_nodes

    @cfunc(lsoda_sig)
    def callback(time, state, change, data):  # type: ignore[no-untyped-def]
        accelerate(carray(state, (size,)), carray(change, (size,)))

    def solve(states: States, horizon: float) -> States:
        times = np.array([0.0, horizon])
        ends = np.empty_like(states)
        for end, state in zip(ends, states, strict=True):
            solution, success = integrator(
                callback.address,
                state,
                times,
                rtol=TOLERANCE,
                atol=TOLERANCE,
                mxstep=STEP_LIMIT,
            )
            if not success:
                raise RuntimeError(f"{integrator.__name__} gave up before t = {horizon}")
            end[:] = solution[-1]
        return ends

    return solve
