"""The two files of a representation that was saved, and the seal between them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.storage import (
    check_seal,
    load_tensors,
    make_folder,
    read_json,
    refuse_links,
    save_tensors,
    seal_of,
    write_json,
)
from gnncore.storage.json_files import to_json
from graphwsl.errors import RepresentationError

CONFIG, ARRAYS = "representation.json", "representation.safetensors"
KIND = "graphwsl.representation"
FORMAT = 1


def write_saved(folder: Path, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write the configuration and arrays of a representation.

    Raises:
        StorageError: The disk is full, the folder read-only, and the like.
    """
    make_folder(folder)
    config = {"kind": KIND, "format": FORMAT, **config}
    save_tensors(folder / ARRAYS, arrays)
    write_json(folder / CONFIG, {**config, "seal": seal_of(_owner(config), arrays)})


def read_saved(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The configuration and arrays in a folder, once their seal is checked.

    Raises:
        RepresentationError: There is no representation.
        StorageError: A file is damaged, or the two are of different representations.
    """
    if not (folder / CONFIG).is_file():
        raise RepresentationError(
            f"{str(folder)!r} holds no representation; give a folder that Representation.save or "
            "graphwsl represent train wrote"
        )
    refuse_links(folder, CONFIG, ARRAYS)
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict) or config.get("kind") != KIND or config.get("format") != FORMAT:
        raise RepresentationError(f"{str(folder)!r} holds no representation of this version")
    arrays = load_tensors(folder / ARRAYS, require_finite=True)
    seal = config.pop("seal", None)
    check_seal(folder / ARRAYS, seal if isinstance(seal, str) else None, _owner(config), arrays)
    return config, arrays


def _owner(config: dict[str, Any]) -> dict[str, str]:
    return {"configuration": hashlib.sha256(to_json(config).encode()).hexdigest()}
