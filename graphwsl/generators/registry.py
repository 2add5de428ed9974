"""Generators by name."""

from pathlib import Path
from typing import Any

from gnncore.registry import Registry
from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.aligned_flow.method import AlignedFlow
from graphwsl.generators.flow.equivariant_flow import EquivariantFlow
from graphwsl.generators.generator import Generator
from graphwsl.generators.lora.generator import PromptToLora
from graphwsl.generators.recurrent_diffusion.method import RecurrentDiffusion
from graphwsl.generators.saved import GENERATOR, REQUEST

GENERATORS: Registry[type[Generator]] = Registry(
    "generator",
    GeneratorError,
    {
        method.name: method
        for method in (EquivariantFlow, AlignedFlow, RecurrentDiffusion, PromptToLora)
    },
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
        GeneratorError: There is none, or one of another version, or its training has not ended.
        StorageError: A file is damaged.
    """
    path = arguments.as_path("folder", folder)
    if (path / REQUEST).is_file() and not (path / GENERATOR.config).is_file():
        raise GeneratorError(
            f"{str(path)!r} is unfinished: continue it with graphwsl generate train --resume, and "
            "what it was begun with"
        )
    config, arrays = GENERATOR.read(path)
    made = GENERATORS.find(config.get("generator"))()
    made.restore(config, arrays)
    return made
