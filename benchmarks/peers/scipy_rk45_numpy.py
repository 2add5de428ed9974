"""SciPy's ``solve_ivp`` with RK45 and a right-hand side in NumPy."""

from benchmarks.peers import Peer
from benchmarks.peers.right_hand_side import numpy_right_hand_side
from benchmarks.peers.scipy_ensemble import one_by_one

PEER = Peer(
    "SciPy RK45, NumPy",
    lambda model: one_by_one(numpy_right_hand_side(model), "RK45"),
    batch=1,
    batches=8,
)
