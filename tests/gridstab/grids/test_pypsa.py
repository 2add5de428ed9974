"""Networks of PyPSA itself against its own linear power flow; needs PyPSA."""

import warnings
from typing import Any

import numpy as np
import pytest

from gridstab.errors import CaseError
from gridstab.grids import PowerGrid, from_pypsa

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pypsa = pytest.importorskip("pypsa")

pytestmark = pytest.mark.filterwarnings("ignore")


def network(**first_generator: Any) -> Any:
    n = pypsa.Network()
    n.add("Bus", ["north", "west", "east"], v_nom=380.0, x=[0.0, -1, 1], y=[1.0, 0, 0])
    n.add(
        "Line", ["nw", "we", "ne"], bus0=["north", "west", "north"], bus1=["west", "east", "east"]
    )
    n.lines["x"] = [20.0, 30.0, 10.0]
    n.add("Generator", "hydro", bus="north", **first_generator)
    n.add("Generator", "wind", bus="west", p_set=120.0)
    n.add("Load", "town", bus="east", p_set=300.0)
    return n


def assert_as_its_own(n: Any, grid: PowerGrid, snapshot: Any) -> None:
    """Powers and flows equal those of ``n.lpf()``."""
    expected = n.buses_t.p.loc[snapshot, list(grid.labels)].to_numpy()
    np.testing.assert_allclose(grid.power * 100, expected, atol=1e-8 * max(1, abs(expected).max()))
    theta = np.linalg.lstsq(grid.laplacian(weighted=True).toarray(), grid.power)[0]
    label = {name: number for number, name in enumerate(grid.labels)}
    for table, series in ((n.lines, n.lines_t), (n.transformers, n.transformers_t)):
        for name, row in table.iterrows():
            if row["bus0"] not in label or row.get("phase_shift", 0.0):
                continue
            a, b = label[row["bus0"]], label[row["bus1"]]
            x = row["x_pu_eff"] * 100
            np.testing.assert_allclose(
                (theta[a] - theta[b]) / x * 100, series.p0.at[snapshot, name], atol=1e-6
            )


def test_the_slack_feeds_in_what_is_missing() -> None:
    n = network()
    before = from_pypsa(n, setting="case")
    np.testing.assert_allclose(before.power, [1.8, 1.2, -3.0])
    assert before.labels == ("north", "west", "east")
    n.lpf()
    after = from_pypsa(n, setting="case")
    assert after == before
    assert_as_its_own(n, after, n.snapshots[0])


def test_generators_without_power_are_named() -> None:
    n = network()
    n.add("Generator", ["coal", "gas"], bus="east")
    with pytest.raises(CaseError, match=r"generator 'coal' and 1 more .* n\.optimize\(\) or .*lpf"):
        from_pypsa(n, setting="case")
    assert from_pypsa(n).num_nodes == 3
    n.lpf()
    assert_as_its_own(n, from_pypsa(n, setting="case"), n.snapshots[0])


def test_every_kind_of_element_counts() -> None:
    n = network(control="Slack")
    n.set_snapshots(["day", "night"])
    n.add("Bus", "south", v_nom=110.0)
    n.add(
        "Line", "typed", bus0="west", bus1="east", type="Al/St 240/40 4-bundle 380.0", length=70.0
    )
    n.add(
        "Transformer", "down", bus0="east", bus1="south", type="100 MVA 220/110 kV", tap_position=2
    )
    n.add("Transformer", "own", bus0="east", bus1="south", x=0.1, s_nom=200.0, tap_ratio=0.95)
    n.add("StorageUnit", "pump", bus="south", p_set=-20.0)
    n.add("Store", "battery", bus="west", p_set=7.0)
    n.add("ShuntImpedance", "shunt", bus="south", g=2e-4)
    n.add("Link", "cable", bus0="north", bus1="south", p_set=50.0, efficiency=0.9)
    n.add("Load", "factory", bus="south", p_set=[10.0, 40.0])
    n.add("Load", "closed", bus="south", p_set=99.0, active=False)
    unsolved = {at: from_pypsa(n, setting="case", snapshot=at) for at in n.snapshots}
    n.lpf()
    for at, grid in unsolved.items():
        assert grid.name.endswith(f"at {at}")
        assert_as_its_own(n, grid, at)
        assert from_pypsa(n, setting="case", snapshot=at) == grid
    assert from_pypsa(n, setting="case") == unsolved["day"]
    assert abs(unsolved["night"].power - unsolved["day"].power).max() == pytest.approx(0.3)


def test_an_optimised_dispatch_counts() -> None:
    n = network(p_nom=400.0, marginal_cost=5.0)
    n.generators.loc["wind", ["p_set", "p_nom", "marginal_cost"]] = [np.nan, 150.0, 1.0]
    n.lines["s_nom"] = 1e4
    n.optimize()
    np.testing.assert_allclose(from_pypsa(n, setting="case").power, [1.5, 1.5, -3.0], atol=1e-6)


def test_links_without_power_and_unknown_types_are_named() -> None:
    n = network()
    n.add("Link", "cable", bus0="north", bus1="east")
    with pytest.raises(CaseError, match="link 'cable' of"):
        from_pypsa(n, setting="case")
    n = network()
    n.lines.loc["we", "type"] = "no such type"
    with pytest.raises(CaseError, match=r"'no such type' of 'we' is not in n\.line_types"):
        from_pypsa(n)


@pytest.mark.parametrize("seed", range(10))
def test_random_networks_have_the_flows_of_their_own_linear_power_flow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = pypsa.Network()
    n.add("Bus", [f"b{k}" for k in range(12)], v_nom=220.0)
    ends = [(k, int(rng.integers(k))) for k in range(1, 12)] + [(0, 6), (3, 9), (1, 11)]
    for number, (a, b) in enumerate(ends):
        n.add("Line", f"l{number}", bus0=f"b{a}", bus1=f"b{b}", x=float(rng.uniform(5, 50)))
    for k in range(12):
        n.add("Load", f"d{k}", bus=f"b{k}", p_set=float(rng.uniform(0, 60)))
        if rng.random() < 0.5 or k == 4:
            n.add("Generator", f"g{k}", bus=f"b{k}", p_set=float(rng.uniform(0, 120)))
    grid = from_pypsa(n, setting="case")
    n.lpf()
    assert_as_its_own(n, grid, n.snapshots[0])
