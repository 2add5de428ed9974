"""Rows of the index of a zoo: one a checkpoint, and one a network that diverged."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from gnncore.storage import CorruptFileError
from gnncore.storage.json_files import parse_json
from graphwsl.zoo.checkpoint import Checkpoint, Problem, Scalar
from graphwsl.zoo.sweep import NetworkConfig
from graphwsl.zoo.training.chunk import TrainedChunk

IndexRow = dict[str, Any]
"""``model``, ``epoch``, ``configuration``, ``metrics``, ``chunk`` and ``place`` within it, which is
(network, kept epoch), and ``sha256``, which former versions lack, of its weights; or ``model`` and
``problem``."""

_SCALARS = frozenset(get_args(Scalar))


class Location(NamedTuple):
    """Where the weights of a checkpoint lie.

    Attributes:
        chunk: Number of the file.
        network: Its network in it.
        epoch: Its kept epoch in it.
        sha256: Checksum of its weights; None in zoos of former versions.
    """

    chunk: int
    network: int
    epoch: int
    sha256: str | None = None


def rows_of_chunk(
    number: int, rows: Sequence[NetworkConfig], kept: Sequence[int], trained: TrainedChunk
) -> list[IndexRow]:
    """The rows that belong to a chunk.

    Args:
        number: Number of the chunk.
        rows: Its networks.
        kept: The epochs that are kept.
        trained: Their weights and metrics.
    """
    found: list[IndexRow] = []
    for network, (row, usable) in enumerate(zip(rows, trained.usable.tolist(), strict=True)):
        for k, epoch in enumerate(kept[:usable]):
            metrics = {name: values[network, k].item() for name, values in trained.metrics.items()}
            found.append(
                {
                    "model": row.model,
                    "epoch": epoch,
                    "configuration": row.configuration,
                    "metrics": metrics,
                    "chunk": number,
                    "place": [network, k],
                }
            )
        if usable < len(kept):
            reason = f"diverged: weights or losses are not finite at epoch {kept[usable]}"
            reason = trained.problems.get(network, reason)
            found.append({"model": row.model, "problem": reason})
    return found


def of_networks(rows: Sequence[IndexRow], planned: Sequence[NetworkConfig]) -> bool:
    """Whether the rows of a chunk are those of the networks that are to be in it."""
    configurations = {row.model: row.configuration for row in planned}
    return {row["model"] for row in rows} == configurations.keys() and all(
        row["configuration"] == configurations[row["model"]]
        for row in rows
        if "configuration" in row
    )


def index_text(rows: Sequence[IndexRow]) -> str:
    """The contents of ``index.jsonl``."""
    lines = [json.dumps(row, sort_keys=True, ensure_ascii=False) for row in in_order(rows)]
    return "".join(f"{line}\n" for line in lines)


def in_order(rows: Sequence[IndexRow]) -> list[IndexRow]:
    """By network and epoch; what is wrong with a network comes before its checkpoints.

    Raises:
        TypeError: An epoch is no number.
    """
    return sorted(rows, key=lambda row: (row["model"], row.get("epoch", -1)))


def parse_index(data: bytes, path: Path) -> list[IndexRow]:
    """The rows in ``index.jsonl``.

    Raises:
        CorruptFileError: A line is no row.
    """
    return _checked([parse_json(line, path) for line in data.splitlines()], path)


def parse_rows(metadata: Mapping[str, str], path: Path) -> list[IndexRow]:
    """The rows in the metadata of a chunk.

    Raises:
        CorruptFileError: There are none.
    """
    rows = parse_json(metadata.get("rows", "").encode(), path)
    return _checked(rows, path)


def read_row(row: IndexRow) -> tuple[Checkpoint, Location] | Problem:
    """A checkpoint and where it lies, or what is wrong with a network.

    Raises:
        LookupError, TypeError, ValueError: It is no row of an index.
    """
    if "problem" in row:
        return Problem(str(row["model"]), str(row["problem"]))
    _count(row["epoch"])
    checkpoint = checkpoint_of(row)
    network, epoch = row["place"]
    digest = row.get("sha256")
    if digest is not None and not isinstance(digest, str):
        raise TypeError(f"sha256 is a {type(digest).__name__}")
    return checkpoint, Location(_count(row["chunk"]), _count(network), _count(epoch), digest)


def checkpoint_of(row: Mapping[str, Any]) -> Checkpoint:
    """What a row of an index says of a network.

    Args:
        row: With ``model``, ``epoch`` (None where nobody knows), ``configuration``, ``metrics``.

    Raises:
        LookupError, TypeError, ValueError: One of them is missing or ill-typed.
    """
    epoch = row["epoch"]
    configuration, metrics = dict(row["configuration"]), dict(row["metrics"])
    for name, value in configuration.items():
        if type(value) not in _SCALARS:  # what JSON gives has no other types
            raise TypeError(f"{name} is a {type(value).__name__}")
    for name, value in metrics.items():
        if type(value) not in (int, float):
            raise TypeError(f"{name} is a {type(value).__name__}")
    return Checkpoint(
        str(row["model"]), None if epoch is None else _count(epoch), configuration, metrics
    )


def _count(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError(f"a count is {value!r}")
    return value


def _checked(rows: Any, path: Path) -> list[IndexRow]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CorruptFileError.because("read", path, "a row of the index is no table")
    for row in rows:
        if not isinstance(row.get("model"), str) or not isinstance(row.get("epoch", 0), int):
            raise CorruptFileError.because(
                "read", path, "a row of the index names no model, or its epoch is no number"
            )
    return rows
