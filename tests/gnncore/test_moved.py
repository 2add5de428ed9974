"""Modules that have moved are found under their former names, with a warning."""

import sys
from importlib import import_module

import pytest

import graphwsl.properties
from gnncore import _moved as core
from graphwsl import _moved as weights
from gridstab import _moved as grids

FORMER = {**core.MODULES, **weights.MODULES, **grids.MODULES}


@pytest.mark.parametrize("former", FORMER)
def test_a_module_is_found_where_it_was(former: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, former, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{former} is now {FORMER[former]}") as caught:
        module = import_module(former)
    assert caught[0].filename == import_module.__code__.co_filename  # the importing line
    today = import_module(FORMER[former])
    for name in vars(today):
        if not name.startswith("__"):
            assert getattr(module, name) is getattr(today, name)


@pytest.mark.parametrize(
    ("module", "former", "now"),
    [
        (module, former, now)
        for names in (core.NAMES, weights.NAMES, grids.NAMES)
        for module, pairs in names.items()
        for former, now in pairs.items()
    ],
)
def test_names_that_changed_with_the_module(
    module: str, former: str, now: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = next(key for key, value in FORMER.items() if value == module)
    monkeypatch.delitem(sys.modules, was, raising=False)
    with pytest.warns(DeprecationWarning, match=f"is now {module}"):
        assert getattr(import_module(was), former) is getattr(import_module(module), now)


def test_names_of_packages_that_moved() -> None:
    from graphwsl.populations import Population

    with pytest.warns(DeprecationWarning, match=r"properties.Population is now in graphwsl.popul"):
        assert graphwsl.properties.Population is Population


def test_names_of_modules_that_moved() -> None:
    from gridstab.dynamics import engine, engines

    for name in ("ENGINES", "make_engine"):
        with pytest.warns(DeprecationWarning, match=f"engine.{name} is now in gridstab.dynamics.e"):
            assert getattr(engine, name) is getattr(engines, name)
    with pytest.raises(AttributeError, match=r"dynamics\.engine' has no attribute 'motor'"):
        _ = engine.motor
