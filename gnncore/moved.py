"""Modules and names that have moved: the former ones work for one version, with a warning."""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast


class MovedModules:
    """Finds modules under the names that they had: a finder and loader of :mod:`importlib`.

    It derives from none of :mod:`importlib.abc`, which takes 15 ms to import.

    Args:
        modules: The former name of every module and its name of today.
        names: What has another name within a module of today, by the module and the former name.
    """

    def __init__(
        self, modules: Mapping[str, str], names: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self.modules = modules
        self.names = names or {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A module that has moved; asked last, when there is no module of this name."""
        del path, target
        if fullname not in self.modules:
            return None
        holds_others = any(name.startswith(f"{fullname}.") for name in self.modules)
        return ModuleSpec(fullname, cast(Any, self), is_package=holds_others)

    def create_module(self, spec: ModuleSpec) -> None:
        """None, for a module as any other."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the former module with what that of today holds."""
        name = module.__name__
        today = self.modules[name]
        warnings.warn(f"{name} is now {today}", DeprecationWarning, stacklevel=2)
        found = import_module(today)
        held = {key: value for key, value in vars(found).items() if not key.startswith("__")}
        for former, now in self.names.get(today, {}).items():
            held[former] = getattr(found, now)
        vars(module).update(held)


def moved(modules: Mapping[str, str], names: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Let modules be imported under the names that they had, see :class:`MovedModules`."""
    sys.meta_path.append(MovedModules(modules, names))


def moved_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The function ``__getattr__`` (PEP 562) of a module some of whose names are in others now.

    Args:
        module: The ``__name__`` of the module.
        names: The names that it had, and the module that holds each today.
    """

    def getattribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(f"{module}.{name} is now in {names[name]}", DeprecationWarning, stacklevel=2)
        return getattr(import_module(names[name]), name)

    return getattribute
