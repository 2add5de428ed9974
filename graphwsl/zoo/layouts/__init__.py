"""How zoos lie on disk: our own layout and the published ones, and the door that knows them all."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.zoo.layouts.registry import LAYOUTS as LAYOUTS
    from graphwsl.zoo.layouts.registry import Layout as Layout
    from graphwsl.zoo.layouts.registry import open_zoo as open_zoo

# Imported on first use, as in the package itself.
_HOME = {"LAYOUTS": "registry", "Layout": "registry", "open_zoo": "registry"}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
