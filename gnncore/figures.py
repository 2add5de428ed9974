"""Figures as files."""

import os
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from gnncore.errors import GnncoreError
from gnncore.storage import write_with

# What a file says about the program and the time that made it would differ between equal pictures.
_NO_ORIGIN: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save_figure(figure: Figure, path: str | os.PathLike[str], *, dpi: float = 160) -> None:
    """Write a figure as PNG, SVG or PDF, by suffix; equal figures give equal bytes.

    Args:
        figure: The figure.
        path: File to create or replace.
        dpi: Resolution of a PNG [1/inch].

    Raises:
        GnncoreError: Another suffix.
        StorageError: The file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _NO_ORIGIN:
        raise GnncoreError(
            f"a picture's name must end in {', '.join(_NO_ORIGIN)}, got {os.fspath(path)!r}"
        )

    def write(part: Path) -> None:
        figure.savefig(
            part,
            format=suffix[1:],
            dpi=dpi,
            metadata=_NO_ORIGIN[suffix],
            facecolor="white",
            bbox_inches="tight",
            pad_inches=0.15,
        )

    with rc_context({"svg.hashsalt": "figure"}):
        write_with(path, write)
