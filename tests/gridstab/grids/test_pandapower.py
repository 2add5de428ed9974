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
from gridstab.grids.pandapower import _nodes

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
    label = {number: str(index) for index, number in reversed(list(node.items()))}
    drawn = net.res_bus["p_mw"].fillna(0.0)
    for shunt, bus in net.shunt["bus"].items():
        reported = net.res_shunt.at[shunt, "p_mw"]
        drawn[bus] -= np.nan_to_num(reported - reported / net.res_bus.at[bus, "vm_pu"] ** 2)
    found: dict[str, float] = defaultdict(float)
    for index, number in node.items():
        found[label[number]] -= float(drawn[index]) / net.sn_mva
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
    expected = np.array([injections(net)[label] for label in solved.labels])
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


@pytest.mark.parametrize(
    "change",
    [
        lambda net: pp.create_svc(net, 1, 0.1, 0.1, 1.0, 90.0),
        lambda net: pp.create_transformer3w(net, 0, 1, 2, "63/25/38 MVA 110/20/10 kV"),
    ],
)
def test_other_elements_are_refused_by_name(change: Any) -> None:
    net = small_network()
    change(net)
    with pytest.raises(GridstabError, match=r"elements of kind '(svc|trafo3w)'"):
        converted(net)
