"""Networks that a user names on the command line: zoos, files, modules."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphwsl.errors import PredictorError
from graphwsl.imports.loading import load_model
from graphwsl.properties.population import Function, Population
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.layouts import open_zoo


@dataclass(frozen=True, eq=False)
class LoadedNetworks:
    """Networks and where each came from.

    Attributes:
        population: The networks.
        names: For each, the argument that named it.
    """

    population: Population
    names: list[str]


def load_networks(
    references: Sequence[str], *, epochs: Sequence[int] | None = None
) -> LoadedNetworks:
    """All checkpoints of zoos, and single networks.

    Args:
        references: Folders of zoos of any layout, ONNX files, or ``package.module:factory`` as
            :func:`graphwsl.imports.load_model` takes them.
        epochs: Only these epochs of zoos; None for all.

    Raises:
        ZooError: A folder holds no zoo.
        ImportedModelError: A file or module gives no network.
        UnsupportedModelError: A network cannot be traced.
        PredictorError: No networks, or none of these epochs.
        StorageError: A file is damaged.
    """
    parts, names = [], []
    for reference in references:
        part = _zoo(reference, epochs) if Path(reference).is_dir() else _network(reference)
        parts.append(part)
        names += [reference] * len(part)
    return LoadedNetworks(Population.join(parts), names)


def _zoo(reference: str, epochs: Sequence[int] | None) -> Population:
    zoo = open_zoo(reference)
    kept = [c for c in zoo.checkpoints if not epochs or c.epoch in epochs]
    if not kept:
        raise PredictorError(f"{reference!r} has no checkpoints of the epochs {list(epochs or ())}")
    return Population.load(zoo, kept)


def _network(reference: str) -> Population:
    module, inputs = load_model(reference)
    function = Function.of(module.eval(), inputs, reference)
    state = function.architecture.graph.flat().float()
    return Population.alike([Checkpoint(reference, 0, {}, {})], [state], function)
