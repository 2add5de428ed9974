"""A process that trains chunks of a zoo for the one that started it.

Heavy imports stand inside the functions: a worker knows how to end before it has imported torch.
"""

import importlib
from pathlib import Path
from typing import Any

from gnncore.processes import end_with_parent
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.sweep import NetworkConfig

_worker: dict[str, Any] = {}
"""What a worker process keeps between chunks."""


class Stopped(Exception):  # noqa: N818 - an outcome, not an error
    """The training was asked to stop."""


def start_worker(recipe: Recipe, path: Path, done: Any, stop: Any, modules: list[str]) -> None:
    """Prepare this process.

    Args:
        recipe: Recipe of the zoo.
        path: Its folder.
        done: Epochs of networks that are done, by chunk; shared with the parent.
        stop: Not 0 once the training shall end; shared with the parent.
        modules: Those that register the architectures.
    """
    end_with_parent()
    import torch

    from graphwsl.zoo.layouts.native import ZooFolder
    from graphwsl.zoo.training.fine_tuning import parents_in
    from graphwsl.zoo.training.memory import keep_freed_memory
    from graphwsl.zoo.training.train import images_of

    for module in modules:
        importlib.import_module(module)
    torch.set_num_threads(1)
    keep_freed_memory()
    folder = ZooFolder(path)
    _worker.update(recipe=recipe, data=images_of(recipe), folder=folder, done=done, stop=stop)
    _worker["states"] = parents_in(folder)


def train_in_worker(number: int, rows: list[NetworkConfig]) -> None:
    """Train a chunk.

    Raises:
        Stopped: The parent asked for it.
    """
    from graphwsl.zoo.training.train import train_one

    def on_epoch() -> None:
        if _worker["stop"].value:
            raise Stopped
        _worker["done"][number] += len(rows)

    recipe, data, folder, states = (_worker[k] for k in ("recipe", "data", "folder", "states"))
    train_one(recipe, data, rows, folder, number, states, on_epoch)
