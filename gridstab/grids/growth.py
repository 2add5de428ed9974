"""Random power grids by the growth model of the published stability studies.

Schultz, Heitzig and Kurths 2014 (arXiv:1602.02562) with the deviations of the code that made the
published data, SyntheticNetworks.jl 0.2.0:

- redundancy is rewarded by (d_G + dist)^r / dist with d_G the shortest path in Euclidean line
  lengths, where the paper has (d_G + 1)^r / dist with the number of lines;
- a split line is cut at a uniformly random point, not at its middle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree

from gridstab.arguments import MOST_NODES, at_least, at_least_zero, between, whole
from gridstab.errors import InvalidParameterError, NoOperatingPointError
from gridstab.grids.power_flow import has_operating_point
from gridstab.grids.power_grid import (
    PUBLISHED_COUPLING,
    PUBLISHED_DAMPING,
    PUBLISHED_INERTIA,
    PowerGrid,
)
from gridstab.grids.random_power import balanced_power, make_generator

_ATTEMPTS = 1000


def random_grid(
    nodes: int,
    seed: int | Sequence[int] = 0,
    *,
    n0: int = 1,
    p: float = 1 / 5,
    q: float = 3 / 10,
    r: float = 1 / 3,
    s: float = 1 / 10,
    coupling: float = PUBLISHED_COUPLING,
    damping: float = PUBLISHED_DAMPING,
    inertia: float = PUBLISHED_INERTIA,
    power: float = 1.0,
) -> PowerGrid:
    """A random power grid with a stable operating point; the defaults are the published setting.

    Half of the nodes, drawn at random, consume ``power`` and the other half generate it; of an odd
    number one node is left, which has none, as many nodes of real systems. A grid without stable
    operating point is discarded as a whole and the next one is drawn from the same
    random stream, so a seed always gives the same grid.

    >>> random_grid(20, seed=1).num_nodes
    20

    Args:
        nodes: Number of nodes, at least 2; even in the published setting.
        seed: Seed of the random stream, as for :func:`numpy.random.default_rng`.
        n0: Nodes of the initial minimum spanning tree.
        p: Probability of a second line from a new node.
        q: Probability of a further line from a random node.
        r: How much a further line should shorten detours rather than be short itself.
        s: Probability that a new node splits a line instead of being attached.
        coupling: K of every line.
        damping: D of every node.
        inertia: m of every node.
        power: |P| of every node.

    Raises:
        InvalidParameterError: A parameter is outside its range.
        NoOperatingPointError: None of 1,000 grids has a stable operating point.
    """
    whole("nodes", nodes, 2, MOST_NODES)
    at_least("n0", n0, 1)
    if n0 > nodes:
        raise InvalidParameterError(f"n0 must be from 1 to the number of nodes ({nodes}), got {n0}")
    for name, value in (("p", p), ("q", q), ("s", s)):
        between(name, value, 0, 1)
    for name, value in (("r", r), ("power", power)):
        at_least_zero(name, value)
    rng = make_generator(seed)
    for _ in range(_ATTEMPTS):
        lines, coordinates = grow(nodes, rng, n0=n0, p=p, q=q, r=r, s=s)
        grid = PowerGrid.from_arrays(
            lines,
            balanced_power(nodes, rng, power),
            coupling=coupling,
            damping=damping,
            inertia=inertia,
            coordinates=coordinates,
            name=f"random-{nodes}-{seed}" if isinstance(seed, int) else f"random-{nodes}",
        )
        if has_operating_point(grid):
            return grid
    raise NoOperatingPointError(
        f"none of {_ATTEMPTS} random grids of {nodes} nodes has a stable operating point with "
        f"power {power:g} and coupling {coupling:g}; lower the power or raise the coupling"
    )


def grow(
    nodes: int,
    rng: np.random.Generator,
    *,
    n0: int = 1,
    p: float = 1 / 5,
    q: float = 3 / 10,
    r: float = 1 / 3,
    s: float = 1 / 10,
) -> tuple[Int[np.ndarray, "lines 2"], Float[np.ndarray, "nodes 2"]]:
    """Lines and coordinates of one grown network; parameters as in :func:`random_grid`.

    The expected number of lines for ``n0=1`` is (nodes − 1)(1 + (1 − s)(p + q)), less the links
    that find every node taken already (only in networks of a few nodes).
    """
    network = _Network.initial(nodes, rng, n0=n0, extra=floor(n0 * (1 - s) * (p + q)), r=r)
    for _ in range(nodes - n0):
        if network.num_lines and rng.random() < s:
            network.split(int(rng.integers(network.num_lines)), rng.random())
            continue
        new = network.attach(rng.uniform(-1, 1, 2))
        if rng.random() < p:
            network.link(new, r)
        if rng.random() < q:
            network.link(int(rng.integers(network.num_nodes)), r)
    return network.lines[: network.num_lines], network.position


@dataclass(eq=False)
class _Network:
    """A network that grows in place; rows beyond the counts are room for more."""

    position: Float[np.ndarray, "nodes 2"]
    lines: Int[np.ndarray, "room 2"]
    length: Float[np.ndarray, " room"]
    num_nodes: int
    num_lines: int = 0

    @classmethod
    def initial(
        cls, nodes: int, rng: np.random.Generator, *, n0: int, extra: int, r: float
    ) -> "_Network":
        """Steps I1 to I3: a minimum spanning tree of ``n0`` nodes and ``extra`` lines."""
        room = 3 * nodes + extra
        network = cls(np.zeros((nodes, 2)), np.zeros((room, 2), np.int64), np.zeros(room), n0)
        network.position[:n0] = rng.uniform(-1, 1, (n0, 2))
        if n0 > 1:
            at = network.position[:n0]
            distance = np.linalg.norm(at[:, None] - at[None, :], axis=2)
            for a, b in zip(*minimum_spanning_tree(distance).nonzero(), strict=True):
                network.join(int(a), int(b))
        for _ in range(extra):
            network.link(int(rng.integers(n0)), r)
        return network

    def attach(self, position: Float[np.ndarray, "2"]) -> int:
        """Steps G1 and G2: a new node, joined to the nearest."""
        new = self.num_nodes
        self.position[new] = position
        self.num_nodes += 1
        self.join(int(self.distance(new)[:new].argmin()), new)
        return new

    def link(self, node: int, r: float) -> None:
        """Steps G3 and G4: the line from ``node`` that avoids most detour for its length."""
        distance = self.distance(node)
        distance[node] = 1.0
        gain = (self.detour(node) + distance) ** r / distance
        lines = self.lines[: self.num_lines]
        gain[lines[(lines == node).any(axis=1)]] = 0.0
        gain[node] = 0.0
        best = int(gain.argmax())
        if gain[best] > 0:
            self.join(best, node)

    def split(self, line: int, share: float) -> None:
        """Step G5: a new node on a line, at a random point."""
        a, b = self.lines[line]
        new = self.num_nodes
        self.position[new] = share * self.position[a] + (1 - share) * self.position[b]
        self.num_nodes += 1
        self.put(line, int(a), new)
        self.join(int(b), new)

    def join(self, a: int, b: int) -> None:
        self.put(self.num_lines, a, b)
        self.num_lines += 1

    def put(self, line: int, a: int, b: int) -> None:
        self.lines[line] = a, b
        self.length[line] = np.linalg.norm(self.position[a] - self.position[b])

    def distance(self, node: int) -> Float[np.ndarray, " present"]:
        """Euclidean distance of every node from ``node``."""
        offset = self.position[: self.num_nodes] - self.position[node]
        return np.hypot(offset[:, 0], offset[:, 1])

    def detour(self, node: int) -> Float[np.ndarray, " present"]:
        """Length of the shortest path along lines from ``node``."""
        tail, head = self.lines[: self.num_lines].T
        lengths = csr_array(
            (self.length[: self.num_lines], (tail, head)), shape=(self.num_nodes, self.num_nodes)
        )
        return dijkstra(lengths, directed=False, indices=node)
