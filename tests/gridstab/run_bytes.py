"""The part of a run folder whose bytes are promised."""

from pathlib import Path


def promised_bytes(folder: Path) -> dict[str, bytes]:
    """``config.json``, ``manifest.json`` and the grids, which depend on the configuration alone."""
    files = [folder / "config.json", folder / "manifest.json", *sorted(folder.glob("grids/*"))]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}
