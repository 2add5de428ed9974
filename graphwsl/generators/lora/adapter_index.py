"""The index of a folder of adapters: of which base they are, and what is known of each."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnncore.storage import read_json, write_json
from gnncore.storage.json_files import to_json
from graphwsl.arguments import described
from graphwsl.errors import GeneratorError
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.index import checkpoint_of

INDEX = "adapters.json"


def write_index(folder: Path, base: str, checkpoints: Mapping[str, Checkpoint]) -> None:
    """Write the index of a folder of adapters, ``adapters.json``.

    Args:
        folder: Where the adapters are.
        base: Hash of the base network.
        checkpoints: What is known of each adapter, by the name of its folder.

    Raises:
        GeneratorError: A property is no plain value, or not finite.
        StorageError: The disk is full, the folder read-only, and the like.
    """
    rows = [{"folder": name, **vars(known)} for name, known in checkpoints.items()]
    try:
        for row in json.loads(to_json(rows)):
            checkpoint_of(row)
    except (TypeError, ValueError) as error:
        raise GeneratorError(
            f"what is known of the networks cannot be written: {error}; give texts and finite "
            "numbers"
        ) from error
    write_json(folder / INDEX, {"base": base, "adapters": rows})


def read_index(folder: Path) -> tuple[str, dict[str, Checkpoint]]:
    """The hash of the base network, and what is known of each adapter by the name of its folder.

    Args:
        folder: Where ``adapters.json`` is.

    Raises:
        GeneratorError: It is no index, names no adapter, or one twice.
        StorageError: It is missing or damaged.
    """
    path, index = folder / INDEX, read_json(folder / INDEX)
    if not isinstance(index, dict) or not isinstance(index.get("base"), str):
        raise GeneratorError(
            f"{str(path)!r} is no index of adapters; give what save_adapters wrote"
        )
    rows = index.get("adapters")
    if not isinstance(rows, list) or not rows:
        raise GeneratorError(f"{str(path)!r} names no adapters; give what save_adapters wrote")
    found: dict[str, Checkpoint] = {}
    for number, row in enumerate(rows):
        name, checkpoint = _read(path, number, row)
        if name in found:
            raise GeneratorError(
                f"{str(path)!r} names adapter {name!r} twice; write the adapters again"
            )
        found[name] = checkpoint
    return index["base"], found


def _read(path: Path, number: int, row: Any) -> tuple[str, Checkpoint]:
    """The folder of an adapter, which lies beside the index, and what is known of it."""
    try:
        name = row["folder"]
        if not isinstance(name, str) or not name.isdecimal():
            raise ValueError(f"its folder is {described(name)}")
        return name, checkpoint_of(row)
    except (LookupError, TypeError, ValueError) as error:
        reason = f"it lacks {error}" if isinstance(error, LookupError) else str(error)
        raise GeneratorError(
            f"adapter {number} in {str(path)!r} is not described as save_adapters does: {reason}"
        ) from error
