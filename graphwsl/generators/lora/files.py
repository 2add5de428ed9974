"""A population of adapters on disk: a folder of ``peft`` for each, and what is known of them."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gnncore.storage import leading_to, make_folder, read_json, write_json
from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.lora.low_rank import Pairs, low_rank_layers
from graphwsl.generators.lora.networks import base_row, pairs_of, shared_base, with_pairs
from graphwsl.generators.lora.peft_files import load_adapter, save_adapter
from graphwsl.populations.population import Function, Population
from graphwsl.zoo.checkpoint import Checkpoint

INDEX = "adapters.json"


def save_adapters(folder: str | Path, population: Population, base: str | None = None) -> None:
    """Write a folder of ``peft`` for each adapter, and ``adapters.json``.

    The base network is not written; a hash of it is.

    Args:
        folder: New, or empty.
        population: Adapted networks of one base.
        base: Name or path of the base network, for others.

    Raises:
        GeneratorError: Something is in the folder, or networks are not adapted from one base.
        StorageError: It cannot be written.
    """
    folder = leading_to(arguments.as_path("folder", folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GeneratorError(f"{str(folder)!r} is not empty; choose another folder")
    row = shared_base(population)
    layers = low_rank_layers(population.functions[0].module)
    alphas = {part.scaling * part.lora_A.out_features for part in layers.values()}
    if len(alphas) != 1:
        raise GeneratorError(f"layers are scaled by several alphas, {sorted(alphas)}; use one")
    make_folder(folder)
    pairs = pairs_of(torch.stack(population.states), population.architectures[0])
    rows = []
    for number, checkpoint in enumerate(population.checkpoints):
        name = f"{number:05d}"
        own = {layer: (a[number], b[number]) for layer, (a, b) in pairs.items()}
        save_adapter(folder / name, own, min(alphas), base)
        rows.append({"folder": name, **vars(checkpoint)})
    write_json(folder / INDEX, {"base": _digest(row), "adapters": rows})


def load_adapters(folder: str | Path, network: nn.Module, inputs: Any) -> Population:
    """The population that :func:`save_adapters` wrote.

    Args:
        folder: The folder.
        network: The adapted base network (:func:`~graphwsl.generators.lora.adapted`); its own
            adapters are of no account.
        inputs: Examples of what it takes.

    Raises:
        GeneratorError: Adapters of another base, or of other layers, ranks or scalings.
        StorageError: A file is missing or damaged.
        UnsupportedModelError: The network cannot be traced.
    """
    folder = arguments.as_path("folder", folder)
    layers = low_rank_layers(network)
    function = Function.of(network, inputs, "adapted")
    base = base_row(function.architecture)
    index = read_json(folder / INDEX)
    try:
        known, rows = index["base"], list(index["adapters"])
        checkpoints = [
            Checkpoint(row["model"], row["epoch"], row["configuration"], row["metrics"])
            for row in rows
        ]
        names = [Path(row["folder"]).name for row in rows]
    except (LookupError, TypeError) as error:
        raise GeneratorError(f"{str(folder / INDEX)!r} is no index of adapters") from error
    if known != _digest(base):
        raise GeneratorError(
            f"the adapters in {str(folder)!r} are of another base network; give that one"
        )
    states = []
    for name in names:
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
    return Population.alike(checkpoints, states, function)


def _digest(row: torch.Tensor) -> str:
    return hashlib.sha256(row.contiguous().numpy().tobytes()).hexdigest()
