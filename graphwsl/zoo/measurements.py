"""Further numbers of checkpoints, measured after the training and kept beside the zoo.

A file ``metrics/<name>.safetensors`` a number, in the folder of a zoo of any layout::

    values, epochs     of every checkpoint that was measured
    models             as metadata, a JSON list of the same length
    seal               as metadata: of which number, and of which zoo where that says what it is
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gnncore.storage import (
    CorruptFileError,
    Owner,
    StorageError,
    check_seal,
    make_folder,
    parse_tensors,
    read_bytes,
    refuse_links,
    save_tensors,
    seal_of,
)
from gnncore.storage.json_files import parse_json
from graphwsl.errors import ZooError
from graphwsl.zoo.checkpoint import Checkpoint, Problem

FOLDER = "metrics"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_MAX_BYTES = 2**30

Measured = dict[tuple[str, int], float]
"""A number of each checkpoint, by model and epoch."""


def path_of(folder: Path, name: str) -> Path:
    """The file of a number.

    Raises:
        ZooError: It cannot be called so.
    """
    if not _NAME.fullmatch(name):
        raise ZooError(
            f"a metric must have a name of letters, digits and underscores, got {name!r}"
        )
    return folder / FOLDER / f"{name}.safetensors"


def write(folder: Path, name: str, values: Measured, identity: str = "") -> None:
    """Create or replace the numbers of a name.

    Args:
        folder: Folder of the zoo.
        name: What was measured.
        values: Finite numbers.
        identity: Identity of the zoo, where it has one.

    Raises:
        ZooError: It cannot be called so.
        StorageError: The disk is full, or the folder read-only.
    """
    path = path_of(folder, name)
    keys = sorted(values)
    arrays = {
        "values": np.array([values[key] for key in keys]),
        "epochs": np.array([epoch for _, epoch in keys], dtype=np.int64),
    }
    metadata = {"models": json.dumps([model for model, _ in keys])}
    metadata["seal"] = seal_of(_owner(name, identity, metadata), arrays)
    make_folder(path.parent)
    refuse_links(folder, FOLDER)
    save_tensors(path, arrays, metadata)


def read(folder: Path, name: str, identity: str = "") -> Measured:
    """The numbers of a name.

    Raises:
        ZooError: It cannot be called so.
        StorageError: The file is missing, damaged, or of another number or zoo.
    """
    path = path_of(folder, name)
    refuse_links(folder, f"{FOLDER}/{path.name}")
    data = read_bytes(path, max_bytes=_MAX_BYTES)
    arrays, metadata = parse_tensors(data, path, require_finite=True)
    check_seal(path, metadata.get("seal"), _owner(name, identity, metadata), arrays)
    try:
        models = parse_json(metadata["models"], path)
        keys = zip(models, arrays["epochs"].tolist(), strict=True)
        return {
            (str(model), int(epoch)): float(value)
            for (model, epoch), value in zip(keys, arrays["values"].tolist(), strict=True)
        }
    except (LookupError, TypeError, ValueError) as error:
        raise CorruptFileError.because("read", path, "it holds no numbers of a zoo") from error


def with_measurements(
    folder: Path, checkpoints: Sequence[Checkpoint], identity: str = ""
) -> tuple[list[Checkpoint], list[Problem]]:
    """Checkpoints with all numbers that are kept beside the zoo, and what is wrong with others.

    Args:
        folder: Folder of the zoo.
        checkpoints: As the zoo itself has them.
        identity: Identity of the zoo, where it has one.
    """
    added: dict[tuple[str, int], dict[str, float]] = {}
    problems = []
    for name in names(folder):
        try:
            for key, value in read(folder, name, identity).items():
                added.setdefault(key, {})[name] = value
        except (StorageError, ZooError) as error:
            problems.append(Problem(f"{FOLDER}/{name}.safetensors", str(error)))
    if not added:
        return list(checkpoints), problems
    return [
        replace(c, metrics={**c.metrics, **added[c.model, c.epoch]})
        if c.epoch is not None and (c.model, c.epoch) in added
        else c
        for c in checkpoints
    ], problems


def add(
    folder: Path,
    name: str,
    values: Measured,
    checkpoints: Sequence[Checkpoint],
    identity: str = "",
) -> None:
    """Keep numbers beside those that are there under the same name.

    Args:
        folder: Folder of the zoo.
        name: What was measured.
        values: Values of some checkpoints, whose former numbers they replace.
        checkpoints: Checkpoints of the zoo.
        identity: Identity of the zoo, where it has one.

    Raises:
        ZooError: The zoo has such a number of its own, the name cannot be, or a value is not
            finite.
        StorageError: The disk is full, the folder read-only, or what is there damaged.
    """
    path_of(folder, name)
    for (model, epoch), value in values.items():
        if not math.isfinite(value):
            raise ZooError(
                f"{name!r} of epoch {epoch} of model {model!r} is {value}; leave out checkpoints "
                "that have none"
            )
    former: Measured = {}
    if name in names(folder):
        former = read(folder, name, identity)
    elif name == "epoch" or any(name in c.metrics or name in c.configuration for c in checkpoints):
        raise ZooError(f"the zoo has a {name!r} of its own; choose another name")
    write(folder, name, {**former, **values}, identity)


def names(folder: Path) -> list[str]:
    """The names of all numbers that are kept beside the zoo."""
    try:
        return sorted(path.stem for path in (folder / FOLDER).glob("*.safetensors"))
    except OSError as error:
        raise StorageError.because("list", folder / FOLDER, error) from error


def _owner(name: str, identity: str, metadata: Mapping[str, str]) -> Owner:
    models = hashlib.sha256(metadata.get("models", "").encode()).hexdigest()
    return {"metric": name, "zoo": identity, "models": models}
