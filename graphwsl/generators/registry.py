"""Generators by name."""

from pathlib import Path
from typing import Any

from gnncore.registry import Registry
from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.flow.equivariant_flow import EquivariantFlow
from graphwsl.generators.generator import Generator
from graphwsl.generators.lora.generator import PromptToLora
from graphwsl.generators.saved import GENERATOR

GENERATORS: Registry[type[Generator]] = Registry(
    "generator",
    GeneratorError,
    {method.name: method for method in (EquivariantFlow, PromptToLora)},
    more=", or import the module that registers it",
)
"""All methods by name; others join by ``@GENERATORS.register("name")``."""


def make(name: str, size: str = "small", seed: int = 0, **options: Any) -> Generator:
    """A generator that is not fitted yet.

    Args:
        name: One of :data:`GENERATORS`.
        size: ``published`` or ``small``.
        seed: Seed of initial weights, batches and noise in training.
        **options: Settings in place of its own.

    Raises:
        GeneratorError: An unknown name, size or option.
    """
    arguments.text("name", name)
    return GENERATORS.find(name)(size, seed, **options)


def load(folder: str | Path) -> Generator:
    """The generator that :meth:`Generator.save` wrote.

    Args:
        folder: The folder that it was written to.

    Raises:
        GeneratorError: There is none, or one of another version.
        StorageError: A file is damaged.
    """
    config, arrays = GENERATOR.read(arguments.as_path("folder", folder))
    made = GENERATORS.find(config.get("generator"))()
    made.restore(config, arrays)
    return made
