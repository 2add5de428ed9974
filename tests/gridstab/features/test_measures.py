"""Measures against networkx, hand-made grids, and values printed with the published measures."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridstab import PowerGrid, operating_point, random_grid, texas_grid
from gridstab.errors import DisconnectedGridError, InvalidParameterError
from gridstab.features.feature import NODE_FEATURES
from gridstab.features.measures import MEASURES, PUBLISHED_MEASURES, node_measures

SIZES, SEEDS = st.integers(2, 20), st.integers(0, 10**6)


def columns(grid: PowerGrid, *names: str) -> dict[str, np.ndarray]:
    names = names or tuple(MEASURES)
    return dict(zip(names, node_measures(grid, names).T, strict=True))


def of_nodes(values: dict[int, float]) -> np.ndarray:
    return np.array([values[node] for node in range(len(values))])


def tree(*powers: float) -> PowerGrid:
    """A triangle 0-1-2; 3 and 4 hang from 0, 5 hangs from 4, and 6 from 1."""
    lines = [(0, 1), (1, 2), (0, 2), (0, 3), (0, 4), (4, 5), (1, 6)]
    return PowerGrid.from_arrays(lines, powers or (1, -1, 1, -1, -1, 1, 0))


@given(SIZES, SEEDS)
@settings(max_examples=15, deadline=None)
def test_measures_that_networkx_has(half: int, seed: int) -> None:
    grid = random_grid(2 * half, seed=seed)
    graph = grid.to_networkx()
    closeness = nx.current_flow_closeness_centrality(graph)
    spectrum = np.linalg.eigvalsh(nx.laplacian_matrix(graph).toarray().astype(float))
    node = {
        "average_neighbor_degree": nx.average_neighbor_degree(graph),
        "clustering": nx.clustering(graph),
        "square_clustering": nx.square_clustering(graph),
        "closeness": nx.closeness_centrality(graph),
        "harmonic_centrality": nx.harmonic_centrality(graph),
        "eccentricity": nx.eccentricity(graph),
        "betweenness": nx.betweenness_centrality(graph),
        "katz_centrality": nx.katz_centrality_numpy(graph),
        "second_order_centrality": nx.second_order_centrality(graph),
        "current_flow_closeness": closeness,
        "current_flow_betweenness": nx.current_flow_betweenness_centrality(graph),
    }
    whole = {
        "transitivity": nx.transitivity(graph),
        "diameter": nx.diameter(graph),
        "kirchhoff_mean": np.mean([1 / value for value in closeness.values()]),
        "inverse_algebraic_connectivity": 1 / spectrum[1],
        "eigenratio": spectrum[1] / spectrum[-1],
    }
    ours = columns(grid)
    for name, values in node.items():
        np.testing.assert_allclose(ours[name], of_nodes(values), atol=1e-9, err_msg=name)
    for name, value in whole.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-8, err_msg=name)


@given(SIZES, SEEDS)
@settings(max_examples=15, deadline=None)
def test_assortativity_is_that_of_networkx(half: int, seed: int) -> None:
    grid = random_grid(2 * half, seed=seed)
    graph = grid.to_networkx()
    ours = columns(grid, "degree_assortativity", "power_assortativity")
    if len(set(grid.degree[grid.lines.ravel()])) > 1:
        expected = nx.degree_assortativity_coefficient(graph)
        assert ours["degree_assortativity"][0] == pytest.approx(expected, abs=1e-9)
    signs = {node: int(power) for node, power in enumerate(grid.power)}
    nx.set_node_attributes(graph, signs, "sign")
    expected = nx.attribute_assortativity_coefficient(graph, "sign")
    assert ours["power_assortativity"][0] == pytest.approx(expected, abs=1e-9)


def test_eigenvector_and_fiedler_vector_are_those_of_networkx() -> None:
    grid = random_grid(30, seed=3)
    graph = grid.to_networkx()
    ours = columns(grid, "eigenvector_centrality", "fiedler_magnitude")
    np.testing.assert_allclose(
        ours["eigenvector_centrality"], of_nodes(nx.eigenvector_centrality_numpy(graph)), atol=1e-9
    )
    fiedler = np.linalg.eigh(nx.laplacian_matrix(graph).toarray().astype(float))[1][:, 1]
    np.testing.assert_allclose(ours["fiedler_magnitude"], np.abs(fiedler), atol=1e-9)


def test_current_flow_betweenness_of_a_path_counts_the_pairs_that_pass() -> None:
    path = PowerGrid.from_arrays([(0, 1), (1, 2), (2, 3)], [1, -1, 1, -1])
    ours = columns(path, "current_flow_betweenness", "betweenness")
    np.testing.assert_allclose(ours["current_flow_betweenness"], [0, 2 / 3, 2 / 3, 0], atol=1e-12)
    np.testing.assert_allclose(ours["betweenness"], [0, 2 / 3, 2 / 3, 0], atol=1e-12)


def test_tree_shaped_parts_by_hand() -> None:
    ours = columns(tree())
    expected = {
        "bulk": [0, 0, 1, 0, 0, 0, 0],
        "root": [1, 1, 0, 0, 0, 0, 0],
        "inner_tree_node": [0, 0, 0, 0, 1, 0, 0],
        "proper_leaf": [0, 0, 0, 0, 0, 1, 0],
        "sparse_sprout": [0, 0, 0, 1, 0, 0, 1],
        "dense_sprout": [0] * 7,
        "tree_depth": [2, 1, 0, 0, 1, 0, 0],
        "tree_height": [0, 0, 0, 1, 1, 2, 1],
        "branch_size": [4, 2, 1, 1, 2, 1, 1],
        "branch_power": [0, -1, 1, -1, 0, 1, 0],
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(ours[name], values, err_msg=name)


def test_a_sprout_is_dense_where_its_root_has_five_lines() -> None:
    lines = [(0, 1), (1, 2), (0, 2), (0, 3), (0, 4), (0, 5), (1, 6)]
    ours = columns(PowerGrid.from_arrays(lines, [1, -1, 1, -1, 1, -1, 0]), "dense_sprout")
    np.testing.assert_array_equal(ours["dense_sprout"], [0, 0, 0, 1, 1, 1, 0])


@pytest.mark.parametrize(("nodes", "roots"), [(2, []), (5, [2]), (6, [2, 3])])
def test_the_root_of_a_tree_is_its_centre(nodes: int, roots: list[int]) -> None:
    power = np.resize([1.0, -1.0], nodes)
    path = PowerGrid.from_arrays([(a, a + 1) for a in range(nodes - 1)], power - power.mean())
    ours = columns(path, "root", "bulk")
    assert np.flatnonzero(ours["root"]).tolist() == roots
    assert ours["bulk"].sum() == (nodes == 2) * nodes


@given(SIZES, SEEDS)
@settings(max_examples=15, deadline=None)
def test_every_node_has_one_class(half: int, seed: int) -> None:
    grid = random_grid(2 * half, seed=seed)
    names = ("bulk", "root", "inner_tree_node", "proper_leaf", "sparse_sprout", "dense_sprout")
    np.testing.assert_array_equal(node_measures(grid, names).sum(axis=1), 1)
    core = nx.k_core(grid.to_networkx(), 2)
    outside = [node for node in range(grid.num_nodes) if node not in core]
    if len(core):
        ours = columns(grid, "bulk", "root")
        assert np.flatnonzero(ours["bulk"] + ours["root"] == 0).tolist() == outside


def test_loads_follow_from_the_operating_point() -> None:
    grid = tree()
    theta = operating_point(grid)
    load = np.abs(np.sin(theta[grid.lines[:, 0]] - theta[grid.lines[:, 1]]))
    ours = columns(grid)
    for node in range(grid.num_nodes):
        at_node = load[(grid.lines == node).any(axis=1)]
        assert ours["min_line_load"][node] == pytest.approx(at_node.min())
        assert ours["max_line_load"][node] == pytest.approx(at_node.max())
        assert ours["mean_line_load"][node] == pytest.approx(at_node.mean())
    assert ours["largest_load"][0] == pytest.approx(load.max())
    assert ours["order_parameter"][0] == pytest.approx(np.sqrt(1 - load**2).mean())
    most = grid.lines[load.argmax()].tolist()
    assert np.flatnonzero(ours["touches_largest_load"]).tolist() == most
    graph = grid.to_networkx()
    for (a, b), weight in zip(grid.lines.tolist(), 9 * np.sqrt(1 - load**2), strict=True):
        graph.edges[a, b]["stiffness"] = weight
    expected = nx.current_flow_closeness_centrality(graph, weight="stiffness")
    np.testing.assert_allclose(ours["loaded_current_flow_closeness"], of_nodes(expected))
    graph.remove_edge(*most)
    assert ours["outage_leaves_connected"][0] == nx.is_connected(graph)


def test_an_outage_in_a_ring_leaves_it_connected() -> None:
    ring = PowerGrid.from_arrays([(0, 1), (1, 2), (2, 3), (0, 3)], [2, -1, 0, -1])
    assert columns(ring, "outage_leaves_connected")["outage_leaves_connected"][0] == 1
    path = PowerGrid.from_arrays([(0, 1), (1, 2)], [1, 1, -2])
    assert columns(path, "outage_leaves_connected")["outage_leaves_connected"][0] == 0


def test_published_values_of_texas() -> None:
    """Printed with the measures of Nauck, Lindner et al. 2024, up to its weights of one ninth."""
    ours = columns(
        texas_grid(),
        "degree",
        "walks_of_two_steps",
        "walks_of_three_steps",
        "min_neighbor_degree",
        "max_neighbor_degree",
        "kirchhoff_mean",
        "inverse_algebraic_connectivity",
        "eigenratio",
    )
    assert ours["degree"][:5].tolist() == [2, 2, 3, 2, 4]
    # printed: 0.160494 and 0.086420 times 81, 0.034294, 0.019204 … times 729
    assert ours["walks_of_two_steps"][:5].tolist() == [13, 7, 7, 7, 10]
    assert ours["walks_of_three_steps"][:5].tolist() == [25, 14, 18, 21, 37]
    assert ours["min_neighbor_degree"][:4].tolist() == [2, 3, 2, 3]
    assert ours["max_neighbor_degree"][:4].tolist() == [11, 4, 3, 4]
    assert ours["kirchhoff_mean"][0] == pytest.approx(5665.741039, abs=5e-7)
    assert ours["inverse_algebraic_connectivity"][0] == pytest.approx(280.678802, abs=5e-7)
    assert ours["eigenratio"][0] == pytest.approx(0.000208, abs=5e-7)


def test_walks_carry_the_power_of_their_ends() -> None:
    grid = random_grid(20, seed=5)
    adjacency = nx.adjacency_matrix(grid.to_networkx(), weight=None).toarray()
    ours = columns(grid)
    np.testing.assert_allclose(ours["power_after_one_step"], adjacency @ grid.power)
    np.testing.assert_allclose(
        ours["power_after_three_steps"], np.linalg.matrix_power(adjacency, 3) @ grid.power
    )
    producers = grid.power[grid.lines] > 0
    opposite = (producers[:, 0] != producers[:, 1]).mean()
    assert ours["opposite_power_share"][0] == pytest.approx(opposite)


@given(SIZES, SEEDS)
@settings(max_examples=10, deadline=None)
def test_parity_is_what_the_mirror_does(half: int, seed: int) -> None:
    grid = random_grid(2 * half, seed=seed)
    mirrored = PowerGrid.from_arrays(grid.lines, -grid.power, coupling=grid.coupling)
    before, after = node_measures(grid, MEASURES), node_measures(mirrored, MEASURES)
    parity = [measure.parity for measure in MEASURES.values()]
    # Of two equally loaded lines, rounding decides which is the most loaded one.
    decided = ~np.isin(list(MEASURES), ("touches_largest_load", "outage_leaves_connected"))
    np.testing.assert_allclose((before * parity)[:, decided], after[:, decided], atol=1e-8)


def test_the_order_of_the_nodes_does_not_matter() -> None:
    grid = random_grid(40, seed=8)
    order = np.random.default_rng(0).permutation(40)
    rank = np.argsort(order)
    shuffled = PowerGrid.from_arrays(rank[grid.lines], grid.power[order])
    np.testing.assert_allclose(
        node_measures(shuffled, MEASURES), node_measures(grid, MEASURES)[order], atol=1e-8
    )


def test_features_hold_the_small_and_the_large_set() -> None:
    grid = random_grid(20, seed=2)
    small, large = NODE_FEATURES["published_measures"], NODE_FEATURES["network_measures"]
    assert small.columns == PUBLISHED_MEASURES
    assert large.columns == tuple(MEASURES)
    np.testing.assert_array_equal(small(grid), node_measures(grid))
    assert large(grid).shape == (20, len(MEASURES))


@pytest.mark.parametrize("lines", [[], [(0, 1)]])
def test_the_smallest_grids_have_finite_measures(lines: list[tuple[int, int]]) -> None:
    grid = PowerGrid.from_arrays(lines, [0.0] if not lines else [1.0, -1.0])
    assert np.isfinite(node_measures(grid, MEASURES)).all()


def test_every_measure_says_what_it_is() -> None:
    assert [name for name, measure in MEASURES.items() if len(measure.definition) < 2] == []
    assert set(PUBLISHED_MEASURES) <= set(MEASURES)


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(InvalidParameterError, match="unknown measure 'fame'"):
        node_measures(random_grid(4, seed=1), ["fame"])
    with pytest.raises(DisconnectedGridError, match="2 components"):
        node_measures(PowerGrid.from_arrays([(0, 1), (2, 3)], [1, -1, 1, -1]))


@pytest.mark.slow
def test_current_flow_betweenness_of_texas_is_that_of_networkx() -> None:
    grid = texas_grid()
    expected = nx.current_flow_betweenness_centrality(grid.to_networkx(), solver="lu")
    ours = columns(grid, "current_flow_betweenness")["current_flow_betweenness"]
    np.testing.assert_allclose(ours, of_nodes(expected), atol=1e-9)
