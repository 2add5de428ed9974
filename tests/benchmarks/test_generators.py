"""The comparison of generators: its rows, its cells, and what its tables say."""

from pathlib import Path

import pytest

from benchmarks.generator_tasks.cell import Cell, Networks
from benchmarks.generator_tasks.rows import ROWS, choose_rows
from benchmarks.generator_tasks.tables import report_networks
from benchmarks.generators import _factor
from benchmarks.results import Report
from benchmarks.weights.tasks import ZooOfBenchmark
from graphwsl.errors import GeneratorError
from graphwsl.generators import GENERATORS
from graphwsl.zoo import Recipe, train_zoo

TINY = {"channels": 8, "edge_channels": 4, "heads": 2, "rounds": 1, "epochs": 1, "steps": 2}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> ZooOfBenchmark:
    folder = tmp_path_factory.mktemp("zoo") / "tiny"
    recipe = {
        "data": {"name": "digits"},
        "epochs": 2,
        "batch_size": 256,
        "seeds": 6,
        "fixed": {"architecture": "mlp", "depth": 1},
        "grid": {"width": [3, 4]},
    }
    train_zoo(Recipe.of(recipe), folder, workers=1)
    return ZooOfBenchmark("tiny", folder)


def narrow(zoo: ZooOfBenchmark) -> ZooOfBenchmark:
    """The networks of one width."""
    found = ZooOfBenchmark("narrow", zoo.path)
    keep = [c for c in zoo.checkpoints if c.configuration["width"] == 3]
    found.__dict__["checkpoints"] = keep  # in place of all
    return found


def test_every_generator_competes_and_every_row_can_be_made() -> None:
    assert {row.method for row in ROWS.values()} == set(GENERATORS)
    assert [row.name for row in choose_rows("methods")] == list(GENERATORS)
    digests = {row.digest("small") for row in ROWS.values()}
    assert len(digests) == len(ROWS) == len(choose_rows("all"))
    with pytest.raises(GeneratorError, match="there is no row 'oracle'"):
        choose_rows("oracle")


def test_others_judge_and_every_epoch_can_be_learnt_from(zoo: ZooOfBenchmark) -> None:
    own = narrow(zoo)
    first, other = (Networks(own, count, held_out=2).parts for count in (1, 3))
    assert [len(part) for part in (*first, *other)] == [1, 2, 3, 2]
    assert first[1].checkpoints == other[1].checkpoints
    known = {checkpoint.model for checkpoint in other[0].checkpoints}
    assert not known & {checkpoint.model for checkpoint in other[1].checkpoints}
    train, others = Networks(own, 3, every_epoch=True).parts
    assert sorted({c.epoch for c in train.checkpoints}) == sorted(
        {c.epoch for c in own.checkpoints}
    )
    assert {c.model for c in train.checkpoints} == known
    assert not known & {c.model for c in others.checkpoints}
    assert Networks(own, 3, held_out=2).name == "narrow-3-by-2"


def test_cells_are_worked_out_once_and_told(zoo: ZooOfBenchmark, tmp_path: Path) -> None:
    flow, report = ROWS["equivariant_flow"], Report("generators", "A test", quick=True)
    wide = Networks(zoo, 6, _factor("width=4"))
    cells = [
        Cell(flow, wide, 1, options=TINY, generated=4),
        Cell(flow, Networks(narrow(zoo), 5), 1, options=TINY, generated=5, requested=True),
    ]
    sizes, asked = (cell.run(tmp_path) for cell in cells)
    assert sizes is not None
    assert asked is not None
    assert [line["width"] for line in sizes["sizes"]] == [4]
    assert 0 <= sizes["sizes"][0]["accuracy"] <= 1
    assert len(asked["requested"]["pairs"]) == 5
    assert all(cell.is_done(tmp_path) for cell in cells)
    assert cells[0].run(tmp_path) == sizes
    for own in (sizes, asked):
        report_networks(report, own["networks"], [own])
    assert len(report.tables) == 2


def test_cards_have_the_free_beside_them(tmp_path: Path, zoo: ZooOfBenchmark) -> None:
    report = Report("generators", "A test", quick=True)
    cell = Cell(ROWS["equivariant_flow"], Networks(narrow(zoo), 4), 1, options=TINY, generated=3)
    result = cell.run(tmp_path)
    assert result is not None
    assert result["card"]["networks"] == 3
    report_networks(report, result["networks"], [result])
    names = [row[0] for row in report.tables[0]["rows"]]
    assert names[:3] == ["equivariant_flow", "held out", "training"]
    assert "average" in names
