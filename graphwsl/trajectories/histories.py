"""Checkpoints of trainings where they lie: in a zoo, or as files in a folder."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import TrajectoryError
from graphwsl.imports.checkpoint import read_state_dict
from graphwsl.zoo.layouts.registry import LAYOUTS, open_zoo
from graphwsl.zoo.parentage import parents_of
from graphwsl.zoo.rows import RowLayout, array
from graphwsl.zoo.zoo import Zoo

ENDINGS = (".pt", ".pth", ".safetensors", ".npz")
"""Files that hold the weights of a checkpoint."""


@dataclass(frozen=True)
class Layers:
    """How weights lie in a row: tensor after tensor, those of one module being a layer.

    Attributes:
        shapes: Shapes of the tensors, by name.
    """

    shapes: dict[str, tuple[int, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the layers."""
        return tuple(name for name, _ in self._grouped())

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each layer."""
        return tuple(size for _, size in self._grouped())

    @property
    def tensor_sizes(self) -> tuple[int, ...]:
        """Entries of each tensor."""
        return tuple(torch.Size(shape).numel() for shape in self.shapes.values())

    def row(self, state: Mapping[str, Tensor], where: str) -> Float[Tensor, " entries"]:
        """The weights of a state as a row.

        Args:
            state: Tensors by name; those of whole numbers, such as counts of batches, are left out.
            where: What it is, for messages.

        Raises:
            TrajectoryError: Names or shapes are others, or weights are not finite.
        """
        own = _shapes_of(state)
        for name in [*self.shapes, *own]:
            if own.get(name) != self.shapes.get(name):
                raise TrajectoryError(
                    f"{where} is of another architecture: {name!r} has shape {own.get(name)} "
                    f"instead of {self.shapes.get(name)}; give checkpoints of one architecture"
                )
        row = torch.cat([state[name].detach().reshape(-1).float() for name in self.shapes])
        if not row.isfinite().all():
            raise TrajectoryError(f"{where} has weights that are not finite; leave it out")
        return row

    def _grouped(self) -> list[tuple[str, int]]:
        tensors = zip(self.shapes, self.tensor_sizes, strict=True)
        grouped = groupby(tensors, key=lambda one: _module_of(one[0]))
        return [(name, sum(size for _, size in members)) for name, members in grouped]


@dataclass(frozen=True, eq=False)
class History:
    """The checkpoints of one training, or of what is known by one name, in the order of time.

    Attributes:
        name: Name of the training.
        labels: What each checkpoint is called: its epoch or file.
        rows: Weights of each.
    """

    name: str
    labels: list[str]
    rows: Float[Tensor, "checkpoints entries"]


def is_zoo(path: Path) -> bool:
    """Whether a folder holds a zoo of a known layout."""
    return path.is_dir() and any(layout.recognises(path) for layout in LAYOUTS.values())


def histories(path: Path, *, like: Layers | None = None) -> tuple[Layers, list[History]]:
    """The trainings in a zoo, or the one whose checkpoints are files of a folder.

    Args:
        path: The folder.
        like: As for :func:`layers_of_file`; of no account for a zoo, which has an order of its own.

    Raises:
        TrajectoryError: There is no such folder, it holds nothing of the kind, or checkpoints of
            several architectures or with weights that are not finite.
        ZooError: A zoo without usable checkpoints, or with several architectures.
        ImportedModelError: A file is damaged or unsafe.
        StorageError: A file of a zoo is damaged.
    """
    if is_zoo(path):
        return histories_of_zoo(open_zoo(path))
    files = checkpoint_files(path)
    if not files:
        raise TrajectoryError(
            f"{str(path)!r} holds neither a zoo nor checkpoints ({', '.join(ENDINGS)}); give the "
            "folder of either"
        )
    layers = layers_of_file(files[0], like=like)
    rows = [read_row(layers, file) for file in files]
    return layers, [History(path.name, [file.name for file in files], torch.stack(rows))]


def histories_of_zoo(zoo: Zoo) -> tuple[Layers, list[History]]:
    """The trainings of a zoo, each in the order of its epochs.

    Raises:
        ZooError: There are no usable checkpoints, or their networks differ in shape.
        TrajectoryError: A checkpoint cannot be used.
    """
    rows, usable, problems = array(zoo)
    if problems:
        raise TrajectoryError(f"{problems[0].path}: {problems[0].reason}; leave it out")
    layout = RowLayout.of(zoo.module(usable[0]))
    layers = Layers({name: tuple(shape) for name, shape in layout.shapes.items()})
    members: dict[str, list[int]] = {}
    for number, checkpoint in enumerate(usable):
        members.setdefault(checkpoint.model, []).append(number)
    return layers, [
        History(model, [str(usable[n].epoch) for n in numbers], rows[numbers])
        for model, numbers in members.items()
    ]


def last_rows(zoo: Zoo) -> tuple[Layers, list[str], Float[Tensor, "networks entries"]]:
    """The last checkpoint of every network of a zoo: how it lies in a row, names, and rows.

    Of a zoo in two stages the parents are among them, first, and tensors that not all networks have
    in one shape, such as heads, are left out.

    Raises:
        ZooError: There are no usable checkpoints, or networks without parents differ in shape.
        TrajectoryError: A checkpoint cannot be used, or the networks have no tensor in common.
    """
    if not any(checkpoint.configuration.get("parent") for checkpoint in zoo.checkpoints):
        layers, trainings = histories_of_zoo(zoo)
        return layers, [one.name for one in trainings], torch.stack([o.rows[-1] for o in trainings])
    home, _ = parents_of(zoo)
    both = [zoo] if home is zoo else [home, zoo]
    last = {checkpoint.model: (one, checkpoint) for one in both for checkpoint in one.checkpoints}
    states = {model: one.weights(checkpoint) for model, (one, checkpoint) in last.items()}
    first, *others = map(_shapes_of, states.values())
    shared = {
        name: shape for name, shape in first.items() if all(o.get(name) == shape for o in others)
    }
    if not shared:
        raise TrajectoryError("the networks of the zoo have no tensor in common; give one family")
    layers = Layers(shared)
    rows = [layers.row({n: state[n] for n in shared}, model) for model, state in states.items()]
    return layers, list(states), torch.stack(rows)


def checkpoint_files(path: Path) -> list[Path]:
    """The files of checkpoints in a folder, by the numbers in their names.

    Raises:
        TrajectoryError: It is no folder, or cannot be listed.
    """
    try:
        found = [file for file in path.iterdir() if file.suffix in ENDINGS]
    except OSError as error:
        reason = error.strerror or "it cannot be listed"
        raise TrajectoryError(f"{str(path)!r} is no folder to read: {reason}") from error
    return sorted(found, key=lambda file: _natural(file.name))


def read_row(layers: Layers, file: Path) -> Float[Tensor, " entries"]:
    """The weights in a file.

    Raises:
        TrajectoryError: They are of another architecture, or not finite.
        ImportedModelError: The file is damaged or unsafe.
    """
    return layers.row(read_state_dict(file), repr(str(file)))


def layers_of_file(file: Path, *, like: Layers | None = None) -> Layers:
    """How the weights in a file lie in a row: by module and name, as files need not keep an order.

    Args:
        file: The file.
        like: What they are compared with: where it has the same tensors, they lie as there.

    Raises:
        TrajectoryError: It holds no weights in floating point.
        ImportedModelError: The file is damaged or unsafe.
    """
    shapes = _shapes_of(read_state_dict(file))
    if not shapes:
        raise TrajectoryError(f"{str(file)!r} holds no weights in floating point; leave it out")
    if like is not None and shapes == like.shapes:
        return like
    return Layers({name: shapes[name] for name in sorted(shapes, key=_module_and_name)})


def even(trainings: Sequence[History]) -> Float[Tensor, "trainings checkpoints entries"]:
    """Trainings at the checkpoints that all of them have, as one tensor.

    Raises:
        TrajectoryError: There are none, or they have no checkpoints in common at the same places.
    """
    if not trainings:
        raise TrajectoryError("there are no trainings to learn from; give a zoo that has some")
    labels = trainings[0].labels
    for training in trainings:
        if training.labels != labels:
            raise TrajectoryError(
                f"normal trainings must have the same checkpoints, but {trainings[0].name!r} has "
                f"{len(labels)} and {training.name!r} {len(training.labels)} or others; leave out "
                "those that ended early"
            )
    return torch.stack([training.rows for training in trainings])


def _shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items() if value.is_floating_point()}


def _module_of(tensor: str) -> str:
    return tensor.rpartition(".")[0] or tensor


def _module_and_name(tensor: str) -> tuple[list[tuple[int, int, str]], str]:
    return _natural(_module_of(tensor)), tensor


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
