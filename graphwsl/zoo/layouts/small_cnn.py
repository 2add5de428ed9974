"""The Small CNN Zoo of Unterthiner et al., "Predicting Neural Network Accuracy from Weights", 2020.

A folder a data set::

    weights.npy       a row of 4,970 numbers a checkpoint
    metrics.csv.gz    a row a checkpoint: config.activation, …, modeldir, step, test_accuracy, …
    layout.csv        what the columns of the weights are: varname, start_idx, end_idx, shape

The weights are those of Keras, kernels as (height, width, inputs, outputs); they are given out as
torch has them. Layers come in order, each bias before its kernel, where ``layout.csv`` is missing.
"""

import csv
import gzip
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gnncore.storage import StorageError
from gnncore.storage.reading import open_file, size_of
from graphwsl.errors import ZooError
from graphwsl.imports.arrays import read_array_header
from graphwsl.imports.guards import RefusedError
from graphwsl.zoo.checkpoint import Checkpoint, Problem, Scalar
from graphwsl.zoo.layouts.factors import SMALL_CNN_FACTORS, renamed
from graphwsl.zoo.layouts.foreign_zoo import METRICS_OF_TRAINING, ForeignZoo
from graphwsl.zoo.layouts.keras_columns import Variable, variables
from graphwsl.zoo.rows import Failures, RowLayout, where

WEIGHTS, METRICS, LAYOUT = "weights.npy", "metrics.csv.gz", "layout.csv"
_IMAGE_SIZES = {"mnist": 28, "fashion_mnist": 28}
_MAX_TABLE_BYTES = 2**30
_LARGEST_RATIO = 100
_SMALL_TABLE_BYTES = 2**20
_LONGEST_LINE = 2**16
"""A table may unpack to 1 GiB and to 100 times its size, a small one to 1 MiB."""
_BLOCK = 1024
"""Checkpoints that are brought into torch's order together."""


def is_small_cnn_zoo(folder: Path) -> bool:
    """Whether the folder holds weights and metrics in this layout."""
    return (folder / WEIGHTS).is_file() and (folder / METRICS).is_file()


class SmallCNNZoo(ForeignZoo):
    """The zoo of one data set, read in place; make it with :meth:`open`.

    The weights are mapped into memory, so that the gigabytes of a published zoo stay on the disk.
    A training is known by its ``modeldir``, and ``step`` is its epoch. A checkpoint's
    configuration has our names beside the published ones (``config.l2reg`` is ``weight_decay``).
    """

    def __init__(
        self,
        weights: np.ndarray,
        columns: Sequence[Variable],
        rows: Mapping[tuple[str, int | None], int],
        checkpoints: Sequence[Checkpoint],
        problems: Sequence[Problem],
    ) -> None:
        self._weights = weights
        self._columns = columns
        self._rows = rows
        super().__init__(checkpoints, problems)

    @classmethod
    def open(cls, path: Path) -> "SmallCNNZoo":
        """List the zoo in a folder from its table of metrics.

        Args:
            path: The folder.

        Raises:
            ZooError: A file is damaged, or the tables do not belong together.
        """
        try:
            weights = _map(path / WEIGHTS)
            columns = variables(path / LAYOUT, weights.shape[1])
            header, lines = _table(path / METRICS, len(weights))
        except StorageError as error:
            raise ZooError(str(error)) from error
        if len(lines) != len(weights):
            raise ZooError(
                f"{str(path)!r} has {len(weights)} rows of weights and {len(lines)} of metrics"
            )
        checkpoints, problems = [], []
        rows: dict[tuple[str, int | None], int] = {}
        shared: dict[tuple[str, ...], dict[str, Scalar]] = {}
        for number, cells in enumerate(lines):
            location = f"{METRICS}, row {number + 1}"
            try:
                checkpoint = _checkpoint(header, cells, shared)
            except (ArithmeticError, ValueError) as error:
                problems.append(Problem(location, str(error)))
                continue
            key = (checkpoint.model, checkpoint.epoch)
            if key in rows:
                problems.append(Problem(location, f"{key[0]!r} at epoch {key[1]} is there twice"))
                continue
            rows[key] = number
            checkpoints.append(checkpoint)
        zoo = cls(weights, columns, rows, checkpoints, problems)
        zoo._take_measurements(path)
        return zoo

    def _location(self, checkpoint: Checkpoint) -> str:
        key = (checkpoint.model, checkpoint.epoch)
        if key not in self._rows:
            raise ZooError(f"the zoo has no checkpoint of {key[0]!r} at epoch {key[1]}")
        return f"{WEIGHTS}, row {self._rows[key] + 1}"

    def _read(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        values = self._weights[self._rows[checkpoint.model, checkpoint.epoch]]
        row = torch.from_numpy(np.array(values, dtype=np.float32))
        state = {column.name: column.of(row) for column in self._columns}
        return {name: state[name] for name in sorted(state, key=_order)}

    def read_rows(
        self,
        checkpoints: Sequence[Checkpoint],
        layout: RowLayout,
        rows: Float[Tensor, "checkpoints entries"],
    ) -> Failures:
        """See :class:`graphwsl.zoo.rows.ReadsRows`; the weights are rows already."""
        failures: Failures = {}
        columns = torch.arange(self._weights.shape[1], dtype=torch.float64)
        columns_of = {column.name: column.of(columns) for column in self._columns}
        if {name: entries.shape for name, entries in columns_of.items()} != layout.shapes:
            return super().read_rows(checkpoints, layout, rows)  # which says what differs
        order = torch.cat([columns_of[name].reshape(-1) for name in layout.starts]).long().numpy()
        known: list[tuple[int, int]] = []
        for number, checkpoint in enumerate(checkpoints):
            row = self._rows.get((checkpoint.model, checkpoint.epoch))
            if row is None:
                failures[number] = ZooError(f"the zoo has no {where(checkpoint)}")
            else:
                known.append((number, row))
        for start in range(0, len(known), _BLOCK):
            numbers, there = np.array(known[start : start + _BLOCK]).T
            with np.errstate(over="ignore"):  # what is infinite in single precision is found below
                values = self._weights[there].astype(np.float32)
            rows.numpy()[numbers] = values[:, order]
            for number in numbers[~np.isfinite(values).all(1)].tolist():
                location = self._location(checkpoints[number])
                self._add_problem(location, "its weights are not finite")
                failures[number] = ZooError(f"{location!r} is unusable: its weights are not finite")
        return failures


def _order(name: str) -> tuple[int, bool]:
    return int(name.split(".")[1]), name.endswith("bias")


def _map(path: Path) -> np.ndarray:
    """The matrix in a file, mapped into memory once its size is known to be right."""
    try:
        with open_file(path) as (file, size):
            header = read_array_header(file, size)
    except RefusedError as error:
        raise ZooError(f"cannot read {str(path)!r}: {error}") from error
    shape, dtype = header.shape, header.dtype
    if len(shape) != 2 or dtype.kind != "f" or min(shape) < 1:
        raise ZooError(f"{str(path)!r} holds {dtype} of shape {shape}, not a matrix of floats")
    try:
        order: Literal["F", "C"] = "F" if header.by_column else "C"
        return np.memmap(path, dtype, "r", header.start, shape, order)
    except (OSError, OverflowError, ValueError) as error:
        raise ZooError(f"cannot map {str(path)!r} into memory: {error}") from error


def _table(path: Path, most: int) -> tuple[dict[str, int], list[list[str]]]:
    """The columns of a compressed table by name, and its rows, not many more than ``most``."""
    rows: list[list[str]] = []
    size = size_of(path)
    left = min(_MAX_TABLE_BYTES, max(_SMALL_TABLE_BYTES, _LARGEST_RATIO * size))
    try:
        with gzip.open(path, "rb") as file:
            while line := file.readline(_LONGEST_LINE + 1):
                left -= len(line)
                if left < 0:
                    raise ZooError(f"{str(path)!r} unpacks to far more than its {size} bytes")
                if len(line) > _LONGEST_LINE or len(rows) > most + 1:
                    raise ZooError(
                        f"row {len(rows)} of {str(path)!r} is too long, or one too many: there are "
                        f"{most} rows of weights"
                    )
                rows += csv.reader([line.decode()], strict=True)  # no cell goes over two lines
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise ZooError(f"{str(path)!r} is no compressed table: {error}") from error
    header = {name: column for column, name in enumerate(rows[0] if rows else [])}
    missing = [name for name in ("modeldir", "step", *METRICS_OF_TRAINING) if name not in header]
    if missing:
        raise ZooError(f"{str(path)!r} has no column {missing[0]!r}")
    return header, rows[1:]


def _checkpoint(
    header: Mapping[str, int],
    cells: Sequence[str],
    shared: dict[tuple[str, ...], dict[str, Scalar]],
) -> Checkpoint:
    if len(cells) != len(header):
        raise ValueError(f"it has {len(cells)} cells, not {len(header)}")
    factors = tuple(cells[column] for name, column in header.items() if name.startswith("config."))
    if factors not in shared:
        names = [name for name in header if name.startswith("config.")]
        shared[factors] = _configuration(dict(zip(names, factors, strict=True)))
    metrics = {name: float(cells[header[name]]) for name in METRICS_OF_TRAINING}
    epoch = int(float(cells[header["step"]]))
    if not 0 <= epoch < 2**53:
        raise ValueError(f"its step is {epoch:.3g}, which no training reaches")
    return Checkpoint(cells[header["modeldir"]], epoch, shared[factors], metrics)


def _configuration(published: Mapping[str, str]) -> dict[str, Scalar]:
    values = {name: _number(text) for name, text in published.items()}
    configuration = renamed(values, SMALL_CNN_FACTORS)
    kind, depth = values.get("config.dnn_architecture", "cnn"), values.get("config.num_layers", 3)
    known = (kind, depth) == ("cnn", 3)
    dataset = str(values.get("config.dataset"))
    return configuration | {
        "architecture": "unterthiner" if known else f"{kind} of {depth} layers",
        "image_size": _IMAGE_SIZES.get(dataset, 32),
        "in_channels": 1,
        "out_channels": 10,
    }


def _number(text: str) -> Scalar:
    try:
        value = float(text)
    except ValueError:
        return text or None
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and not re.search("[.eE]", text) else value
