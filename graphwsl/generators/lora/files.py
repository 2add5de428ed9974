"""A population of adapters on disk: a folder of ``peft`` for each, and what is known of them.

adapters.json    of which base they are, and what is known of each
manifest.json    checksums of all files, without which folders of former versions are
00000/           an adapter as ``peft`` has it
"""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gnncore.storage import MANIFEST_NAME, Manifest, StorageError, is_free, write_folder_with
from graphwsl import arguments
from graphwsl.errors import GeneratorError, GraphwslError
from graphwsl.generators.lora.adapter_index import INDEX, read_index, write_index
from graphwsl.generators.lora.low_rank import Pairs, low_rank_layers
from graphwsl.generators.lora.networks import base_row, pairs_of, shared_base, with_pairs
from graphwsl.generators.lora.peft_files import CONFIG, WEIGHTS, load_adapter, save_adapter
from graphwsl.populations.population import Function, Population


def save_adapters(folder: str | Path, population: Population, base: str | None = None) -> None:
    """Write a folder of ``peft`` for each adapter, ``adapters.json`` and ``manifest.json``.

    The base network is not written; a hash of it is.

    Args:
        folder: New, or empty.
        population: Adapted networks of one base.
        base: Name or path of the base network, for others.

    Raises:
        GeneratorError: Something is in the folder, networks are not adapted from one base, or what
            is known of one is no plain, finite value.
        StorageError: It cannot be written.
    """
    folder = arguments.as_path("folder", folder)
    if not is_free(folder):
        raise GeneratorError(f"{str(folder)!r} is not empty; choose another folder")
    row = shared_base(population)
    layers = low_rank_layers(population.functions[0].module)
    alphas = {part.scaling * part.lora_A.out_features for part in layers.values()}
    if len(alphas) != 1:
        raise GeneratorError(f"layers are scaled by several alphas, {sorted(alphas)}; use one")
    pairs = pairs_of(torch.stack(population.states), population.architectures[0])
    names = [f"{number:05d}" for number in range(len(population))]

    def write(part: Path) -> None:
        for number, name in enumerate(names):
            own = {layer: (a[number], b[number]) for layer, (a, b) in pairs.items()}
            save_adapter(part / name, own, min(alphas), base)
        known = dict(zip(names, population.checkpoints, strict=True))
        write_index(part, _digest(row), known)
        Manifest.of(part).write()

    write_folder_with(folder, write)


def load_adapters(folder: str | Path, network: nn.Module, inputs: Any) -> Population:
    """The population that :func:`save_adapters` wrote.

    Args:
        folder: The folder; its files are compared with their checksums, which those of former
            versions have not.
        network: The adapted base network (:func:`~graphwsl.generators.lora.adapted`); its own
            adapters are of no account.
        inputs: Examples of what it takes.

    Raises:
        GeneratorError: Adapters of another base, or of other layers, ranks or scalings; an index
            that names none, or one twice.
        StorageError: A file is missing, damaged or another than was written.
        UnsupportedModelError: The network cannot be traced.
    """
    folder = arguments.as_path("folder", folder)
    layers = low_rank_layers(network)
    function = Function.of(network, inputs, "adapted")
    base = base_row(function.architecture)
    manifest = _manifest_of(folder)
    if manifest is not None:
        manifest.require(INDEX)
    known, checkpoints = read_index(folder)
    if known != _digest(base):
        raise GeneratorError(
            f"the adapters in {str(folder)!r} are of another base network; give that one"
        )
    states = []
    for name in checkpoints:
        if manifest is not None:
            manifest.require(*(f"{name}/{file}" for file in (CONFIG, WEIGHTS)))
        adapter = load_adapter(folder / name)
        wanted = {layer: part.scaling for layer, part in layers.items()}
        if adapter.scaling != wanted:
            raise GeneratorError(
                f"adapter {str(folder / name)!r} is of other layers or scalings than the network"
            )
        pairs: Pairs = {
            n: (a[None].float(), b[None].float()) for n, (a, b) in adapter.pairs.items()
        }
        states.append(with_pairs(base[None], pairs, function.architecture)[0])
    return Population.alike(list(checkpoints.values()), states, function)


def problems_of(folder: Path) -> list[str]:
    """Everything that is not as it should be in a folder of adapters, one line each.

    Args:
        folder: The folder; of one without checksums, files of former versions, it is read whether
            they can be adapters.
    """
    try:
        manifest = _manifest_of(folder)
        problems = [] if manifest is None else [one.text for one in manifest.verify()]
        if problems:
            return problems
        _, checkpoints = read_index(folder)
    except (GraphwslError, StorageError) as error:
        return [str(error)]
    for name in checkpoints:
        try:
            load_adapter(folder / name)
        except (GraphwslError, StorageError) as error:
            problems.append(str(error))
    return problems


def _manifest_of(folder: Path) -> Manifest | None:
    """The checksums of a folder; None in those of former versions."""
    return Manifest.read(folder) if (folder / MANIFEST_NAME).exists() else None


def _digest(row: torch.Tensor) -> str:
    return hashlib.sha256(row.contiguous().numpy().tobytes()).hexdigest()
