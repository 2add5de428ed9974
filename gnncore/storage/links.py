"""Symbolic links: followed where the user names one, refused within a folder of ours.

Nobody here makes links within a folder, and they could lead anywhere.
"""

import os
from pathlib import Path, PurePath

from gnncore.storage.errors import CorruptFileError


def refuse_links(folder: str | os.PathLike[str], *names: str) -> None:
    """Check that none of these files and folders below a folder is a symbolic link.

    The folder itself, which the user names, may be one. What is not there is no link.

    Args:
        folder: The folder.
        names: Relative paths; each folder on the way is looked at too.

    Raises:
        CorruptFileError: One of them is a link.
    """
    for name in names:
        path = os.fspath(folder)
        for part in PurePath(name).parts:
            path = os.path.join(path, part)
            if os.path.islink(path):
                raise CorruptFileError.because(
                    "use", path, "it is a symbolic link; put what it leads to in its place"
                )


def leading_to(path: str | os.PathLike[str]) -> Path:
    """The file that a path given by the user leads to, through links, for it to be replaced.

    Args:
        path: Path of a file to be written, as the user named it.
    """
    return Path(os.path.realpath(path) if os.path.islink(path) else path)
