import json
import shutil
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, recall_score
from torch_geometric.data import Data
from typer.testing import CliRunner

from gnncore.errors import GnncoreError, SpecificationError
from gnncore.storage import Manifest, StorageError
from gridstab.cli import app
from gridstab.datasets import Campaign, RunFolder, export_run, run_campaign
from gridstab.errors import (
    DatasetError,
    GridstabError,
    InvalidParameterError,
    RunFolderError,
    UnfinishedWarning,
)
from gridstab.features.feature_set import FeatureSet
from gridstab.learning import train as training
from gridstab.learning.data import GridDataset, load_grid_dataset
from gridstab.learning.evaluation import tune_threshold
from gridstab.learning.mirror import flip_signs
from gridstab.learning.published import DEFAULT_MODEL, PUBLISHED_MODELS
from gridstab.learning.resolved_model import resolve_model
from gridstab.learning.tasks import TASKS
from gridstab.learning.train import train_model
from gridstab.learning.trained import TrainedModel

PROMISED = ("config.json", "normalisation.json", "metrics.json", "model/model.safetensors")


pytestmark = pytest.mark.usefixtures("learning")


def promised(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in PROMISED}


def test_the_folder_holds_all_that_matters(trained_run: Path) -> None:
    assert Manifest.read(trained_run).verify() == []
    names = {path.name for path in trained_run.iterdir()} - {".lock"}
    assert names == {
        "calibration.safetensors", "config.json", "history.jsonl", "learning_curve.png",
        "learnt_grids.safetensors",
        "manifest.json", "metrics.json",
        "model", "normalisation.json", "range.json",
    }  # fmt: skip
    assert (trained_run / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    history = [json.loads(row) for row in (trained_run / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    metrics = json.loads((trained_run / "metrics.json").read_text())
    best = max(history, key=lambda row: row["validation_r2"])
    assert metrics["best_epoch"] == best["epoch"]
    assert metrics["valid"]["r2"] == pytest.approx(best["validation_r2"], abs=1e-5)


def test_metrics_are_those_of_scikit_learn_on_the_last_grids(
    trained_run: Path, labelled_run: Path
) -> None:
    model, folder = TrainedModel.load(trained_run), RunFolder.open(labelled_run)
    for split, ids in (("valid", (9, 10)), ("test", (11, 12))):
        results = [folder.result(grid_id) for grid_id in ids]
        label = np.concatenate([result.snbs for result in results])
        predicted = model.predict([result.grid for result in results]).numpy()
        assert model.metrics[split]["r2"] == pytest.approx(r2_score(label, predicted), abs=1e-5)
        assert model.metrics[split]["mae"] == pytest.approx(
            mean_absolute_error(label, predicted), abs=1e-6
        )


def test_the_test_split_is_looked_at_once(
    labelled_run: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[list[int]] = []
    predicted: list[list[int]] = []
    fit, predict = training.fit, TrainedModel.predict_with_range

    def watched_fit(model: Any, train: Any, validation: Any, *args: Any, **more: Any) -> Any:
        assert predicted == []
        fitted.extend(store.tensors["grid_id"].tolist() for store in (train, validation))
        return fit(model, train, validation, *args, **more)

    def watched_predict(self: TrainedModel, grids: GridDataset, **options: Any) -> Any:
        predicted.append(grids.grid_ids)
        return predict(self, grids, **options)

    monkeypatch.setattr(training, "fit", watched_fit)
    monkeypatch.setattr(TrainedModel, "predict_with_range", watched_predict)
    train_model(tiny_model, labelled_run, tmp_path / "run", epochs=1)
    assert fitted == [[1, 2, 3, 4, 5, 6, 7, 8], [9, 10]]
    # The training grids say where errors are large, and only their ratios are kept.
    assert predicted == [[9, 10], [1, 2, 3, 4, 5, 6, 7, 8], [11, 12]]


def test_normalisation_comes_from_the_training_grids_alone(
    labelled_run: Path, tiny_model: Path, tmp_path: Path
) -> None:
    features = FeatureSet(node=("power", "degree"))
    train_model(
        tiny_model, labelled_run, tmp_path / "run", features=features, train_grids=3, epochs=1
    )
    folder = RunFolder.open(labelled_run)
    degree = np.concatenate([folder.label(grid_id).grid.degree for grid_id in (1, 2, 3)])
    constants = json.loads((tmp_path / "run" / "normalisation.json").read_text())
    assert constants["node_shift"] == pytest.approx([0, degree.mean()])
    assert constants["node_scale"] == pytest.approx([1, degree.std()])
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"]["grids"] == {"train": 3, "valid": 2, "test": 2}


def test_the_same_arguments_give_the_same_bytes(
    trained_run: Path, labelled_run: Path, tiny_model: Path, tmp_path: Path
) -> None:
    train_model(tiny_model, labelled_run, tmp_path / "again")
    assert promised(tmp_path / "again") == promised(trained_run)
    train_model(tiny_model, labelled_run, tmp_path / "other", seed=1)
    assert promised(tmp_path / "other") != promised(trained_run)


@pytest.fixture(scope="module")
def whole(
    labelled_run: Path,
    tiny_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
    learning_surroundings: Any,
) -> dict[str, bytes]:
    """What an augmented training leaves that was never interrupted."""
    path = tmp_path_factory.mktemp("whole") / "run"
    with learning_surroundings():
        train_model(tiny_model, labelled_run, path, augment=True)
    return promised(path)


@pytest.mark.parametrize("where", ["epoch 1", "epoch 3", "test", "manifest"])
def test_an_interrupted_training_resumes_to_the_same_bytes(
    labelled_run: Path,
    tiny_model: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    torn = tmp_path / "torn"
    batches = 0

    def interrupting(data: Data, generator: torch.Generator, *, features: FeatureSet) -> Data:
        nonlocal batches
        batches += 1
        if batches == {"epoch 1": 2, "epoch 3": 5}.get(where):
            raise KeyboardInterrupt
        return flip_signs(data, generator, features=features)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "flip_signs", interrupting)
        if where == "test":
            patch.setattr(training, "evaluate", _after(4, training.evaluate, interrupt))
        if where == "manifest":
            patch.setattr(Manifest, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_model(tiny_model, labelled_run, torn, augment=True)
    with pytest.raises(RunFolderError, match="unfinished"):
        TrainedModel.load(torn)
    with pytest.raises(RunFolderError, match="--resume"):
        train_model(tiny_model, labelled_run, torn, augment=True)
    train_model(tiny_model, labelled_run, torn, augment=True, resume=True)
    assert promised(torn) == whole
    assert not (torn / "checkpoint").exists()


def _after(calls: int, real: Any, then: Any) -> Any:
    """A stand-in that is real but for the last of so many calls."""
    count = 0

    def call(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return then() if count == calls else real(*args, **options)

    return call


def test_a_complete_training_is_not_repeated(
    trained_run: Path, labelled_run: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "fit", partial(pytest.fail, "trained again"))
    model = train_model(tiny_model, labelled_run, trained_run, resume=True)
    assert model.metrics == TrainedModel.load(trained_run).metrics


def test_another_configuration_is_refused(
    trained_run: Path, labelled_run: Path, tiny_model: Path, tmp_path: Path
) -> None:
    before = promised(trained_run)
    for options, what in (
        ({"seed": 1}, "settings.seed is 0 there and 1 here"),
        ({"augment": True}, "augment is False there and True here"),
        ({"task": "survivability"}, "task is 'snbs' there and 'survivability' here"),
        ({"train_grids": 4}, "data.grids.train is 8 there and 4 here"),
    ):
        with pytest.raises(RunFolderError, match=what):
            train_model(tiny_model, labelled_run, trained_run, resume=True, **options)
    assert promised(trained_run) == before
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match="no training folder"):
        train_model(tiny_model, labelled_run, tmp_path / "thesis", resume=True)


def test_a_failing_training_says_why(labelled_run: Path, tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(GnncoreError, match="learning_rate"):
        train_model(tiny_model, labelled_run, tmp_path / "run", learning_rate=1e30)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="is no folder"):
        train_model(tiny_model, labelled_run, tmp_path / "file")
    with pytest.raises(StorageError, match="create"):
        train_model(tiny_model, labelled_run, tmp_path / "file" / "run")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "model": ({"model": "oracle"}, "unknown model 'oracle'"),
    "missing file": ({"model": "none.toml"}, "none.toml"),
    "task": ({"task": "weather"}, "unknown task 'weather'"),
    "features": ({"features": "runes"}, "unknown feature set 'runes'"),
    "data": ({"data": "nowhere"}, "'nowhere'"),
    "epochs": ({"epochs": 0}, "epochs must be .* got 0"),
    "learning rate": ({"learning_rate": float("nan")}, "learning_rate"),
    "too many grids": ({"train_grids": 9}, "train_grids must be from 1 to 8.* got 9"),
    "no grids": ({"train_grids": 0}, "train_grids must be from 1 to 8.* got 0"),
    "device": ({"device": "cuda:99"}, "cuda:99"),
    "unknown setting": ({"learning_speed": 1}, "learning_speed"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_write_nothing(
    labelled_run: Path, tiny_model: Path, tmp_path: Path, name: str
) -> None:
    options, message = BAD[name]
    arguments = {"model": tiny_model, "data": labelled_run, "out": tmp_path / "run"} | options
    with pytest.raises((GridstabError, GnncoreError), match=message):
        train_model(**arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("in_channels = 3", "in_channels of the model is 3"),
        ("edge_channels = 2", "edge_channels of the model is 2"),
        ("out_channels = 2", "out_channels of the model is 2"),
        ('output = "identity"', "output of the model is 'identity'"),
        ('pooling = "mean"', "pooling of the model is 'mean'"),
        ("features = 1", "features in .* must be a name, got 1"),
        ("hidden = 1", "unknown key 'hidden'"),
        ("training = 1", "training in .* must be a table, got 1"),
        ("[training]\naugment = 1", "augment under training in .* must be true or false, got 1"),
        ('[training]\nclip = "a"', "clip under training in .* must be a number, got 'a'"),
        ("= 1", "no valid TOML"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "model.toml"
    file.write_text(f'layer = "tag"\nhidden_channels = [4]\n{line}\n')
    with pytest.raises(SpecificationError, match=message):
        resolve_model(file, TASKS["snbs"])


def test_models_are_found_by_name_and_in_files(tmp_path: Path) -> None:
    snbs, trouble = TASKS["snbs"], TASKS["troublemaker"]
    default = resolve_model("default", snbs)
    assert default.features == DEFAULT_MODEL.features
    assert default.settings == DEFAULT_MODEL.settings
    seen = FeatureSet(node=("power", "degree"))
    tag = resolve_model("tagnet13", trouble, seen, {"epochs": 7, "batch_size": None})
    assert tag.specification.in_channels == 2
    assert tag.specification.output == "identity"
    assert (tag.settings.epochs, tag.settings.batch_size) == (7, 52)
    file = tmp_path / "mine.toml"
    file.write_text('layer = "tag"\nhidden_channels = [4]\n[training]\nepochs = 3\nseed = 2\n')
    mine = resolve_model(file, snbs, "operating_point", {"epochs": 5})
    assert (mine.name, mine.features) == ("mine", FeatureSet.named("operating_point"))
    assert (mine.settings.epochs, mine.settings.seed) == (5, 2)
    assert mine.specification.in_channels == mine.features.in_channels
    again = resolve_model(mine.specification, snbs, "operating_point")
    assert again.specification == mine.specification


@pytest.mark.parametrize("name", ["default", "mine"])
@pytest.mark.parametrize(
    ("lines", "augment", "clip"),
    [("", False, 0.0), ("augment = true\nclip = 0.05", True, 0.05)],
)
def test_mirroring_and_clipping_are_fields_whatever_a_file_is_called(
    labelled_run: Path, tmp_path: Path, name: str, lines: str, augment: bool, clip: float
) -> None:
    file = tmp_path / f"{name}.toml"
    file.write_text(f'layer = "tag"\nhidden_channels = [4]\n[training]\nepochs = 1\n{lines}\n')
    config = train_model(file, labelled_run, tmp_path / "run").config
    assert (config.augment, config.clip) == (augment, clip)
    if lines:
        options = {"augment": False, "clip": 0.0}
        config = train_model(file, labelled_run, tmp_path / "other", **options).config
        assert (config.augment, config.clip) == (False, 0.0)


def test_models_by_name_say_whether_they_mirror_and_clip() -> None:
    default = resolve_model("default", TASKS["snbs"])
    assert (default.augment, default.clip) == (True, 0.01)
    for model in PUBLISHED_MODELS.values():
        assert (model.augment, model.clip) == (False, 0.0)


def test_damaged_data_and_labels(labelled_run: Path, tiny_model: Path, tmp_path: Path) -> None:
    published = export_run(labelled_run, tmp_path / "published", "v1")
    with h5py.File(published / "snbs_00003.h5", "r+") as file:
        file["snbs"][4] = np.nan
    with pytest.raises(DatasetError, match=r"snbs of grid 3 of .* is nan at node 4"):
        train_model(tiny_model, published, tmp_path / "run")
    data = (published / "grid_data_00002.h5").read_bytes()
    (published / "grid_data_00002.h5").write_bytes(data[:500])
    with pytest.raises(RunFolderError, match="grid_data_00002"):
        train_model(tiny_model, published, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_keys_that_fit_no_data_are_refused_before_the_training(
    labelled_run: Path, tmp_path: Path
) -> None:
    model = tmp_path / "grouped.toml"
    model.write_text('layer = "tag"\nhidden_channels = [4]\n[training]\ngroup_by = "colour"\n')
    with pytest.raises(InvalidParameterError, match="group_by 'colour' is no tensor of items"):
        train_model(model, labelled_run, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_labels_without_variation_are_refused_before_the_training(
    labelled_run: Path, tiny_model: Path, tmp_path: Path
) -> None:
    published = export_run(labelled_run, tmp_path / "published", "v1")
    for grid_id in (11, 12):
        with h5py.File(published / f"snbs_{grid_id:05d}.h5", "r+") as file:
            file["snbs"][...] = 1.0
    with pytest.raises(DatasetError, match=r"all labels of the test grids of .* are equal"):
        train_model(tiny_model, published, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_set_without_all_splits_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    run_campaign(Campaign.resolve(nodes=4, grids=1, samples=5), tmp_path / "one", workers=1)
    with pytest.raises(DatasetError, match="split 'train'"):
        train_model(tiny_model, tmp_path / "one", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_classes_have_a_threshold_that_validation_tuned(
    labelled_run: Path, tiny_model: Path, tmp_path: Path
) -> None:
    model = train_model(tiny_model, labelled_run, tmp_path / "run", task="troublemaker")
    splits = load_grid_dataset(labelled_run, target="troublemaker")
    valid, test = splits.split("valid"), splits.split("test")
    assert model.threshold == tune_threshold(model.predict(valid), valid, model.task)
    called = model.predict(test) > model.threshold
    positive = test.store.tensors["y"] > 0
    assert model.metrics["test"]["recall"] == pytest.approx(
        recall_score(positive.numpy(), called.numpy())
    )
    assert TrainedModel.load(tmp_path / "run").threshold == model.threshold


@pytest.fixture(scope="module")
def stable_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grids so strongly damped that every label is 1."""
    path = tmp_path_factory.mktemp("stable") / "stable"
    run_campaign(Campaign.resolve(nodes=6, grids=12, samples=4, damping=5.0), path, workers=1)
    return path


def test_equal_labels_are_predicted_and_judged_but_not_learnt_from(
    trained_run: Path, tiny_model: Path, stable_run: Path, tmp_path: Path
) -> None:
    for command in (("evaluate", "--data"), ("predict", "--case")):
        ran = CliRunner().invoke(
            app, [command[0], str(trained_run), command[1], str(stable_run), "--json"]
        )
        assert ran.exit_code == 0, ran.stderr
        metrics = json.loads(ran.stdout)["metrics"]
        assert "r2" not in metrics
        assert "r2_ceiling" not in metrics
        assert 0 <= metrics["mae"] <= 1
    shown = CliRunner().invoke(app, ["evaluate", str(trained_run), "--data", str(stable_run)])
    assert "mean absolute error" in shown.stdout
    with pytest.raises(DatasetError, match="all labels of the valid grids of 'stable' are equal"):
        train_model(tiny_model, stable_run, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_labels_of_an_unfinished_run_are_said_to_be_unfinished(
    labelled_run: Path, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    shutil.copytree(labelled_run, part)
    (part / "manifest.json").unlink()
    (part / "grids" / "00012.h5").unlink()
    with pytest.warns(
        UnfinishedWarning, match="'.*part' is unfinished: 11 of 12 grids have labels"
    ):
        load_grid_dataset(part)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_grid_dataset(labelled_run)
