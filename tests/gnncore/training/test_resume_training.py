"""A run that was killed and resumed is the run that was not, to the last bit."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from gnncore.errors import CheckpointError, TrainingError
from gnncore.storage import StorageError, exclusive_lock, load_metadata, load_tensors, save_tensors
from gnncore.training import GraphStore, RegressionObjective, fit
from gnncore.training.checkpoints import Checkpoint, write_checkpoint
from gnncore.training.history import TIMES
from tests import ROOT
from tests.gnncore.training.training_cases import (
    TRAIN,
    VALIDATION,
    rings,
    settings,
    small_model,
    weights,
)

STEPS_AN_EPOCH = 4
OBJECTIVE = RegressionObjective()


class KilledError(Exception):
    """Stands for whatever ends a process."""


def noise(calls: int | None = None, error: type[BaseException] = KilledError) -> Callable:
    """An augmentation with random numbers, which raises after so many batches."""
    left = calls

    def add_noise(data: Data, generator: torch.Generator) -> Data:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                raise error
        data.x = data.x + 0.1 * torch.randn(data.x.shape, generator=generator)
        return data

    return add_noise


def train(out: Path | None, augment: Callable, *, resume: bool = False, **options: object):
    """Trains a fresh model, drawn from another seed on a resume, and gives it too."""
    model = small_model(seed=9 if resume else 0)
    options = {"epochs": 6, **options}
    result = fit(
        model,
        TRAIN,
        VALIDATION,
        settings(**options),
        OBJECTIVE,
        out,
        resume=resume,
        augment=augment,
        progress=False,
    )
    history = [{k: v for k, v in row.items() if k not in TIMES} for row in result.history]
    return weights(model), history, result.best_epoch


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"schedule": "cosine", "warm_up": 0.3, "average_decay": 0.9, "weight_decay": 0.1},
        {"optimiser": "sgd", "schedule": "one_cycle", "nesterov": True, "clip_norm": 1.0},
        {"optimiser": "sgd", "momentum": 0.0, "mixed_precision": "float16", "accumulate": 2},
        {
            "schedule": "one_cycle",
            "patience": 3,
            "learning_rate": 0.1,
            "mixed_precision": "bfloat16",
        },
    ],
    ids=["plain", "averaged", "sgd", "float16", "patience"],
)
def test_killed_and_resumed_is_uninterrupted(tmp_path: Path, options: dict[str, object]) -> None:
    wanted = train(None, noise(), **options)
    for steps in (STEPS_AN_EPOCH, 2 * STEPS_AN_EPOCH + 1, 3 * STEPS_AN_EPOCH - 1):
        out = tmp_path / str(steps)
        with pytest.raises(KilledError):
            train(out, noise(steps * options.get("accumulate", 1)), **options)
        assert train(out, noise(), resume=True, **options) == wanted


def test_a_run_killed_in_its_first_epoch_leaves_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        train(tmp_path, noise(STEPS_AN_EPOCH - 1))
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_many_kills_and_every_write_left_to_the_end(tmp_path: Path) -> None:
    """The state of the last whole epoch is written when the block is left, however."""
    options = {"checkpoint_seconds": 1e6}
    wanted = train(None, noise(), **options)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, noise(STEPS_AN_EPOCH + 1, KeyboardInterrupt), **options)
    for _ in range(3):
        with pytest.raises(KilledError):
            train(tmp_path, noise(STEPS_AN_EPOCH + 1), resume=True, **options)
    assert len((tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    assert train(tmp_path, noise(), resume=True, **options) == wanted


def test_a_finished_run_is_only_read(tmp_path: Path) -> None:
    done = train(tmp_path, noise())
    assert train(tmp_path, noise(calls=0), resume=True) == done


def test_more_epochs_go_on_where_no_schedule_stretches(tmp_path: Path) -> None:
    train(tmp_path, noise(), epochs=2)
    assert train(tmp_path, noise(), resume=True) == train(None, noise())


def test_resume_starts_where_there_is_nothing(tmp_path: Path) -> None:
    assert train(tmp_path / "new", noise(), resume=True)[1]


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(tmp_path, noise())
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="already holds a training; resume it"):
        train(tmp_path, noise())
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path), pytest.raises(StorageError, match="another run is writing"):
        train(tmp_path, noise())


def other_augmentation(data: Data, generator: torch.Generator) -> Data:
    return data


OTHER = GraphStore.from_data_list(rings(20, seed=77))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"settings": settings(learning_rate=0.5)},
            "the settings changed from learning_rate = 0.01 to learning_rate = 0.5;",
        ),
        ({"settings": settings(epochs=9, schedule="cosine")}, "the settings changed"),
        ({"model": small_model(activation="tanh")}, r"the model changed from .*ReLU.* to .*Tanh"),
        ({"model": small_model(hidden_channels=5)}, "the model changed"),
        ({"train": OTHER}, "the training data changed"),
        ({"validation": OTHER}, "the validation data changed"),
        ({"objective": RegressionObjective(error="absolute")}, r"the objective changed.*squared"),
        (
            {"augment": other_augmentation},
            r"the augmentation changed from none to other_augmentation",
        ),
    ],
)
def test_another_training_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    things = {
        "model": small_model(),
        "train": TRAIN,
        "validation": VALIDATION,
        "settings": settings(),
        "objective": OBJECTIVE,
        "out": tmp_path,
    }
    fit(**things, progress=False)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=message) as caught:
        fit(**{**things, **change}, resume=True, progress=False)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


def test_what_differs_is_said_however_long_the_rest_is(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Long(type(OBJECTIVE)):
        remark: str = ""

    def fitted(last: str, *, resume: bool = False) -> None:
        objective = Long(remark=f"{300 * 'a'} {last} {300 * 'b'}")
        fit(small_model(), TRAIN, VALIDATION, settings(), objective, tmp_path, resume=resume)

    fitted("first")
    with pytest.raises(
        CheckpointError, match=r"from \.\.\..*a first b.* to \.\.\..*a second b"
    ) as caught:
        fitted("second", resume=True)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("damage", ["cut", "emptied", "foreign"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: str) -> None:
    train(tmp_path, noise(), epochs=1)
    path = tmp_path / "checkpoint.safetensors"
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-9], "emptied": b"", "foreign": b"\2\0\0\0\0\0\0\0{}"}[damage])
    with pytest.raises(CheckpointError, match=r"cannot resume: .*checkpoint\.safetensors"):
        train(tmp_path, noise(), epochs=1, resume=True)


def test_a_checkpoint_without_its_state_is_refused(tmp_path: Path) -> None:
    train(tmp_path, noise(), epochs=1)
    path = tmp_path / "checkpoint.safetensors"
    tensors, metadata = load_tensors(path), load_metadata(path)
    del tensors["model/head.1.weight"]
    save_tensors(path, tensors, metadata)
    with pytest.raises(CheckpointError, match="its numbers differ from those that were sealed"):
        train(tmp_path, noise(), epochs=1, resume=True)
    # Even where the seal goes along with the change.
    identity = {k[9:]: text for k, text in metadata.items() if k.startswith("identity/")}
    rest = json.loads(metadata["state"])
    write_checkpoint(tmp_path, Checkpoint(tensors, rest), identity)
    with pytest.raises(CheckpointError, match="does not fit this training"):
        train(tmp_path, noise(), epochs=1, resume=True)


def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    train(tmp_path, noise(), epochs=1)
    path = tmp_path / "checkpoint.safetensors"
    metadata = load_metadata(path) | {"schema": "1"}
    del metadata["seal"]
    save_tensors(path, load_tensors(path), metadata)
    with pytest.raises(CheckpointError, match="no training of this version; train anew in another"):
        train(tmp_path, noise(), epochs=1, resume=True)


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot create"):
        train(tmp_path / "file", noise())


def test_types_that_files_cannot_hold_are_refused(tmp_path: Path) -> None:
    model = small_model()
    model.register_buffer("coarse", torch.zeros(1, dtype=torch.bfloat16))
    with pytest.raises(TrainingError, match="coarse is bfloat16, which checkpoints cannot hold"):
        fit(model, TRAIN, VALIDATION, settings(), OBJECTIVE, tmp_path, progress=False)
    store = GraphStore.from_data_list([Data(x=torch.ones(2, 1).bfloat16(), y=torch.ones(2))])
    with pytest.raises(TrainingError, match="'x' is bfloat16, which files cannot hold"):
        store.to_arrays()


SCRIPT = """
import sys
import torch
torch.set_num_threads(1)
from tests.gnncore.training.training_cases import TRAIN, VALIDATION, settings, small_model, weights
from gnncore.storage import write_bytes
from gnncore.training import RegressionObjective, fit

model = small_model()
fit(model, TRAIN, VALIDATION, settings(epochs=60, schedule="cosine"), RegressionObjective(),
    sys.argv[1], resume=True, progress=False)
write_bytes(sys.argv[2], weights(model))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigkill_at_random_instants(tmp_path: Path) -> None:
    """A real process, killed by the kernel again and again until a run comes through."""
    random = np.random.default_rng(0)

    def start(folder: str) -> subprocess.Popen:
        command = [sys.executable, "-c", SCRIPT, tmp_path / folder, tmp_path / f"{folder}.bin"]
        return subprocess.Popen(command, cwd=ROOT)

    assert start("whole").wait(timeout=120) == 0
    checkpoint = tmp_path / "killed" / "checkpoint.safetensors"
    kills = 0
    while kills < 5:
        process = start("killed")
        written = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        while process.poll() is None:  # until it has got further than the run before
            now = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
            if now != written:
                break
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        if process.wait() == 0:
            break
        kills += 1
    assert kills >= 2
    assert start("killed").wait(timeout=120) == 0
    assert (tmp_path / "killed.bin").read_bytes() == (tmp_path / "whole.bin").read_bytes()
    assert load_tensors(checkpoint)


def test_tensorboard_follows_and_hides_what_was_lost(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(KilledError):
        train(tmp_path, noise(2 * STEPS_AN_EPOCH + 1), tensorboard=True)
    _, history, _ = train(tmp_path, noise(), resume=True, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("training/validation_r2")]
    assert [step for step, _ in found] == [1, 2, 3, 4, 5, 6]
    assert [value for _, value in found] == pytest.approx([r["validation_r2"] for r in history])


def test_tensorboard_needs_a_folder() -> None:
    with pytest.raises(TrainingError, match="needs a folder"):
        train(None, noise(), tensorboard=True)
