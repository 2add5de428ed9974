"""Other people's integrators on the same task, one a file.

A peer gets the same grid, the same initial states and the same right-hand side (one sine and one
cosine a node, then sums over the lines), in double precision with rtol = atol = 1e-6, and returns
the states at the horizon. It is written as an experienced user of that package would write it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np
from jaxtyping import Float

from gridstab.dynamics.swing import SwingModel

TOLERANCE = 1e-6

States = Float[np.ndarray, "batch 2*nodes"]
"""θ of every node, then ω of every node, one row a trajectory."""

Solve = Callable[[States, float], States]
"""States at time 0 and the horizon [s] to the states at the horizon."""


@dataclass(frozen=True)
class Peer:
    """One way to integrate an ensemble.

    Attributes:
        name: Name in tables.
        build: Prepares a grid; compilation may wait until the first call.
        batch: Trajectories that are integrated in one call.
        batches: Calls in a race, few where the peer is slow.
    """

    name: str
    build: Callable[[SwingModel], Solve]
    batch: int
    batches: int = 1


MODULES = (
    "scipy_rk45_numpy",
    "scipy_rk45_numba",
    "scipy_dop853_numpy",
    "numbalsoda_dop853",
    "numbalsoda_lsoda",
    "torchdiffeq_dopri5",
    "torchode_tsit5",
    "diffrax_tsit5",
)


def load(module: str) -> Peer:
    """The peer of that module.

    Raises:
        ImportError: Its package is not installed.
    """
    peer: Peer = import_module(f"benchmarks.peers.{module}").PEER
    return peer
