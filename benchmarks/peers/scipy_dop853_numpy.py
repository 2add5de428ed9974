"""SciPy's ``solve_ivp`` with DOP853 and a right-hand side in NumPy."""

from benchmarks.peers import Peer
from benchmarks.peers.right_hand_side import numpy_right_hand_side
from benchmarks.peers.scipy_ensemble import one_by_one

PEER = Peer(
    "SciPy DOP853, NumPy",
    lambda model: one_by_one(numpy_right_hand_side(model), "DOP853"),
    batch=1,
    batches=8,
)
