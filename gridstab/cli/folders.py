"""What kind of folder a command was given, told without importing torch."""

from pathlib import Path


def is_training(path: Path) -> bool:
    """Whether the folder is that of a training; damaged and foreign ones are not."""
    from gnncore.storage import StorageError, read_json

    try:
        config = read_json(path / "config.json")
    except StorageError:  # said better by who opens it as a run
        return False
    return isinstance(config, dict) and config.get("kind") == "gridstab.training"
