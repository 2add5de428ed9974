"""Intervals on predictions: calibrated on validation grids alone, as often right as they say."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import gridstab
from gnncore.storage import (
    CorruptFileError,
    Manifest,
    load_metadata,
    load_tensors,
    read_bytes,
    save_tensors,
)
from gridstab.cli import app
from gridstab.errors import BeyondTrainingWarning, InvalidParameterError, RunFolderError
from gridstab.learning import Ensemble, TrainedModel, load_grid_dataset, train_model
from gridstab.learning.calibration import CALIBRATION, Calibration, JointCalibration
from gridstab.learning.difficulty import ExpectedError, widening
from gridstab.learning.known_range import Beyond

NODES = 12


def calibration_of(rng: np.random.Generator, grids: int, noise: Any = None) -> Calibration:
    """Errors that grow with distance from a prediction of 1, and are alike within a grid."""
    prediction = rng.uniform(0, 1, grids * NODES)
    label = prediction + errors(rng, prediction)
    curve = ExpectedError(np.array([0.0, 1.0]), np.array([0.21, 0.01]))
    pointer = NODES * np.arange(grids + 1)
    return Calibration(prediction, label, np.ones(grids * NODES), pointer, curve)


def errors(rng: np.random.Generator, prediction: np.ndarray) -> np.ndarray:
    grids = len(prediction) // NODES
    common = np.exp(0.4 * rng.normal(size=grids)).repeat(NODES)
    return (0.21 - 0.2 * prediction) * common * rng.normal(size=len(prediction))


def test_the_expected_error_follows_the_error() -> None:
    """Of errors whose size is known: half-normal, of scale 0.21 − 0.2 p."""
    rng = np.random.default_rng(0)
    prediction = rng.uniform(0, 1, 40_000)
    scale = 0.21 - 0.2 * prediction
    curve = ExpectedError.of(prediction, prediction + scale * rng.normal(size=40_000))
    at = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(curve(at), (0.21 - 0.2 * at) * np.sqrt(2 / np.pi), rtol=0.06)
    assert curve(np.array([-5.0]))[0] == curve.error[0] > curve.error[-1] == curve(np.ones(1))[0]


def test_few_nodes_and_no_errors_make_no_zero() -> None:
    curve = ExpectedError.of(np.array([0.2, 0.9]), np.array([0.2, 0.9]))
    assert len(curve.error) == 1
    assert curve.error[0] > 0


def test_beyond_the_known_ranges_a_node_is_harder_the_farther_it_is() -> None:
    """Ranges 1 to 3 and 0.1 alone: by the width of the first, by the size of the second."""
    values = {"power": np.array([2.0, 3.0, 4.0, -1.0]), "damping": np.array([0.1, 0.3, 0.1, 0.1])}
    known = {"power": (1.0, 3.0), "damping": (0.1, 0.1), "number of nodes": (4.0, 4.0)}
    masks = {
        "power": np.array([False, False, True, True]),
        "damping": np.array([False, True, False, False]),
    }
    beyond = Beyond(values, masks, known, ("a", "b", "c", "d"))
    np.testing.assert_allclose(widening(beyond, 4), [1, 1 + 2, 1 + 1 / 3, 1 + 2 / 3])
    np.testing.assert_array_equal(widening(None, 3), np.ones(3))
    values["number of nodes"] = np.array([4.0, 16.0, 32.0, 1.0])
    masks["number of nodes"] = values["number of nodes"] != 4
    np.testing.assert_allclose(widening(beyond, 4), [1, 1 + 2, 1 + 1 / 3, 1 + 2 / 3])
    values["power"][:] = 2.0
    np.testing.assert_allclose(widening(beyond, 4), [1, 1 + 2, 1.3, 1.2])


@pytest.mark.parametrize("normalised", [False, True])
def test_the_width_is_the_quantile_of_the_errors(normalised: bool) -> None:
    """By hand, for grids of one node."""
    rng = np.random.default_rng(1)
    one = calibration_of(rng, 40)
    one = Calibration(one.prediction, one.label, one.widening, np.arange(481), one.expected)
    new, wider = np.array([[0.3, 0.9]]), np.array([[1.0, 2.5]])
    found = JointCalibration((one,)).half_width(new, wider, 0.8, normalised=normalised)
    error = np.abs(one.label - one.prediction)
    if normalised:
        error = error / (0.21 - 0.2 * one.prediction)
    quantile = np.sort(error)[int(np.ceil(481 * 0.8)) - 1]
    scale = [0.21 - 0.06, 2.5 * (0.21 - 0.18)] if normalised else [1, 1]
    np.testing.assert_allclose(found, quantile * np.array(scale))


@pytest.mark.parametrize("normalised", [False, True])
def test_further_grids_are_covered_as_often_as_promised(normalised: bool) -> None:
    rng, level, covered, hard = np.random.default_rng(2), 0.8, [], []
    for _ in range(150):
        joint = JointCalibration((calibration_of(rng, 30),))
        new = rng.uniform(0, 1, 4 * NODES)
        error = np.abs(errors(rng, new))
        half = joint.half_width(new[None], np.ones((1, len(new))), level, normalised=normalised)
        covered.append((error <= half).mean())
        hard.append((error <= half)[new < 0.25].mean())
    deviation = 4 * np.std(covered) / 150**0.5
    assert level - deviation < np.mean(covered) < level + 1 / 31 + deviation
    # Of one width for all, the hard nodes pay for the easy ones.
    assert (np.mean(hard) > level - 0.03) == normalised


def test_what_members_disagree_on_is_harder() -> None:
    rng = np.random.default_rng(3)
    one, other = calibration_of(rng, 20), calibration_of(rng, 20)
    joint = JointCalibration((one, replace(other, label=one.label)))
    ones = np.ones((2, 2))
    half = joint.half_width(np.array([[0.5, 0.3], [0.5, 0.7]]), ones, 0.8)
    assert half[1] > 2 * half[0]  # an expected error of 0.11 each, and a spread of 0 and 0.2
    np.testing.assert_allclose(half[1] / half[0], (0.11 + 0.2) / 0.11)


def test_members_of_different_validation_grids_have_no_joint_calibration() -> None:
    rng = np.random.default_rng(4)
    with pytest.raises(InvalidParameterError, match="different validation grids"):
        JointCalibration((calibration_of(rng, 20), calibration_of(rng, 20)))


def test_a_level_that_few_grids_cannot_give_is_refused() -> None:
    joint = JointCalibration((calibration_of(np.random.default_rng(5), 9),))
    assert joint.require(0.9) == 0.9
    with pytest.raises(InvalidParameterError, match=r"0\.95 need at least 19 .* on 9; ask for at"):
        joint.require(0.95)


def test_it_survives_a_file_and_no_other_file_passes_for_it(tmp_path: Path) -> None:
    one = calibration_of(np.random.default_rng(6), 5)
    one.save(tmp_path / "a")
    one.save(tmp_path / "b")
    data = read_bytes(tmp_path / "a")
    assert data == read_bytes(tmp_path / "b")
    again = Calibration.parse(data, tmp_path / "a")
    for name in ("prediction", "label", "widening", "pointer"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
    new = np.linspace(-1, 2, 9)
    np.testing.assert_array_equal(again.expected(new), one.expected(new))
    arrays, metadata = load_tensors(tmp_path / "a"), load_metadata(tmp_path / "a")
    for name, bad in {
        "label": one.label[:-1],
        "widening": 0 * one.label,
        "prediction": np.full_like(one.label, np.nan),
        "knot": np.array([1.0, 0.0]),
        "error": np.zeros(2),
        "pointer": one.pointer[:1],
    }.items():
        save_tensors(tmp_path / "bad", arrays | {name: bad}, metadata)
        with pytest.raises(CorruptFileError):
            Calibration.parse(read_bytes(tmp_path / "bad"), tmp_path / "bad")
    save_tensors(tmp_path / "bad", arrays)
    with pytest.raises(CorruptFileError, match="no calibration of this version"):
        Calibration.parse(read_bytes(tmp_path / "bad"), tmp_path / "bad")
    with pytest.raises(CorruptFileError):
        Calibration.parse(data[:-8], tmp_path / "a")


# Trained models.


@pytest.fixture
def model(trained_run: Path) -> TrainedModel:
    return TrainedModel.load(trained_run)


@pytest.fixture
def copy(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(trained_run, tmp_path / "copy"))


def without_calibration(folder: Path) -> Path:
    """The folder as a former version would have left it."""
    (folder / CALIBRATION).unlink()
    old = Manifest.read(folder)
    names = [name for name in old.entries if name != CALIBRATION]
    Manifest.of_files(folder, names, old.ignore).write()
    return folder


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160"})
    assert result.exit_code == code, result.output
    return result


def test_it_is_calibrated_on_the_validation_grids(model: TrainedModel, labelled_run: Path) -> None:
    valid = load_grid_dataset(labelled_run, split="valid")
    assert model.calibration is not None
    np.testing.assert_array_equal(model.calibration.prediction, model.predict(valid).numpy())
    np.testing.assert_array_equal(
        model.calibration.label, valid.store.tensors["y"].double().numpy()
    )
    np.testing.assert_array_equal(model.calibration.pointer, [0, 20, 40])


def test_predictions_come_with_intervals(model: TrainedModel, trained_run: Path) -> None:
    grid = gridstab.random_grid(20, seed=5)
    plain = gridstab.predict(model, grid)
    found = gridstab.predict(trained_run, grid, intervals=0.6)
    np.testing.assert_array_equal(found.value, plain.value)
    np.testing.assert_array_equal(found.value, model.predict(grid).double().numpy())
    assert ((found.low >= 0) & (found.low <= found.value)).all()
    assert ((found.value <= found.high) & (found.high <= 1)).all()
    wider = gridstab.predict([trained_run, trained_run], grid, intervals=0.65)
    assert (wider.low <= found.low + 1e-9).all()
    assert "0.6 intervals ±" in repr(found)
    even = gridstab.predict(model, [grid, grid], intervals=0.6, normalised=False)
    assert even.value.shape == (40,)
    width = np.minimum(even.value + 1, 1) - even.value  # those that end within 0 and 1
    inside = (even.low > 0) & (even.high < 1)
    np.testing.assert_allclose((even.high - even.low)[inside], (even.high - even.low)[inside].max())
    assert (width >= 0).all()
    with pytest.raises(InvalidParameterError, match=r"ask for them with intervals=0\.9"):
        _ = plain.low


def test_they_widen_beyond_the_training_set(model: TrainedModel) -> None:
    grid = gridstab.random_grid(20, seed=5)
    strange = gridstab.PowerGrid.from_arrays(
        grid.lines, grid.power, coupling=grid.coupling, damping=0.01
    )
    known = gridstab.predict(model, grid, intervals=0.5)
    with pytest.warns(BeyondTrainingWarning, match=r"damping 0\.01"):
        beyond = gridstab.predict(model, strange, intervals=0.5)
    np.testing.assert_array_equal(known.value, beyond.value)  # it does not see the damping
    half = known.value - known.low
    np.testing.assert_allclose(beyond.low, np.maximum(known.value - 1.9 * half, 0), atol=1e-12)
    np.testing.assert_allclose(beyond.high, np.minimum(known.value + 1.9 * half, 1), atol=1e-12)
    assert (half > 0).all()
    assert (known.low > 0).all()  # so that this half is the whole one


def test_what_is_no_model_and_no_grid_is_refused(model: TrainedModel) -> None:
    grid = gridstab.random_grid(20, seed=5)
    with pytest.raises(InvalidParameterError, match="no models"):
        gridstab.predict([], grid)
    with pytest.raises(InvalidParameterError, match="grid must be one grid or several, got none"):
        gridstab.predict(model, [])
    with pytest.raises(InvalidParameterError, match="leave it out"):
        gridstab.predict(model, grid, intervals=0.5, sign_invariant=True)


def test_former_models_predict_and_say_that_they_have_no_calibration(copy: Path) -> None:
    old = TrainedModel.load(without_calibration(copy))
    assert old.calibration is None
    grid = gridstab.random_grid(20, seed=5)
    assert gridstab.predict(old, grid).intervals is None
    with pytest.raises(InvalidParameterError, match="no calibration, which intervals need"):
        gridstab.predict(old, grid, intervals=0.5)


def test_a_damaged_calibration_is_refused(copy: Path) -> None:
    path = copy / CALIBRATION
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunFolderError, match=r"calibration\.safetensors.*has changed"):
        TrainedModel.load(copy)
    path.unlink()
    with pytest.raises(RunFolderError, match=r"calibration\.safetensors"):
        TrainedModel.load(copy)


def test_amounts_have_intervals_and_classes_none(
    labelled_run: Path, tiny_model: Path, tmp_path: Path, learning: None
) -> None:
    amount = train_model(
        tiny_model, labelled_run, tmp_path / "a", task="max_frequency_deviation", epochs=1
    )
    found = gridstab.predict(amount, gridstab.random_grid(20, seed=5), intervals=0.5)
    assert ((found.low >= 0) & (found.low < found.high) & np.isfinite(found.high)).all()
    one_class = replace(
        amount, config=amount.config.model_copy(update={"task": "troublemaker"}), calibration=None
    )
    with pytest.raises(InvalidParameterError, match="predicts classes, which have no intervals"):
        _ = Ensemble((one_class,)).calibration


def test_the_program_shows_them_everywhere(copy: Path, labelled_run: Path) -> None:
    asked = ("predict", "copy", "--case", str(labelled_run), "--intervals", "0.6")
    found = json.loads(run(*asked, "--json", "--out", "nodes.csv").stdout)
    said = found["intervals"]
    assert (said["level"], said["normalised"]) == (0.6, True)
    assert said["calibrated_on"] == {"grids": 2, "nodes": 40}
    held = [row["prediction_low"] <= row["label"] <= row["prediction_high"]
            for row in found["results"] if row["part"] == "other"]  # fmt: skip
    assert len(held) == 40
    assert said["coverage"] == pytest.approx(np.mean(held))
    with open("nodes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 240
    assert all(
        float(row["prediction_low"]) <= float(row["prediction"]) <= float(row["prediction_high"])
        for row in rows
    )
    table = run(*asked, "--no-normalised").stdout
    assert "60 % interval" in table
    assert "calibrated on 2 validation grids; they hold" in table
    plain = json.loads(run("predict", "copy", "--case", str(labelled_run), "--json").stdout)
    assert plain["intervals"] is None
    assert "prediction_low" not in plain["results"][0]


def test_the_report_shows_them(copy: Path, labelled_run: Path) -> None:
    asked = ("report", "copy", "--data", str(labelled_run), "--intervals", "0.6", "--out")
    run(*asked, "page.html")
    page = Path("page.html").read_text(encoding="utf-8")
    for text in ("60 % intervals", "labels that they hold", "predicted interval"):
        assert text in page
    run("report", str(labelled_run), "--intervals", "0.6", "--out", "no.html", code=2)
    assert not Path("no.html").exists()


@pytest.mark.parametrize("given", ["0", "1", "nan", "-1", "inf", "ninety", "", "0.9"])
def test_bad_intervals_end_in_one_line(copy: Path, labelled_run: Path, given: str) -> None:
    """0.9 needs nine validation grids, of which there are two."""
    for command in (
        ("predict", "copy", "--case", "case118", "--out", "made.csv", "--picture", "made.png"),
        ("report", "copy", "--data", str(labelled_run), "--out", "made.html"),
    ):
        ran = run(*command, "--intervals", given, code=2)
        assert ran.stderr.count("\n") == 1
        assert given in ran.stderr
        assert not list(Path().glob("made*"))


def test_a_model_without_calibration_ends_in_one_line(copy: Path) -> None:
    without_calibration(copy)
    asked = ("predict", "copy", "--case", "case118", "--out", "made.csv")
    ran = run(*asked, "--intervals", "0.5", code=2)
    assert ran.stderr.count("\n") == 1
    assert "no calibration" in ran.stderr
    assert not Path("made.csv").exists()
    run(*asked)
