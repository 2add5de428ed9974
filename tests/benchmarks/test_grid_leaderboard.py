"""The leaderboard: what competes, what is kept, and whether its numbers are the cells' own."""

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import r2_score

from benchmarks import grid_leaderboard, results
from benchmarks.cells import finished_cells
from benchmarks.leaderboard import tables, training
from benchmarks.leaderboard.rows import DEFAULT_ROW, OURS, ROWS, Network, NodeBaseline, choose_rows
from benchmarks.leaderboard.sets import GridSets, write_tiny_sets
from benchmarks.leaderboard.training import PREDICTIONS, plan_epochs
from gnncore.storage import load_tensors, write_json
from gridstab.errors import InvalidParameterError
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.data import load_grid_dataset
from gridstab.learning.published import DEFAULT_MODEL, PUBLISHED_MODELS, PUBLISHED_RESULTS

TRIED = "small_tag,ridge/published_measures"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write_tiny_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def finished(
    paths: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The folder and the result of a run."""
    out = tmp_path_factory.mktemp("finished")
    return out, run(out, paths)


def run(out: Path, paths: dict[str, str], **options: Any) -> dict[str, Any]:
    values = {"rows": TRIED, "seeds": 2, "epochs": 1, "train_on": "ds20", **options}
    grid_leaderboard.main(**paths, out=out, json=out / "leaderboard.json", **values)
    return json.loads((out / "leaderboard.json").read_text(encoding="utf-8"))


def table(result: dict[str, Any], title: str) -> dict[str, dict[str, str]]:
    found = next(t for t in result["tables"] if t["title"].startswith(title))
    return {row[0]: dict(zip(found["columns"], row, strict=True)) for row in found["rows"]}


def test_groups_and_names_choose_rows() -> None:
    assert [row.name for row in choose_rows("ours")] == list(
        dict.fromkeys(row.name for row in ROWS.values() if row.group == "ours")
    )
    assert {row.name for row in choose_rows("published")} == set(PUBLISHED_MODELS)
    assert [row.name for row in choose_rows("mean, dbgnn,mean")] == ["mean", "dbgnn"]
    assert len(choose_rows("all")) == len(ROWS)
    with pytest.raises(InvalidParameterError, match=r"there is no row 'dbgnm'; choose from all"):
        choose_rows("mean,dbgnm")


def test_rows_are_different_trainings() -> None:
    digests = [row.digest for row in ROWS.values() if isinstance(row.model, Network)]
    # The small TAG and others may share settings, but never everything.
    assert len(set(digests)) == len(digests)


def test_one_row_is_what_is_trained_by_default() -> None:
    row = OURS[DEFAULT_ROW]
    assert row.specification == DEFAULT_MODEL.specification
    assert row.settings == DEFAULT_MODEL.settings
    assert row.features == DEFAULT_MODEL.features
    assert (row.augment, row.clip) == (DEFAULT_MODEL.augment, DEFAULT_MODEL.clip)


def test_ablations_change_what_they_say() -> None:
    default = OURS["dirac_bianconi"]
    for steps in (4, 16, 48):
        changed = OURS[f"dirac_bianconi_{steps}_steps"]
        assert changed.specification.layer_options == {
            **default.specification.layer_options,
            "num_steps": steps,
        }
        assert changed.settings == default.settings
    assert not OURS["dirac_bianconi_no_mirror"].augment
    assert OURS["dirac_bianconi_no_line_features"].specification.edge_channels == 1
    assert OURS["dirac_bianconi_published_features"].features == FeatureSet()


def test_names_of_published_results_exist() -> None:
    known = {result.model for result in PUBLISHED_RESULTS}
    assert {row.published for row in ROWS.values() if row.published} <= known


def test_models_fit_their_features() -> None:
    for row in ROWS.values():
        if isinstance(row.model, Network):
            features, specification = row.model.features, row.model.specification
            assert specification.in_channels == features.in_channels
            assert specification.edge_channels in (0, features.edge_channels)


def test_numbers_are_those_of_the_predictions(
    paths: dict[str, str], finished: tuple[Path, dict[str, Any]]
) -> None:
    out, result = finished
    label = load_grid_dataset(paths["ds100"], split="test").store.tensors["y"].numpy()
    folders = [
        folder for folder, cell in finished_cells(out / "cells") if cell["row"] == "small_tag"
    ]
    predicted = [load_tensors(folder / PREDICTIONS)["ds100"] for folder in folders]
    r2 = [r2_score(label, each) for each in predicted]
    shown = table(result, "Trained on 14 grids of 20 nodes")
    mean, spread = statistics.mean(r2), statistics.stdev(r2)
    assert shown["small_tag"]["20 → 100"] == f"{mean:.3f} ± {spread:.3f}"
    together = r2_score(label, np.mean(predicted, axis=0))
    assert shown["small_tag, mean of 2"]["20 → 100"] == f"{together:.3f}"
    assert shown["small_tag"]["epochs"] == "1 of 400"
    assert shown["ridge/published_measures"]["seeds"] == "1"
    assert shown["ceiling of label noise"]["20 → Texas"] > "0.9"


def test_nothing_is_trained_twice(
    paths: dict[str, str],
    finished: tuple[Path, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, first = finished
    monkeypatch.setattr(training, "train_model", None)
    monkeypatch.setattr(training, "Baseline", None)
    assert run(out, paths)["measured"] == first["measured"]


def test_a_fresh_clone_begins_with_the_numbers_of_the_result_file(
    tmp_path: Path,
    paths: dict[str, str],
    finished: tuple[Path, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, first = finished
    write_json(tmp_path / "grid_leaderboard.json", first)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    again = run(tmp_path / "fresh", paths, collect_only=True, restore=True)
    assert again["measured"] == first["measured"]
    assert again["tables"] == first["tables"]
    assert not list((tmp_path / "fresh").glob("**/*.safetensors"))
    more = run(tmp_path / "fresh", paths, rows="small_tag", seeds=3)
    shown = table(more, "Trained on 14 grids of 20 nodes")
    assert shown["small_tag"]["seeds"] == "3"
    assert not any(name.startswith("small_tag, mean") for name in shown)  # of two seeds no more


def test_cells_that_were_not_judged_on_every_set_are_shown_without_it(
    tmp_path: Path, paths: dict[str, str]
) -> None:
    before = run(tmp_path, {**paths, "ds100": str(tmp_path / "nowhere")}, rows="mean")
    after = run(tmp_path, paths, rows="mean", collect_only=True)
    assert after["measured"] == before["measured"]
    assert table(after, "Trained on 14 grids of 20 nodes")["mean"]["20 → 100"] == ""
    complete = run(tmp_path, paths, rows="mean")
    assert table(complete, "Trained on 14 grids of 20 nodes")["mean"]["20 → 100"] != ""


@pytest.mark.slow
def test_a_killed_run_gives_the_same_numbers(
    tmp_path: Path,
    paths: dict[str, str],
    finished: tuple[Path, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, whole = finished

    def killed(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "save_tensors", killed)  # after the training, before its result
        assert run(tmp_path, paths)["measured"]["cells"] == {}
    cells = run(tmp_path, paths)["measured"]["cells"]
    assert cells.keys() == whole["measured"]["cells"].keys()
    for name, cell in cells.items():
        assert cell["metrics"] == whole["measured"]["cells"][name]["metrics"]


def test_a_failing_row_does_not_stop_the_others(
    tmp_path: Path, paths: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gnncore.errors import TrainingError

    def fails(*arguments: Any, **options: Any) -> None:
        raise TrainingError("the loss is nan")

    monkeypatch.setattr(training, "train_model", fails)
    result = run(tmp_path, paths, seeds=1)
    assert {cell["row"] for cell in result["measured"]["cells"].values()} == {
        "ridge/published_measures"
    }
    assert "small_tag on ds20, seed 1, failed: the loss is nan." in result["sentences"]


def test_sets_that_are_not_there_are_left_out(tmp_path: Path, paths: dict[str, str]) -> None:
    chosen = {**paths, "ds100": str(tmp_path / "nowhere")}
    result = run(tmp_path, chosen, rows="mean", seeds=1, train_on="ds20,ds100")
    (cell,) = result["measured"]["cells"].values()
    assert cell["row"] == "mean"
    assert list(cell["metrics"]) == ["ds20", "texas"]
    assert any(line.startswith("ds100 is left out") for line in result["sentences"])


def test_a_budget_cuts_epochs_for_all_seeds_alike(
    tmp_path: Path, paths: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sets, row = GridSets(dict(paths)), ROWS["small_tag"]

    def planned(cap: int | None, minutes: float | None) -> int:
        return plan_epochs(row, "ds20", sets, tmp_path, cap=cap, minutes=minutes)

    assert isinstance(row.model, Network)
    assert planned(None, None) == row.model.settings.epochs
    assert planned(7, None) == 7
    monkeypatch.setattr(training, "train_network", lambda *given, **options: None)
    monkeypatch.setattr(training, "epoch_seconds", lambda folder: [2.0, 0.5])
    assert planned(None, 1.0) == 120
    monkeypatch.setattr(training, "epoch_seconds", None)  # the speed is kept
    assert planned(None, 1.0) == 120
    assert planned(100, 1.0) == 100
    assert planned(None, 1e-6) == 1


def test_random_rows_alone_are_repeated() -> None:
    fixed = {row.name for row in ROWS.values() if not row.is_random}
    baselines = {row.name for row in ROWS.values() if isinstance(row.model, NodeBaseline)}
    assert fixed == {name for name in baselines if not name.startswith("mlp/")}


@pytest.mark.slow
def test_quick(tmp_path: Path) -> None:
    grid_leaderboard.main(json=tmp_path / "quick.json", quick=True)
    assert (tmp_path / "quick.json").is_file()


def test_mixtures_are_the_mean_over_all_members(
    paths: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ("small_tag", "mlp/published_measures")
    monkeypatch.setattr(tables, "MIXTURES", {"both": rows, "absent": ("small_tag", "tag_7x25x4")})
    result = run(tmp_path, paths, rows=",".join(rows))
    listed = table(result, "Trained on")
    assert "both, mean of 4" in listed
    assert not any(name.startswith("absent") for name in listed)
    seen = [listed[row]["features"] for row in rows]
    assert listed["both, mean of 4"]["features"] == " and ".join(seen)
    cells = [folder for folder, _ in finished_cells(tmp_path / "cells")]
    assert len(cells) == 4
    test = load_grid_dataset(paths["ds20"], split="test")
    mean = np.mean([load_tensors(folder / PREDICTIONS)["ds20"] for folder in cells], axis=0)
    expected = r2_score(test.store.tensors["y"].flatten().numpy(), mean)
    assert float(listed["both, mean of 4"]["20 → 20"]) == pytest.approx(expected, abs=6e-4)


def test_the_large_set_has_a_table_of_its_own(paths: dict[str, str], tmp_path: Path) -> None:
    result = run(tmp_path, paths, rows="mean", train_on="ds20,ds20_large")
    (title,) = (t["title"] for t in result["tables"] if "20 → 20 of ds20" in t["columns"])
    assert title == "Trained on 14 grids of 20 nodes: R² on test grids"
    cells = {cell["trained_on"]: cell for cell in result["measured"]["cells"].values()}
    assert set(cells["ds20"]["metrics"]) == {"ds20", "ds100", "texas"}
    assert set(cells["ds20_large"]["metrics"]) == {"ds20_large", "ds20", "ds100", "texas"}
    numbers = [load_grid_dataset(paths[name])[0].y for name in ("ds20", "ds20_large")]
    assert not numbers[0].equal(numbers[1])
