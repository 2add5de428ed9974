"""The leaderboard of predictors on weights: its rows, and that what is done is not done again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import weights_leaderboard
from benchmarks.results import FOLDER
from benchmarks.weights.cell import Cell
from benchmarks.weights.rows import ROWS, choose_rows
from benchmarks.weights.tasks import Task, ZooOfBenchmark
from benchmarks.weights_leaderboard import _limits
from graphwsl.errors import PredictorError
from graphwsl.properties import PREDICTORS
from graphwsl.zoo import Recipe, train_zoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> ZooOfBenchmark:
    folder = tmp_path_factory.mktemp("zoo") / "tiny"
    recipe = {
        "data": {"name": "digits"},
        "epochs": 1,
        "batch_size": 256,
        "seeds": 12,
        "fixed": {"architecture": "mlp", "depth": 1},
        "grid": {"width": (4, 6)},
    }
    train_zoo(Recipe.of(recipe), folder, workers=1)
    return ZooOfBenchmark("tiny", folder, models=20)


def test_every_predictor_competes() -> None:
    assert {row.predictor for row in ROWS.values()} >= set(PREDICTORS)
    assert choose_rows("nfn,deep_sets") == [ROWS["nfn"], ROWS["deep_sets"]]
    with pytest.raises(PredictorError, match="there is no row 'oracle'"):
        choose_rows("oracle")
    assert len({row.digest() for row in ROWS.values()}) == len(ROWS)
    assert ROWS["nfn"].digest(epochs=2) != ROWS["nfn"].digest()
    assert ROWS["flat_ridge"].digest(epochs=2) == ROWS["flat_ridge"].digest()


def test_a_cell_is_worked_out_once(zoo: ZooOfBenchmark, tmp_path: Path) -> None:
    task = Task(zoo, "test_accuracy")
    cell = Cell(ROWS["weight_statistics_ridge"], task, 1, {"epochs": 1})
    result = cell.run(tmp_path)
    assert result is not None
    assert result["networks"] == 14
    assert result["metrics"].keys() == {"r2", "mae", "kendall_tau"}
    (written,) = tmp_path.rglob("result.json")
    before = written.stat().st_mtime_ns
    assert cell.run(tmp_path) == result
    assert written.stat().st_mtime_ns == before
    assert Cell(cell.row, task, 2, {}).folder(tmp_path) != cell.folder(tmp_path)
    assert cell.is_done(tmp_path)
    assert not Cell(cell.row, task, 2, {}).is_done(tmp_path)


def test_results_of_another_zoo_or_split_are_not_taken(zoo: ZooOfBenchmark) -> None:
    whole, less = Task(zoo, "test_accuracy"), replace(zoo, models=19)
    digests = {
        whole.digest,
        Task(less, "test_accuracy").digest,
        Task(zoo, "test_accuracy", ("width", (6,))).digest,
    }
    assert len(digests) == 3
    assert Task(replace(zoo, name="other"), "test_accuracy").digest == whole.digest


def test_what_cannot_run_says_why(zoo: ZooOfBenchmark, tmp_path: Path) -> None:
    result = Cell(ROWS["flat_ridge"], Task(zoo, "test_accuracy"), 1, {}).run(tmp_path)
    assert result is not None
    assert "needs networks of one architecture" in result["failed"]


@pytest.mark.parametrize(
    ("models", "expected"),
    [("", (None, None)), ("7", (7, 7)), ("a=5,9", (5, 9)), ("a=5", (5, None))],
)
def test_zoos_may_have_limits(models: str, expected: tuple[int | None, int | None]) -> None:
    limits = _limits(models)
    assert tuple(limits.get(name, limits.get("")) for name in "ab") == expected


def test_collecting_measures_nothing_and_gives_the_committed_throughput(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_leaderboard, "measure_throughput", None)
    written, out = tmp_path / "result.json", tmp_path / "cells"
    weights_leaderboard.main(restore=True, collect_only=True, out=out, json=written)
    found, committed = (
        json.loads(path.read_text()) for path in (written, FOLDER / "weights_leaderboard.json")
    )
    assert found["measured"]["throughput"] == committed["measured"]["throughput"]
    assert found["tables"] == [one for one in committed["tables"] if "second" in one["title"]]
    assert found["sentences"] == [one for one in committed["sentences"] if "time" in one]
    assert len(found["tables"]) == 2


def test_held_out_widths_are_tested(zoo: ZooOfBenchmark) -> None:
    task = Task(zoo, "test_accuracy", ("width", (6,)))
    factor = {checkpoint.model: checkpoint.configuration["width"] for checkpoint in zoo.checkpoints}
    assert {factor[model] for model in task.split.test} == {6}
    assert {factor[model] for model in task.split.train} == {4}
    assert "tested at width 6" in task.name


def test_the_published_neural_functional_runs_under_our_protocol(tmp_path: Path) -> None:
    pytest.importorskip("nfn")
    from benchmarks.weights.published_nfn import PublishedNFNPredictor

    recipe = {
        "data": {"name": "digits"},
        "epochs": 1,
        "batch_size": 256,
        "seeds": 10,
        "fixed": {"architecture": "cnn", "width": 4, "depth": 2},
    }
    train_zoo(Recipe.of(recipe), tmp_path / "zoo", workers=1)
    zoo = ZooOfBenchmark("cnn", tmp_path / "zoo")
    predictor = PublishedNFNPredictor(epochs=1, channels=4)
    predictor.fit(zoo.population, Task(zoo, "test_accuracy").split, "test_accuracy")
    assert predictor.predict(zoo.population).isfinite().all()
