"""Zoos that Ray Tune trained: the model zoos of Schürholt et al. and their successors.

A folder a training, anywhere up to three levels below that of the zoo::

    params.json | config.json     the configuration, as {"model::nlin": "tanh", "seed": 1, …}
    result.json                   a line of JSON an epoch
    checkpoint_3/checkpoints      a state dict of torch (or checkpoint_000003/checkpoints)

So are the zoos of small and large CNNs and of ResNet-18 (Schürholt et al., "Model Zoos: A Dataset
of Diverse Populations of Neural Network Models", 2022), of residual networks over width and batch
size with their loss-landscape metrics ("A Model Zoo on Phase Transitions in Neural Networks",
2025), and of vision transformers, whose fine-tuned models lie below the pretrained one that they
begin with (Falk et al., "A Model Zoo of Vision Transformers", 2025).
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from gnncore.storage import StorageError, read_bytes
from graphwsl.errors import ImportedModelError, ZooError
from graphwsl.imports.checkpoint import damage, read_state_dict
from graphwsl.zoo.architectures.registry import ARCHITECTURES
from graphwsl.zoo.checkpoint import Checkpoint, Problem, Scalar
from graphwsl.zoo.layouts.factors import METRICS, RAY_TUNE_FACTORS, renamed
from graphwsl.zoo.layouts.foreign_zoo import METRICS_OF_TRAINING, ForeignZoo

CONFIGURATIONS = ("params.json", "config.json")
RESULTS = "result.json"
WEIGHTS = "checkpoints"
_CHECKPOINT = re.compile(r"checkpoint_(\d+)")
_DEEPEST = 3
_MAX_JSON_BYTES = 2**26

# What the names of architectures stand for, and the size of the images that they are for.
_ARCHITECTURES: dict[str, tuple[str, int]] = {
    "CNN": ("cnn_s", 28),
    "CNN3": ("cnn_l", 32),
    "Resnet18": ("resnet18", 32),
    "Resnet18_width": ("resnet18", 32),
    "Resnet34": ("resnet34", 32),
    "Resnet34_width": ("resnet34", 32),
    "Resnet50": ("resnet50", 32),
    "Resnet50_width": ("resnet50", 32),
    "vit_s_16": ("vit_s_16", 224),
}
_REQUIRED = ("model::channels_in", "model::nlin")
PRETRAINED, TUNED = "pretraining", "finetuning"
"""Folders of the zoos that were made in two stages."""
# These have ten classes whatever "model::o_dim" says.
_OF_TEN_CLASSES = ("CNN", "CNN3")
# Written before the first epoch of training, where nothing was measured.
_NOT_MEASURED = -999
_BOOKKEEPING = re.compile(
    r"timestamp|pid|training_iteration|iterations_since_restore|episodes_total|.*_steps_total"
    r"|(time|timesteps|warmup|episodes)_.*|date|done|node_ip|hostname"
)


def is_ray_tune_zoo(folder: Path) -> bool:
    """Whether trainings of Ray Tune lie in the folder or below."""
    return next(_trials(folder, []), None) is not None


@dataclass
class _Listing:
    """What a zoo is found to hold."""

    checkpoints: list[Checkpoint] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    paths: dict[tuple[str, int], str] = field(default_factory=dict)


def published_type(configuration: Mapping[str, Scalar]) -> str:
    """What a network is called in the published zoos, or our name where it is none of theirs.

    Args:
        configuration: Its generating factors.
    """
    found = str(configuration["architecture"])
    shape = (found, configuration.get("image_size"))
    for name, known in _ARCHITECTURES.items():
        of_ten = name not in _OF_TEN_CLASSES or configuration.get("out_channels") == 10
        if known == shape and of_ten:
            found = name  # the last is the one that has a width
    return found


class RayTuneZoo(ForeignZoo):
    """A zoo of Ray Tune, read in place; make it with :meth:`open`.

    A checkpoint's configuration has our names (``activation``, ``learning_rate``, …) beside the
    published ones (``model::nlin``, ``optim::lr``, …); ``train_acc`` is ``train_accuracy``, and
    other measurements, such as ``log_hessian_trace``, keep their names.
    """

    def __init__(self, folder: Path, listing: _Listing) -> None:
        self._folder = folder
        self._paths = listing.paths
        super().__init__(listing.checkpoints, listing.problems)

    @classmethod
    def open(cls, path: Path) -> "RayTuneZoo":
        """List the zoo in a folder; of each checkpoint only the first and last bytes are read.

        Args:
            path: The folder of the zoo, or one that holds several.

        Raises:
            ZooError: There is no training in it.
        """
        listing = _Listing()
        trials = list(_trials(path, listing.problems))
        if not trials:
            raise ZooError(f"{str(path)!r} holds no training of Ray Tune ({RESULTS})")
        for trial in trials:
            _list_trial(path, trial, listing)
        zoo = cls(path, listing)
        zoo._take_measurements(path)
        return zoo

    def _location(self, checkpoint: Checkpoint) -> str:
        key = (checkpoint.model, checkpoint.epoch)
        if key not in self._paths:
            raise ZooError(f"the zoo has no checkpoint of {key[0]!r} at epoch {key[1]}")
        return self._paths[key]

    def _read(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        parallel = checkpoint.configuration.get("model::data_parallel")
        path = self._folder / self._location(checkpoint)
        try:
            return read_state_dict(path, strip_prefix="module." if parallel else "")
        except ImportedModelError as error:
            reason = str(error).removeprefix(f"cannot read weights from {str(path)!r}: ")
            raise ZooError(reason) from error


def _trials(zoo: Path, problems: list[Problem], inside: str = "", depth: int = 0) -> Iterator[Path]:
    """The folders of trainings in a folder of the zoo; nothing below a training is looked at."""
    folder = zoo / inside
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        folders = [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    except OSError as error:
        problems.append(Problem(inside or ".", f"it cannot be listed: {error.strerror}"))
        return
    names = {entry.name for entry in entries}
    if depth and (
        RESULTS in names
        or CONFIGURATIONS[0] in names
        or any(_CHECKPOINT.fullmatch(name) for name in folders)
    ):
        yield folder
    elif depth < _DEEPEST:
        for name in folders:
            yield from _trials(zoo, problems, f"{inside}/{name}".lstrip("/"), depth + 1)


def _list_trial(zoo: Path, trial: Path, listing: _Listing) -> None:
    model = trial.relative_to(zoo).as_posix()
    try:
        epochs = _results(trial / RESULTS, f"{model}/{RESULTS}", listing.problems)
        configuration = _configuration(trial, model, epochs)
    except RecursionError:
        listing.problems.append(Problem(model, "its configuration is nested too deeply"))
        return
    except (StorageError, ZooError) as error:
        reason = str(error).replace(str(trial) + os.sep, "")
        listing.problems.append(Problem(model, reason))
        return
    found = sorted(
        (int(match[1]), path.name)
        for path in trial.iterdir()
        if (match := _CHECKPOINT.fullmatch(path.name))
    )
    if not found:
        listing.problems.append(Problem(model, "it has no checkpoints"))
    for epoch, name in found:
        location = f"{model}/{name}/{WEIGHTS}"
        if (model, epoch) in listing.paths:
            reason = f"epoch {epoch} is there twice"
        elif epoch not in epochs:
            reason = f"{RESULTS} has no such epoch"
        else:
            reason = damage(zoo / location) or ""
        if reason:
            listing.problems.append(Problem(location, reason))
            continue
        metrics = epochs[epoch].metrics
        listing.paths[model, epoch] = location
        listing.checkpoints.append(Checkpoint(model, epoch, configuration, metrics))


class _Epoch(NamedTuple):
    metrics: dict[str, float]
    configuration: object


def _results(path: Path, name: str, problems: list[Problem]) -> dict[int, _Epoch]:
    """The lines of a training by epoch; of a repeated epoch the last, as a resumed run has it."""
    epochs = {}
    for number, line in enumerate(read_bytes(path, max_bytes=_MAX_JSON_BYTES).splitlines(), 1):
        try:
            row = json.loads(line)
            epochs[_epoch(row["training_iteration"])] = _Epoch(_metrics(row), row.get("config"))
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ):
            if line.strip():
                problems.append(Problem(name, f"line {number} is no result of an epoch"))
    return epochs


def _epoch(value: Any) -> int:
    number = int(value)
    if not 0 <= number < 2**53:
        raise ValueError(f"there is no epoch {number:.3g}")
    return number


def _configuration(trial: Path, model: str, epochs: dict[int, _Epoch]) -> dict[str, Scalar]:
    path = next((trial / name for name in CONFIGURATIONS if (trial / name).exists()), None)
    if path is None:
        published = next((e.configuration for e in epochs.values() if e.configuration), None)
    else:
        try:
            published = json.loads(read_bytes(path, max_bytes=_MAX_JSON_BYTES))
        except (ValueError, RecursionError) as error:
            raise ZooError(f"{path.name} is no JSON") from error
    if not isinstance(published, dict):
        raise ZooError(f"it has no configuration ({' or '.join(CONFIGURATIONS)})")
    if "model::type" not in published:
        raise ZooError("its configuration has no 'model::type'")
    kind = published["model::type"]
    configuration = renamed(published, RAY_TUNE_FACTORS)
    if isinstance(kind, str) and kind in _ARCHITECTURES:
        missing = [name for name in _REQUIRED if name not in published]
        if missing:
            raise ZooError(f"its configuration has no {missing[0]!r}")
        architecture, image_size = _ARCHITECTURES[kind]
        configuration |= {"architecture": architecture, "image_size": image_size}
    elif isinstance(kind, str) and kind in ARCHITECTURES and "architecture" in published:
        configuration["architecture"] = kind  # of a zoo that was written here
    else:
        known = ", ".join(_ARCHITECTURES)
        raise ZooError(f"model::type {kind!r} is no known architecture ({known})")
    stage, *between = model.split("/")[-3:]
    if stage == TUNED and len(between) == 2:
        above = model.removesuffix("/".join((stage, *between)))
        configuration["parent"] = f"{above}{PRETRAINED}/{between[0]}"
    if kind in _OF_TEN_CLASSES:
        configuration["out_channels"] = 10
    if not published.get("model::head::mlp"):
        configuration.pop("head_width", None)
    return configuration


def _metrics(row: dict[str, Any]) -> dict[str, float]:
    """The measurements of an epoch; where the landscape was not measured, its line says NaN."""
    measured = {
        METRICS.get(name, name): float(value)
        for name, value in row.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and value != _NOT_MEASURED
        and not _BOOKKEEPING.fullmatch(name)
    }
    return {
        name: value
        for name, value in measured.items()
        if name in METRICS_OF_TRAINING or math.isfinite(value)
    }
