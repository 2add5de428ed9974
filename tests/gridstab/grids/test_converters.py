"""Conversions: networkx exactly, pandapower and PyPSA on stand-ins with their tables."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridstab import PowerGrid, random_grid
from gridstab.errors import CaseError, DisconnectedGridError, InvalidGridError
from gridstab.grids import from_networkx, from_pandapower, from_pypsa, lattice


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_networkx_round_trip_is_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = random_grid(10, seed)
    grid = PowerGrid.from_arrays(
        base.lines,
        rng.normal(size=10),
        inertia=rng.uniform(0.1, 2, 10),
        damping=rng.uniform(0, 2, 10),
        coupling=rng.uniform(1, 9, base.num_lines),
        coordinates=base.coordinates,
        name="there and back",
    )
    back = from_networkx(grid.to_networkx())
    assert back == grid
    assert back.name == grid.name
    np.testing.assert_array_equal(back.coordinates, grid.coordinates)


def test_networkx_defaults_are_the_published_values() -> None:
    graph = nx.path_graph(["b", "a"])
    nx.set_node_attributes(graph, {"a": -1, "b": 1}, "power")
    grid = from_networkx(graph)
    assert grid.power.tolist() == [1, -1]
    assert (grid.coupling[0], grid.damping[0], grid.inertia[0]) == (9, 0.1, 1)
    assert grid.coordinates is None


def test_parallel_edges_add_up() -> None:
    graph = nx.MultiGraph()
    graph.add_nodes_from([(0, {"power": 1}), (1, {"power": -1})])
    graph.add_edge(0, 1, coupling=2.0)
    graph.add_edge(1, 0, coupling=3.0)
    assert from_networkx(graph).coupling.tolist() == [5.0]


def test_networkx_graphs_that_are_no_grids() -> None:
    with pytest.raises(InvalidGridError, match=r"convert it with to_undirected\(\)"):
        from_networkx(lattice(2, 2).to_networkx().to_directed())
    with pytest.raises(InvalidGridError, match="node 0 of 'grid' has no attribute 'power'"):
        from_networkx(nx.path_graph(3))
    with pytest.raises(InvalidGridError, match="at least one node"):
        from_networkx(nx.Graph())


def test_numbers_by_another_name_are_refused_unless_ignored() -> None:
    graph = lattice(2, 2).to_networkx()
    nx.set_node_attributes(graph, "bus", "kind")  # no number
    assert from_networkx(graph) == lattice(2, 2)
    nx.set_edge_attributes(graph, 3.0, "weight")
    with pytest.raises(InvalidGridError, match=r"edges have a number 'weight'.* are coupling: ren"):
        from_networkx(graph)
    nx.set_node_attributes(graph, np.float32(0.4), "D")
    with pytest.raises(InvalidGridError, match="nodes have a number 'D'"):
        from_networkx(graph, ignore=["weight"])
    assert from_networkx(graph, ignore=["weight", "D"]) == lattice(2, 2)


def test_nodes_of_networkx_become_labels() -> None:
    graph = nx.Graph()
    graph.add_nodes_from([("Süd", {"power": 1}), (7, {"power": 0}), ((0, 1), {"power": -1})])
    nx.add_path(graph, graph.nodes)
    assert from_networkx(graph).labels == ("Süd", "7", "(0, 1)")
    names = dict(zip(graph, "abc", strict=True))
    nx.set_node_attributes(graph, names, "label")
    assert from_networkx(graph).labels == ("a", "b", "c")
    graph.nodes[7]["label"] = "a"  # which names none
    assert from_networkx(graph).labels == ("Süd", "7", "(0, 1)")
    back = from_networkx(from_networkx(graph).to_networkx())
    assert back.labels == ("Süd", "7", "(0, 1)")


@pytest.mark.parametrize("value", [None, True, "a", [1], 10**400, float("nan"), 1j])
@pytest.mark.parametrize("attribute", ["power", "inertia", "x"])
def test_attributes_that_are_no_numbers_name_their_node(value: object, attribute: str) -> None:
    graph = nx.path_graph(["n1", "n2"])
    for name in ("power", "x", "y"):
        nx.set_node_attributes(graph, 0.0, name)
    graph.nodes["n2"][attribute] = value
    with pytest.raises(InvalidGridError, match=r"at node .?n2"):
        from_networkx(graph)


@pytest.mark.parametrize("value", [None, "graph", 3, [(0, 1)], {}])
def test_only_networkx_graphs_are_taken(value: object) -> None:
    with pytest.raises(InvalidGridError, match="graph must be a networkx graph, got"):
        from_networkx(value)


class PandapowerStandIn(dict):
    """A dictionary of tables with attribute access, as ``pandapowerNet`` is."""

    def __getattr__(self, name: str) -> object:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def pandapower_net() -> PandapowerStandIn:
    """Bus 5 = bus 6 by a closed switch, 7 and 8 at 110 kV, transformer 6-8, bus 9 switched off."""
    bus = pd.DataFrame(
        {"vn_kv": [110.0, 20, 20, 110, 110], "in_service": [True, True, True, True, False]},
        index=[8, 6, 5, 7, 9],
    )
    unit = pd.DataFrame({"bus": [], "p_mw": [], "scaling": [], "in_service": []})
    return PandapowerStandIn(
        name="standing in",
        sn_mva=10.0,
        bus=bus,
        line=pd.DataFrame(
            {
                "from_bus": [7, 7, 7, 8],
                "to_bus": [8, 8, 8, 9],
                "x_ohm_per_km": [0.4, 0.4, 0.4, 0.4],
                "length_km": [10.0, 10, 10, 10],
                "parallel": [2, 1, 1, 1],
                "in_service": [True, True, False, True],
            }
        ),
        trafo=pd.DataFrame(
            {
                "hv_bus": [8],
                "lv_bus": [6],
                "vk_percent": [13.0],
                "vkr_percent": [5.0],
                "sn_mva": [40.0],
                "parallel": [1],
                "in_service": [True],
            }
        ),
        switch=pd.DataFrame(
            {"bus": [5, 7], "element": [6, 1], "et": ["b", "l"], "closed": [True, False]}
        ),
        load=pd.DataFrame(
            {"bus": [5, 6], "p_mw": [4.0, 8], "scaling": [0.5, 1], "in_service": [True, True]}
        ),
        gen=pd.DataFrame({"bus": [7], "p_mw": [6.0], "scaling": [1.0], "in_service": [True]}),
        sgen=unit.astype({"bus": int, "p_mw": float, "scaling": float, "in_service": bool}),
        ext_grid=pd.DataFrame({"bus": [8], "in_service": [True]}),
        trafo3w=pd.DataFrame({"in_service": []}),
    )


def test_pandapower_by_hand() -> None:
    grid = from_pandapower(pandapower_net(), setting="case")
    assert grid.name == "standing in"
    # Nodes: 8, 6 with 5, 7.
    assert grid.lines.tolist() == [[0, 1], [0, 2]]
    transformer = 1 / (np.sqrt(0.13**2 - 0.05**2) * 10 / 40)
    line = 2 / (4.0 * 10 / 110**2)
    np.testing.assert_allclose(grid.coupling, [transformer, line])
    # The external grid at bus 8 feeds in what the generator lacks.
    np.testing.assert_allclose(grid.power, [0.4, -1.0, 0.6])
    assert grid.labels == ("8", "6", "7")


def test_pandapower_takes_the_published_setting_by_default() -> None:
    grid = from_pandapower(pandapower_net(), seed=1)
    assert sorted(grid.power.tolist()) == [-1, 0, 1]
    assert (grid.coupling == 9).all()


@pytest.mark.parametrize("new", [True, False])
def test_pandapower_coordinates(new: bool) -> None:
    net = pandapower_net()
    coordinates = {bus: (float(bus), -float(bus)) for bus in net.bus.index}
    if new:
        net.bus["geo"] = [
            f'{{"type": "Point", "coordinates": [{x}, {y}]}}' for x, y in coordinates.values()
        ]
    else:
        net["bus_geodata"] = pd.DataFrame.from_dict(coordinates, orient="index", columns=["x", "y"])
    grid = from_pandapower(net)
    np.testing.assert_array_equal(grid.coordinates, [[8, -8], [6, -6], [7, -7]])


def test_pandapower_elements_without_a_rule_are_named() -> None:
    net = pandapower_net()
    net["svc"] = pd.DataFrame({"in_service": [True]})
    with pytest.raises(CaseError, match="elements of kind 'svc'"):
        from_pandapower(net)


def test_pandapower_with_open_lines_is_disconnected() -> None:
    net = pandapower_net()
    net["line"] = net.line.assign(in_service=False)
    net.bus.loc[9, "in_service"] = True
    net["line"].loc[2, ["from_bus", "to_bus", "in_service"]] = [7, 9, True]
    with pytest.raises(DisconnectedGridError):
        from_pandapower(net)
    assert from_pandapower(net, largest_component=True).num_nodes == 2


class PypsaStandIn:
    """The tables of a ``pypsa.Network`` with four buses."""

    name = "standing in"

    def __init__(self) -> None:
        self.snapshots = pd.Index(["noon", "night"])
        self.buses = pd.DataFrame(
            {"v_nom": [380.0, 380, 380, 110], "x": [1.0, 2, 3, 4], "y": [0.0, 2, 4, 6]},
            index=["b0", "b1", "b2", "b3"],
        )
        self.lines = pd.DataFrame(
            {
                "bus0": ["b0", "b1", "b0", "b1"],
                "bus1": ["b1", "b2", "b2", "b2"],
                "x": [20.0, 30, 10, 1],
                "active": [True, True, True, False],
            }
        )
        self.transformers = pd.DataFrame(
            {"bus0": ["b2"], "bus1": ["b3"], "x": [0.1], "s_nom": [300.0], "active": [True]}
        )
        self.generators = pd.DataFrame(
            {"bus": ["b0", "b1"], "p_set": [300.0, 100], "control": ["Slack", "PQ"], "sign": 1.0},
            index=["g0", "g1"],
        )
        self.storage_units = pd.DataFrame({"bus": [], "p_set": [], "sign": []}).astype(
            {"bus": str, "p_set": float, "sign": float}
        )
        self.loads = pd.DataFrame(
            {"bus": ["b2", "b3"], "p_set": [150.0, 250], "sign": -1.0}, index=["d2", "d3"]
        )
        nothing = {
            "p": pd.DataFrame(index=self.snapshots),
            "p_set": pd.DataFrame(index=self.snapshots),
        }
        self.generators_t = dict(nothing)
        self.storage_units_t = dict(nothing)
        self.loads_t = dict(nothing)


def test_pypsa_by_hand() -> None:
    grid = from_pypsa(PypsaStandIn(), setting="case")
    assert grid.lines.tolist() == [[0, 1], [0, 2], [1, 2], [2, 3]]
    np.testing.assert_allclose(
        grid.coupling, [380**2 / 2000, 380**2 / 1000, 380**2 / 3000, 300 / 100 / 0.1]
    )
    np.testing.assert_allclose(grid.power, [3.0, 1.0, -1.5, -2.5])
    np.testing.assert_array_equal(grid.coordinates, [[1, 0], [2, 2], [3, 4], [4, 6]])
    assert (from_pypsa(PypsaStandIn()).coupling == 9).all()


def test_pypsa_powers_follow_the_snapshot() -> None:
    network = PypsaStandIn()
    network.generators_t["p"] = pd.DataFrame(
        {"g0": [200.0, 100], "g1": [200.0, 50]}, index=network.snapshots
    )
    network.loads_t["p_set"] = pd.DataFrame({"d3": [250.0, 0]}, index=network.snapshots)
    noon = from_pypsa(network, setting="case")
    night = from_pypsa(network, setting="case", snapshot="night")
    np.testing.assert_allclose(noon.power, [2.0, 2.0, -1.5, -2.5])
    np.testing.assert_allclose(night.power, [1.0, 0.5, -1.5, 0.0])
    with pytest.raises(CaseError, match="has no snapshot 'dawn'"):
        from_pypsa(network, snapshot="dawn")


@pytest.mark.parametrize("convert", [from_pandapower, from_pypsa])
def test_other_objects_are_refused(convert: object) -> None:
    with pytest.raises(CaseError, match=r"is not a usable [pP]"):
        convert(object())  # type: ignore[operator]
