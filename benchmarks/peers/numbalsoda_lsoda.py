"""numbalsoda's LSODA (C++) with a right-hand side in numba.

An implicit multistep method with finite-difference Jacobians is the wrong tool for oscillations;
it is here because it is the package's first example.
"""

from numbalsoda import lsoda

from benchmarks.peers import Peer
from benchmarks.peers.numbalsoda_ensemble import one_by_one

PEER = Peer("numbalsoda lsoda", lambda model: one_by_one(model, lsoda), batch=1, batches=4)
