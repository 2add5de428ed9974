"""The power grid: nodes that generate or consume, lines that couple their phases."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from gridstab.errors import InvalidGridError

if TYPE_CHECKING:
    import networkx as nx

PUBLISHED_COUPLING = 9.0
PUBLISHED_DAMPING = 0.1
PUBLISHED_INERTIA = 1.0

LONGEST_LABEL = 200
"""Characters of a node's label, at most."""


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

        Labels must be unique, printable and of 1 to 200 characters.

        Raises:
            InvalidGridError: Wrong shapes, non-finite values, self-loops, repeated lines, unknown
                nodes, values outside their range, or unusable labels. The message names the first
                offender.
        """
        powers = _finite("power", power)
        if powers.ndim != 1 or powers.size == 0:
            raise InvalidGridError(
                f"power must be a list of at least one node, got shape {powers.shape}"
            )
        nodes = powers.size
        pairs = np.asarray(lines)
        if pairs.size == 0:
            pairs = np.zeros((0, 2), np.int64)
        if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
            raise InvalidGridError(
                f"lines must be integer node pairs of shape (lines, 2), "
                f"got shape {pairs.shape} of {pairs.dtype}"
            )
        couplings = _per("coupling", coupling, len(pairs), "line")
        pairs, couplings = _sorted_lines(pairs.astype(np.int64), couplings, nodes)
        grid = cls(
            lines=pairs,
            power=powers,
            inertia=_per("inertia", inertia, nodes, "node"),
            damping=_per("damping", damping, nodes, "node"),
            coupling=couplings,
            coordinates=None if coordinates is None else _finite("coordinates", coordinates),
            name=name,
            labels=_default_labels(nodes) if labels is None else _checked_labels(labels, nodes),
        )
        _require("inertia", grid.inertia, grid.inertia > 0, "positive")
        _require("damping", grid.damping, grid.damping >= 0, "zero or positive")
        _require("coupling", grid.coupling, grid.coupling > 0, "positive")
        if grid.coordinates is not None and grid.coordinates.shape != (nodes, 2):
            raise InvalidGridError(
                f"coordinates must have shape ({nodes}, 2), got {grid.coordinates.shape}"
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
        return self.labels != _default_labels(self.num_nodes)

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

        Nodes also have ``x`` and ``y`` where coordinates are known.
        """
        import networkx as nx

        graph = nx.Graph(name=self.name)
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
        for (a, b), coupling in zip(self.lines.tolist(), self.coupling.tolist(), strict=True):
            graph.add_edge(a, b, coupling=coupling)
        return graph

    def with_name(self, name: str) -> "PowerGrid":
        """The same grid under another name."""
        return replace(self, name=name)

    def __repr__(self) -> str:
        return f"PowerGrid({self.name!r}, nodes={self.num_nodes}, lines={self.num_lines})"


def _finite(what: str, values: ArrayLike | float) -> Any:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidGridError(f"{what} must be numbers: {error}") from error
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise InvalidGridError(f"{what} must be finite, got {array.ravel()[bad[0]]} at {bad[0]}")
    return array


def _per(
    what: str, values: ArrayLike | float, count: int, thing: str
) -> Float[np.ndarray, " count"]:
    array = _finite(what, values)
    if array.ndim == 0:
        return np.full(count, float(array))
    if array.shape != (count,):
        raise InvalidGridError(
            f"{what} needs one value a {thing} ({count}), got shape {array.shape}"
        )
    return array


def _require(what: str, values: np.ndarray, good: np.ndarray, condition: str) -> None:
    bad = np.flatnonzero(~good)
    if bad.size:
        raise InvalidGridError(f"{what} must be {condition}, got {values[bad[0]]} at {bad[0]}")


def _default_labels(nodes: int) -> tuple[str, ...]:
    return tuple(map(str, range(nodes)))


def _checked_labels(labels: Sequence[str], nodes: int) -> tuple[str, ...]:
    if isinstance(labels, str) or not isinstance(labels, Sequence | np.ndarray):
        raise InvalidGridError(f"labels must be a list of one text a node, got {_cut(labels)}")
    if len(labels) != nodes:
        raise InvalidGridError(f"labels needs one text a node ({nodes}), got {len(labels)}")
    seen: dict[str, int] = {}
    for node, label in enumerate(labels):
        if not (isinstance(label, str) and label.strip() and label.isprintable()):
            raise InvalidGridError(
                f"labels must be printable and not empty, got {_cut(label)} at {node}"
            )
        if len(label) > LONGEST_LABEL:
            raise InvalidGridError(
                f"labels must have at most {LONGEST_LABEL} characters, "
                f"got {_cut(label)} of {len(label)} at {node}"
            )
        if label in seen:
            raise InvalidGridError(
                f"labels must be unique, got {_cut(label)} at {seen[label]} and {node}"
            )
        seen[str(label)] = node
    return tuple(seen)


def _cut(value: object) -> str:
    """The value as Python writes it, short enough for one line."""
    text = repr(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 80 else f"{text[:80]} …"


def _sorted_lines(
    lines: Int[np.ndarray, "lines 2"], coupling: Float[np.ndarray, " lines"], nodes: int
) -> tuple[Int[np.ndarray, "lines 2"], Float[np.ndarray, " lines"]]:
    for bad in np.flatnonzero(((lines < 0) | (lines >= nodes)).any(axis=1))[:1]:
        raise InvalidGridError(
            f"line {bad} joins {lines[bad, 0]} and {lines[bad, 1]}, but nodes are 0 to {nodes - 1}"
        )
    for bad in np.flatnonzero(lines[:, 0] == lines[:, 1])[:1]:
        raise InvalidGridError(f"line {bad} is a self-loop at node {lines[bad, 0]}; remove it")
    lines = np.sort(lines, axis=1)
    order = np.lexsort(lines.T[::-1])
    lines, coupling = lines[order], coupling[order]
    for bad in np.flatnonzero((np.diff(lines, axis=0) == 0).all(axis=1))[:1]:
        a, b = lines[bad]
        raise InvalidGridError(f"nodes {a} and {b} are joined twice; merge parallel lines into one")
    return lines, coupling
