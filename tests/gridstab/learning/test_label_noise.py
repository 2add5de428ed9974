"""The noise of labels is that of their sampler, in every place that speaks of it."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import gridstab
from gnncore.storage import seal_of
from gridstab.cli import app
from gridstab.datasets import Campaign, RunFolder, run_campaign
from gridstab.datasets.landscape_run import run_landscapes
from gridstab.datasets.packed import pack, unpack
from gridstab.dynamics.intervals import binomial_variance, scramble_variance
from gridstab.learning.data import load_grid_dataset
from gridstab.learning.evaluation import evaluate
from gridstab.learning.label_noise import noise_of
from gridstab.learning.tasks import TASKS

pytestmark = pytest.mark.usefixtures("learning")

SNBS, SURVIVABILITY = TASKS["snbs"], TASKS["survivability"]


@pytest.fixture(scope="module")
def sobol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels of four Sobol sequences of eight points."""
    campaign = Campaign.resolve(nodes=20, grids=4, samples=32, sampler="sobol", scrambles=4, seed=3)
    return run_campaign(campaign, tmp_path_factory.mktemp("sobol") / "sobol").folder.path


@pytest.fixture(scope="module")
def landscapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    campaign = Campaign.resolve(nodes=20, grids=1, seed=3)
    out = tmp_path_factory.mktemp("landscapes") / "images"
    return run_landscapes(campaign, out, resolution=7).folder.path


def without_scrambles(file: Path) -> Path:
    """The packed set as versions wrote it that did not keep what each scramble found."""
    with h5py.File(file, "r+") as opened:
        del opened["scramble_stable"]
        columns = {name: opened[name][()] for name in opened}
        opened.attrs["seal"] = seal_of({"origin": opened.attrs["origin"]}, columns)
    return file


def command(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "140"})
    assert result.exit_code == 0, result.output
    return result.stdout


def rows_of(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    rows = csv.DictReader(path.read_text().splitlines())
    return {(row["grid"], row["node"]): row for row in rows}


def test_labels_of_sobol_points_have_the_noise_between_their_scrambles(sobol: Path) -> None:
    dataset = load_grid_dataset(sobol, cache=False)
    folder = RunFolder.open(sobol)
    results = [folder.result(number) for number in folder.grid_ids]
    noise = noise_of(dataset)
    assert noise is not None
    np.testing.assert_array_equal(noise.interval, np.concatenate([r.interval for r in results]))
    shares = np.concatenate([r.scramble_stable for r in results]) / 8
    np.testing.assert_allclose(noise.variance, shares.var(axis=1, ddof=1) / 4, atol=1e-15)
    found = evaluate(dataset.store.tensors["y"], dataset, SNBS)
    assert found["label_noise"] == pytest.approx(noise.variance.mean())
    assert "label_noise_is_bound" not in found
    part = noise_of(dataset[[2]])
    assert part is not None
    np.testing.assert_array_equal(part.interval, noise.interval[40:60])


def test_labels_scatter_by_that_noise() -> None:
    """On other points of the same law: what is said is what is seen, and less than binomial."""
    grid = gridstab.random_grid(20, seed=1)
    results = [
        gridstab.simulate(grid, samples=64, sampler="sobol", scrambles=4, seed=seed)
        for seed in range(20)
    ]
    seen = np.var([result.snbs for result in results], axis=0, ddof=1).mean()
    said = np.mean([scramble_variance(r.scramble_stable, r.n_samples) for r in results])
    assert said == pytest.approx(seen, rel=0.3)
    binomial = np.mean([binomial_variance(r.n_stable, r.n_samples) for r in results])
    assert said < 0.6 * binomial


def test_packed_sets_keep_the_scrambles(sobol: Path, tmp_path: Path) -> None:
    file = pack(sobol, tmp_path / "set.h5")
    assert unpack(file)[0].sampler == "sobol"
    run, packed = (noise_of(load_grid_dataset(one, cache=False)) for one in (sobol, file))
    assert run is not None
    assert packed is not None
    np.testing.assert_array_equal(run.interval, packed.interval)
    np.testing.assert_array_equal(run.variance, packed.variance)


@pytest.mark.parametrize("kind", ["packed", "landscapes", "packed landscapes", "survivability"])
def test_where_only_the_number_of_points_is_known_it_is_a_bound(
    sobol: Path, landscapes: Path, tmp_path: Path, kind: str
) -> None:
    make: dict[str, Callable[[], Path]] = {
        "packed": lambda: without_scrambles(pack(sobol, tmp_path / "set.h5")),
        "landscapes": lambda: landscapes,
        "packed landscapes": lambda: pack(landscapes, tmp_path / "set.h5"),
        "survivability": lambda: sobol,
    }
    task = SURVIVABILITY if kind == "survivability" else SNBS
    dataset = load_grid_dataset(make[kind](), target=task.target, cache=False)
    noise = noise_of(dataset)
    assert noise is not None
    assert noise.is_bound.all()
    found = evaluate(dataset.store.tensors["y"], dataset, task)
    assert found["label_noise_is_bound"] is True
    share, samples = (dataset.store.tensors[name].double() for name in ("y", "n_samples"))
    binomial = float((share * (1 - share) / (samples - 1)).mean())
    assert found["label_noise"] == pytest.approx(binomial)


def test_random_labels_are_binomial_alone_and_among_others(
    sobol: Path, labelled_run: Path, tmp_path: Path
) -> None:
    alone = load_grid_dataset(labelled_run, cache=False)
    assert "label_noise_is_bound" not in evaluate(alone.store.tensors["y"], alone, SNBS)
    mixed = load_grid_dataset(f"{labelled_run},{sobol}", cache=False)
    noise = noise_of(mixed)
    assert noise is not None
    assert not noise.is_bound.any()
    several = load_grid_dataset(sobol, cache=False), alone
    expected = sorted(float(noise_of(one).variance.sum()) for one in several)  # type: ignore[union-attr]
    assert float(noise.variance.sum()) == pytest.approx(sum(expected))
    old = without_scrambles(pack(sobol, tmp_path / "old.h5"))
    partly = noise_of(load_grid_dataset(f"{labelled_run},{old}", cache=False))
    assert partly is not None
    assert int(partly.is_bound.sum()) == 80


def test_what_was_cached_before_samplers_were_known_is_read_anew(
    sobol: Path, tmp_path: Path
) -> None:
    first, again = (load_grid_dataset(sobol, cache=tmp_path) for _ in range(2))
    assert first.grids.content_hash == again.grids.content_hash
    assert first.store.content_hash == again.store.content_hash
    assert set(first.store.tensors) == {
        *("x", "edge_index", "edge_attr", "y", "grid_id", "n_samples", "n_stable")
    }
    noise = noise_of(again)
    assert noise is not None
    assert not noise.is_bound.any()


def test_info_and_predict_say_the_same_of_a_label(
    sobol: Path, trained_run: Path, tmp_path: Path
) -> None:
    command("info", sobol, "--csv", tmp_path / "info.csv")
    command("predict", trained_run, "--case", sobol, "--out", tmp_path / "predict.csv")
    known, predicted = rows_of(tmp_path / "info.csv"), rows_of(tmp_path / "predict.csv")
    assert known.keys() == predicted.keys()
    for key, row in predicted.items():
        for end in ("low", "high"):
            assert float(row[end]) == pytest.approx(float(known[key][end]), abs=1e-6)


def test_tables_and_reports_call_a_bound_one(
    sobol: Path, trained_run: Path, tmp_path: Path
) -> None:
    file = without_scrambles(pack(sobol, tmp_path / "set.h5"))
    arguments = ("evaluate", trained_run, "--split", "all", "--data")
    table = command(*arguments, file)
    for name in ("R² ceiling", "of it label noise", "of it the model's", "95 % interval"):
        bound = "at least" if name in ("R² ceiling", "of it the model's") else "at most"
        assert any(name in line and bound in line for line in table.splitlines()), (name, table)
    assert "label_noise_is_bound" not in table
    assert (
        json.loads(command(*arguments, file, "--json"))["metrics"]["label_noise_is_bound"] is True
    )
    assert "wide" in command("predict", trained_run, "--case", file)
    exact = command(*arguments, sobol)
    assert "at least" not in exact
    assert "at most" not in exact
    command("report", trained_run, "--data", file, "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "at least" in page
    assert "label noise at most" in page
