"""Trainings and models under attack: a changed weight never gives a number."""

import os
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gnncore.errors import CheckpointError, GnncoreError
from gnncore.models import GraphModel
from gnncore.storage import (
    RecomputedWarning,
    StorageError,
    load_metadata,
    load_tensors,
    read_json,
    save_tensors,
    write_json,
)
from gnncore.training.checkpoints import check_checkpoint
from gridstab.cli import app
from gridstab.errors import GridstabError, RunFolderError
from gridstab.learning import train as training
from gridstab.learning.trained import TrainedModel
from tests.attacks.kills import every_kill
from tests.attacks.mutations import flip, mutate
from tests.attacks.pairs import race
from tests.attacks.trainings import make_data, one_thread, predictions, promised, train

posix = pytest.mark.skipif(os.name == "nt", reason="forks and links")
REFUSED = (GridstabError, GnncoreError, StorageError)


@pytest.fixture(scope="module", autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One thread, a cache that is not the user's, labelled grids and the file of a model."""
    folder, threads = tmp_path_factory.mktemp("data"), torch.get_num_threads()
    one_thread()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield make_data(folder)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(data, folder)
    return folder


def stopped(data: Path, folder: Path, **options: Any) -> Path:
    """A training that was interrupted when all but the judgement was done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(data, folder, **options)
    return folder


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def half(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stopped(data, tmp_path_factory.mktemp("half") / "run")


@pytest.fixture(scope="module")
def others(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same folders of a training with another seed."""
    folder = tmp_path_factory.mktemp("others")
    train(data, folder / "whole", seed=1)
    return {"whole": folder / "whole", "half": stopped(data, folder / "half", seed=1)}


@pytest.fixture
def torn(half: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(half, tmp_path / "torn"))


@pytest.fixture
def done(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "done"))


def refusal(act: Callable[[], object]) -> str | None:
    """The one line in which something was refused, or None where it was not."""
    try:
        act()
    except REFUSED as error:
        message = str(error)
    else:
        return None
    assert len(message.splitlines()) == 1
    return message


def quietly(data: Path, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecomputedWarning)
        train(data, folder)


# Kills and pairs


@posix
@pytest.mark.parametrize("stride", [53, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_any_step_changes_nothing(
    data: Path, whole: Path, tmp_path: Path, stride: int
) -> None:
    folder, kills = tmp_path / "run", 0
    for _ in every_kill(folder, lambda: train(data, folder), stride=stride):
        kills += 1
        train(data, folder)
        assert promised(folder) == promised(whole)
        assert not (folder / "checkpoint").exists()
        assert [file.name for file in folder.rglob(".*")] == [".lock"]
        shutil.rmtree(folder)
    assert kills > 40 // stride


def command(data: Path, folder: Path, seed: int, *more: str) -> Callable[[], Any]:
    arguments = ["train", "--model", str(data / "tiny.toml"), "--data", str(data / "labels")]
    arguments += ["--seed", str(seed), "--out", str(folder), "--quiet", *more]
    return lambda: app(arguments)


@posix
@pytest.mark.parametrize("pairs", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_of_two_trainings_in_one_folder_one_wins(
    data: Path, whole: Path, others: dict[str, Path], tmp_path: Path, pairs: int
) -> None:
    truths, choose = {0: whole, 1: others["whole"]}, random.Random(pairs)
    for number in range(pairs):
        folder = tmp_path / f"run-{number}"
        ended = race(
            command(data, folder, 0),
            command(data, folder, 1, *choose.choice([[], ["--resume"]])),
            folder=tmp_path / "output",
            delays=(choose.uniform(0, 0.05), choose.uniform(0, 0.05)),
        )
        assert sorted(end.status for end in ended) == [0, 2], ended
        (loser,) = (end for end in ended if end.status)
        assert len(loser.stderr.splitlines()) == 1, loser.stderr
        seed = read_json(folder / "config.json")["settings"]["seed"]
        assert ended[seed].status == 0
        assert (
            promised(folder)["model/model.safetensors"]
            == (promised(truths[seed])["model/model.safetensors"])
        )


def test_a_slow_starter_adopts_nothing(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has found the folder empty, and the first is done before it goes on."""
    folder, build, calls = tmp_path / "run", training._network, []

    def slow_build(config: Any) -> Any:
        calls.append(config)
        if len(calls) % 2:  # a first training runs between the look and the lock
            train(data, folder, resume=False)
        return build(config)

    monkeypatch.setattr(training, "_network", slow_build)
    with pytest.raises(RunFolderError, match=r"settings\.seed is 0 there and 1 here"):
        train(data, folder, seed=1)
    assert promised(folder) == promised(whole)
    shutil.rmtree(folder)
    with pytest.raises(RunFolderError, match="holds this training already"):
        train(data, folder, resume=False)
    assert promised(folder) == promised(whole)


# Damage


@pytest.mark.parametrize("state", ["half", "whole"])
@pytest.mark.parametrize("mutations", [6, pytest.param(500, marks=pytest.mark.slow)])
def test_damage_is_repaired_or_refused(
    state: str,
    mutations: int,
    data: Path,
    half: Path,
    whole: Path,
    others: dict[str, Path],
    tmp_path: Path,
) -> None:
    source, truth = {"half": half, "whole": whole}[state], predictions(whole)
    choose = random.Random(mutations)
    for number in range(mutations):
        folder = tmp_path / str(number) / "run"
        shutil.copytree(source, folder)
        what = mutate(folder, choose, donor=others[state])

        def look(folder: Path = folder, what: str = what) -> None:
            np.testing.assert_array_equal(predictions(folder), truth, err_msg=what)

        if state == "whole":
            refusal(look)
        else:
            assert refusal(look) is not None, what
        if refusal(lambda folder=folder: quietly(data, folder)) is None:
            look()
        shutil.rmtree(tmp_path / str(number))


@pytest.mark.parametrize("bits", [30, pytest.param(500, marks=pytest.mark.slow)])
def test_no_bit_of_a_training_changes_a_prediction(whole: Path, tmp_path: Path, bits: int) -> None:
    """Flipped in the files that a prediction reads."""
    truth, choose = predictions(whole), random.Random(bits)
    names = ["model/model.safetensors", "model/config.json", "normalisation.json", "metrics.json"]
    for number in range(bits):
        folder = Path(shutil.copytree(whole, tmp_path / str(number)))
        file = folder / choose.choice([*names, "config.json", "manifest.json"])
        file.write_bytes(flip(file.read_bytes(), choose))
        assert refusal(lambda folder=folder: predictions(folder)) is not None, file
        shutil.rmtree(folder)
    np.testing.assert_array_equal(predictions(whole), truth)


@pytest.mark.parametrize("bits", [30, pytest.param(500, marks=pytest.mark.slow)])
def test_no_bit_of_a_bare_model_changes_a_prediction(
    whole: Path, tmp_path: Path, bits: int
) -> None:
    """It has no manifest but its own checksum."""
    truth, choose = weights(whole / "model"), random.Random(bits)
    refused = 0
    for number in range(bits):
        folder = Path(shutil.copytree(whole / "model", tmp_path / str(number)))
        file = folder / choose.choice(["model.safetensors", "model.safetensors", "config.json"])
        file.write_bytes(flip(file.read_bytes(), choose))

        def look(folder: Path = folder) -> None:
            for name, tensor in weights(folder).items():
                assert torch.equal(tensor, truth[name]), name

        refused += refusal(look) is not None
        shutil.rmtree(folder)
    assert refused > bits * 0.8


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return GraphModel.from_pretrained(folder).state_dict()


def test_weights_of_another_model_of_the_same_kind_are_found(
    done: Path, others: dict[str, Path]
) -> None:
    foreign = others["whole"] / "model" / "model.safetensors"
    shutil.copyfile(foreign, done / "model" / "model.safetensors")
    with pytest.raises(CheckpointError, match="do not carry the same seal"):
        GraphModel.from_pretrained(done / "model")
    with pytest.raises(RunFolderError, match="is damaged"):
        TrainedModel.load(done)


def test_a_model_of_an_earlier_version_is_read(done: Path) -> None:
    folder = done / "model"
    truth = weights(folder)
    config, path = read_json(folder / "config.json"), folder / "model.safetensors"
    metadata = {name: text for name, text in load_metadata(path).items() if name != "seal"}
    arrays = load_tensors(path)
    for numbers, words in ((arrays, None), (shifted(arrays), "its numbers differ")):
        save_tensors(path, numbers, metadata)  # one seal of two is left
        message = refusal(lambda: weights(folder))
        assert message is None if words is None else words in str(message)
    save_tensors(path, arrays, metadata)
    write_json(folder / "config.json", {"specification": config["specification"]})
    assert all(torch.equal(tensor, truth[name]) for name, tensor in weights(folder).items())


def shifted(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array + np.float32(1e-6) for name, array in arrays.items()}


# Resuming


@pytest.mark.parametrize("bits", [8, pytest.param(300, marks=pytest.mark.slow)])
def test_no_bit_of_a_checkpoint_changes_a_training(
    data: Path, torn: Path, whole: Path, bits: int
) -> None:
    file, choose = torn / "checkpoint" / "checkpoint.safetensors", random.Random(bits)
    intact = file.read_bytes()
    for _ in range(bits):
        file.write_bytes(flip(intact, choose))
        for act in (lambda: train(data, torn), lambda: check_checkpoint(file.parent)):
            with pytest.raises(CheckpointError, match="cannot resume"):
                act()
    file.write_bytes(intact)
    check_checkpoint(file.parent)
    train(data, torn)
    assert promised(torn) == promised(whole)


def test_a_checkpoint_of_another_seed_is_named(
    data: Path, torn: Path, others: dict[str, Path]
) -> None:
    shutil.copytree(others["half"] / "checkpoint", torn / "checkpoint", dirs_exist_ok=True)
    with pytest.raises(CheckpointError, match="settings changed from seed = 1 to seed = 0"):
        train(data, torn)


def test_an_edited_seed_makes_nothing_of_the_old_one_new(
    data: Path, torn: Path, done: Path
) -> None:
    for folder in (torn, done):
        config = read_json(folder / "config.json")
        config["settings"]["seed"] = 1
        write_json(folder / "config.json", config)
    with pytest.raises(CheckpointError, match="settings changed from seed = 0 to seed = 1"):
        train(data, torn, seed=1)
    with pytest.raises(RunFolderError, match="mixes two trainings or is damaged"):
        train(data, done, seed=1)


@pytest.mark.parametrize("name", ["model/model.safetensors", "learning_curve.png", "manifest.json"])
def test_a_complete_training_is_looked_at_and_repaired(
    data: Path, done: Path, whole: Path, name: str
) -> None:
    (done / name).write_bytes(b"")
    with pytest.warns(RecomputedWarning, match=name):
        train(data, done)
    assert promised(done) == promised(whole)
    train(data, done)


def test_a_stray_file_is_no_reason_to_train_again(data: Path, done: Path) -> None:
    (done / "notes.txt").write_text("the best so far")
    train(data, done)
    assert (done / "notes.txt").exists()


# Links and the Hub


@posix
@pytest.mark.parametrize("name", ["config.json", "manifest.json", "model", "model/config.json"])
def test_links_in_a_training_are_not_followed(
    data: Path, done: Path, tmp_path: Path, name: str
) -> None:
    (done / name).rename(tmp_path / "elsewhere")
    (done / name).symlink_to(tmp_path / "elsewhere")
    for act in (lambda: TrainedModel.load(done), lambda: train(data, done)):
        with pytest.raises(RunFolderError, match="symbolic link"):
            act()


def test_a_missing_model_is_not_looked_for_on_the_hub(
    done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object, **__: object) -> None:
        pytest.fail("asked the Hub")

    monkeypatch.setattr("gnncore.models.saved_model.snapshot_download", ask)
    shutil.rmtree(done / "model")
    with pytest.raises(RunFolderError, match="model"):
        TrainedModel.load(done)
    with pytest.raises(CheckpointError, match="is no folder"):
        GraphModel.from_pretrained(Path("runs/model"))
