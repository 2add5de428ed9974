"""What a source calls its nodes reaches every file, table, picture and message."""

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import gridstab
from gridstab import PowerGrid
from gridstab.cli import app
from gridstab.datasets.grid_file import encode_result, read_labels, read_result
from gridstab.dynamics.basin_map import basin_map
from gridstab.dynamics.engines import ENGINES
from gridstab.errors import (
    DisconnectedGridError,
    InvalidParameterError,
    NoOperatingPointError,
)
from gridstab.grids import from_networkx, load_case, save_grid, texas_grid
from gridstab.report.content import Report, ReportedGrid
from gridstab.report.map_figures import grid_figures
from gridstab.report.plots import plot_basin_map
from tests.gridstab.disc_engine import DiscEngine, ring_grid

NAMES = ["Süd", "Nord, alt", "7", '"', "[/red]", "<b>"]


def named_grid(**more: object) -> PowerGrid:
    ring = ring_grid(6)
    return PowerGrid.from_arrays(ring.lines, ring.power, labels=NAMES, **more)


@pytest.fixture(autouse=True)
def disc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(ENGINES, "disc", lambda: DiscEngine(np.linspace(0.2, 0.9, 6)))
    monkeypatch.chdir(tmp_path)


def cli(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def run(tmp_path: Path) -> Path:
    save_grid(named_grid(), tmp_path / "named.json")
    cli("simulate", "--case", "named.json", "--samples", "40", "--engine", "disc",
        "--out", "run", "--quiet", "--no-picture")  # fmt: skip
    return tmp_path / "run"


def test_results_name_their_nodes() -> None:
    result = gridstab.simulate(named_grid(), 40, engine=DiscEngine(np.linspace(0.2, 0.9, 6)))
    assert result.to_dict()["name"] == NAMES
    assert result.weakest_labels(2) == [NAMES[node] for node in result.weakest(2)] == NAMES[:2]
    assert [row["name"] for row in result.table()] == NAMES


def test_run_folders_keep_labels(run: Path) -> None:
    file = run / "grids" / "00001.h5"
    assert read_result(file).grid.labels == tuple(NAMES)
    assert read_labels(file).grid.labels == tuple(NAMES)
    assert cli("verify", "run")


def test_a_single_grid_of_many_long_labels_is_kept(tmp_path: Path) -> None:
    ring = ring_grid(80)
    labels = [f"{node} {'ä' * 190}" for node in range(80)]
    grid = PowerGrid.from_arrays(ring.lines, ring.power, labels=labels)
    result = gridstab.simulate(grid, 2, engine=DiscEngine())
    (tmp_path / "grid.h5").write_bytes(encode_result(1, 0, result, np.zeros(80)))
    assert read_result(tmp_path / "grid.h5").grid.labels == tuple(labels)


def test_files_of_grids_without_labels_hold_none(tmp_path: Path) -> None:
    for labels, expected in ((None, False), ([str(node) for node in range(6)], False)):
        ring = ring_grid(6)
        grid = PowerGrid.from_arrays(ring.lines, ring.power, labels=labels)
        result = gridstab.simulate(grid, 2, engine=DiscEngine())
        (tmp_path / "grid.h5").write_bytes(encode_result(1, 0, result, np.zeros(6)))
        with h5py.File(tmp_path / "grid.h5") as file:
            assert ("node_labels" in file) == expected


def test_tables_json_and_csv_hold_the_names(run: Path, tmp_path: Path) -> None:
    assert "Nord, alt" in cli("info", "run")
    assert "[/red]" in cli("info", "run", "--csv", "all.csv")
    summary = json.loads(cli("info", "run", "--json"))
    assert summary["weakest"][0]["name"] == "Süd"
    [grid] = summary["results"]
    assert (grid["grid"], grid["grid_name"], grid["name"]) == (1, "grid", NAMES)
    result = read_result(run / "grids" / "00001.h5")
    assert grid["snbs"] == result.snbs.tolist()
    with open(tmp_path / "all.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == NAMES
    assert [float(row["snbs"]) for row in rows] == result.snbs.tolist()
    assert [int(row["node"]) for row in rows] == list(range(6))


def test_imported_labels_are_in_json_and_csv_too(run: Path, tmp_path: Path) -> None:
    cli("export", "run", "--layout", "v1", "--out", "published")
    cli("import", "published", "--samples", "40", "--out", "again")
    before, after = (
        json.loads(cli("info", folder, "--json"))["results"][0] for folder in ("run", "again")
    )
    for column in ("node", "samples", "stable", "snbs", "survivability"):
        assert after[column] == before[column]
    assert after["name"] == ["0", "1", "2", "3", "4", "5"]
    assert "wrote again.csv (6 nodes)" in cli("info", "again", "--csv", "again.csv")


def test_basin_maps_take_and_show_the_label(tmp_path: Path) -> None:
    save_grid(named_grid(), tmp_path / "named.json")
    more = ("--case", "named.json", "--engine", "disc", "--resolution", "4", "--out", "basin.png")
    cli("basin-map", "--node", "7", *more)
    message = cli("basin-map", "--node", "2", *more, code=2)
    assert "'grid' has no node '2'; its 6 nodes are called Süd to <b>" in message
    basin = basin_map(named_grid(), 1, resolution=4, engine=DiscEngine())
    assert "node Nord, alt" in plot_basin_map(basin).axes[0].get_title(loc="left")
    basin.save(tmp_path / "basin.h5")
    with h5py.File(tmp_path / "basin.h5") as file:
        assert (file.attrs["node"], file.attrs["label"]) == (1, "Nord, alt")


def test_reports_show_labels_as_text() -> None:
    value = np.linspace(0.5, 1, 6)
    drawn = ReportedGrid(1, named_grid(), value, prediction=value)
    figures = grid_figures(Report("title", [drawn]))
    shown = [row[0] for row in figures["simulated"]["data"][2]["customdata"]]
    assert sorted(shown) == sorted(["Süd", "Nord, alt", "7", "&quot;", "[/red]", "&lt;b&gt;"])


def test_messages_name_nodes_by_label() -> None:
    ends = [(0, 1), (1, 2)]
    labels = ["A", "B", "C"]
    with pytest.raises(NoOperatingPointError, match=r"node A must exchange 10 .* over line A-B"):
        gridstab.operating_point(PowerGrid.from_arrays(ends, [10, 0, -10], labels=labels))
    with pytest.raises(DisconnectedGridError, match="the smallest of node C"):
        gridstab.operating_point(PowerGrid.from_arrays(ends[:1], [1, -1, 0], labels=labels))


def test_cases_name_their_buses() -> None:
    assert load_case("case14").labels == tuple(str(bus) for bus in range(1, 15))
    texas = texas_grid()
    assert texas.labels[0] == "1001"
    assert len(set(texas.labels)) == 1910


def test_labels_are_found_by_name() -> None:
    assert named_grid().node_number("7") == 2
    with pytest.raises(InvalidParameterError, match="has no node 7; its 6 nodes are called Süd"):
        named_grid().node_number(7)
    assert from_networkx(named_grid().to_networkx()).node_number("<b>") == 5
