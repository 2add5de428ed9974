"""Packages whose names are imported when they are first asked for.

torch, SciPy and numba take longer to import than ``gridstab --help`` may take.
"""

import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pkgutil import iter_modules
from types import ModuleType
from typing import Any


def lazy(
    package: str, home: Mapping[str, str], moved: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Beside the names in ``home``, all modules of the package are found, so that
    ``gridstab.grids.ring(6)`` works after ``import gridstab`` alone. A name that is also that of
    its module stays the name's, whoever imports the module.

    Args:
        package: The ``__name__`` of the package.
        home: Every public name and the module that holds it: in full, or from the package on.
        moved: Names that had their home here, and the module that holds them today, in full; they
            are found for one version more, with a warning.
    """
    former = moved or {}

    def getattribute(name: str) -> Any:
        if name in home:
            return getattr(import_module(_in_full(package, home[name])), name)
        if name in former:
            warnings.warn(
                f"{package}.{name} is now in {former[name]}", DeprecationWarning, stacklevel=2
            )
            return getattr(import_module(former[name]), name)
        if name.startswith("_") or find_spec(f"{package}.{name}") is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return import_module(f"{package}.{name}")

    def names() -> list[str]:
        itself = import_module(package)
        modules = {
            one.name for one in iter_modules(itself.__path__) if not one.name.startswith("_")
        }
        return sorted({*home, *getattr(itself, "__all__", ()), *modules})

    class NamesBeforeModules(ModuleType):
        """Where ``simulate`` is a function, it stays one when its module of that name is imported.

        Importing ``gridstab.dynamics.simulate`` binds the module in its package, in place of the
        function that ``gridstab.dynamics.simulate(grid)`` calls. Other names for such modules
        would not help: their former ones are still imported, and bind just so. Python lets a
        module have a class of its own for this (``__class__``, in "Customizing module attribute
        access" of its reference).
        """

        def __setattr__(self, name: str, value: Any) -> None:
            if name in home and isinstance(value, ModuleType):
                value = getattr(value, name)
            super().__setattr__(name, value)

    if any(name == module for name, module in home.items()):
        sys.modules[package].__class__ = NamesBeforeModules
    return getattribute, names


def callable_package(package: str, function: Callable[..., Any]) -> None:
    """Let a package be called like the function of its name, which is one of its own.

    ``graphwsl.neural_graph(model, x)`` and ``from graphwsl.neural_graph import NodeKind`` are to
    work alike, and whoever imports the package binds it in its parent, in place of any function
    there. So the package itself answers to the call, by the class of modules that Python lets a
    module have (https://docs.python.org/3/reference/datamodel.html#customizing-module-attribute-access).

    Args:
        package: The ``__name__`` of the package, which is being imported.
        function: What is called.
    """
    module = sys.modules[package]
    members = {"__call__": staticmethod(function), "__signature__": signature(function)}
    module.__class__ = type("CallablePackage", (type(module),), members)


def _in_full(package: str, module: str) -> str:
    root = package.partition(".")[0]
    return module if module.startswith(f"{root}.") else f"{package}.{module}"
