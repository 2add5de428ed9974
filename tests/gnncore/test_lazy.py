"""Packages that answer like the function of their name."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = """
from gnncore.lazy import callable_package
from grown.square import square

callable_package(__name__, square)
"""
MODULE = """
def square(side, *, times=1):
    return times * side**2
"""


@pytest.fixture
def _grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "grown"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "square.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("grown", "grown.square"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("_grown")
def test_a_package_is_called_and_imported_from() -> None:
    import grown  # type: ignore[import-not-found]
    from grown.square import square  # type: ignore[import-not-found]

    assert grown(3) == square(3) == 9
    assert grown(3, times=2) == 18
    assert sys.modules["grown"] is grown
    assert inspect.signature(grown) == inspect.signature(square)
    with pytest.raises(TypeError, match="side"):
        grown()
    with pytest.raises(ImportError):
        from grown import cube  # noqa: F401
