"""The power grid: nodes that generate or consume, lines that couple their phases."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from gridstab.arguments import shortened, whole
from gridstab.errors import InvalidGridError, InvalidParameterError
from gridstab.grids import grid_checks as checks

if TYPE_CHECKING:
    import networkx as nx

PUBLISHED_COUPLING = 9.0
PUBLISHED_DAMPING = 0.1
PUBLISHED_INERTIA = 1.0

LARGEST_COORDINATE = 1e12
"""What can still be drawn; the circumference of the Earth is 4e7 m."""


@dataclass(frozen=True, eq=False)
class PowerGrid:
    """An immutable, validated grid; build it with :meth:`from_arrays`.

    The units are those of the swing equation m dω/dt = P − D ω + Σ K sin(Δθ) in its usual
    dimensionless form; the published studies set m = 1, D = 0.1, K = 9 and P = ±1.

    Attributes:
        lines: Node pairs (a, b) with a < b, 0-based, each line once, sorted. Shape ``(lines, 2)``.
        power: P, generation positive. Shape ``(nodes,)``.
        inertia: m > 0. Shape ``(nodes,)``.
        damping: D ≥ 0, the papers' α. Shape ``(nodes,)``.
        coupling: K > 0. Shape ``(lines,)``.
        coordinates: Positions for drawing, or None. Shape ``(nodes, 2)``.
        name: What the grid is called in tables and pictures; not part of its identity.
        labels: What its source calls each node, as a bus number or a station's name; otherwise
            the node's own number, ``"0"`` to ``"n-1"``. Unique; not part of its identity.
    """

    lines: Int[np.ndarray, "lines 2"]
    power: Float[np.ndarray, " nodes"]
    inertia: Float[np.ndarray, " nodes"]
    damping: Float[np.ndarray, " nodes"]
    coupling: Float[np.ndarray, " lines"]
    coordinates: Float[np.ndarray, "nodes 2"] | None = None
    name: str = "grid"
    labels: tuple[str, ...] = ()

    @classmethod
    def from_arrays(
        cls,
        lines: ArrayLike,
        power: ArrayLike,
        *,
        inertia: ArrayLike | float = PUBLISHED_INERTIA,
        damping: ArrayLike | float = PUBLISHED_DAMPING,
        coupling: ArrayLike | float = PUBLISHED_COUPLING,
        coordinates: ArrayLike | None = None,
        name: str = "grid",
        labels: Sequence[str] | None = None,
    ) -> "PowerGrid":
        """A grid from anything array-like; scalars hold for every node or line.

        Labels must be unique, printable and of 1 to 200 characters, the name printable and of at
        most 255.

        Raises:
            InvalidGridError: Wrong shapes, non-finite values, self-loops, repeated lines, unknown
                nodes, values outside their range, or unusable labels. The message names the first
                offender.
        """
        powers = checks.numbers("power", power)
        if powers.ndim != 1 or powers.size == 0:
            raise InvalidGridError(
                f"power must be a list of at least one node, got shape {powers.shape}"
            )
        nodes = powers.size
        known = checks.default_labels(nodes)
        if labels is not None:
            known = checks.checked_labels(labels, nodes)
        pairs = checks.node_pairs(lines)
        checks.require_lines(pairs, known)

        def node(number: int) -> str:
            return f"node {known[number]}"

        def line(number: int) -> str:
            a, b = pairs[number]
            return f"line {number}, from {known[a]} to {known[b]}"

        inertias = checks.vector("inertia", inertia, nodes, "node")
        dampings = checks.vector("damping", damping, nodes, "node")
        couplings = checks.vector("coupling", coupling, len(pairs), "line")
        checks.require("power", powers, np.isfinite(powers), "finite", node)
        for what, values, least, describe in (
            ("inertia", inertias, inertias > 0, node),
            ("damping", dampings, dampings >= 0, node),
            ("coupling", couplings, couplings > 0, line),
        ):
            checks.require(what, values, np.isfinite(values), "finite", describe)
            condition = "zero or positive" if what == "damping" else "positive"
            checks.require(what, values, least, condition, describe)
        positions = None if coordinates is None else checks.numbers("coordinates", coordinates)
        if positions is not None:
            if positions.shape != (nodes, 2):
                raise InvalidGridError(
                    f"coordinates must have shape ({nodes}, 2), got {positions.shape}"
                )
            finite = np.isfinite(positions).all(axis=1)
            checks.require("coordinates", positions, finite, "finite", node)
            drawable = (np.abs(positions) <= LARGEST_COORDINATE).all(axis=1)
            limit = f"at most {LARGEST_COORDINATE:g} in size"
            checks.require("coordinates", positions, drawable, limit, node)
        pairs = np.sort(pairs, axis=1)
        order = np.lexsort(pairs.T[::-1])
        grid = cls(
            lines=pairs[order],
            power=powers,
            inertia=inertias,
            damping=dampings,
            coupling=couplings[order],
            coordinates=positions,
            name=checks.checked_name(name),
            labels=known,
        )
        for array in (grid.lines, grid.power, grid.inertia, grid.damping, grid.coupling):
            array.flags.writeable = False
        if grid.coordinates is not None:
            grid.coordinates.flags.writeable = False
        return grid

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.power)

    @property
    def num_lines(self) -> int:
        """Number of (undirected) lines."""
        return len(self.lines)

    @property
    def has_own_labels(self) -> bool:
        """Whether the nodes are called something else than their numbers."""
        return self.labels != checks.default_labels(self.num_nodes)

    @property
    def edge_index(self) -> Int[np.ndarray, "2 directed_lines"]:
        """Both directions of every line, consecutive, in PyG's layout. Shape ``(2, 2 lines)``."""
        both = np.stack([self.lines, self.lines[:, ::-1]], axis=1)
        return both.reshape(-1, 2).T

    @property
    def edge_attr(self) -> Float[np.ndarray, " directed_lines"]:
        """The coupling of every column of :attr:`edge_index`."""
        return np.repeat(self.coupling, 2)

    @property
    def degree(self) -> Int[np.ndarray, " nodes"]:
        """Number of lines at each node."""
        return np.bincount(self.lines.ravel(), minlength=self.num_nodes)

    @cached_property
    def is_homogeneous(self) -> bool:
        """Whether inertia, damping and coupling are the same everywhere (the published setting)."""
        return all(
            values.size == 0 or bool((values == values[0]).all())
            for values in (self.inertia, self.damping, self.coupling)
        )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything that the dynamics depend on; equal grids have equal hashes."""
        digest = hashlib.sha256()
        for array in (self.lines, self.power, self.inertia, self.damping, self.coupling):
            digest.update(np.int64(array.size).tobytes())
            digest.update(
                np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
            )
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerGrid) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return int(self.content_hash[:16], 16)

    def adjacency(self, *, weighted: bool = False) -> csr_array:
        """Symmetric adjacency matrix, of ones or of couplings. Shape ``(nodes, nodes)``."""
        tail, head = self.lines.T
        values = self.coupling if weighted else np.ones(self.num_lines)
        return csr_array(
            (np.r_[values, values], (np.r_[tail, head], np.r_[head, tail])),
            shape=(self.num_nodes, self.num_nodes),
        )

    def laplacian(self, *, weighted: bool = False) -> csr_array:
        """Degree minus adjacency. Shape ``(nodes, nodes)``."""
        from scipy.sparse import diags_array

        adjacency = self.adjacency(weighted=weighted)
        return csr_array(diags_array(adjacency.sum(axis=1)) - adjacency)

    def to_networkx(self) -> "nx.Graph":
        """The grid as a networkx graph with ``power``, ``inertia``, ``damping``, ``coupling``.

        Nodes are their numbers; they also have ``x`` and ``y`` where coordinates are known, and
        ``label`` where they are called something else.
        """
        import networkx as nx

        graph = nx.Graph(name=self.name)
        has_own_labels = self.has_own_labels
        for node in range(self.num_nodes):
            graph.add_node(
                node,
                power=float(self.power[node]),
                inertia=float(self.inertia[node]),
                damping=float(self.damping[node]),
            )
            if self.coordinates is not None:
                x, y = self.coordinates[node].tolist()
                graph.nodes[node].update(x=x, y=y)
            if has_own_labels:
                graph.nodes[node]["label"] = self.labels[node]
        for (a, b), coupling in zip(self.lines.tolist(), self.coupling.tolist(), strict=True):
            graph.add_edge(a, b, coupling=coupling)
        return graph

    def node_number(self, label: str) -> int:
        """The number of the node that its source calls ``label``.

        Raises:
            InvalidParameterError: No node is called so.
        """
        try:
            return self.labels.index(label)
        except ValueError:
            first, last = self.labels[0], self.labels[-1]
            raise InvalidParameterError(
                f"{self.name!r} has no node {shortened(label)}; "
                f"its {self.num_nodes:,} nodes are called {first} to {last}"
            ) from None

    def line_name(self, line: int) -> str:
        """The labels of both ends of a line, as ``7-12``.

        Raises:
            InvalidParameterError: No line has that number.
        """
        whole("line", line, 0, self.num_lines - 1)
        a, b = self.lines[line]
        return f"{self.labels[a]}-{self.labels[b]}"

    def with_name(self, name: str) -> "PowerGrid":
        """The same grid under another name.

        Raises:
            InvalidGridError: The name is not printable, or longer than 255 characters.
        """
        return replace(self, name=checks.checked_name(name))

    def __repr__(self) -> str:
        return f"PowerGrid({self.name!r}, nodes={self.num_nodes}, lines={self.num_lines})"
