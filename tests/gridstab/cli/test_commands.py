import json
import os
import shutil
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from typer.testing import CliRunner

import gridstab
from gnncore.storage import Manifest, write_json
from gridstab.cli import app
from gridstab.datasets import RunFolder
from gridstab.dynamics.engines import ENGINES
from gridstab.grids.files import save_grid
from tests.gridstab.disc_engine import DiscEngine, ring_grid
from tests.gridstab.run_bytes import promised_bytes

TWO_PARTS = """function mpc = two
mpc.version = '2';
mpc.baseMVA = 100;
mpc.bus = [
{buses}
];
mpc.gen = [ 1 0 0 0 0 1 100 1 0 0 0 0 0 0 0 0 0 0 0 0 0; ];
mpc.branch = [
{branches}
];
""".format(
    buses="\n".join(f"{bus} {3 if bus == 1 else 1} 0 0 0 0 1 1 0 1 1 2 0;" for bus in range(1, 7)),
    branches="\n".join(
        f"{a} {b} 0 0.1 0 0 0 0 0 0 1 -360 360;"
        for a, b in [(1, 2), (2, 3), (3, 4), (4, 1), (5, 6)]
    ),
)
"""A ring of four buses and two apart from it."""

SMALL = ["simulate", "--nodes", "6", "--samples", "20", "--no-picture"]


@pytest.fixture(autouse=True)
def _disc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in an empty folder, with an engine whose outcomes are a formula."""
    monkeypatch.setitem(ENGINES, "disc", lambda: DiscEngine(0.9, 0.92))
    monkeypatch.chdir(tmp_path)


def gridstab_cli(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def simulate(*arguments: str, code: int = 0) -> Any:
    return gridstab_cli(*SMALL, "--engine", "disc", *arguments, code=code)


def write_inputs(folder: Path) -> None:
    save_grid(ring_grid(), folder / "ring.json")
    ring = json.loads((folder / "ring.json").read_text())
    changed = {
        "loop": {"lines": [[0, 0], *ring["lines"][1:]]},
        "torn": {"lines": [[0, 1], [2, 3], [4, 5]], "coupling": [9.0] * 3},
        "heavy": {"power": [100 * power for power in ring["power"]]},
        "unbalanced": {"power": [1.0] * 6},
        "nan": {"power": ["NaN"] * 6},
    }
    for name, change in changed.items():
        (folder / f"{name}.json").write_text(json.dumps(ring | change))
    (folder / "cut.json").write_text((folder / "ring.json").read_text()[:40])
    (folder / "cut.m").write_text("mpc.bus = [1 2 3")
    (folder / "binary.json").write_bytes(bytes(range(256)))
    (folder / "folder.json").mkdir()
    (folder / "bad.toml").write_text("nodes = = 6")
    (folder / "key.toml").write_text("nodez = 6")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "thesis.tex").write_text("years of work")


BAD = {
    "no nodes": ["--nodes", "0"],
    "negative nodes": ["--nodes", "-4"],
    "one node": ["--nodes", "1"],
    "no samples": ["--samples", "0"],
    "negative samples": ["--samples", "-1"],
    "no grids": ["--grids", "0"],
    "negative seed": ["--seed", "-1"],
    "text for a number": ["--samples", "many"],
    "unknown engine": ["--engine", "steam"],
    "unknown stop rule": ["--stop", "soon"],
    "unknown sampler": ["--sampler", "dice"],
    "unknown executor": ["--executor", "cloud"],
    "no workers": ["--workers", "0"],
    "precision nan": ["--precision", "nan"],
    "horizon nan": ["--horizon", "nan"],
    "horizon infinite": ["--horizon", "inf"],
    "negative horizon": ["--horizon", "-5"],
    "endless horizon": ["--horizon", "1e308"],
    "endless phase": ["--dtheta-range", "1e308"],
    "endless frequency": ["--domega-range", "1e308"],
    "endless samples": ["--samples", "1" + 30 * "0"],
    "sobol samples": ["--sampler", "sobol", "--samples", "1000"],
    "nodes and case": ["--case", "texas"],
    "unknown option": ["--nodez", "6"],
    "malformed TOML": ["--campaign", "bad.toml"],
    "unknown TOML key": ["--campaign", "key.toml"],
    "missing TOML": ["--campaign", "none.toml"],
    "foreign folder": ["--out", "foreign"],
    "resume foreign folder": ["--out", "foreign", "--resume"],
    "out is a file": ["--out", "ring.json"],
}
BAD_CASES = {
    "unknown case": "case99999",
    "missing file": "none.json",
    "unknown ending": "bad.toml",
    "truncated file": "cut.json",
    "truncated MATPOWER file": "cut.m",
    "binary file": "binary.json",
    "a folder": "folder.json",
    "self-loop": "loop.json",
    "disconnected": "torn.json",
    "no operating point": "heavy.json",
    "unbalanced": "unbalanced.json",
    "NaN in a file": "nan.json",
}


def assert_one_line_and_nothing_written(folder: Path, arguments: list[str]) -> str:
    before = sorted(folder.rglob("*"))
    result = gridstab_cli(*arguments, code=2)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("gridstab: ")
    assert sorted(folder.rglob("*")) == before
    return result.stderr


@pytest.mark.parametrize("name", BAD)
def test_bad_options(tmp_path: Path, name: str) -> None:
    write_inputs(tmp_path)
    message = assert_one_line_and_nothing_written(
        tmp_path, [*SMALL, "--engine", "disc", *BAD[name]]
    )
    given = [argument for argument in BAD[name] if argument != "--resume"][-1]
    repeated = {"unknown option": "--nodez", "unknown TOML key": "'nodez'"}.get(name, given)
    assert repeated in message or f"{float(repeated)!r}" in message


@pytest.mark.parametrize("case", BAD_CASES.values(), ids=BAD_CASES)
def test_bad_cases(tmp_path: Path, case: str) -> None:
    write_inputs(tmp_path)
    assert_one_line_and_nothing_written(
        tmp_path, ["simulate", "--case", case, "--samples", "20", "--engine", "disc"]
    )


def test_existing_folder_with_another_configuration(tmp_path: Path) -> None:
    simulate("--out", "run")
    for more in ([], ["--resume"]):
        arguments = [*SMALL, "--engine", "disc", "--out", "run", "--seed", "1", *more]
        message = assert_one_line_and_nothing_written(tmp_path, arguments)
        assert "seed is 0 there and 1 here" in message


def test_existing_folder_with_this_configuration(tmp_path: Path) -> None:
    simulate("--out", "run")
    before = promised_bytes(tmp_path / "run")
    arguments = [*SMALL, "--engine", "disc", "--out", "run"]
    assert "--resume" in assert_one_line_and_nothing_written(tmp_path, arguments)
    assert "complete already" in simulate("--out", "run", "--resume").stdout
    assert promised_bytes(tmp_path / "run") == before


def test_the_default_folder_is_named_after_the_campaign(tmp_path: Path) -> None:
    simulate("--seed", "3")
    assert (tmp_path / "runs" / "n6-g1-s20-seed3-disc" / "manifest.json").is_file()


def test_json_is_one_object(tmp_path: Path) -> None:
    result = simulate("--grids", "2", "--out", "run", "--json")
    summary = json.loads(result.stdout)
    snbs = [
        gridstab.simulate(
            gridstab.random_grid(6, seed=(0, k)), 20, 0, DiscEngine(0.9, 0.92), grid_id=k
        ).snbs
        for k in (1, 2)
    ]
    assert summary["mean_snbs"] == pytest.approx(sum(map(sum, snbs)) / 12)
    assert summary["trajectories"] == 240
    assert summary["config"]["campaign"]["nodes"] == 6
    assert summary["weakest"][0]["snbs"] == min(map(min, snbs))
    assert json.loads(gridstab_cli("info", "run", "--json").stdout)["samples"] == 240


def test_table_shows_the_weakest_nodes() -> None:
    simulate("--out", "run")
    for result in (gridstab_cli("info", "run"), simulate("--out", "run", "--resume")):
        assert "Weakest nodes" in result.stdout
        assert "mean SNBS" in result.stdout
    assert "samples = 20" in gridstab_cli("info", "run").stdout


def test_quiet_says_nothing() -> None:
    result = simulate("--out", "run", "--quiet")
    assert (result.stdout, result.stderr) == ("", "")


def test_pictures(tmp_path: Path) -> None:
    arguments = ["simulate", "--nodes", "6", "--samples", "5", "--engine", "disc", "--grids", "2"]
    gridstab_cli(*arguments, "--out", "run")
    for name in ("grid.png", "distribution.png"):
        assert (tmp_path / "run" / name).read_bytes().startswith(b"\x89PNG")
    gridstab_cli("verify", "run")


def test_campaign_file_and_options(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('nodes = 6\ngrids = 2\nsamples = 7\nengine = "disc"\n')
    gridstab_cli("simulate", "--campaign", "c.toml", "--grids", "1", "--out", "run", "--no-picture")
    config = json.loads((tmp_path / "run" / "config.json").read_text())["campaign"]
    assert (config["grids"], config["samples"]) == (1, 7)


def test_a_grid_file_as_case(tmp_path: Path) -> None:
    save_grid(ring_grid(), tmp_path / "ring.json")
    gridstab_cli("simulate", "--case", "ring.json", "--samples", "5", "--engine", "disc",
                 "--out", "run", "--no-picture")  # fmt: skip
    assert "case_hash" in json.loads((tmp_path / "run" / "config.json").read_text())
    save_grid(gridstab.grids.ring(8), tmp_path / "ring.json")
    result = gridstab_cli("simulate", "--case", "ring.json", "--samples", "5", "--engine", "disc",
                          "--out", "run", "--resume", code=2)  # fmt: skip
    assert "case_hash" in result.stderr


def test_a_real_case_with_its_own_powers(tmp_path: Path) -> None:
    options = ["--setting", "case", "--inertia", "0.085", "--damping", "0.01"]
    gridstab_cli("simulate", "--case", "case14", *options, "--samples", "5", "--engine", "disc",
                 "--quiet", "--no-picture")  # fmt: skip
    run = tmp_path / "runs" / "case14-g1-s5-seed0-case-disc-damping0.01-inertia0.085"
    real = gridstab.load_case("case14", setting="case", inertia=0.085, damping=0.01)
    assert RunFolder.open(run).result(1).grid == real
    assert RunFolder.open(run).result(1).grid.labels == real.labels
    gridstab_cli("verify", str(run))
    gridstab_cli("basin-map", "--case", "case14", *options, "--node", "14", "--engine", "disc",
                 "--resolution", "3", "--out", "basin.png")  # fmt: skip


def test_values_of_every_node_are_simulated_from_tables_and_graphml(tmp_path: Path) -> None:
    ring = ring_grid()
    grid = gridstab.PowerGrid.from_arrays(
        ring.lines,
        ring.power,
        inertia=[0.5, 1, 2, 3, 4, 5],
        damping=[0, 0.1, 0.2, 0.3, 0.4, 0.5],
        coupling=[4, 5, 6, 7, 8, 9],
    )
    nx.write_graphml(grid.to_networkx(), tmp_path / "grid.graphml")
    ends = "\n".join(f"{a},{b},{k}" for (a, b), k in zip(grid.lines, grid.coupling, strict=True))
    (tmp_path / "lines.csv").write_text(f"source,target,coupling\n{ends}\n")
    values = zip(grid.power, grid.inertia, grid.damping, strict=True)
    rows = "\n".join(f"{node},{p},{m},{d}" for node, (p, m, d) in enumerate(values))
    (tmp_path / "nodes.csv").write_text(f"node,power,inertia,damping\n{rows}\n")
    more = ["--samples", "5", "--engine", "disc", "--no-picture"]
    gridstab_cli("simulate", "--case", "grid.graphml", *more, "--out", "graphml", "--quiet")
    lists = ["--case", "lines.csv", "--node-table", "nodes.csv"]
    shown = gridstab_cli("simulate", *lists, *more, "--out", "lists").stdout
    assert "those of 'nodes.csv'" in " ".join(shown.split())
    for run in ("graphml", "lists"):
        assert RunFolder.open(tmp_path / run).result(1).grid == grid
        gridstab_cli("verify", run)
    gridstab_cli("basin-map", *lists, "--node", "3", "--engine", "disc", "--resolution", "3",
                 "--out", "basin.png")  # fmt: skip
    (tmp_path / "nodes.csv").write_text(f"node,power,inertia,damping\n{rows}9\n")
    resumed = gridstab_cli("simulate", *lists, *more, "--out", "lists", "--resume", code=2)
    assert "case_hash" in resumed.stderr


def test_parameters_hold_for_every_kind_of_grid(tmp_path: Path) -> None:
    save_grid(ring_grid(), tmp_path / "ring.json")
    options = ["--coupling", "7", "--damping", "0.2", "--inertia", "0.5"]
    for number, what in enumerate(
        (["--nodes", "6"], ["--case", "case14"], ["--case", "ring.json"])
    ):
        gridstab_cli("simulate", *what, *options, "--samples", "5", "--engine", "disc",
                     "--out", f"run{number}", "--quiet", "--no-picture")  # fmt: skip
        grid = RunFolder.open(tmp_path / f"run{number}").result(1).grid
        assert set(grid.coupling) == {7.0}
        assert set(grid.damping) == {0.2}
        assert set(grid.inertia) == {0.5}


def test_the_advice_on_disconnected_cases_works(tmp_path: Path) -> None:
    (tmp_path / "two.m").write_text(TWO_PARTS)
    case = ["simulate", "--case", "two.m", "--samples", "5", "--engine", "disc", "--no-picture"]
    assert "(largest_component" in gridstab_cli(*case, code=2).stderr
    gridstab_cli(*case, "--largest-component", "--out", "run", "--quiet")
    assert RunFolder.open(tmp_path / "run").result(1).grid.labels == ("1", "2", "3", "4")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--setting", "case"], "a random grid is no MATPOWER case"),
        (["--largest-component"], "a random grid is none"),
        (["--case", "ring.json", "--setting", "case"], "'ring.json' is no MATPOWER case"),
        (["--case", "texas", "--setting", "case"], "texas is no MATPOWER case"),
        (["--case", "case14", "--setting", "real"], "setting must be 'homogeneous' or 'case'"),
        (["--case", "case14", "--setting", "case", "--coupling", "3"], "got coupling 3; leave it"),
        (["--case", "case14", "--setting", "case", "--grids", "2"], "single grid, got grids 2"),
        (["--node-table", "ring.json"], "node_table 'ring.json' is for the nodes of a case"),
        (["--case", "case14", "--node-table", "none.csv"], "none.csv"),
        (["--inertia", "0"], "inertia must be greater than 0, got 0"),
        (["--damping", "nan"], "damping must be"),
    ],
)
def test_settings_that_do_nothing_are_refused(
    tmp_path: Path, options: list[str], said: str
) -> None:
    save_grid(ring_grid(), tmp_path / "ring.json")
    arguments = ["simulate", "--samples", "5", "--engine", "disc", "--no-picture", *options]
    assert said in assert_one_line_and_nothing_written(tmp_path, arguments)


def test_failing_units_are_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Faulty(DiscEngine):
        def run(self, model: Any, perturbations: Any, **options: Any) -> Any:
            raise ArithmeticError("of several\nlines")

    monkeypatch.setitem(ENGINES, "disc", Faulty)
    result = simulate("--out", "run", code=1)
    assert len(result.stderr.splitlines()) == 1
    assert "ArithmeticError: of several lines" in result.stderr


def test_verify_lists_each_problem(tmp_path: Path) -> None:
    simulate("--grids", "2", "--out", "run")
    assert "as they should be" in gridstab_cli("verify", "run").stdout
    (tmp_path / "run" / "grids" / "00001.h5").unlink()
    with open(tmp_path / "run" / "grids" / "00002.h5", "ab") as file:
        file.write(b"x")
    lines = gridstab_cli("verify", "run", code=1).stdout.splitlines()
    assert len(lines) >= 2
    assert any("00001.h5" in line for line in lines)
    assert any("00002.h5" in line for line in lines)


@pytest.mark.filterwarnings("default")
def test_a_gutted_run_is_no_complete_one(tmp_path: Path) -> None:
    simulate("--grids", "3", "--out", "run")
    before = promised_bytes(tmp_path / "run")
    (tmp_path / "run" / "grids" / "00002.h5").unlink()
    for command in (["info", "run"], ["report", "run"], ["export", "run", "--out", "v2"]):
        result = gridstab_cli(*command, code=2)
        assert result.stdout == ""
        assert result.stderr.splitlines() == [
            "gridstab: 'run' has no grid 2; the run was complete, --resume repairs it"
        ]
    result = simulate("--grids", "3", "--out", "run", "--resume", "--quiet")
    assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)
    assert result.stderr.startswith("gridstab: not used in 'run', but simulated")
    assert "00002.h5" in result.stderr
    assert promised_bytes(tmp_path / "run") == before


@pytest.mark.filterwarnings("default")
def test_a_copied_grid_is_ignored_in_a_line(tmp_path: Path) -> None:
    simulate("--grids", "2", "--out", "run")
    truth = json.loads(gridstab_cli("info", "run", "--json").stdout)
    grids = tmp_path / "run" / "grids"
    for name in ("00001 (copy).h5", "00001_1.h5"):
        shutil.copyfile(grids / "00001.h5", grids / name)
    result = gridstab_cli("info", "run", "--json")
    assert json.loads(result.stdout) == truth
    assert result.stderr.splitlines() == [
        "gridstab: ignored in 'run', no grid of it: 'grids/00001 (copy).h5', 'grids/00001_1.h5'"
    ]
    assert gridstab_cli("verify", "run", code=1).stdout.splitlines() == [
        "grids/00001 (copy).h5 is not in the manifest",
        "grids/00001_1.h5 is not in the manifest",
    ]


@pytest.mark.parametrize("command", ["verify", "info"])
def test_foreign_folders_are_no_runs(tmp_path: Path, command: str) -> None:
    write_inputs(tmp_path)
    assert_one_line_and_nothing_written(tmp_path, [command, "foreign"])
    assert_one_line_and_nothing_written(tmp_path, [command, "nowhere"])


def test_export_and_import() -> None:
    simulate("--grids", "4", "--out", "run")
    gridstab_cli("export", "run", "--layout", "v1", "--out", "published")
    gridstab_cli("import", "published", "--out", "again", "--samples", "20")
    first, second = (
        json.loads(gridstab_cli("info", run, "--json").stdout) for run in ("run", "again")
    )
    assert first["mean_snbs"] == second["mean_snbs"]
    assert first["mean_interval_width"] == pytest.approx(second["mean_interval_width"])
    gridstab_cli("verify", "again")
    result = gridstab_cli("import", "published", "--out", "third", "--samples", "7", code=2)
    assert "no share of 7" in result.stderr


def test_an_assumed_number_of_samples_is_said(tmp_path: Path) -> None:
    simulate("--grids", "1", "--samples", "20", "--out", "run")
    gridstab_cli("export", "run", "--layout", "v1", "--out", "published")
    result = gridstab_cli("import", "published", "--out", "assumed")
    assert "assumed 10,000 trajectories a node" in result.stderr
    assert "assume 10,000" in " ".join(gridstab_cli("info", "assumed").stdout.split())
    result = gridstab_cli("import", "published", "--out", "said", "--samples", "20")
    assert "assume" not in result.stderr + gridstab_cli("info", "said").stdout.replace(
        "samples_assumed = False", ""
    )
    # Folders of versions that did not record it are silent.
    config = tmp_path / "assumed" / "config.json"
    values = json.loads(config.read_text())
    del values["imported"]["samples_assumed"]
    write_json(config, values)
    Manifest.of(tmp_path / "assumed").write()
    said = " ".join(gridstab_cli("info", "assumed").stdout.split())
    assert "assume 10,000" not in said
    assert "samples_assumed" not in said


def test_a_precision_that_is_not_reached_is_said() -> None:
    result = simulate("--samples", "100", "--precision", "0.001", "--out", "run")
    said = " ".join(result.stdout.split())
    assert "0.001 is not reached at 6 of 6 nodes" in said
    assert json.loads(gridstab_cli("info", "run", "--json").stdout)["short_of_precision"] == 6
    result = simulate("--samples", "1000", "--precision", "0.2", "--out", "easy")
    assert "not reached" not in result.stdout


def test_engines_are_listed() -> None:
    listed = json.loads(gridstab_cli("engines", "--json").stdout)
    assert listed["disc"] == {"usable": True, "why": "", "version": "1.0"}
    assert set(listed) == set(ENGINES)
    assert "native" in gridstab_cli("engines").stdout


def test_basin_map(tmp_path: Path) -> None:
    arguments = ["basin-map", "--nodes", "6", "--engine", "disc", "--resolution", "40"]
    result = gridstab_cli(*arguments, "--node", "2", "--out", "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    share = float(result.stdout.split(": ")[1].split("%")[0]) / 100
    assert share == pytest.approx(DiscEngine(0.9).share(), abs=0.02)
    for bad in (["--node", "6"], ["--node", "-1"], ["--node", "0", "--grid", "0"]):
        assert_one_line_and_nothing_written(tmp_path, [*arguments, *bad, "--out", "bad.png"])


def test_version_and_unknown_command() -> None:
    assert gridstab_cli("--version").stdout == f"gridstab {gridstab.__version__}\n"
    assert gridstab_cli("simulat", code=2).stderr.count("\n") == 1


# From here on in processes of their own, with the engine that users have.


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = simulate("--out", str(tmp_path / "run"), code=2)
    tmp_path.chmod(0o700)
    assert len(result.stderr.splitlines()) == 1
