"""Features against networkx, dense linear algebra and the symmetry of the swing equation."""

from collections.abc import Iterator
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from gridstab import PowerGrid, operating_point, random_grid
from gridstab.errors import DatasetError, InvalidParameterError, NoOperatingPointError
from gridstab.features.feature_set import FEATURE_SETS
from gridstab.features.operating_state import operating_state
from gridstab.learning import EDGE_FEATURES, NODE_FEATURES, FeatureSet, edge_feature, node_feature


@pytest.fixture
def grid() -> PowerGrid:
    """A grid on which nothing is the same everywhere."""
    plain = random_grid(24, seed=3)
    rng = np.random.default_rng(0)
    return PowerGrid.from_arrays(
        plain.lines,
        plain.power,
        coupling=rng.uniform(7, 11, plain.num_lines),
        damping=rng.uniform(0.05, 0.2, 24),
        inertia=rng.uniform(0.5, 2, 24),
    )


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(NODE_FEATURES), dict(EDGE_FEATURES)
    yield
    for known, was in zip((NODE_FEATURES, EDGE_FEATURES), before, strict=True):
        known.clear()
        known.update(was)


def node(name: str, grid: PowerGrid) -> np.ndarray:
    return NODE_FEATURES[name](grid)[:, 0]


def edge(name: str, grid: PowerGrid) -> np.ndarray:
    return EDGE_FEATURES[name](grid)[:, 0]


def dense_laplacian(grid: PowerGrid, weights: np.ndarray) -> np.ndarray:
    graph = nx.Graph()
    graph.add_nodes_from(range(grid.num_nodes))
    graph.add_weighted_edges_from((*line, w) for line, w in zip(grid.lines, weights, strict=True))
    return nx.laplacian_matrix(graph).toarray()


def test_published_features_are_power_and_coupling(grid: PowerGrid) -> None:
    x, edge_attr = FeatureSet().compute(grid)
    np.testing.assert_array_equal(x, grid.power[:, None])
    np.testing.assert_array_equal(edge_attr, grid.edge_attr[:, None])


def test_flows_balance_the_power(grid: PowerGrid) -> None:
    """Kirchhoff: what leaves a node over its lines is its power, linear or not."""
    source = grid.edge_index[0]
    for flow in (edge("linear_flow", grid), grid.edge_attr * edge("load", grid)):
        np.testing.assert_allclose(np.bincount(source, flow), grid.power, atol=1e-9)
    theta = np.linalg.pinv(dense_laplacian(grid, grid.coupling)) @ grid.power
    a, b = grid.edge_index
    expected = grid.edge_attr * (theta[a] - theta[b])
    np.testing.assert_allclose(edge("linear_flow", grid), expected, atol=1e-9)


def test_neighbourhood_features(grid: PowerGrid) -> None:
    graph, theta = grid.to_networkx(), operating_point(grid)
    around = [list(graph[i]) for i in range(grid.num_nodes)]
    coupling = [np.array([graph[i][j]["coupling"] for j in js]) for i, js in enumerate(around)]
    sine = [np.abs(np.sin(theta[i] - theta[js])) for i, js in enumerate(around)]
    cosine = [np.cos(theta[i] - theta[js]) for i, js in enumerate(around)]
    expected = {
        "degree": [len(js) for js in around],
        "neighbour_power": [grid.power[js].mean() for js in around],
        "phase": theta - theta.mean(),
        "phase_to_neighbours": [theta[i] - theta[js].mean() for i, js in enumerate(around)],
        "throughput": [(k * s).sum() for k, s in zip(coupling, sine, strict=True)],
        "largest_load": [s.max() for s in sine],
        "node_stiffness": [(k * c).sum() for k, c in zip(coupling, cosine, strict=True)],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(node(name, grid), values, atol=1e-9, err_msg=name)


def test_resistances_are_those_of_the_pseudo_inverse(grid: PowerGrid) -> None:
    state = operating_state(grid)
    inverse = np.linalg.pinv(dense_laplacian(grid, state.stiffness))
    np.testing.assert_allclose(node("susceptibility", grid), inverse.diagonal(), atol=1e-12)
    np.testing.assert_allclose(state.compliance, inverse, atol=1e-12)
    a, b = grid.lines.T
    resistance = inverse[a, a] + inverse[b, b] - 2 * inverse[a, b]
    np.testing.assert_allclose(state.resistance, resistance, atol=1e-12)
    bridge = edge("bridge", grid)[::2]
    is_bridge = [tuple(line) in set(nx.bridges(grid.to_networkx())) for line in grid.lines.tolist()]
    np.testing.assert_array_equal(bridge > 1 - 1e-9, is_bridge)
    # Foster's theorem: every spanning tree has one line fewer than nodes.
    assert bridge.sum() == pytest.approx(grid.num_nodes - 1)


def test_escape_energy_is_the_barrier_of_the_potential() -> None:
    """A node at one neighbour: V(δ) = −P δ − K cos δ from its minimum to the next maximum."""
    pair = PowerGrid.from_arrays([(0, 1)], [2.0, -2.0])
    angle = np.linspace(-np.pi, np.pi, 200_001)
    potential = -2.0 * angle - 9.0 * np.cos(angle)
    top = potential[angle > np.pi / 2].max()
    bottom = potential[np.abs(angle) < np.pi / 2].min()
    np.testing.assert_allclose(node("escape_energy", pair), top - bottom, atol=1e-6)


@pytest.mark.parametrize("name", sorted(NODE_FEATURES.keys() | EDGE_FEATURES.keys()))
def test_parity_and_direction_hold(name: str, grid: PowerGrid) -> None:
    feature = NODE_FEATURES.get(name) or EDGE_FEATURES[name]
    values = feature(grid)
    mirrored = feature(replace(grid, power=-grid.power))
    np.testing.assert_allclose(mirrored, values * np.array(feature.parity), atol=1e-8)
    if feature.level == "edge":
        back = values.reshape(-1, 2, values.shape[1])[:, ::-1].reshape(values.shape)
        np.testing.assert_allclose(back, values * np.array(feature.direction), atol=1e-12)


@pytest.mark.parametrize("name", sorted(NODE_FEATURES.keys() | EDGE_FEATURES.keys()))
def test_renumbering_nodes_renumbers_features(name: str, grid: PowerGrid) -> None:
    new = np.random.default_rng(1).permutation(grid.num_nodes)  # old node i becomes new[i]
    old = np.argsort(new)
    other = PowerGrid.from_arrays(
        new[grid.lines],
        grid.power[old],
        inertia=grid.inertia[old],
        damping=grid.damping[old],
        coupling=grid.coupling,
    )
    if name in NODE_FEATURES:
        before, after = NODE_FEATURES[name](grid), NODE_FEATURES[name](other)
        np.testing.assert_allclose(after[new], before, rtol=1e-6, atol=1e-7)
        return
    before, after = EDGE_FEATURES[name](grid), EDGE_FEATURES[name](other)
    index = {edge: k for k, edge in enumerate(map(tuple, other.edge_index.T.tolist()))}
    moved = [index[a, b] for a, b in new[grid.edge_index].T.tolist()]
    np.testing.assert_allclose(after[moved], before, atol=1e-9)


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_sets_agree_with_their_description(name: str, grid: PowerGrid) -> None:
    features = FeatureSet.named(name)
    x, edge_attr = features.compute(grid)
    assert x.shape == (24, features.in_channels) == (24, len(features.node_parity))
    assert edge_attr.shape == (2 * grid.num_lines, features.edge_channels)
    assert len(features.edge_parity) == len(features.edge_direction) == features.edge_channels
    assert len(set(features.node_columns)) == features.in_channels


@pytest.mark.parametrize("lines", [[], [(0, 1)]])
def test_the_smallest_grids(lines: list[tuple[int, int]]) -> None:
    smallest = PowerGrid.from_arrays(lines, [1.0, -1.0] if lines else [0.0])
    for name in ("published", "operating_point", "solitary", "local"):
        x, edge_attr = FeatureSet.named(name).compute(smallest)
        assert len(x) == smallest.num_nodes
        assert len(edge_attr) == 2 * len(lines)


def test_features_can_be_left_out(grid: PowerGrid) -> None:
    solitary, local = FeatureSet.named("solitary"), FeatureSet.named("local")
    out = ("phase", "susceptibility", "throughput", "largest_load")
    kept = [column not in out for column in solitary.node_columns]
    np.testing.assert_array_equal(local.compute(grid)[0], solitary.compute(grid)[0][:, kept])
    assert "bridge" not in local.without("bridge").edge
    with pytest.raises(InvalidParameterError, match="no feature 'phase' to leave out; the set has"):
        local.without("phase")
    with pytest.raises(InvalidParameterError, match="at least one feature of nodes"):
        FeatureSet().without("power")


def test_lines_may_carry_their_coupling_alone(grid: PowerGrid) -> None:
    (x, edge_attr), (local, _) = (
        FeatureSet.named(name).compute(grid) for name in ("local_nodes", "local")
    )
    np.testing.assert_array_equal(x, local)
    np.testing.assert_array_equal(edge_attr[:, 0], grid.edge_attr)
    assert edge_attr.shape[1] == 1


def test_what_grows_with_the_grid_is_not_local() -> None:
    small, large = (
        np.concatenate([FeatureSet.named("solitary").compute(grid)[0] for grid in grids])
        for grids in (
            [random_grid(20, seed=seed) for seed in range(40)],
            [random_grid(400, seed=seed) for seed in range(2)],
        )
    )
    growth = np.abs(large).mean(0) / np.abs(small).mean(0)
    columns = FeatureSet.named("solitary").node_columns
    local = FeatureSet.named("local").node_columns
    assert max(growth[columns.index(column)] for column in local) < 1.1
    assert min(g for c, g in zip(columns, growth, strict=True) if c not in local) > 1.1


def test_a_feature_of_ones_own(grid: PowerGrid) -> None:
    @node_feature("twice", columns=("p", "d"), parity=(-1, 1))
    def twice(grid: PowerGrid) -> np.ndarray:
        return np.stack([2 * grid.power, 2 * grid.degree], axis=1)

    @edge_feature(parity=-1, direction=-1)
    def drop(grid: PowerGrid) -> np.ndarray:
        return grid.power[grid.lines[:, 0]] - grid.power[grid.lines[:, 1]]

    features = FeatureSet(node=("twice",), edge=("drop", "coupling"))
    assert features.node_columns == ("p", "d")
    assert features.edge_direction == (-1, 1)
    x, edge_attr = features.compute(grid)
    np.testing.assert_array_equal(x[:, 0], 2 * grid.power)
    a, b = grid.edge_index
    np.testing.assert_array_equal(edge_attr[:, 0], grid.power[a] - grid.power[b])


def test_what_features_are_refused(grid: PowerGrid) -> None:
    node_feature("short")(lambda grid: grid.power[1:])
    node_feature("nan")(lambda grid: np.full(grid.num_nodes, np.nan))
    with pytest.raises(DatasetError, match=r"'short' .* has shape \(23,\), expected \(24, 1\)"):
        FeatureSet(node=("short",)).compute(grid)
    with pytest.raises(DatasetError, match=r"'nan' .* is nan at node 0"):
        FeatureSet(node=("nan",)).compute(grid)
    with pytest.raises(InvalidParameterError, match=r"'powr', did you mean 'power'\? Choose one"):
        FeatureSet(node=("powr",))
    with pytest.raises(InvalidParameterError, match="node feature 'power' is already gridstab"):
        node_feature("power")(lambda grid: 2 * grid.power)
    with pytest.raises(InvalidParameterError, match="'power' is given twice"):
        FeatureSet(node=("power", "power"))
    with pytest.raises(InvalidParameterError, match="at least one"):
        FeatureSet(node=())
    with pytest.raises(InvalidParameterError, match="unknown feature set 'best'"):
        FeatureSet.named("best")
    with pytest.raises(InvalidParameterError, match="parity must be"):
        node_feature("odd", parity=0)(lambda grid: grid.power)
    overloaded = PowerGrid.from_arrays([(0, 1)], [10.0, -10.0])
    with pytest.raises(NoOperatingPointError):
        FeatureSet(node=("phase",)).compute(overloaded)


def test_the_fingerprint_distinguishes_feature_sets() -> None:
    one, other = FeatureSet(), FeatureSet(node=("power", "degree"))
    assert one.fingerprint == FeatureSet().fingerprint
    assert one.fingerprint not in (None, other.fingerprint)
