"""What of a run folder can be built upon, looked at before a run goes on.

Nothing is taken because of its name: a grid must have the checksum that its seal, or the manifest,
says, and a part the seal of this run and its unit. What does not is simulated again, and a
:class:`gnncore.storage.RecomputedWarning` says which files and why.
"""

import warnings
from dataclasses import dataclass, field

from gnncore.storage import (
    Manifest,
    Owner,
    RecomputedWarning,
    StorageError,
    is_leftover,
    refuse_links,
)
from gridstab.datasets.run_folder import RunFolder
from gridstab.errors import RunFolderError

_SHOWN = 3


@dataclass
class Stored:
    """The finished work in an unfinished run folder.

    Attributes:
        grids: Numbers of the grids that are whole and of this run.
        parts: Names of the work units whose counts are.
        problems: One line for every file that is neither.
    """

    grids: set[int] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def stored_work(folder: RunFolder) -> Stored:
    """Look at every grid and part of an unfinished run.

    Raises:
        StorageError: The folder cannot be read.
    """
    found = Stored()
    ids, strays = folder.listing()
    for grid_id in ids:
        try:
            folder.seals.check(grid_id)
            found.grids.add(grid_id)
        except StorageError as error:
            found.problems.append(str(error))
    found.problems += [f"{name} is no grid of this run" for name in strays]
    for path in sorted(folder.parts.iterdir()) if folder.parts.is_dir() else []:
        if is_leftover(path.name):
            continue
        try:
            refuse_links(folder.path, f"parts/{path.name}")
            folder.require_part(path, part_owner(folder, path.stem))
            found.parts.add(path.stem)
        except StorageError as error:
            found.problems.append(str(error))
    return found


def part_owner(folder: RunFolder, unit: str) -> Owner:
    """What the part of a unit is of."""
    return {"configuration": folder.seals.configuration, "unit": unit}


def warn_of(folder: RunFolder, problems: list[str]) -> None:
    """Say in one line what is simulated again."""
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        warnings.warn(
            f"not used in {str(folder.path)!r}, but simulated where it is needed: "
            f"{'; '.join(problems[:_SHOWN])}{more}",
            RecomputedWarning,
            stacklevel=2,
        )


def reopen_if_damaged(folder: RunFolder) -> bool:
    """Look at a complete run, and make it an unfinished one if any of it is lost.

    Grids that still have their checksum are kept.

    Returns:
        Whether there is something to be simulated again.

    Raises:
        RunFolderError: The configuration is not that of the manifest, so that nothing says which
            of them the grids are of.
        StorageError: The folder cannot be read or written.
    """
    problems: list[str] = []
    manifest: Manifest | None
    try:
        manifest = folder.manifest
    except StorageError as error:
        manifest = _what_is_readable(folder)
        problems.append(str(error))
    lost = {} if manifest is None else _lost_grids(folder, manifest)
    if not (problems or lost):
        folder.tidy()
        return False
    folder.seals.create()
    for grid_id in range(1, folder.num_grids + 1):
        if manifest is not None and grid_id not in lost:
            name = f"grids/{folder.grid_path(grid_id).name}"
            folder.seals.write(grid_id, manifest.entries[name].sha256)
    folder.work.reopen()
    folder.forget_manifest()
    # Damaged grids are named when the run looks at what it can build upon.
    missing = [text for k, text in lost.items() if not folder.grid_path(k).exists()]
    warn_of(folder, problems + missing)
    return True


def _lost_grids(folder: RunFolder, manifest: Manifest) -> dict[int, str]:
    """Why a grid is not what the manifest says, for each of which that is so."""
    try:
        manifest.require("config.json")
    except StorageError as error:
        raise RunFolderError(
            f"{str(folder.path)!r} mixes two runs or is damaged: {error}; restore the file, or "
            "simulate into another folder"
        ) from error
    lost = {}
    for grid_id in range(1, folder.num_grids + 1):
        try:
            manifest.require(f"grids/{folder.grid_path(grid_id).name}")
        except StorageError as error:
            lost[grid_id] = str(error)
    return lost


def _what_is_readable(folder: RunFolder) -> Manifest | None:
    """A damaged manifest; what equals its entries is good all the same."""
    try:
        return Manifest.read(folder.path, damaged=True)
    except StorageError:
        return None
