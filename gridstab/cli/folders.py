"""What kind of folder a command was given, told without importing torch."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def require_folders(paths: Iterable[Path], what: str) -> None:
    """Nothing, if all of these are folders; what they hold is not looked at.

    Args:
        paths: Where the folders should be.
        what: What they are of.

    Raises:
        RunFolderError: One of them is none.
    """
    from gridstab.errors import RunFolderError

    for path in paths:
        if not path.is_dir():
            raise RunFolderError(f"{str(path)!r} is no folder; give the folder of a {what}")


def place_of(run: Path) -> Path:
    """The file of a packaged set that is called by its name; any other path as it is.

    Raises:
        RunFolderError: Nothing is there, and no packaged set has this name.
    """
    from gridstab.datasets.benchmark import BENCHMARK_SETS, benchmark_path
    from gridstab.errors import RunFolderError

    if run.exists():
        return run
    if str(run) in BENCHMARK_SETS:
        return benchmark_path(str(run))
    raise RunFolderError(
        f"{str(run)!r} is no folder; give the folder of a run or of a training, a packed file, or "
        f"one of {', '.join(BENCHMARK_SETS)}"
    )


def is_training(path: Path) -> bool:
    """Whether the folder is that of a training; damaged and foreign ones are not."""
    return _config(path).get("kind") == "gridstab.training"


def is_landscapes(path: Path) -> bool:
    """Whether the folder is one of stability landscapes; damaged and foreign ones are not."""
    return _config(path).get("kind") == "gridstab.landscapes"


def is_model(path: Path) -> bool:
    """Whether the folder is that of a bare model, as ``GraphModel.save_pretrained`` writes it."""
    return "kind" not in _config(path) and "specification" in _config(path)


def _config(path: Path) -> dict[str, Any]:
    from gnncore.storage import StorageError, read_json

    try:
        config = read_json(path / "config.json")
    except StorageError:  # said better by who opens it as a run
        return {}
    return config if isinstance(config, dict) else {}
