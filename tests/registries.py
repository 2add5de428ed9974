"""What tests and examples register leaves every registry again."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def registries() -> dict[str, dict[Any, Any]]:
    """Every dictionary that a module of the packages keeps as a constant, by its full name."""
    modules = {
        name: module
        for name, module in sorted(sys.modules.items())
        if name.partition(".")[0] in ("gnncore", "graphwsl", "gridstab")
    }
    found: dict[int, tuple[str, dict[Any, Any]]] = {}
    for module_name, module in modules.items():
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, dict):
                found.setdefault(id(value), (f"{module_name}.{name}", value))
    return dict(found.values())


@contextmanager
def restored() -> Iterator[None]:
    """Puts the entries of all registries back as they were."""
    before = [(registry, dict(registry)) for registry in registries().values()]
    try:
        yield
    finally:
        for registry, entries in before:
            if registry != entries:
                registry.clear()
                registry.update(entries)
