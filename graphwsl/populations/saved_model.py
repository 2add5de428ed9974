"""The two files of something that was learnt and saved, and the seal between them."""

import hashlib
from dataclasses import dataclass
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


@dataclass(frozen=True)
class SavedKind:
    """How one kind of learnt things is kept: a configuration, arrays, a seal over both.

    Attributes:
        what: What it is, such as ``representation``, in messages and names of files.
        written_by: What writes such folders, for messages.
        error_class: Raised where a folder holds none.
        format: Version of the files.
    """

    what: str
    written_by: str
    error_class: type[Exception]
    format: int = 1

    @property
    def config(self) -> str:
        """Name of the file of the configuration."""
        return f"{self.what}.json"

    @property
    def arrays(self) -> str:
        """Name of the file of the arrays."""
        return f"{self.what}.safetensors"

    @property
    def kind(self) -> str:
        """What the configuration says that it is."""
        return f"graphwsl.{self.what}"

    def write(self, folder: Path, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Write the configuration and the arrays.

        Args:
            folder: Made if it is missing.
            config: Plain values.
            arrays: Arrays by name.

        Raises:
            StorageError: The disk is full, the folder read-only, and the like.
        """
        make_folder(folder)
        config = {"kind": self.kind, "format": self.format, **config}
        save_tensors(folder / self.arrays, arrays)
        write_json(folder / self.config, {**config, "seal": seal_of(_owner(config), arrays)})

    def read(self, folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The configuration and the arrays in a folder, once their seal is checked.

        Args:
            folder: One that :meth:`write` wrote.

        Raises:
            Exception: One of the class ``error_class``: there is none of this kind and version.
            StorageError: A file is damaged, or the two are not of one thing.
        """
        if not folder.is_dir():
            raise self.error_class(
                f"{str(folder)!r} is no folder; give one of a {self.what} that {self.written_by} "
                "wrote"
            )
        if not (folder / self.config).is_file():
            raise self.error_class(
                f"{str(folder)!r} holds no {self.what}; give a folder that {self.written_by} wrote"
            )
        refuse_links(folder, self.config, self.arrays)
        config = read_json(folder / self.config)
        known = isinstance(config, dict) and config.get("kind") == self.kind
        if not known or config.get("format") != self.format:
            raise self.error_class(f"{str(folder)!r} holds no {self.what} of this version")
        arrays = load_tensors(folder / self.arrays, require_finite=True)
        seal = config.pop("seal", None)
        seal = seal if isinstance(seal, str) else None
        check_seal(folder / self.arrays, seal, _owner(config), arrays)
        return config, arrays


def _owner(config: dict[str, Any]) -> dict[str, str]:
    return {"configuration": hashlib.sha256(to_json(config).encode()).hexdigest()}
