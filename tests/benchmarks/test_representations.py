"""The comparison of representations: its rows, its cells, and what its tables say."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.representation_tasks.cell import SAMPLERS, Cell, FreeCell, rebuilt
from benchmarks.representation_tasks.real_hub import HubCell, report_hub, split_families
from benchmarks.representation_tasks.rows import ROWS, choose_rows
from benchmarks.representation_tasks.studies import Study, last_epoch
from benchmarks.representation_tasks.tables import report_study, report_widths
from benchmarks.representations import _others, _studies, _zoo, main
from benchmarks.results import FOLDER, Report, known_cells
from benchmarks.weights.tasks import ZooOfBenchmark
from gnncore.storage import read_json
from graphwsl.errors import RepresentationError, ZooError
from graphwsl.representations import REPRESENTATIONS
from graphwsl.zoo import Recipe, train_zoo

TINY = {"channels": 8, "blocks": 1, "heads": 2, "latent_channels": 4, "epochs": 1}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> ZooOfBenchmark:
    folder = tmp_path_factory.mktemp("zoo") / "tiny"
    recipe = {
        "data": {"name": "digits"},
        "epochs": 2,
        "batch_size": 256,
        "seeds": 12,
        "fixed": {"architecture": "mlp", "depth": 1, "width": 4},
    }
    train_zoo(Recipe.of(recipe), folder, workers=1)
    return ZooOfBenchmark("tiny", folder, epochs=(1, 2))


@pytest.fixture
def report() -> Report:
    return Report("representations", "A test", quick=True)


def test_every_representation_competes_and_every_row_can_be_made() -> None:
    assert {row.method for row in ROWS.values()} == set(REPRESENTATIONS)
    assert [row.name for row in choose_rows("methods")] == list(REPRESENTATIONS)
    assert len(choose_rows("all")) == len(ROWS)
    digests = {row.digest("small") for row in ROWS.values()}
    assert len(digests) == len(ROWS)  # an ablation that changed nothing would have one twice
    assert not digests & {row.digest("published") for row in ROWS.values()}
    assert ROWS["sane"].digest("small", epochs=2) != ROWS["sane"].digest("small")
    with pytest.raises(RepresentationError, match="there is no row 'oracle'"):
        choose_rows("sane,oracle")


def test_a_cell_is_worked_out_once_and_holds_all_that_is_asked(
    zoo: ZooOfBenchmark, tmp_path: Path, report: Report
) -> None:
    cell = Cell(ROWS["sane"], Study(zoo), 1, options=TINY, generated=4)
    result = cell.run(tmp_path)
    assert result is not None
    assert "failed" not in result
    targets = {one["target"] for one in result["probes"]["probes"]}
    assert targets == {"test_accuracy", "generalisation_gap", "epoch"}
    features = {one["features"] for one in result["probes"]["probes"]}
    assert features == {"mean", "all latents", "weights", "layer_statistics"}
    rebuilt = result["reconstruction"]
    assert 0 <= rebuilt["agreement"] <= 1
    # An MLP of 4 units of 65 numbers and 10 of 5, of which each has a latent of 4 numbers.
    assert rebuilt["compression"] == pytest.approx((4 * 65 + 10 * 5) / (14 * 4))
    # Nothing was learnt in one epoch of a few networks, and the measure must say so.
    assert rebuilt["unexplained"] > 0.3
    few = result["generation"]["neighbourhood"]["failed"]
    assert "needs the latents of at least 3 networks, got 2" in few
    done = [sampler for sampler in SAMPLERS if sampler != "neighbourhood"]
    for sampler in done:
        assert result["generation"][sampler]["networks"] == 4
        assert 0 <= result["generation"][sampler]["tuned_accuracy"]["1"] <= 1
    (written,) = tmp_path.rglob("result.json")
    before = written.stat().st_mtime_ns
    assert cell.run(tmp_path) == result == json.loads(written.read_text())
    assert written.stat().st_mtime_ns == before
    other = Cell(ROWS["sane"], Study(zoo), 2, options=TINY, generated=4)
    assert cell.is_done(tmp_path)
    assert not other.is_done(tmp_path)

    free = FreeCell(Study(zoo), 4).run(tmp_path)
    assert free is not None
    assert "small_noise" in free["card"]["baselines"]
    assert free["scratch"].keys() == {"1", "5", "25"}
    report_study(report, "tiny", [result], [free])
    titles = [table["title"] for table in report.tables]
    assert len(titles) == 3
    assert all("8 networks to learn from, 2 to test, 24 checkpoints" in title for title in titles)
    probes, _, generated = report.tables
    assert [line[0] for line in probes["rows"]] == [
        "sane, mean",
        "sane, all latents",
        "weights",
        "layer_statistics",
    ]
    names = [line[0] for line in generated["rows"]]
    assert names[:2] == ["training networks", "held-out networks"]
    assert [f"sane, {sampler}" for sampler in done] == names[-4:-1]
    assert names[-1] == "from scratch"


def test_what_cannot_run_says_why(zoo: ZooOfBenchmark, tmp_path: Path, report: Report) -> None:
    cell = Cell(ROWS["sane"], Study(zoo), 1, options={**TINY, "heads": 3})
    result = cell.run(tmp_path)
    assert result is not None
    assert "cannot be shared among 3 heads" in result["failed"]
    report_study(report, "tiny", [result], [])
    assert report.tables == []
    assert report.sentences[0].startswith("sane cannot run on tiny: 8 channels")


def test_studies_differ_in_what_is_held_out_and_tested(zoo: ZooOfBenchmark, tmp_path: Path) -> None:
    plain, held_out = _studies({"tiny": zoo}, "tiny:seed=1+2", {"tiny": (zoo,)})
    assert (plain.others, held_out.held_out) == ((zoo,), ("seed", (1, 2)))
    assert held_out.name == "tiny, tested at seed 1 and 2"
    configurations = {c.model: c.configuration for c in zoo.checkpoints}
    assert {configurations[model]["seed"] for model in held_out.split.test} == {1, 2}
    assert len({plain.digest, held_out.digest, Study(zoo).digest}) == 3
    assert {c.epoch for c in last_epoch(zoo.population).checkpoints} == {2}
    with pytest.raises(ZooError, match="nothing_such"):
        _zoo("nothing_such", tmp_path, 3, ())
    given = _zoo("name=some/folder", tmp_path, 3, (1,))
    assert given == ZooOfBenchmark("name", Path("some/folder"), 3, (1,))
    others = _others(
        {"tiny": zoo}, "tiny:tiny,tiny:name=some/folder", lambda part: _zoo(part, tmp_path, 3, (1,))
    )
    assert others == {"tiny": (zoo, given)}


def test_networks_of_unseen_widths_are_judged_apart(tmp_path: Path, report: Report) -> None:
    recipe = {
        "data": {"name": "digits"},
        "epochs": 1,
        "batch_size": 512,
        "seeds": 6,
        "fixed": {"architecture": "mlp", "depth": 1},
        "grid": {"width": [3, 4, 5]},
    }
    train_zoo(Recipe.of(recipe), tmp_path / "zoo", workers=1)
    zoo = ZooOfBenchmark("widths", tmp_path / "zoo", epochs=(1,))
    done: list[dict[str, Any]] = []
    for study in (Study(zoo), Study(zoo, ("width", (4,)))):
        made = ROWS["multi_zoo"].make("small", 1, **TINY)
        made.fit(study.part("train"), study.part("valid"))
        found: dict[str, Any] = {"row": "multi_zoo", "study": study.name}
        done.append({**found, "reconstruction": rebuilt(made, study)})
    known, unseen = [one["reconstruction"]["agreement_by_width"] for one in done]
    assert unseen == {"4": done[1]["reconstruction"]["agreement"]}
    assert set(known) <= {"3", "4", "5"}
    of_one_width: dict[str, Any] = {
        "row": "a",
        "study": "b",
        "reconstruction": {"agreement_by_width": {}},
    }
    report_widths(report, [*done, of_one_width, {"row": "free", "study": "widths"}])
    (table,) = report.tables
    assert table["columns"][1:] == [f"width {width}" for width in sorted({*known, "4"})]
    assert [line[0] for line in table["rows"]] == [
        "multi_zoo, widths",
        "multi_zoo, widths, tested at width 4",
    ]


def test_all_committed_results_are_restored(zoo: ZooOfBenchmark, tmp_path: Path) -> None:
    out = tmp_path / "cells"
    settings: dict[str, Any] = {"collect_only": True, "restore": True, "json": tmp_path / "json"}
    main(zoos=f"tiny={zoo.path}", rows="sane", out=out, **settings)
    committed = [*FOLDER.glob("representations*.json")]
    assert len(committed) > 1
    for path in committed:
        for name, result in known_cells(path.stem).items():
            assert read_json(out / name / "result.json") == result


def test_families_of_real_networks_stay_together() -> None:
    names = ["MTCNN P-Net", "MTCNN R-Net", "CREPE tiny", "CREPE full", "g2p-en", "A 1", "B", "C"]
    parts = split_families(names, 1)
    assert sorted(number for part in parts for number in part) == list(range(len(names)))
    sides = [{names[number].split()[0] for number in part} for part in parts]
    assert not (sides[0] & sides[1]) | (sides[0] & sides[2]) | (sides[1] & sides[2])
    assert all(sides)
    assert parts != split_families(names, 2)


def test_hubs_of_other_settings_are_other_cells(tmp_path: Path, report: Report) -> None:
    cells = [HubCell(1), HubCell(2), HubCell(1, largest=9), HubCell(1, options={"epochs": 2})]
    assert len({cell.folder(tmp_path) for cell in cells}) == 4
    tested = {"network": "a", "numbers": 5, "unexplained": 0.5, "output_error": 0.25}
    result: dict[str, Any] = {
        "networks": {"train": 3}, "left_out": {"b": "7 numbers"}, "epochs": 2,
        "processor_seconds": 1.0, "tested": [tested],
    }  # fmt: skip
    report_hub(report, [result, {**result, "tested": [{**tested, "unexplained": 0.7}]}])
    assert report.tables[0]["rows"] == [["a", "5", "0.600 ± 0.141", "0.250 ± 0.000", "2"]]
    assert "Left out: b (7 numbers)" in report.sentences[0]
