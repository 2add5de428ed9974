"""The layouts of zoos on disk, and the door that knows them all."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gnncore.registry import Registry
from graphwsl.arguments import as_path
from graphwsl.errors import ZooError
from graphwsl.zoo.layouts.native import is_stored_zoo
from graphwsl.zoo.layouts.ray_tune import RayTuneZoo, is_ray_tune_zoo
from graphwsl.zoo.layouts.small_cnn import SmallCNNZoo, is_small_cnn_zoo
from graphwsl.zoo.store import StoredZoo
from graphwsl.zoo.zoo import Zoo


class Layout(NamedTuple):
    """How zoos of one layout are recognised and opened."""

    name: str
    recognises: Callable[[Path], bool]
    open: Callable[[Path], Zoo]


LAYOUTS: Registry[Layout] = Registry(
    "layout",
    ZooError,
    {
        layout.name: layout
        for layout in (
            Layout("graphwsl", is_stored_zoo, StoredZoo.open),
            Layout("Small CNN Zoo", is_small_cnn_zoo, SmallCNNZoo.open),
            Layout("Ray Tune", is_ray_tune_zoo, RayTuneZoo.open),
        )
    },
)
"""One line a layout; the first that recognises a folder opens it."""


def open_zoo(path: str | Path) -> Zoo:
    """The zoo in a folder, of our own layout or of a published one.

    Args:
        path: The folder of the zoo.

    Raises:
        ZooError: There is no folder, or no layout recognises it.
        StorageError: Its index is damaged.
    """
    path = as_path("path", path)
    if not path.is_dir():
        raise ZooError(f"{str(path)!r} is no folder; give the folder of a zoo")
    for layout in LAYOUTS.values():
        if layout.recognises(path):
            return layout.open(path)
    known = ", ".join(LAYOUTS)
    raise ZooError(f"{str(path)!r} is no zoo of a known layout ({known})")
