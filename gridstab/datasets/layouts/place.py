"""Where an export may be written."""

from pathlib import Path

from gnncore.storage import is_free
from gridstab.errors import RunFolderError


def require_export(out: Path, run: Path) -> None:
    """Nothing, if a run can be exported there.

    Args:
        out: The folder.
        run: The folder of the run or of the landscapes.

    Raises:
        RunFolderError: It is not empty, or within the folder of the run.
        StorageError: It cannot be read.
    """
    if out.resolve().is_relative_to(run.resolve()):
        raise RunFolderError(
            f"{str(out)!r} is within the folder {str(run)!r} that it is made from; choose another "
            "folder for the published layout"
        )
    if not is_free(out):
        raise RunFolderError(
            f"{str(out)!r} is not empty; choose another folder for the published layout"
        )
