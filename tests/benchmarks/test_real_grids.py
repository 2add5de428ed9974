"""Trainings judged on real cases: numbers as by scikit-learn, the ensemble their mean."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import r2_score

from benchmarks import real_grids
from benchmarks.leaderboard.kept_aside import CASES_SEED, KEPT_ASIDE, TEXAS_SEEDS, kept_aside
from benchmarks.leaderboard.rows import DEFAULT_ROW, ROWS
from benchmarks.leaderboard.tables import Entry
from benchmarks.results import known_cells
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.run import run_campaign
from gridstab.datasets.run_folder import RunFolder
from gridstab.errors import InvalidParameterError
from gridstab.grids.matpower import load_case
from gridstab.learning.train import train_model
from gridstab.learning.trained import TrainedModel
from tests import ROOT


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels") / "run"
    run_campaign(Campaign(nodes=12, grids=8, samples=20, seed=1), folder, workers=1)
    return folder


def test_scores_are_those_of_the_predictions(labels: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for seed, folder in enumerate(folders, 1):
        train_model("default", str(labels), folder / "training", epochs=1, seed=seed)
    row = ROWS[DEFAULT_ROW]
    entry = Entry(row, [{"trained_on": "ds20"}] * 2, folders)
    record = real_grids.judge(entry, {"case": labels})
    found = RunFolder.open(labels)
    results = [found.result(number) for number in range(1, 9)]
    truth = np.concatenate([result.snbs for result in results])
    grids = [result.grid for result in results]
    guesses = [TrainedModel.load(f / "training").predict(grids).numpy() for f in folders]
    expected = [r2_score(truth, guess) for guess in guesses]
    np.testing.assert_allclose(record["trainings"]["case"], expected, atol=1e-4)
    mean = r2_score(truth, np.mean(guesses, axis=0))
    assert record["ensemble"]["case"] == pytest.approx(mean, abs=1e-4)
    single, together = real_grids.lines(record, ["case"])
    assert single[1] == f"{np.mean(expected):.3f} ± {np.std(expected, ddof=1):.3f}"
    assert together == [f"{DEFAULT_ROW}, mean of 2", f"{mean:.3f}"]


def test_committed_results_are_found_by_the_trainings_they_judge() -> None:
    """Folders carry digests of their members', so both result files must be of one state."""
    trainings: dict[tuple[str, str], dict[tuple[int, int], list[str]]] = {}
    for folder, cell in known_cells("grid_leaderboard").items():
        if folder.startswith("cells/"):
            extents = trainings.setdefault((cell["row"], cell["trained_on"]), {})
            extents.setdefault((cell["grids"], cell.get("planned_epochs", 0)), []).append(folder)
    judged = known_cells("real_grids")
    assert judged
    for folder, record in judged.items():
        extents = trainings[record["row"], record["trained_on"]]
        members = [Path("runs", member) for member in extents[max(extents)]]
        entry = Entry(ROWS[record["row"]], [record], members)
        assert real_grids.cell_of(entry, Path("runs"), 100, "3,4") == folder


@pytest.mark.slow
def test_quick(tmp_path: Path) -> None:
    real_grids.main(quick=True, workers=1, json=tmp_path / "result.json")
    cells = json.loads((tmp_path / "result.json").read_text())["measured"]["cells"]
    (record,) = cells.values()
    assert record["row"] == "dirac_bianconi"
    assert len(record["trainings"]["IEEE 118, 3"]) == 1


# What is kept aside.


def test_what_is_kept_aside_is_six_cases_and_five_draws_of_texas() -> None:
    columns = kept_aside()
    assert len(columns) == 11
    assert [seed for case, seed in columns.values() if case == "texas"] == list(TEXAS_SEEDS)
    cases = [load_case(case, seed=CASES_SEED) for case in KEPT_ASIDE]
    assert [grid.num_nodes for grid in cases] == [30, 39, 57, 89, 145, 1354]
    texas = Campaign.resolve(ROOT / "simulations" / "campaigns" / "benchmark-texas.toml")
    assert texas.seed not in TEXAS_SEEDS


LEARNING = (
    "grid_leaderboard",
    "grid_tasks",
    "intervals",
    "landscape_prediction",
    "real_grids",
    "steadiness",
)
"""Benchmarks that train or choose models of grids."""


def test_no_training_and_no_choice_looks_at_what_is_kept_aside() -> None:
    """No code that learns, no campaign and no committed result names one of the cases."""
    assert not set(KEPT_ASIDE) & set(real_grids.CASES)
    benchmarks = ROOT / "benchmarks"
    own = benchmarks / "leaderboard" / "kept_aside.py"
    places = [
        *(
            path
            for path in benchmarks.rglob("*.py")
            if path != own and re.search(r"leaderboard|gridstab\.learning", path.read_text("utf-8"))
        ),
        *(benchmarks / "results" / f"{name}.json" for name in LEARNING),
        *(ROOT / "gridstab" / "learning").rglob("*.py"),
        *(ROOT / "gridstab" / "features").rglob("*.py"),
        *(ROOT / "simulations" / "campaigns").glob("*.toml"),
    ]
    assert {path.stem for path in places} > {*LEARNING, "train", "rows"}
    named = re.compile(
        rf"\b({'|'.join(KEPT_ASIDE)})\b|Texas, ({'|'.join(map(str, TEXAS_SEEDS))})\b"
    )
    for path in filter(Path.exists, places):
        assert not named.findall(path.read_text(encoding="utf-8")), path


def test_columns_are_chosen_by_name() -> None:
    columns = kept_aside()
    chosen = real_grids._chosen(columns, "Texas, 11; IEEE 57, 11")
    assert chosen == {"Texas, 11": ("texas", 11), "IEEE 57, 11": ("case57", 11)}
    with pytest.raises(InvalidParameterError, match=r"there is no column 'Texas, 3'; choose from"):
        real_grids._chosen(columns, "Texas, 3")


def test_cells_of_what_is_kept_aside_are_others(tmp_path: Path) -> None:
    row = ROWS["dirac_bianconi"]
    entry = Entry(row, [{"trained_on": "ds20"}], [tmp_path / "one"])
    found = {real_grids.cell_of(entry, tmp_path, 100, seeds) for seeds in ("3,4", "kept aside")}
    assert len(found) == 2
