"""Names of grids go into tables, pictures and files: what cannot be shown is refused."""

import pytest

from gridstab import PowerGrid
from gridstab.errors import InvalidGridError
from gridstab.grids import ring


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "\x1b[31m", "two\nlines", "x" * 256])
def test_names_that_cannot_be_shown_are_refused(name: str) -> None:
    with pytest.raises(InvalidGridError, match="the name must"):
        PowerGrid.from_arrays([(0, 1)], [1, -1], name=name)
    with pytest.raises(InvalidGridError, match="the name must"):
        ring(4).with_name(name)


@pytest.mark.parametrize("name", ["", "Übertragungsnetz [/red] <b>", "x" * 255])
def test_other_names_are_kept(name: str) -> None:
    assert PowerGrid.from_arrays([(0, 1)], [1, -1], name=name).name == name
