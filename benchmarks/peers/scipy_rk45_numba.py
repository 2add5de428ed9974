"""SciPy's ``solve_ivp`` with RK45 and a right-hand side in numba."""

from benchmarks.peers import Peer
from benchmarks.peers.right_hand_side import numba_right_hand_side
from benchmarks.peers.scipy_ensemble import one_by_one

PEER = Peer(
    "SciPy RK45, numba",
    lambda model: one_by_one(numba_right_hand_side(model), "RK45"),
    batch=1,
    batches=16,
)
