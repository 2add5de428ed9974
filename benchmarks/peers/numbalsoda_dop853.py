"""numbalsoda's DOP853 (Fortran) with a right-hand side in numba."""

from numbalsoda import dop853

from benchmarks.peers import Peer
from benchmarks.peers.numbalsoda_ensemble import one_by_one

PEER = Peer("numbalsoda dop853", lambda model: one_by_one(model, dop853), batch=1, batches=64)
