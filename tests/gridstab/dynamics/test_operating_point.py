"""The operating point against closed forms, SciPy, dense eigenvalues, and its symmetries."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import root

from gridstab import PowerGrid, operating_point, random_grid
from gridstab.errors import (
    DisconnectedGridError,
    NoOperatingPointError,
    UnbalancedPowerError,
    UnstableOperatingPointError,
)
from gridstab.grids.bottleneck import find_bottleneck
from gridstab.grids.power_flow import is_stable
from gridstab.grids.shapes import lattice, ring, tree, watts_strogatz

seeds = st.integers(0, 2**32 - 1)


def residual(grid: PowerGrid, theta: np.ndarray) -> np.ndarray:
    difference = theta[:, None] - theta[None, :]
    return grid.power - (grid.adjacency(weighted=True).toarray() * np.sin(difference)).sum(axis=1)


def differences(grid: PowerGrid, theta: np.ndarray) -> np.ndarray:
    return theta[grid.lines[:, 0]] - theta[grid.lines[:, 1]]


@st.composite
def heterogeneous_grids(draw: st.DrawFn) -> PowerGrid:
    """Connected grids with uneven powers and couplings, most of them with an operating point."""
    rng = np.random.default_rng(draw(seeds))
    nodes = draw(st.integers(2, 30))
    graph = nx.random_labeled_tree(nodes, seed=int(rng.integers(2**31)))
    for _ in range(draw(st.integers(0, nodes))):
        a, b = rng.integers(nodes, size=2).tolist()
        if a != b:
            graph.add_edge(a, b)
    power = rng.normal(size=nodes)
    return PowerGrid.from_arrays(
        list(graph.edges),
        power - power.mean(),
        coupling=rng.uniform(0.5, 20, graph.number_of_edges()) * draw(st.floats(0.2, 2)),
    )


def solved(grid: PowerGrid) -> np.ndarray | None:
    try:
        return operating_point(grid)
    except (NoOperatingPointError, UnstableOperatingPointError):
        return None


@pytest.mark.parametrize("power", [-8.99, -4.5, 0.0, 1e-9, 1.0, 8.9999999])
def test_two_nodes_differ_by_the_arcsine_of_the_load(power: float) -> None:
    theta = operating_point(PowerGrid.from_arrays([(0, 1)], [power, -power], coupling=9.0))
    assert theta[0] == 0
    # At a load near one, the arcsine magnifies the residual by up to 1/cos.
    assert theta[0] - theta[1] == pytest.approx(np.arcsin(power / 9), abs=1e-7)
    assert abs(9 * np.sin(-theta[1]) - power) <= 1e-9


@given(seeds, st.integers(2, 60))
@settings(max_examples=30, deadline=None)
def test_flows_of_a_tree_are_those_that_its_branches_need(seed: int, nodes: int) -> None:
    grid = tree(nodes, power="random", seed=seed, coupling=40.0)
    theta = operating_point(grid)
    graph = nx.Graph(grid.lines.tolist())
    for (a, b), difference in zip(grid.lines.tolist(), differences(grid, theta), strict=True):
        graph.remove_edge(a, b)
        behind_a = grid.power[list(nx.node_connected_component(graph, a))].sum()
        graph.add_edge(a, b)
        assert difference == pytest.approx(np.arcsin(behind_a / 40.0), abs=1e-10)


@given(heterogeneous_grids())
@settings(max_examples=60, deadline=None)
def test_power_is_carried_away_and_the_state_is_stable(grid: PowerGrid) -> None:
    theta = solved(grid)
    if theta is None:
        return
    assert theta[0] == 0
    assert np.abs(residual(grid, theta)).max() <= 1e-10 * max(1, np.abs(grid.power).max())
    loaded = PowerGrid.from_arrays(grid.lines, grid.power).adjacency().toarray() * (
        grid.adjacency(weighted=True).toarray() * np.cos(theta[:, None] - theta[None, :])
    )
    eigenvalues = np.linalg.eigvalsh(np.diag(loaded.sum(axis=1)) - loaded)
    assert abs(eigenvalues[0]) < 1e-9
    assert eigenvalues[1] > 0


@given(heterogeneous_grids(), seeds)
@settings(max_examples=40, deadline=None)
def test_relabelled_nodes_take_their_phases_along(grid: PowerGrid, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(grid.num_nodes)
    number = np.argsort(order)
    relabelled = PowerGrid.from_arrays(
        number[grid.lines], grid.power[order], coupling=grid.coupling
    )
    theta, moved = solved(grid), solved(relabelled)
    if theta is None or np.abs(differences(grid, theta)).max() > 1.5:
        return
    assert moved is not None
    np.testing.assert_allclose(moved, theta[order] - theta[order[0]], atol=1e-7)


@given(heterogeneous_grids())
@settings(max_examples=40, deadline=None)
def test_opposite_powers_give_opposite_phases(grid: PowerGrid) -> None:
    theta = solved(grid)
    opposite = solved(PowerGrid.from_arrays(grid.lines, -grid.power, coupling=grid.coupling))
    assert (theta is None) == (opposite is None)
    if theta is not None and opposite is not None:
        np.testing.assert_allclose(opposite, -theta, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_scipy_finds_the_same_point(seed: int) -> None:
    grid = random_grid(30, seed)

    def equations(theta: np.ndarray) -> np.ndarray:
        return residual(grid, np.r_[0, theta])[1:]

    found = root(equations, np.zeros(29), tol=1e-12)
    assert found.success
    np.testing.assert_allclose(operating_point(grid), np.r_[0, found.x], atol=1e-9)


def test_phases_are_not_torn_by_wrapping() -> None:
    nodes = 100
    power = np.zeros(nodes)
    power[[0, -1]] = 5.0, -5.0
    chain = PowerGrid.from_arrays([(k, k + 1) for k in range(nodes - 1)], power, coupling=9.0)
    theta = operating_point(chain)
    np.testing.assert_allclose(np.diff(theta), -np.arcsin(5 / 9), atol=1e-10)
    assert theta[-1] < -np.pi


def test_a_single_node_rests() -> None:
    np.testing.assert_array_equal(operating_point(PowerGrid.from_arrays([], [0.0])), [0.0])


@pytest.mark.parametrize(
    "grid",
    [ring(5), lattice(4, 5), tree(15, branching=2, coupling=20.0), watts_strogatz(20)],
    ids=lambda grid: grid.name,
)
def test_textbook_shapes_with_alternating_power_have_one(grid: PowerGrid) -> None:
    assert np.abs(residual(grid, operating_point(grid))).max() <= 1e-10


def test_no_more_than_the_coupling_passes_a_line() -> None:
    with pytest.raises(NoOperatingPointError, match=r"node 0 must exchange 10 .* line 0-1, .* 9;"):
        operating_point(PowerGrid.from_arrays([(0, 1)], [10, -10], coupling=9.0))


def test_exactly_the_coupling_leaves_no_reserve() -> None:
    grid = PowerGrid.from_arrays([(0, 1)], [9, -9], coupling=9.0)
    with pytest.raises(NoOperatingPointError, match=r"exchange 9 with .* carries at most 9;"):
        operating_point(grid)
    assert not is_stable(grid, np.array([0.0, -np.pi / 2]))


def test_the_overloaded_cut_is_named() -> None:
    # Two triangles joined by two lines that carry 2 at most; 3 must pass.
    lines = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (0, 3), (1, 4)]
    grid = PowerGrid.from_arrays(lines, [1, 1, 1, -1, -1, -1], coupling=[9, 9, 9, 9, 9, 9, 1, 1])
    bottleneck = find_bottleneck(grid)
    assert bottleneck is not None
    assert set(bottleneck.nodes.tolist()) in ({0, 1, 2}, {3, 4, 5})
    assert {tuple(grid.lines[line].tolist()) for line in bottleneck.lines} == {(0, 3), (1, 4)}
    assert (bottleneck.surplus, bottleneck.capacity) == (3.0, 2.0)
    with pytest.raises(NoOperatingPointError, match=r"must exchange 3 with the rest .* at most 2"):
        operating_point(grid)


@given(heterogeneous_grids())
@settings(max_examples=60, deadline=None)
def test_a_cut_is_overloaded_exactly_if_networkx_finds_no_flow(grid: PowerGrid) -> None:
    network = nx.DiGraph()
    for (a, b), coupling in zip(grid.lines.tolist(), grid.coupling.tolist(), strict=True):
        network.add_edge(a, b, capacity=coupling)
        network.add_edge(b, a, capacity=coupling)
    for node, power in enumerate(grid.power.tolist()):
        network.add_edge("source", node, capacity=max(power, 0))
        network.add_edge(node, "sink", capacity=max(-power, 0))
    served = nx.maximum_flow_value(network, "source", "sink")
    missing = np.maximum(grid.power, 0).sum() - served
    bottleneck = find_bottleneck(grid)
    if missing > 1e-6:
        assert bottleneck is not None
        assert bottleneck.surplus - bottleneck.capacity == pytest.approx(missing, abs=1e-6)
        assert solved(grid) is None
    elif missing < 1e-12:
        assert bottleneck is None


def test_flows_that_fit_every_line_but_not_the_cycle_give_none() -> None:
    # Node 0 sends 3.9 to node 2: both ways together carry 4, but with different phases.
    grid = PowerGrid.from_arrays([(0, 1), (1, 2), (0, 2)], [3.9, 0, -3.9], coupling=[2.0, 2.0, 2.0])
    assert find_bottleneck(grid) is None
    with pytest.raises(NoOperatingPointError, match=r"was found: .* loads line 0-2 with 130%"):
        operating_point(grid)


def test_a_line_beyond_a_quarter_turn_can_be_stable() -> None:
    # A weak line in parallel with a path that turns further than π/2.
    angle, strong, weak = 0.6, 10.0, 0.1
    flow = strong * np.sin(angle) + weak * np.sin(3 * angle)
    grid = PowerGrid.from_arrays(
        [(0, 1), (1, 2), (2, 3), (0, 3)], [flow, 0, 0, -flow], coupling=[strong] * 3 + [weak]
    )
    theta = operating_point(grid)
    np.testing.assert_allclose(theta, [0, -angle, -2 * angle, -3 * angle], atol=1e-9)
    assert np.abs(differences(grid, theta)).max() > np.pi / 2


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_twisted_rings_are_stable_below_a_quarter_turn_a_line(turns: int) -> None:
    nodes = 7
    grid = PowerGrid.from_arrays(ring(nodes).lines, np.zeros(nodes))
    twisted = 2 * np.pi * turns / nodes * np.arange(nodes)
    assert np.abs(residual(grid, twisted)).max() < 1e-12
    assert is_stable(grid, twisted) == (2 * np.pi * turns / nodes < np.pi / 2)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_stability_is_that_of_dense_eigenvalues(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = lattice(3, 4)
    theta = rng.uniform(-0.9, 0.9, grid.num_nodes)
    weights = grid.adjacency(weighted=True).toarray() * np.cos(theta[:, None] - theta[None, :])
    eigenvalues = np.linalg.eigvalsh(np.diag(weights.sum(axis=1)) - weights)
    if abs(np.sort(np.abs(eigenvalues))[1]) < 1e-2:
        return
    assert is_stable(grid, theta) == (np.sort(eigenvalues)[:2].sum() > 1e-3)


def test_an_unstable_solution_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = PowerGrid.from_arrays([(0, 1)], [1.0, -1.0])
    unstable = np.array([0.0, np.arcsin(1 / 9) - np.pi])
    assert np.abs(residual(grid, unstable)).max() < 1e-12
    monkeypatch.setattr("gridstab.dynamics.operating_point.power_flow", lambda grid: unstable)
    with pytest.raises(UnstableOperatingPointError, match=r"line 0-1 differ by 3\.0303 rad"):
        operating_point(grid)


def test_unbalanced_power_says_how_much() -> None:
    with pytest.raises(UnbalancedPowerError, match=r"got 1; subtract 0\.5 from every node"):
        operating_point(PowerGrid.from_arrays([(0, 1)], [1.0, 0.0]))


def test_rounding_is_no_imbalance() -> None:
    grid = PowerGrid.from_arrays([(0, 1), (1, 2)], [0.1, 0.2, -0.3 + 1e-12])
    assert np.abs(residual(grid, operating_point(grid))).max() <= 1e-10


def test_components_are_counted_and_the_smallest_named() -> None:
    grid = PowerGrid.from_arrays([(0, 1), (1, 2), (3, 4)], [1, -1, 0, 1, -1])
    with pytest.raises(DisconnectedGridError, match=r"2 components, .* of 2 nodes \(3, 4\)"):
        operating_point(grid)


def test_zero_damping_has_the_same_point() -> None:
    grid = random_grid(20, 3)
    undamped = PowerGrid.from_arrays(grid.lines, grid.power, damping=0.0)
    np.testing.assert_array_equal(operating_point(undamped), operating_point(grid))


def test_large_powers_and_couplings_scale() -> None:
    grid = random_grid(40, 1)
    large = PowerGrid.from_arrays(grid.lines, 1e6 * grid.power, coupling=9e6)
    np.testing.assert_allclose(operating_point(large), operating_point(grid), atol=1e-12)


def test_whatever_relaxes_into_a_quarter_turn_is_found() -> None:
    """θ' = P − flow ends in a stable state wherever it ends; heavy loads test the last resort."""
    rng = np.random.default_rng(5)
    heavy = 0
    while heavy < 3:
        graph = nx.gnm_random_graph(8, 11, seed=int(rng.integers(2**31)))
        if not nx.is_connected(graph):
            continue
        power = rng.normal(size=8)
        grid = PowerGrid.from_arrays(list(graph.edges), power - power.mean(), coupling=1.2)
        relaxed = solve_ivp(
            lambda _, theta, grid=grid: residual(grid, theta), (0, 50), np.zeros(8), "LSODA"
        ).y[:, -1]
        load = np.abs(differences(grid, relaxed)).max()
        if load < np.pi / 2 and np.abs(residual(grid, relaxed)).max() < 1e-3:
            heavy += load > 1
            np.testing.assert_allclose(operating_point(grid), relaxed - relaxed[0], atol=1e-2)
