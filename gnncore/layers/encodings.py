"""Where a node stands in its graph, as numbers: random-walk and Laplacian encodings.

Both depend on a node's own connected component alone, so a graph has the same encoding alone and
in any batch, and no ``batch`` vector is needed. Compute them once and keep them with the graph
(``data.random_walk = random_walk_encoding(...)``): they run in SciPy, on the CPU, without
gradients.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from torch import Tensor

from gnncore.errors import SpecificationError

_BLOCK_ENTRIES = 2**22  # of the dense blocks that walk at once: 32 MiB
_DENSE_NODES = 256  # up to here a full eigendecomposition is the fastest
_SPARSE_DEGREE = 16.0  # mean degree up to which a sparse factorisation stays sparse
_SHIFT = -1e-3  # below the spectrum, so that the shifted Laplacian is positive definite
_DEGENERATE = 1e-6  # eigenvalues closer than this count as one


def random_walk_encoding(
    edge_index: Int[Tensor, "2 edges"], num_nodes: int, steps: int
) -> Float[Tensor, "nodes steps"]:
    r"""The probabilities that a random walk is back after 1, 2, …, ``steps`` steps (RWSE).

    Column :math:`k` holds :math:`(P^k)_{vv}` with :math:`P = D^{-1} A`: the walk follows edges
    from source to target, each with the same probability. Parallel edges count as often as they
    stand in ``edge_index``, a walk ends where no edge leads on, and an isolated node has zeros.
    Equal for nodes that a symmetry of the graph exchanges; no choice of signs or bases is made.

    Args:
        edge_index: Source and target of every directed edge.
        num_nodes: Number of nodes.
        steps: Length K of the longest walk; column 0 is zero for graphs without self-loops.

    Returns:
        Probabilities in the default dtype, on the device of ``edge_index``.

    Raises:
        SpecificationError: ``steps`` below 1.

    References:
        Dwivedi et al., "Graph Neural Networks with Learnable Structural and Positional
        Representations", ICLR 2022, arXiv 2110.07875.
    """
    if steps < 1:
        raise SpecificationError(f"steps of a random walk must be at least 1, got {steps}")
    adjacency = _adjacency(edge_index, num_nodes)
    degree = adjacency.sum(axis=1)
    walk = diags_array(1.0 / np.maximum(degree, 1.0)) @ adjacency
    encoding = np.zeros((num_nodes, steps))
    for nodes, columns in _walkers(walk):
        block_walk = csr_array(walk[nodes][:, nodes])
        here = np.flatnonzero(columns >= 0)
        state = np.zeros((len(nodes), int(columns.max(initial=-1)) + 1))
        state[here, columns[here]] = 1.0
        for step in range(steps):
            state = block_walk @ state
            encoding[nodes[here], step] = state[here, columns[here]]
    return _tensor(encoding, edge_index)


def laplacian_encoding(
    edge_index: Int[Tensor, "2 edges"],
    num_nodes: int,
    channels: int,
    generator: torch.Generator | None = None,
    *,
    sign_invariant: bool = False,
) -> Float[Tensor, "nodes channels"]:
    r"""The slowest oscillations of every connected component (LapPE).

    Column :math:`k` holds the :math:`k`-th non-constant eigenvector, of unit norm on the
    component, of :math:`I - D^{-1/2} A D^{-1/2}`, by rising eigenvalue. The graph is read as
    undirected, without weights and self-loops. Components with too few nodes have zeros in the
    columns that are left.

    An eigenvector is determined up to its sign, and those of a multiple eigenvalue up to a
    rotation. Choose one of three ways:

    * By default the sum of cubes of every eigenvector is made positive. That is the same for any
      numbering of the nodes, except where the sum is zero (a mirror symmetry) and in the
      eigenspaces of multiple eigenvalues: there the result is reproducible, but arbitrary.
    * With ``generator`` each eigenvector of each component takes a random sign. Draw anew every
      epoch, and a model learns that signs mean nothing.
    * With ``sign_invariant`` each entry is the magnitude
      :math:`\sqrt{\frac{1}{|E|} \sum_{j \in E} v_{j}^2}` over the eigenspace :math:`E` of the
      column's eigenvalue: no choice is left and nodes that a symmetry exchanges are equal, at
      the price of the relative signs between nodes.

    Args:
        edge_index: Source and target of every edge.
        num_nodes: Number of nodes.
        channels: Number of eigenvectors.
        generator: Source of random signs (on the CPU); None for none.
        sign_invariant: Whether to return magnitudes.

    Returns:
        The encoding in the default dtype, on the device of ``edge_index``.

    Raises:
        SpecificationError: ``channels`` below 1, or random signs of magnitudes.

    References:
        Dwivedi et al., "Benchmarking Graph Neural Networks", JMLR 24 (2023), arXiv 2003.00982.
    """
    if channels < 1:
        raise SpecificationError(
            f"channels of a Laplacian encoding must be at least 1, got {channels}"
        )
    if sign_invariant and generator is not None:
        raise SpecificationError(
            "a sign-invariant Laplacian encoding has no signs to draw; leave out the generator"
        )
    adjacency = _adjacency(edge_index, num_nodes)
    adjacency.setdiag(0.0)
    adjacency = adjacency.maximum(adjacency.T).sign()
    adjacency.eliminate_zeros()
    encoding = np.zeros((num_nodes, channels))
    for nodes, component in _components(adjacency):
        values, vectors = _slowest(component, channels)
        columns = vectors[:, :channels]
        if sign_invariant:
            columns = _magnitudes(values, vectors)[:, :channels]
        elif generator is None:
            columns = columns * _canonical_signs(columns)
        else:
            size = (columns.shape[1],)
            columns = columns * (2 * torch.randint(2, size, generator=generator).numpy() - 1)
        encoding[nodes, : columns.shape[1]] = columns
    return _tensor(encoding, edge_index)


def _adjacency(edge_index: Int[Tensor, "2 edges"], num_nodes: int) -> csr_array:
    source, target = edge_index.detach().cpu().numpy()
    return csr_array((np.ones(len(source)), (source, target)), shape=(num_nodes, num_nodes))


def _tensor(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.device, torch.get_default_dtype())


def _walkers(walk: csr_array) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Nodes to walk on and, for each, the column in which its own walk runs, or -1.

    Walks of different components never meet, so one column carries a walk of every component.
    """
    _, labels = connected_components(walk, directed=True, connection="weak")
    sizes = np.bincount(labels)
    order = np.argsort(labels, kind="stable")
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    start = 0
    while (nodes := np.flatnonzero(sizes[labels] > start)).size:
        stop = start + max(_BLOCK_ENTRIES // nodes.size, 1)
        inside = (rank[nodes] >= start) & (rank[nodes] < stop)
        yield nodes, np.where(inside, rank[nodes] - start, -1)
        start = stop


def _components(adjacency: csr_array) -> Iterator[tuple[np.ndarray, csr_array]]:
    """Nodes and adjacency of every connected component of at least two nodes."""
    _, labels = connected_components(adjacency, directed=False)
    sizes = np.bincount(labels)
    order = np.argsort(labels, kind="stable")
    adjacency = adjacency[order][:, order]
    for start, size in zip(np.cumsum(sizes) - sizes, sizes, strict=True):
        if size > 1:
            inside = slice(start, start + size)
            yield order[inside], csr_array(adjacency[inside, inside])


def _slowest(adjacency: csr_array, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rising eigenvalues and eigenvectors, without the constant one, to the end of the last
    eigenspace that the first ``count`` reach into."""
    scale = diags_array(adjacency.sum(axis=1) ** -0.5)
    propagation = csr_array(scale @ adjacency @ scale)
    nodes = propagation.shape[0]
    wanted = count + 2
    while True:
        if nodes <= _DENSE_NODES or 2 * wanted > nodes:
            values, vectors = np.linalg.eigh(np.eye(nodes) - propagation.toarray())
        else:
            values, vectors = _lanczos(propagation, wanted)
        values, vectors = values[1:], vectors[:, 1:]
        if len(values) == nodes - 1 or values[-1] - values[count - 1] > _DEGENERATE:
            return values, vectors
        wanted *= 2


def _lanczos(propagation: csr_array, count: int) -> tuple[np.ndarray, np.ndarray]:
    nodes = propagation.shape[0]
    # Fixed, so that the same graph has the same encoding in every process.
    start = np.random.default_rng(0).standard_normal(nodes)
    if propagation.nnz <= _SPARSE_DEGREE * nodes:
        laplacian = diags_array(np.ones(nodes)) - propagation
        values, vectors = eigsh(laplacian.tocsc(), count, sigma=_SHIFT, which="LM", v0=start)
    else:
        values, vectors = eigsh(propagation, count, which="LA", v0=start)
        values = 1.0 - values
    order = np.argsort(values)
    return values[order], vectors[:, order]


def _canonical_signs(vectors: np.ndarray) -> np.ndarray:
    cubes = (vectors**3).sum(axis=0)
    undecided = np.abs(cubes) <= 1e-8 * (np.abs(vectors) ** 3).sum(axis=0)
    large = np.abs(vectors) > 0.5 * np.abs(vectors).max(axis=0)
    first_large = np.take_along_axis(vectors, large.argmax(axis=0)[None], axis=0)[0]
    return np.sign(np.where(undecided, first_large, cubes))


def _magnitudes(values: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    space = np.cumsum(np.diff(values, prepend=values[0]) > _DEGENERATE)
    mean = (space[:, None] == space) / np.bincount(space)[space]
    return np.sqrt(vectors**2 @ mean)
