"""Representations by name."""

from pathlib import Path
from typing import Any

from gnncore.registry import Registry
from graphwsl import arguments
from graphwsl.errors import RepresentationError
from graphwsl.representations.behavioural import Behavioural
from graphwsl.representations.graph_autoencoder import GraphAutoencoder
from graphwsl.representations.hub import Hub
from graphwsl.representations.hyper_representation import HyperRepresentation
from graphwsl.representations.multi_zoo import MultiZoo
from graphwsl.representations.representation import Representation
from graphwsl.representations.sane import Sane
from graphwsl.representations.saved import read_saved

REPRESENTATIONS: Registry[type[Representation]] = Registry(
    "representation",
    RepresentationError,
    {
        method.name: method
        for method in (HyperRepresentation, Sane, MultiZoo, Behavioural, Hub, GraphAutoencoder)
    },
    more=", or import the module that registers it",
)
"""All methods by name; others join by ``@REPRESENTATIONS.register("name")``."""


def make(name: str, size: str = "small", seed: int = 0, **options: Any) -> Representation:
    """A representation that is not fitted yet.

    Args:
        name: One of :data:`REPRESENTATIONS`.
        size: ``published`` or ``small``.
        seed: Seed of initial weights, batches and augmentations.
        **options: Settings in place of its own.

    Raises:
        RepresentationError: An unknown name, size or option.
    """
    arguments.text("name", name)
    return REPRESENTATIONS.find(name)(size, seed, **options)


def load(folder: str | Path) -> Representation:
    """The representation that :meth:`Representation.save` wrote.

    Args:
        folder: The folder that it was written to.

    Raises:
        RepresentationError: There is none, or one of another version.
        StorageError: A file is damaged.
    """
    config, arrays = read_saved(arguments.as_path("folder", folder))
    made = REPRESENTATIONS.find(config.get("representation"))()
    made.restore(config, arrays)
    return made
