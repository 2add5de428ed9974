"""Kernels that numba compiles once a machine: the decorator, and the folder that keeps them.

numba would keep them beside the source, where they outlive an installation that is removed and hide
the next one, and where it looks at the file of a kernel alone and not at what the kernel has
inlined from others. Here they lie in the user's cache folder, in a folder of their own for every
version of their package's source.
"""

import multiprocessing
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

APPLICATION = "graphwsl-gridstab"

_decorating = threading.Lock()


def compiled(**options: Any) -> Callable[[Any], Any]:
    """Decorate a function that numba compiles on first use and keeps from then on.

    Args:
        **options: Options of ``numba.njit``, beside ``cache`` and ``nogil``, which are set.
    """
    from numba import njit

    def decorate(function: Any) -> Any:
        folder = kernel_folder(function.__module__)
        if folder is None:
            return njit(nogil=True, **options)(function)
        with _numba_keeps_kernels_in(folder):
            return njit(cache=True, nogil=True, **options)(function)

    return decorate


@cache
def kernel_folder(module: str) -> Path | None:
    """Where the kernels of a module are kept; none where no folder can be written.

    It is in the folder that ``NUMBA_CACHE_DIR`` names, else in the user's cache folder. Where that
    cannot be written, a temporary folder of this user serves until the machine is restarted, and
    a line on stderr says so.

    Args:
        module: Full name of the module, ``gridstab.dynamics.native.driver``.
    """
    from numba import config

    package = ".".join(module.split(".")[:2])
    name = f"{package}-{_source_hash(package)}"
    wanted = Path(config.CACHE_DIR or user_cache_path(APPLICATION) / "kernels")
    if _is_writable(wanted / name):
        return wanted / name
    temporary = _temporary_folder()
    where = "anew in every process" if temporary is None else f"into {str(temporary)!r}"
    _say_once(
        f"{str(wanted)!r} cannot be written, so kernels are compiled {where}; let NUMBA_CACHE_DIR "
        "name a folder that can"
    )
    if temporary is None or not _is_writable(temporary / name):
        return None
    return temporary / name


@cache
def _source_hash(package: str) -> str:
    """Changes with any file of the package, whatever its kernels inline from one another."""
    spec = find_spec(package)
    assert spec is not None
    folders = spec.submodule_search_locations
    sources = [file for folder in folders or () for file in Path(folder).rglob("*.py")]
    if folders is None and spec.origin is not None:
        sources = [Path(spec.origin)]
    digest = sha256()
    for source in sorted(sources):
        data = source.read_bytes()
        digest.update(f"{source.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _temporary_folder() -> Path | None:
    """A folder that this user alone can write, for kernels are code that runs."""
    if not hasattr(os, "getuid"):
        return Path(tempfile.gettempdir(), APPLICATION)  # Windows has one such folder a user
    folder = Path(tempfile.gettempdir(), f"{APPLICATION}-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return folder if is_own and not status.st_mode & 0o022 else None


@cache
def _say_once(line: str) -> None:
    if multiprocessing.parent_process() is None:  # a worker's parent has said so
        print(f"{APPLICATION}: {line}", file=sys.stderr)


@contextmanager
def _numba_keeps_kernels_in(folder: Path) -> Iterator[None]:
    # numba looks at its setting once a function, when the function is decorated.
    from numba import config

    with _decorating:
        former, config.CACHE_DIR = config.CACHE_DIR, str(folder)
        try:
            yield
        finally:
            config.CACHE_DIR = former
