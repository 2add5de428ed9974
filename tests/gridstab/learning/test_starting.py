"""Trainings that go on from a trained model: what they keep, what they learn, what they refuse."""

import json
import operator
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gnncore.storage import Manifest
from gridstab import random_grid
from gridstab.cli import app
from gridstab.cli.learning_summary import print_training, summarise_training
from gridstab.datasets import Campaign, RunFolder, run_campaign
from gridstab.errors import DatasetError, InvalidParameterError, RunFolderError
from gridstab.features.feature_set import FeatureSet
from gridstab.learning import train as training
from gridstab.learning.data import load_grid_dataset
from gridstab.learning.evaluation import evaluate
from gridstab.learning.mirror import flip_signs
from gridstab.learning.starting import Start
from gridstab.learning.train import train_model
from gridstab.learning.trained import TrainedModel

pytestmark = pytest.mark.usefixtures("learning")


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve grids of 13 nodes, one of each without power."""
    path = tmp_path_factory.mktemp("odd") / "odd"
    run_campaign(Campaign.resolve(nodes=13, grids=12, samples=20, seed=5), path, workers=1)
    return path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return TrainedModel.load(folder).model.state_dict()


def test_it_begins_with_the_weights_and_keeps_the_constants(
    trained_run: Path, odd_run: Path, tmp_path: Path
) -> None:
    further = train_model(trained_run, odd_run, tmp_path / "run", epochs=1, learning_rate=1e-9)
    before = TrainedModel.load(trained_run)
    for name, value in before.model.state_dict().items():
        torch.testing.assert_close(further.model.state_dict()[name], value, rtol=0, atol=1e-6)
    assert further.normalisation == before.normalisation
    assert further.config.started_from is not None
    assert before.config.started_from is None
    assert further.config.settings == before.config.settings.model_copy(
        update={"epochs": 1, "learning_rate": 1e-9}
    )
    grid = random_grid(20, seed=77)
    torch.testing.assert_close(
        further.predict_with_range(grid)[0], before.predict_with_range(grid)[0], rtol=0, atol=1e-5
    )


def test_it_is_said_that_the_weights_were_not_new(
    trained_run: Path, odd_run: Path, tmp_path: Path
) -> None:
    arguments = ("train", "--model", trained_run, "--data", odd_run, "--epochs", "1")
    ran = CliRunner().invoke(app, [*map(str, arguments), "--out", str(tmp_path / "run")])
    assert "trained further on 8 grids of odd, best of 1 epoch: 1" in ran.stdout
    assert "trained further on 8 grids of 'odd'" in repr(TrainedModel.load(tmp_path / "run"))
    assert "trained on 8 grids" in repr(TrainedModel.load(trained_run))


def test_the_trained_model_stays_as_it_is(trained_run: Path, odd_run: Path, tmp_path: Path) -> None:
    before = TrainedModel.load(trained_run)
    kept = {name: value.clone() for name, value in before.model.state_dict().items()}
    further = train_model(before, odd_run, tmp_path / "run", epochs=2)
    assert all(torch.equal(before.model.state_dict()[name], value) for name, value in kept.items())
    assert any(
        not torch.equal(further.model.state_dict()[name], value) for name, value in kept.items()
    )
    assert not before.model.training


def test_it_knows_what_both_trainings_have_seen(
    trained_run: Path, odd_run: Path, labelled_run: Path, tmp_path: Path
) -> None:
    before = TrainedModel.load(trained_run)
    further = train_model(trained_run, odd_run, tmp_path / "run", epochs=1)
    own = [RunFolder.open(odd_run).label(grid_id).grid for grid_id in range(1, 13)]
    old = [RunFolder.open(labelled_run).label(grid_id).grid for grid_id in range(1, 13)]
    assert further.parts(old) == before.parts(old)
    assert further.parts(own) == ["train"] * 8 + ["valid"] * 2 + ["other"] * 2
    without = "absolute power 0 (trained on 1)"
    assert any(without in before.predict_with_range(own[0])[1].of(node) for node in range(13))
    assert not further.predict_with_range(own[0])[1]
    assert further.known_range.intervals["number of nodes"] == (13, 20)
    assert TrainedModel.load(tmp_path / "run").known_range == further.known_range


def test_it_learns_faster_than_from_nothing(
    trained_run: Path, tiny_model: Path, odd_run: Path, tmp_path: Path
) -> None:
    train_model(tiny_model, odd_run, tmp_path / "new", epochs=1)
    train_model(trained_run, odd_run, tmp_path / "further", epochs=1)
    losses = [
        json.loads((tmp_path / name / "history.jsonl").read_text())["loss"]
        for name in ("further", "new")
    ]
    assert losses[0] < losses[1]


def test_an_interrupted_one_resumes_to_the_same_weights(
    trained_run: Path, odd_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_model(trained_run, odd_run, tmp_path / "whole", augment=True)
    batches = 0

    def interrupting(*args: Any, features: FeatureSet) -> Any:
        nonlocal batches
        batches += 1
        if batches == 5:
            raise KeyboardInterrupt
        return flip_signs(*args, features=features)

    with monkeypatch.context() as patch:
        patch.setattr(training, "flip_signs", interrupting)
        with pytest.raises(KeyboardInterrupt):
            train_model(trained_run, odd_run, tmp_path / "torn", augment=True)
    train_model(trained_run, odd_run, tmp_path / "torn", augment=True, resume=True)
    whole, torn = weights(tmp_path / "whole"), weights(tmp_path / "torn")
    assert all(torch.equal(whole[name], torn[name]) for name in whole)


def test_from_other_weights_it_is_another_training(
    trained_run: Path, tiny_model: Path, labelled_run: Path, odd_run: Path, tmp_path: Path
) -> None:
    train_model(tiny_model, labelled_run, tmp_path / "other", seed=1)
    train_model(trained_run, odd_run, tmp_path / "run", epochs=1, seed=0)
    with pytest.raises(RunFolderError, match="the trained model that it goes on from is another"):
        train_model(tmp_path / "other", odd_run, tmp_path / "run", epochs=1, seed=0, resume=True)
    with pytest.raises(RunFolderError, match=r"those of a trained model there and .*new weights"):
        train_model(tiny_model, odd_run, tmp_path / "run", epochs=1, resume=True)
    # The constants of the features have a part in it as well as the weights.
    before = TrainedModel.load(trained_run)
    scales = tuple(2 * scale for scale in before.normalisation.node_scale)
    scaled = replace(before, normalisation=replace(before.normalisation, node_scale=scales))
    assert Start.of(scaled).digest != Start.of(before).digest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "survivability"}, "has learnt the task 'snbs', got 'survivability'; leave the"),
        ({"features": "operating_point"}, "features of a trained model cannot change"),
        ({"clip": 0.1}, "clip of a trained model cannot change"),
    ],
)
def test_what_its_weights_rest_on_cannot_change(
    trained_run: Path, odd_run: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        train_model(trained_run, odd_run, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_model_that_does_not_know_its_grids_is_refused(
    trained_run: Path, odd_run: Path, tmp_path: Path
) -> None:
    """A version that kept none of them would say afterwards that it knows what judges it."""
    older = replace(TrainedModel.load(trained_run), learnt_grids=None)
    with pytest.raises(InvalidParameterError, match="did not keep from which grids it has learnt"):
        train_model(older, odd_run, tmp_path / "run")


def test_a_model_without_free_parameters_is_refused(
    trained_run: Path, odd_run: Path, tmp_path: Path
) -> None:
    frozen = TrainedModel.load(trained_run)
    frozen.model.requires_grad_(requires_grad=False)
    with pytest.raises(InvalidParameterError, match="are frozen"):
        train_model(frozen, odd_run, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_not_given_is_as_it_was(
    tiny_model: Path, labelled_run: Path, odd_run: Path, tmp_path: Path
) -> None:
    options = {"sign_invariant": True, "augment": True, "epochs": 1}
    train_model(tiny_model, labelled_run, tmp_path / "first", **options)
    further = train_model(tmp_path / "first", odd_run, tmp_path / "second")
    assert (further.config.sign_invariant, further.config.augment) == (True, True)
    other = train_model(tmp_path / "first", odd_run, tmp_path / "third", sign_invariant=False)
    assert not other.config.sign_invariant


def test_the_task_is_its_own_unless_given(
    tiny_model: Path, labelled_run: Path, odd_run: Path, tmp_path: Path
) -> None:
    train_model(tiny_model, labelled_run, tmp_path / "first", task="survivability", epochs=1)
    further = train_model(tmp_path / "first", odd_run, tmp_path / "second", epochs=1)
    assert further.task.name == "survivability"


def test_what_it_was_worth_before_is_said(
    trained_run: Path, odd_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = TrainedModel.load(trained_run)
    further = train_model(trained_run, odd_run, tmp_path / "run", epochs=1)
    for split in ("valid", "test"):
        part = load_grid_dataset(str(odd_run), features=before.features, split=split)
        expected = evaluate(before.predict_with_range(part)[0], part, before.task)
        assert further.metrics["before"][split] == pytest.approx(expected)
    summary = summarise_training(tmp_path / "run", further)
    warned = "It was better on the validation grids before"
    for error, is_worse in ((0.0, True), (1.0, False)):
        summary["before"]["valid"]["mse"] = error
        print_training(summary)
        said = capsys.readouterr().out
        assert ("valid, before" in said, warned in said) == (True, is_worse)


def test_bounds_widen_to_what_the_further_grids_have(labelled_run: Path, tmp_path: Path) -> None:
    """Else values beyond them would be cut off, and said to be known all the same."""
    weak = tmp_path / "weak"
    run_campaign(Campaign.resolve(nodes=20, grids=12, samples=20, coupling=5.0), weak, workers=1)
    before = train_model("default", labelled_run, tmp_path / "first", epochs=1)
    further = train_model(tmp_path / "first", weak, tmp_path / "second", epochs=1)
    old, new = before.normalisation, further.normalisation
    for name in ("node_shift", "node_scale", "edge_shift", "edge_scale"):
        assert getattr(new, name) == getattr(old, name)
    assert all(map(operator.le, new.node_low, old.node_low))
    assert all(map(operator.ge, new.node_high, old.node_high))
    assert (new.edge_low[0], new.edge_high[0]) == (5 / old.edge_scale[0], 9 / old.edge_scale[0])
    data = load_grid_dataset(str(weak), features=before.features, split="train")
    raw = data.store.tensors["x"]
    free = replace(new, node_low=(), node_high=(), edge_low=(), edge_high=())(data.store)
    cut = (new(data.store).tensors["x"] != free.tensors["x"]).float().mean(0)
    assert float(cut.max()) <= 0.04, raw.shape  # the tails that the new set cuts off of itself


def test_no_folder_is_made_in_the_model_that_is_gone_on_from(
    trained_run: Path, odd_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained_run, tmp_path / "model")
    monkeypatch.chdir(tmp_path / "model")
    for model, out, said in (
        (".", (), "without --out: "),
        ("", ("--out", "../other"), "unknown model ''"),
        ("..", ("--out", "../other"), "no training folder"),
    ):
        ran = CliRunner().invoke(app, ["train", "--model", model, "--data", str(odd_run), *out])
        assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
        assert said in ran.stderr
    assert not (tmp_path / "other").exists()
    assert Manifest.read(tmp_path / "model").verify() == []


def test_grids_that_it_knows_do_not_judge_it(
    trained_run: Path, labelled_run: Path, tmp_path: Path
) -> None:
    """A longer campaign of the same seed has the first training grids elsewhere."""
    run_campaign(Campaign.resolve(nodes=20, grids=7, samples=20), tmp_path / "five", workers=1)
    with pytest.raises(DatasetError, match=r"learnt from 1 of the 1 (valid|test) grids of .five."):
        train_model(trained_run, tmp_path / "five", tmp_path / "run", epochs=1)
    assert not (tmp_path / "run").exists()
    # On its own grids it may go on: their test grids are still unseen.
    train_model(trained_run, labelled_run, tmp_path / "run", epochs=1)


def test_a_folder_that_is_no_whole_training_is_refused(
    trained_run: Path, odd_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained_run, tmp_path / "torn")
    (tmp_path / "torn" / "model" / "model.safetensors").write_bytes(b"")
    with pytest.raises(RunFolderError, match="damaged"):
        train_model(tmp_path / "torn", odd_run, tmp_path / "run")
    with pytest.raises(RunFolderError, match="no training folder"):
        train_model(odd_run, odd_run, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_with_the_name_of_a_model_does_not_hide_it(
    odd_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gcnnet01").mkdir()
    assert train_model("gcnnet01", odd_run, "run", epochs=1).config.started_from is None


def test_labels_of_nodes_without_power_are_learnt(
    trained_run: Path, odd_run: Path, tmp_path: Path
) -> None:
    """They are far above the others, so that even the tiny model sees them."""
    data = load_grid_dataset(str(odd_run), features="published")
    has_power = np.concatenate([grid.power != 0 for grid in data.power_grids()])
    label = torch.cat([graph["y"] for graph in data]).numpy()
    assert label[~has_power].mean() > label[has_power].mean()
    further = train_model(trained_run, odd_run, tmp_path / "run", epochs=60)

    def error(model: TrainedModel) -> float:
        predicted = model.predict_with_range(data)[0].numpy()
        return float(np.square(predicted - label)[~has_power].mean())

    assert error(further) < error(TrainedModel.load(trained_run))
