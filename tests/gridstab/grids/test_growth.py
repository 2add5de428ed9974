"""The growth model against its documented steps, its expected size and a slow second writing."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridstab import operating_point, random_grid
from gridstab.errors import InvalidParameterError, NoOperatingPointError
from gridstab.grids.growth import grow
from gridstab.grids.power_flow import has_operating_point

EVEN = st.integers(1, 30).map(lambda half: 2 * half)


@given(EVEN, st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_grids_are_connected_balanced_and_have_an_operating_point(nodes: int, seed: int) -> None:
    grid = random_grid(nodes, seed)
    assert grid.num_nodes == nodes
    assert nx.is_connected(grid.to_networkx())
    assert (grid.power == -1).sum() == (grid.power == 1).sum() == nodes // 2
    assert (grid.coupling == 9).all()
    assert (grid.damping == 0.1).all()
    assert (grid.inertia == 1).all()
    assert grid.coordinates is not None
    assert (np.abs(grid.coordinates) <= 1).all()
    operating_point(grid)


@pytest.mark.parametrize("seed", [7, (7, 1), [1, 2, 3]])
def test_a_seed_always_gives_the_same_grid(seed: int | list[int]) -> None:
    one, two = random_grid(40, seed), random_grid(40, seed)
    assert one == two
    np.testing.assert_array_equal(one.coordinates, two.coordinates)
    assert one != random_grid(40, 8)


@pytest.mark.parametrize(("nodes", "grids"), [(20, 120), (100, 20)])
@pytest.mark.parametrize(
    "setting", [{}, {"p": 0.5, "q": 0.1, "s": 0.3}], ids=["published", "other"]
)
def test_the_mean_number_of_lines_is_the_expected(
    nodes: int, grids: int, setting: dict[str, float]
) -> None:
    rng = np.random.default_rng(0)
    counts = np.array([len(grow(nodes, rng, **setting)[0]) for _ in range(grids)])
    p, q, s = (setting.get(name, value) for name, value in (("p", 0.2), ("q", 0.3), ("s", 0.1)))
    expected = (nodes - 1) * (1 + (1 - s) * (p + q))
    error = counts.std(ddof=1) / np.sqrt(grids)
    # The first few nodes may find no further node to link; that costs less than one line.
    assert expected - 1 - 4 * error < counts.mean() < expected + 4 * error


def test_without_redundancy_it_is_a_tree() -> None:
    for seed in range(5):
        lines, _ = grow(50, np.random.default_rng(seed), p=0, q=0)
        assert len(lines) == 49
        assert nx.is_tree(nx.Graph(lines.tolist()))


def test_with_splits_only_it_is_a_straight_chain() -> None:
    lines, position = grow(30, np.random.default_rng(0), s=1.0)
    graph = nx.Graph(lines.tolist())
    assert sorted(degree for _, degree in graph.degree) == [1, 1] + [2] * 28
    ends = [node for node, degree in graph.degree if degree == 1]
    order = nx.shortest_path(graph, *ends)
    along = np.linalg.norm(np.diff(position[order], axis=0), axis=1).sum()
    assert along == pytest.approx(np.linalg.norm(position[ends[0]] - position[ends[1]]))


def test_the_initial_network_is_a_minimum_spanning_tree() -> None:
    nodes = 25
    lines, position = grow(nodes, np.random.default_rng(1), n0=nodes, p=0, q=0)
    complete = nx.complete_graph(nodes)
    for a, b, data in complete.edges(data=True):
        data["weight"] = np.linalg.norm(position[a] - position[b])
    expected = nx.minimum_spanning_tree(complete).edges
    assert {tuple(line) for line in np.sort(lines, axis=1).tolist()} == set(expected)


def test_the_initial_network_has_the_stated_number_of_extra_lines() -> None:
    lines, _ = grow(40, np.random.default_rng(2), n0=40)
    assert len(lines) == 39 + int(40 * 0.9 * 0.5)


@pytest.mark.parametrize("seed", range(8))
def test_each_node_and_line_follows_the_rule(seed: int) -> None:
    """The model written a second time, slowly, on networkx, and fed with the same draws."""
    p, q, r, s, nodes = 0.4, 0.5, 1 / 3, 0.2, 24
    rng = np.random.default_rng(seed)
    positions = [rng.uniform(-1, 1, (1, 2))[0]]
    graph = nx.Graph()
    graph.add_node(0)
    order: list[tuple[int, int]] = []

    def join(a: int, b: int) -> None:
        graph.add_edge(a, b, weight=float(np.linalg.norm(positions[a] - positions[b])))
        order.append((a, b))

    def link(node: int) -> None:
        along = nx.single_source_dijkstra_path_length(graph, node)
        gains = {}
        for other in graph:
            if other != node and not graph.has_edge(node, other):
                far = float(np.linalg.norm(positions[other] - positions[node]))
                gains[other] = (along[other] + far) ** r / far
        if gains:
            join(max(gains, key=gains.__getitem__), node)

    for new in range(1, nodes):
        if order and rng.random() < s:
            line = int(rng.integers(len(order)))
            a, b = order[line]
            share = rng.random()
            positions.append(share * positions[a] + (1 - share) * positions[b])
            graph.remove_edge(a, b)
            join(a, new)
            order[line] = order.pop()
            join(b, new)
            continue
        positions.append(rng.uniform(-1, 1, 2))
        join(min(range(new), key=lambda node: np.linalg.norm(positions[node] - positions[-1])), new)
        if rng.random() < p:
            link(new)
        if rng.random() < q:
            link(int(rng.integers(new + 1)))

    lines, position = grow(nodes, np.random.default_rng(seed), p=p, q=q, r=r, s=s)
    np.testing.assert_allclose(position, positions)
    assert {tuple(sorted(line)) for line in lines.tolist()} == {
        tuple(sorted(line)) for line in graph.edges
    }


@pytest.mark.parametrize("nodes", [3, 21, 99])
def test_of_an_odd_number_of_nodes_one_has_no_power(nodes: int) -> None:
    grids = [random_grid(nodes, seed=seed) for seed in range(20)]
    for grid in grids:
        assert sorted(grid.power) == [-1.0] * (nodes // 2) + [0.0] + [1.0] * (nodes // 2)
        assert has_operating_point(grid)
    # It is a node like any other: attached early or late, at a dead end or not.
    assert len({int(np.flatnonzero(grid.power == 0)[0]) for grid in grids}) > 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nodes": 1}, "nodes must be .*at least 2, got 1"),
        ({"nodes": 0}, "nodes must be .*at least 2, got 0"),
        ({"nodes": -2}, "got -2"),
        ({"nodes": 4, "n0": 5}, r"n0 must be from 1 to .* \(4\), got 5"),
        ({"nodes": 4, "n0": 0}, "n0 .* got 0"),
        ({"nodes": 4, "p": 1.5}, "p must be a number from 0 to 1, got 1.5"),
        ({"nodes": 4, "q": -0.1}, "q must be a number from 0 to 1, got -0.1"),
        ({"nodes": 4, "s": float("nan")}, "s must be a number from 0 to 1, got nan"),
        ({"nodes": 4, "r": -1.0}, "r must be finite and not negative, got -1.0"),
        ({"nodes": 4, "power": float("inf")}, "power must be finite"),
        ({"nodes": 4, "seed": -1}, "seed must be an integer from 0 .* got -1"),
    ],
)
def test_parameters_outside_their_range_are_refused(
    arguments: dict[str, float], message: str
) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        random_grid(**arguments)


def test_hopeless_settings_end_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridstab.grids.growth._ATTEMPTS", 20)
    with pytest.raises(NoOperatingPointError, match="lower the power or raise the coupling"):
        random_grid(2, power=10.0)


def test_heavily_loaded_grids_are_drawn_again() -> None:
    first = grow(20, np.random.default_rng(3))[0]
    grid = random_grid(20, 3, power=4.0)
    operating_point(grid)
    assert len(first) != grid.num_lines or (np.sort(first) != grid.lines).any()


@pytest.mark.slow
def test_ten_thousand_nodes() -> None:
    grid = random_grid(10_000, 1)
    assert grid.num_nodes == 10_000
    assert abs(grid.num_lines - 9999 * 1.45) < 5 * np.sqrt(9999 * 0.45)
