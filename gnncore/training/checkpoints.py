"""The whole state of a training between two epochs, in one file that is there whole or not at all.

Tensors (weights, their best and averaged versions, the optimiser's moments) are stored as
safetensors, all else as JSON in the header of the same file, so that the two can never disagree. A
seal over all of it, and over what the training is, tells a damaged file from a whole one.
Random streams are keyed by the epoch (:mod:`gnncore.training.seeding`) and have no state.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from gnncore.errors import CheckpointError, TrainingError
from gnncore.storage import (
    CorruptFileError,
    Owner,
    StorageError,
    check_seal,
    load_metadata,
    load_tensors,
    save_tensors,
    seal_of,
)
from gnncore.training.dataset import Dataset
from gnncore.training.forward import Forward, call_model, name_of
from gnncore.training.history import Row
from gnncore.training.logs import write_history
from gnncore.training.settings import TrainingSettings

CHECKPOINT_NAME = "checkpoint.safetensors"
_SCHEMA = 2
"""1 had no seal; such trainings cannot be continued, since nothing says that they are whole."""


@dataclass(frozen=True)
class Checkpoint:
    """A copy of the state after an epoch, detached from what goes on training."""

    tensors: dict[str, np.ndarray]
    rest: dict[str, Any]


@dataclass
class TrainingState:
    """Everything that changes from epoch to epoch.

    Attributes:
        model: Being trained.
        optimiser: Optimiser of its parameters.
        schedule: Schedule of the learning rate.
        scaler: Scaler of float16 gradients; does nothing elsewhere.
        averaged: Moving average of the model, or None.
        history: One row for each epoch so far.
        best: Weights of the best epoch so far.
    """

    model: nn.Module
    optimiser: Optimizer
    schedule: LRScheduler
    scaler: GradScaler
    averaged: AveragedModel | None
    history: list[Row] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def judged(self) -> nn.Module:
        """The model that is validated and kept: the averaged one where there is one."""
        return self.model if self.averaged is None else self.averaged.module

    def remember_best(self) -> None:
        """Keep the present weights as the best so far."""
        self.best = {name: t.detach().clone() for name, t in self.judged.state_dict().items()}

    def capture(self) -> Checkpoint:
        """A copy of the state."""
        optimiser = self.optimiser.state_dict()
        rest = {
            "groups": optimiser["param_groups"],
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        # Through JSON, so that the copy shares nothing and is what a file would give back.
        rest = json.loads(json.dumps(rest)) | {"history": list(self.history)}
        return Checkpoint({name: _to_numpy(name, t) for name, t in self._tensors().items()}, rest)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back, or on, to the state that a checkpoint holds.

        Raises:
            CheckpointError: It is not the state of such a training.
        """
        try:
            self._restore(checkpoint)
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            cause = str(error).splitlines()[0]
            raise CheckpointError(f"the checkpoint does not fit this training: {cause}") from error

    def _restore(self, checkpoint: Checkpoint) -> None:
        tensors = {name: torch.from_numpy(array) for name, array in checkpoint.tensors.items()}
        rest = checkpoint.rest
        self.model.load_state_dict(_below("model", tensors))
        if self.averaged is not None:
            self.averaged.load_state_dict(_below("averaged", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below("optimiser", tensors).items():
            number, _, what = name.partition("/")
            state.setdefault(int(number), {})[what] = tensor
        self.optimiser.load_state_dict({"state": state, "param_groups": rest["groups"]})
        self.schedule.load_state_dict(rest["schedule"])
        self.scaler.load_state_dict(rest["scaler"])
        self.history = rest["history"]
        self.best = _below("best", tensors)

    def _tensors(self) -> dict[str, Tensor]:
        found = {f"model/{name}": t for name, t in self.model.state_dict().items()}
        found |= {f"best/{name}": t for name, t in self.best.items()}
        if self.averaged is not None:
            found |= {f"averaged/{name}": t for name, t in self.averaged.state_dict().items()}
        for number, values in self.optimiser.state_dict()["state"].items():
            for name, value in values.items():
                if value is not None:  # SGD without momentum
                    found[f"optimiser/{number}/{name}"] = value
        return found


class Checkpoints:
    """The checkpoint of a folder: found at the start, replaced now and then, and at the end.

    The last state kept is written when the block is left, by an error or Ctrl-C too.

    Args:
        folder: Where ``checkpoint.safetensors`` and ``history.jsonl`` lie; None for nowhere.
        identity: What the state is of; a resume must agree in every entry.
        resume: Go on from the checkpoint in the folder, if there is one.
        writes: Whether this process writes.
        seconds: Least time between two writes [s].

    Attributes:
        found: The checkpoint to go on from, or None.

    Raises:
        CheckpointError: There is a checkpoint and ``resume`` is not set, or it is damaged or of
            another training.
    """

    def __init__(
        self,
        folder: Path | None,
        identity: dict[str, str],
        *,
        resume: bool,
        writes: bool,
        seconds: float,
    ) -> None:
        self.folder, self.identity, self.seconds = folder, identity, seconds
        self.writes = writes and folder is not None
        self.found: Checkpoint | None = None
        self.kept: Checkpoint | None = None
        self.latest = time.monotonic()
        if folder is not None and (folder / CHECKPOINT_NAME).exists():
            if not resume:
                raise CheckpointError(
                    f"{str(folder)!r} already holds a training; resume it or choose another folder"
                )
            self.found = read_checkpoint(folder, identity)

    def __enter__(self) -> "Checkpoints":
        return self

    def keep(self, state: TrainingState) -> None:
        """Take the state after an epoch, and write it if it is time."""
        if not self.writes:
            return
        self.kept = state.capture()
        if time.monotonic() - self.latest >= self.seconds:
            self._write()

    def __exit__(self, *error: object) -> None:
        self._write()

    def _write(self) -> None:
        if self.folder is None or self.kept is None:
            return
        write_checkpoint(self.folder, self.kept, self.identity)
        write_history(self.folder, self.kept.rest["history"])
        self.kept, self.latest = None, time.monotonic()


def identity_of(
    model: nn.Module,
    train: Dataset,
    validation: Dataset,
    settings: TrainingSettings,
    objective: object,
    forward: Forward,
    augment: Callable[..., object] | None,
) -> dict[str, str]:
    """What a training is, as text; runs that agree in it can continue each other.

    Left out is what does not change the results, or only their rounding: the device, logs,
    and the number of epochs where no schedule stretches over them.
    """
    free = {"checkpoint_seconds", "tensorboard", "data_on_device", "device"}
    if settings.schedule is None and not settings.warm_up:
        free.add("epochs")
    kept = settings.model_dump(exclude=free)
    shapes = [f"{n}: {tuple(t.shape)}, {t.dtype}" for n, t in model.state_dict().items()]
    # Unsaid, it is what it was before it could be said, and such trainings go on.
    passed = {} if forward is call_model else {"forward pass": name_of(forward)}
    return {
        "model": "\n".join([str(model), *shapes]),
        "training data": train.content_hash,
        "validation data": validation.content_hash,
        "settings": "\n".join(f"{name} = {value!r}" for name, value in kept.items()),
        "objective": repr(objective),
        "augmentation": "none" if augment is None else getattr(augment, "__qualname__", "some"),
        **passed,
    }


def write_checkpoint(folder: Path, checkpoint: Checkpoint, identity: dict[str, str]) -> None:
    """Create or replace the checkpoint of a folder.

    Raises:
        StorageError: As :func:`gnncore.storage.write_with`.
    """
    state = json.dumps(checkpoint.rest)
    seal = seal_of(_owner(identity), _sealed(checkpoint.tensors, state))
    metadata = {"schema": str(_SCHEMA), "state": state, "seal": seal}
    metadata |= {f"identity/{name}": text for name, text in identity.items()}
    save_tensors(folder / CHECKPOINT_NAME, checkpoint.tensors, metadata)


def read_checkpoint(folder: Path, identity: dict[str, str]) -> Checkpoint:
    """The checkpoint of a folder.

    Raises:
        CheckpointError: The file is missing or damaged, or its training is another one.
    """
    path = folder / CHECKPOINT_NAME
    try:
        metadata, tensors = load_metadata(path), load_tensors(path)
        if metadata.get("schema") != str(_SCHEMA):
            raise CorruptFileError.because("read", path, "it holds no training of this version")
        _require_same_training(folder, metadata, identity)
        state = metadata.get("state", "")
        check_seal(path, metadata.get("seal"), _owner(identity), _sealed(tensors, state))
        return Checkpoint(tensors, json.loads(state))
    except CheckpointError:  # which is a ValueError too, and has said all
        raise
    except (StorageError, RecursionError, ValueError) as error:
        raise CheckpointError(f"cannot resume: {error}; train anew in another folder") from error


def check_checkpoint(folder: Path) -> None:
    """Check that a folder has no checkpoint, or one that is whole; of which training it says.

    Raises:
        CheckpointError: It is damaged, or of a version without checksums.
    """
    path, start = folder / CHECKPOINT_NAME, "identity/"
    if not path.exists():
        return
    try:
        metadata = load_metadata(path)
    except StorageError as error:
        raise CheckpointError(f"cannot resume: {error}; train anew in another folder") from error
    stored = {name: text for name, text in metadata.items() if name.startswith(start)}
    read_checkpoint(folder, {name.removeprefix(start): text for name, text in stored.items()})


def _require_same_training(
    folder: Path, metadata: dict[str, str], identity: dict[str, str]
) -> None:
    start = "identity/"
    stored = [name.removeprefix(start) for name in metadata if name.startswith(start)]
    for name in dict.fromkeys([*identity, *stored]):
        text, found = identity.get(name, "the default"), metadata.get(start + name, "the default")
        if found != text:
            change = _first_difference(found, text)
            raise CheckpointError(
                f"cannot resume {str(folder)!r}: the {name} changed {change}; "
                "train anew in another folder"
            )


def _owner(identity: dict[str, str]) -> Owner:
    text = json.dumps(identity, sort_keys=True)
    return {"training": hashlib.sha256(text.encode()).hexdigest()}


def _sealed(tensors: dict[str, np.ndarray], state: str) -> dict[str, np.ndarray]:
    return {**tensors, "state": np.frombuffer(state.encode(), np.uint8)}


def _first_difference(old: str, new: str) -> str:
    pairs = zip(old.splitlines(), new.splitlines(), strict=False)
    a, b = next(((a, b) for a, b in pairs if a != b), (old, new))
    a, b = " ".join(a.split()), " ".join(b.split())
    at = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)
    return f"from {_around(a, at)} to {_around(b, at)}"


def _around(text: str, at: int) -> str:
    """What stands there in a text, without its distant parts."""
    if len(text) <= 100:
        return text
    start = max(0, at - 40)
    before, after = "..." if start else "", "..." if start + 94 < len(text) else ""
    return before + text[start : start + 94] + after


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = prefix + "/"
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def _to_numpy(name: str, tensor: Tensor) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:
        raise TrainingError(
            f"{name} is bfloat16, which checkpoints cannot hold; keep the weights in float32 and "
            "set mixed_precision='bfloat16'"
        )
    return np.array(tensor.detach().cpu().numpy())
