"""Networks of pandapower itself against its own linear power flow; needs pandapower."""

import inspect
import warnings
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from gridstab import PowerGrid
from gridstab.errors import CaseError, GridstabError
from gridstab.grids import from_pandapower
from gridstab.grids.pandapower import _labels, _nodes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pp = pytest.importorskip("pandapower")
    networks = pytest.importorskip("pandapower.networks")

pytestmark = pytest.mark.filterwarnings("ignore")

LARGE = 1000


def packaged() -> list[str]:
    return [
        name
        for name, build in inspect.getmembers(networks, inspect.isfunction)
        if build.__module__.startswith("pandapower.networks")
        and not name.startswith(("_", "create_dickert", "create_kerber", "add_"))
        and all(
            parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD
            for parameter in inspect.signature(build).parameters.values()
        )
    ]


def injections(net: Any) -> dict[str, float]:
    """What the linear power flow feeds in at every node, by the node's label, per unit.

    It solves with shunts at rated voltage, but reports them at the voltages that generators are
    set to, so that its own results do not sum to zero.
    """
    bus = net.bus[net.bus["in_service"].astype(bool)]
    node = _nodes(bus, net.switch)
    first = np.unique(node.to_numpy(), return_index=True)[1]
    label = dict(enumerate(_labels(bus, first, ())))
    drawn = net.res_bus["p_mw"].fillna(0.0)
    for shunt, bus in net.shunt["bus"].items():
        reported = net.res_shunt.at[shunt, "p_mw"]
        drawn[bus] -= np.nan_to_num(reported - reported / net.res_bus.at[bus, "vm_pu"] ** 2)
    found: dict[str, float] = defaultdict(float)
    for index, number in node.items():
        found[label[number]] -= float(drawn[index]) / net.sn_mva
    # Asymmetric elements are in its results at their buses, but not in its balance.
    slack = label[node[net.ext_grid["bus"].iloc[0]]] if len(net.ext_grid) else None
    for kind, sign in (("asymmetric_load", 1), ("asymmetric_sgen", -1)):
        for _, one in net[kind].iterrows():
            power = (one["p_a_mw"] + one["p_b_mw"] + one["p_c_mw"]) * one["scaling"]
            found[slack] += sign * one["in_service"] * power / net.sn_mva
    return found


def converted(net: Any) -> PowerGrid:
    return from_pandapower(net, setting="case", largest_component=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", packaged())
def test_packaged_networks_have_the_powers_of_their_own_linear_power_flow(name: str) -> None:
    try:
        net = getattr(networks, name)()
    except Exception as error:
        pytest.skip(f"pandapower does not build it: {error}")
    if not hasattr(net, "bus"):
        pytest.skip("no single network")
    try:
        unsolved = converted(net)
        pp.rundcpp(net)
        solved = converted(net)
    except CaseError as error:
        assert any(  # noqa: PT017
            reason in str(error) for reason in ("there is no rule", "no positive finite reactance")
        )
        pytest.skip(str(error))
    fed = injections(net)
    expected = np.array([fed[label] for label in solved.labels])
    np.testing.assert_allclose(solved.power, expected, atol=1e-6 * max(1, abs(expected).max()))
    if len(net.ext_grid) + net.gen.slack.sum() == 1:
        np.testing.assert_allclose(unsolved.power, solved.power, atol=1e-9)


def small_network() -> Any:
    net = pp.create_empty_network(sn_mva=1.0)
    a, b, c = (pp.create_bus(net, 110.0) for _ in range(3))
    pp.create_ext_grid(net, a)
    for start, end in ((a, b), (b, c), (a, c)):
        pp.create_line_from_parameters(net, start, end, 10.0, 0.06, 0.4, 9.0, 0.5)
    return net


def test_the_slack_feeds_in_what_is_missing() -> None:
    net = small_network()
    pp.create_load(net, 1, 50.0)
    pp.create_load(net, 2, 30.0)
    pp.create_sgen(net, 2, 10.0)
    for _ in range(2):
        np.testing.assert_allclose(converted(net).power, [70, -50, -20])
        pp.runpp(net)


def test_every_kind_of_element_counts() -> None:
    net = small_network()
    pp.create_motor(net, 1, pn_mech_mw=4.0, cos_phi=0.9, efficiency_percent=80.0, scaling=0.5)
    pp.create_asymmetric_load(net, 1, p_a_mw=1.0, p_b_mw=2.0, p_c_mw=3.0)
    pp.create_asymmetric_sgen(net, 2, p_a_mw=0.5, p_b_mw=0.25, p_c_mw=0.0, scaling=2.0)
    pp.create_shunt(net, 2, q_mvar=1.0, p_mw=2.0, step=3, vn_kv=100.0)
    pp.create_ward(net, 1, ps_mw=1.0, qs_mvar=0.0, pz_mw=2.0, qz_mvar=0.0)
    pp.create_xward(net, 1, 1.5, 0.0, 0.5, 0.0, 0.1, 0.1, 1.0)
    pp.create_storage(net, 2, p_mw=4.0, max_e_mwh=10.0)
    pp.create_dcline(net, 1, 2, p_mw=10.0, loss_percent=10.0, loss_mw=1.0, vm_from_pu=1, vm_to_pu=1)
    pp.create_gen(net, 2, p_mw=5.0, scaling=0.5)
    pp.create_load(net, 1, 7.0, in_service=False)
    pp.create_impedance(net, 1, 2, rft_pu=0.01, xft_pu=0.1, sn_mva=100.0)
    power = converted(net).power
    at_b = -(4 / 0.8 * 0.5) - 6 - 3 - 2 - 10
    at_c = 1.5 - 2 * 3 * 1.21 - 4 + (10 - 1 - 1) + 2.5
    np.testing.assert_allclose(power, [-at_b - at_c, at_b, at_c])
    # The program's own linear power flow leaves asymmetric elements out of its balance.
    net.asymmetric_load["in_service"] = net.asymmetric_sgen["in_service"] = False
    pp.rundcpp(net)
    np.testing.assert_allclose(converted(net).power[0], net.res_ext_grid["p_mw"][0], atol=1e-9)


def test_two_external_grids_share_by_results_or_by_weight() -> None:
    net = small_network()
    pp.create_ext_grid(net, 2, slack_weight=3.0)
    pp.create_load(net, 1, 40.0)
    np.testing.assert_allclose(converted(net).power, [10, -40, 30])
    pp.rundcpp(net)
    np.testing.assert_allclose(converted(net).power, [20, -40, 20], atol=1e-9)
    net.load.loc[0, "p_mw"] = 60.0
    np.testing.assert_allclose(converted(net).power, [15, -60, 45])
    pp.rundcpp(net)
    net.line.loc[0, "in_service"] = False
    np.testing.assert_allclose(converted(net).power, [15, -60, 45])


def test_a_solved_network_keeps_its_losses_at_the_slack() -> None:
    net = small_network()
    pp.create_load(net, 1, 40.0)
    pp.create_gen(net, 2, p_mw=20.0, slack=True, slack_weight=1.0)
    pp.runpp(net)
    power = converted(net).power
    assert abs(power.sum()) < 1e-9
    losses = net.res_line["pl_mw"].sum()
    results = [net.res_ext_grid.p_mw[0], -40.0, net.res_gen.p_mw[0]]
    np.testing.assert_allclose(power, results - losses * np.array([0.5, 0, 0.5]))


def test_other_elements_are_refused_by_name() -> None:
    net = small_network()
    pp.create_svc(net, 1, 0.1, 0.1, 1.0, 90.0)
    with pytest.raises(GridstabError, match=r"elements of kind 'svc'") as caught:
        converted(net)
    advice = str(caught.value).partition("out of service: ")[2]
    exec(advice, {"net": net})
    assert converted(net).num_nodes == 3


def three_voltages(mode: str = "") -> Any:
    """Two transformers of three windings and lines that close loops on all three levels."""
    net = pp.create_empty_network(sn_mva=10.0)
    high, middle, low = (
        [pp.create_bus(net, kilovolt) for _ in range(2)] for kilovolt in (110.0, 20.0, 10.0)
    )
    pp.create_ext_grid(net, high[0])
    for ends, ohm in ((high, 0.4), (middle, 0.05), (low, 0.01)):
        pp.create_line_from_parameters(net, *ends, 10.0, 0.06, ohm, 0.0, 9.0)
    for number, vk in enumerate(((10.0, 11.0, 16.0), (12.0, 10.0, 16.0))):
        pp.create_transformer3w_from_parameters(
            net, high[number], middle[number], low[number], 110.0, 20.0, 10.0,
            sn_hv_mva=63.0, sn_mv_mva=40.0, sn_lv_mva=25.0,
            vk_hv_percent=vk[0], vk_mv_percent=vk[1], vk_lv_percent=vk[2],
            vkr_hv_percent=0.3, vkr_mv_percent=0.2, vkr_lv_percent=0.1, pfe_kw=0.0, i0_percent=0.0,
        )  # fmt: skip
    pp.create_load(net, middle[1], 20.0)
    pp.create_load(net, low[0], 12.0)
    if mode == "open":
        pp.create_switch(net, middle[0], 0, et="t3", closed=False)
    if mode == "off":
        net.trafo3w.loc[0, "in_service"] = False
    if mode == "single":
        for bus in (middle[0], low[0]):
            pp.create_switch(net, bus, 0, et="t3", closed=False)
    return net


@pytest.mark.parametrize("mode", ["", "open", "off", "single"])
def test_transformers_of_three_windings_carry_what_they_carry_in_pandapower(mode: str) -> None:
    net = three_voltages(mode)
    unsolved = converted(net)
    pp.rundcpp(net)
    grid = converted(net)
    assert grid == unsolved
    points = {"": 2, "open": 2}.get(mode, 1)
    assert grid.num_nodes == 6 + points
    theta = np.linalg.lstsq(grid.laplacian(weighted=True).toarray(), grid.power)[0]
    found = {}
    for (a, b), coupling in zip(grid.lines, grid.coupling, strict=True):
        # Star points come after all buses.
        if grid.labels[b].startswith("trafo3w"):
            side = ("hv", "mv", "lv")[int(grid.labels[a]) // 2]
            flow = coupling * (theta[a] - theta[b]) * net.sn_mva
            found[int(grid.labels[b].split()[1]), side] = flow
    for number in (0, 1):
        expected = [net.res_trafo3w.at[number, f"p_{side}_mw"] for side in ("hv", "mv", "lv")]
        own = [found.get((number, side), 0.0) for side in ("hv", "mv", "lv")]
        np.testing.assert_allclose(own, np.nan_to_num(expected), atol=1e-9)
    assert len(found) == {"": 6, "open": 5}.get(mode, 3)


def test_results_do_not_count_once_a_winding_was_switched() -> None:
    net = three_voltages()
    pp.create_ext_grid(net, 1)
    pp.rundcpp(net)
    solved = converted(net)
    pp.create_switch(net, 2, 0, et="t3", closed=False)
    changed = converted(net)
    assert changed.power[0] == changed.power[1] != solved.power[0]


def test_a_negative_leg_has_no_coupling() -> None:
    net = three_voltages()
    net.trafo3w.loc[0, "vk_lv_percent"] = 60.0
    with pytest.raises(CaseError, match=r"no positive finite reactance, the first from bus . to"):
        converted(net)
    assert from_pandapower(net).num_nodes == 8


def test_star_points_lie_amid_their_buses() -> None:
    net = three_voltages()
    coordinates = np.random.default_rng(0).normal(size=(6, 2))
    net.bus["geo"] = [f'{{"type": "Point", "coordinates": [{x}, {y}]}}' for x, y in coordinates]
    grid = converted(net)
    point = grid.node_number("trafo3w 1")
    np.testing.assert_allclose(grid.coordinates[point], coordinates[[1, 3, 5]].mean(axis=0))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Nord", " Süd", "West"], ("Nord", "Süd", "West")),
        ([7, 8, 9], ("7", "8", "9")),
        ([7.0, 8.0, 9.0], ("7", "8", "9")),
        (["Nord", "Nord", "West"], ("0", "1", "2")),
        (["Nord", "", "West"], ("0", "1", "2")),
        (["Nord", None, "West"], ("0", "1", "2")),
        (["Nord", "a\nb", "West"], ("0", "1", "2")),
        (["Nord", "a" * 201, "West"], ("0", "1", "2")),
        ([True, "b", "c"], ("0", "1", "2")),
    ],
)
def test_names_are_labels_where_every_bus_has_its_own(names: list[Any], expected: Any) -> None:
    net = small_network()
    net.bus["name"] = names
    assert converted(net).labels == expected


def test_names_never_meet_those_of_star_points() -> None:
    net = three_voltages()
    names = ["a", "b", "c", "d", "e", "trafo3w 1"]
    net.bus["name"] = names
    assert converted(net).labels == ("0", "1", "2", "3", "4", "5", "trafo3w 0", "trafo3w 1")
    net.bus.loc[5, "name"] = "f"
    assert converted(net).labels[4:] == ("e", "f", "trafo3w 0", "trafo3w 1")
