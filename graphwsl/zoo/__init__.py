"""Populations of trained networks: train them, store them, read the published ones."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphwsl.zoo.architectures import build as build
    from graphwsl.zoo.checkpoint import Checkpoint as Checkpoint
    from graphwsl.zoo.checkpoint import Problem as Problem
    from graphwsl.zoo.layouts import open_zoo as open_zoo
    from graphwsl.zoo.recipe import Recipe as Recipe
    from graphwsl.zoo.training import train_zoo as train_zoo
    from graphwsl.zoo.zoo import Zoo as Zoo

# Imported on first use, as in the package itself.
_HOME = {
    "Checkpoint": "graphwsl.zoo.checkpoint",
    "Problem": "graphwsl.zoo.checkpoint",
    "Recipe": "graphwsl.zoo.recipe",
    "Zoo": "graphwsl.zoo.zoo",
    "build": "graphwsl.zoo.architectures",
    "open_zoo": "graphwsl.zoo.layouts",
    "train_zoo": "graphwsl.zoo.training",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'graphwsl.zoo' has no attribute {name!r}")
