"""The published layouts of labelled grids, read and written file by file.

A layout is one module and one line in :data:`LAYOUTS`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from gnncore.registry import Registry
from gridstab.datasets.labelled_grid import LabelledGrid
from gridstab.datasets.layouts.per_grid import PerGridLayout
from gridstab.datasets.layouts.split import SplitLayout
from gridstab.errors import InvalidParameterError, RunFolderError


@runtime_checkable
class Layout(Protocol):
    """Reads and writes one published arrangement of files."""

    @property
    def name(self) -> str:
        """What users call it."""
        ...

    def recognises(self, folder: Path) -> bool:
        """Whether the folder looks like this layout."""
        ...

    def read(self, folder: Path) -> Iterator[LabelledGrid]:
        """Its grids by ascending number, one at a time."""
        ...

    def write(self, folder: Path, grids: Iterable[LabelledGrid], dataset: str) -> None:
        """Write grids by ascending number; ``dataset`` names the folder where a layout has one."""
        ...


LAYOUTS: Registry[Layout] = Registry(
    "layout",
    InvalidParameterError,
    {
        layout.name: layout
        for layout in (SplitLayout("v2"), PerGridLayout("v1"), PerGridLayout("v0"))
    },
)
"""v0 (zenodo.5148085) and v1 (zenodo.6572973) arrange their files alike; v2 is zenodo.8204334."""


def get_layout(name: str) -> Layout:
    """The layout of that name.

    Raises:
        InvalidParameterError: No such layout.
    """
    return LAYOUTS.find(name)


def find_layout(folder: Path) -> Layout:
    """The layout of a folder of published files.

    Raises:
        RunFolderError: It is in none of the layouts.
    """
    for layout in LAYOUTS.values():
        if layout.recognises(folder):
            return layout
    raise RunFolderError(
        f"{str(folder)!r} holds none of the published layouts: neither grid_data_00001.h5 and its "
        "like, nor input_data.h5 there or in train, valid and test"
    )
