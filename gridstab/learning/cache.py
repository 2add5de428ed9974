"""The cache of computed features: arrays that are used only if they are whole and current."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np

from gnncore.storage import Manifest, StorageError, load_tensors, make_folder, save_tensors

_FORMAT = 1
_FILE = "tensors.safetensors"


def default_cache() -> Path:
    """``gridstab/learning`` in the user's folder of caches (``XDG_CACHE_HOME``)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gridstab" / "learning"


class Cache:
    """One folder a key, with a safetensors file and its manifest.

    What is damaged, foreign or absent is None when read, so that it is made anew; what cannot be
    written is done without. Writers of the same key write the same bytes and cannot disturb each
    other.

    Args:
        root: The folder of all keys; created when first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """The folder of a key, any text."""
        return self.root / hashlib.sha256(f"{_FORMAT} {key}".encode()).hexdigest()[:32]

    def read(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays of a key, or None."""
        folder = self.folder(key)
        try:
            if Manifest.read(folder).verify():
                return None
            return load_tensors(folder / _FILE)
        except StorageError:
            return None

    def write(self, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep the arrays of a key if the disk lets us."""
        folder = self.folder(key)
        try:
            make_folder(folder)
            save_tensors(folder / _FILE, arrays)
            Manifest.of(folder).write()
        except StorageError:
            return

    def remove(self, key: str) -> None:
        """Keep the arrays of a key no longer, if the disk lets us."""
        shutil.rmtree(self.folder(key), ignore_errors=True)
