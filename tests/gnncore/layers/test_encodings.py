"""Encodings against analytic graphs and dense linear algebra, alone and in batches."""

from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.utils import from_networkx

from gnncore.errors import SpecificationError
from gnncore.layers import encodings, laplacian_encoding, random_walk_encoding

Encoding = Callable[[Tensor, int], Tensor]
ENCODINGS: dict[str, Encoding] = {
    "random walk": lambda edge_index, num_nodes: random_walk_encoding(edge_index, num_nodes, 6),
    "laplacian": lambda edge_index, num_nodes: laplacian_encoding(edge_index, num_nodes, 4),
    "laplacian magnitudes": lambda edge_index, num_nodes: laplacian_encoding(
        edge_index, num_nodes, 4, sign_invariant=True
    ),
}


@pytest.fixture(autouse=True)
def _double_precision() -> object:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def edges(graph: nx.Graph) -> tuple[Tensor, int]:
    return from_networkx(graph).edge_index.reshape(2, -1).long(), len(graph)


def grid_like(nodes: int, seed: int = 0) -> nx.Graph:
    """A connected sparse graph with the many branches of a power grid."""
    rng = np.random.default_rng(seed)
    graph = nx.Graph((int(rng.integers(max(0, v - 10), v)), v) for v in range(1, nodes))
    graph.add_edges_from(rng.integers(nodes, size=(nodes // 4, 2)).tolist())
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    return nx.convert_node_labels_to_integers(graph, ordering="sorted")


def dense_laplacian(graph: nx.Graph) -> np.ndarray:
    return nx.normalized_laplacian_matrix(graph, nodelist=range(len(graph))).toarray()


# Random walks


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.integers(0, 40), st.integers(0, 10**6), st.integers(1, 9))
def test_return_probabilities_are_the_diagonals_of_powers(
    nodes: int, count: int, seed: int, steps: int
) -> None:
    rng = np.random.default_rng(seed)
    pairs = rng.integers(max(nodes, 1), size=(2, count if nodes else 0))
    adjacency = np.zeros((nodes, nodes))
    np.add.at(adjacency, tuple(pairs), 1.0)  # directed, with self-loops and parallel edges
    walk = adjacency / np.maximum(adjacency.sum(axis=1, keepdims=True), 1.0)
    powers = [np.diag(np.linalg.matrix_power(walk, k)) for k in range(1, steps + 1)]
    encoding = random_walk_encoding(torch.from_numpy(pairs), nodes, steps)
    assert encoding.shape == (nodes, steps)
    np.testing.assert_allclose(encoding.numpy(), np.stack(powers, axis=1), atol=1e-14)


def test_walks_in_known_graphs() -> None:
    complete = random_walk_encoding(*edges(nx.complete_graph(5)), steps=3)
    # Two of three steps lead elsewhere, the last one back: 3/4 of 1/4.
    torch.testing.assert_close(complete, torch.tensor([[0.0, 1 / 4, 3 / 16]]).expand(5, 3))
    ring = random_walk_encoding(*edges(nx.cycle_graph(10)), steps=4)
    torch.testing.assert_close(ring, torch.tensor([[0.0, 1 / 2, 0.0, 3 / 8]]).expand(10, 4))
    star = random_walk_encoding(*edges(nx.star_graph(4)), steps=2)
    assert star.tolist() == [[0.0, 1.0]] + [[0.0, 0.25]] * 4


def test_walks_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = nx.disjoint_union(grid_like(60), nx.disjoint_union(grid_like(9), nx.empty_graph(3)))
    whole = random_walk_encoding(*edges(graph), steps=5)
    monkeypatch.setattr(encodings, "_BLOCK_ENTRIES", 200)
    assert torch.equal(random_walk_encoding(*edges(graph), steps=5), whole)


# Laplacian eigenvectors


@pytest.mark.parametrize(("nodes", "channels"), [(40, 6), (400, 6), (400, 1), (300, 200)])
def test_columns_are_the_slowest_eigenvectors(nodes: int, channels: int) -> None:
    graph = grid_like(nodes)
    encoding = laplacian_encoding(*edges(graph), channels).numpy()
    laplacian = dense_laplacian(graph)
    values = np.linalg.eigvalsh(laplacian)[1 : channels + 1]
    np.testing.assert_allclose(laplacian @ encoding, encoding * values, atol=1e-9)
    np.testing.assert_allclose(encoding.T @ encoding, np.eye(channels), atol=1e-9)


def test_dense_graphs_are_solved_without_factorisation() -> None:
    graph = nx.gnp_random_graph(400, 0.2, seed=1)
    encoding = laplacian_encoding(*edges(graph), 3).numpy()
    laplacian = dense_laplacian(graph)
    values = np.linalg.eigvalsh(laplacian)[1:4]
    np.testing.assert_allclose(laplacian @ encoding, encoding * values, atol=1e-9)


def test_a_path_oscillates_as_a_cosine() -> None:
    # The normalised Laplacian of a path has vectors √degree cos(π k i / (n - 1)).
    nodes = 8
    encoding = laplacian_encoding(*edges(nx.path_graph(nodes)), 3)
    degree = torch.tensor([1.0] + [2.0] * (nodes - 2) + [1.0])
    for k in range(3):
        wave = degree.sqrt() * torch.cos(torch.pi * (k + 1) * torch.arange(nodes) / (nodes - 1))
        wave = wave / wave.norm()
        assert abs(abs(float(wave @ encoding[:, k])) - 1) < 1e-12


def test_small_components_leave_columns_empty() -> None:
    graph = nx.disjoint_union(
        nx.path_graph(3), nx.disjoint_union(nx.path_graph(2), nx.empty_graph(1))
    )
    encoding = laplacian_encoding(*edges(graph), 4)
    assert (encoding[:3, :2].norm(dim=0) - 1).abs().max() < 1e-12
    assert encoding[:3, 2:].abs().max() == 0
    assert encoding[3:5, 0].abs().tolist() == pytest.approx([0.5**0.5] * 2)
    assert encoding[3:5, 1:].abs().max() == 0
    assert encoding[5].abs().max() == 0


def test_direction_self_loops_and_parallel_edges_do_not_matter() -> None:
    edge_index, nodes = edges(grid_like(20))
    expected = laplacian_encoding(edge_index, nodes, 4)
    loops = torch.arange(5).expand(2, 5)
    more = torch.cat([edge_index, loops, edge_index[:, :7]], dim=1)
    assert torch.equal(laplacian_encoding(more, nodes, 4), expected)
    one_way = edge_index[:, edge_index[0] < edge_index[1]]
    assert torch.equal(laplacian_encoding(one_way, nodes, 4), expected)


def test_random_signs_change_whole_columns_of_components() -> None:
    graph = nx.disjoint_union(grid_like(15), grid_like(12, seed=1))
    fixed = laplacian_encoding(*edges(graph), 5)
    drawn = [
        laplacian_encoding(*edges(graph), 5, torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[0].abs(), fixed.abs())
    signs = (drawn[0] * fixed).sign()
    for component in (signs[:15], signs[15:]):
        assert torch.equal(component, component[:1].expand_as(component))
    assert len(torch.cat([signs[0], signs[-1]]).unique()) == 2


@pytest.mark.parametrize(
    "graph",
    [
        nx.cycle_graph(9),
        nx.star_graph(6),
        nx.complete_bipartite_graph(3, 4),
        nx.grid_2d_graph(4, 4),
    ],
)
def test_magnitudes_do_not_depend_on_a_choice_of_basis(graph: nx.Graph) -> None:
    graph = nx.convert_node_labels_to_integers(graph)
    edge_index, nodes = edges(graph)
    expected = laplacian_encoding(edge_index, nodes, 4, sign_invariant=True)
    permutation = torch.randperm(nodes, generator=torch.Generator().manual_seed(1))
    moved = laplacian_encoding(permutation.argsort()[edge_index], nodes, 4, sign_invariant=True)
    torch.testing.assert_close(moved, expected[permutation], rtol=0, atol=1e-7)
    if nx.is_regular(graph):  # of a ring, where all nodes are alike
        assert expected.std(dim=0).max() < 1e-7


def test_magnitudes_close_an_eigenspace_beyond_the_columns() -> None:
    # Slowest of a large ring: pairs of sines and cosines; the first column alone splits a pair.
    ring = laplacian_encoding(*edges(nx.cycle_graph(400)), 1, sign_invariant=True)
    torch.testing.assert_close(ring, torch.full((400, 1), 400**-0.5), rtol=0, atol=1e-6)


# Both


@pytest.mark.parametrize("name", ENCODINGS)
def test_alone_and_in_a_batch(name: str) -> None:
    graphs = [
        grid_like(12),
        nx.empty_graph(0),
        nx.cycle_graph(8),
        nx.empty_graph(2),
        grid_like(300),
    ]
    data = [Data(edge_index=e, num_nodes=n) for e, n in map(edges, graphs)]
    batch = Batch.from_data_list(data)
    together = ENCODINGS[name](batch.edge_index, batch.num_nodes)
    alone = torch.cat([ENCODINGS[name](*edges(graph)) for graph in graphs])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("nodes", [25, 300])
def test_numbers_of_nodes_and_order_of_edges_do_not_matter(name: str, nodes: int) -> None:
    edge_index, nodes = edges(grid_like(nodes))
    expected = ENCODINGS[name](edge_index, nodes)
    generator = torch.Generator().manual_seed(0)
    shuffled = edge_index[:, torch.randperm(edge_index.size(1), generator=generator)]
    assert torch.equal(ENCODINGS[name](shuffled, nodes), expected)
    permutation = torch.randperm(nodes, generator=generator)
    moved = ENCODINGS[name](permutation.argsort()[edge_index], nodes)
    torch.testing.assert_close(moved, expected[permutation], rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ENCODINGS)
def test_graphs_without_nodes_or_edges(name: str) -> None:
    nothing = torch.zeros(2, 0, dtype=torch.long)
    assert ENCODINGS[name](nothing, 0).shape[0] == 0
    assert ENCODINGS[name](nothing, 3).abs().max() == 0


def test_the_type_is_the_default() -> None:
    torch.set_default_dtype(torch.float32)
    for encoding in ENCODINGS.values():
        assert encoding(*edges(nx.path_graph(4))).dtype == torch.float32


def test_sizes_that_make_no_sense_are_refused() -> None:
    edge_index, nodes = edges(nx.path_graph(4))
    with pytest.raises(SpecificationError, match="at least 1, got 0"):
        random_walk_encoding(edge_index, nodes, 0)
    with pytest.raises(SpecificationError, match="at least 1, got 0"):
        laplacian_encoding(edge_index, nodes, 0)
    with pytest.raises(SpecificationError, match="leave out the generator"):
        laplacian_encoding(edge_index, nodes, 2, torch.Generator(), sign_invariant=True)
