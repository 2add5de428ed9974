"""Adapted networks as a population: one base network, and for each network its low-rank pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.lora.low_rank import FIRST, SECOND, Pair, Pairs, low_rank_layers
from graphwsl.generators.lora.prompts import require_prompts
from graphwsl.populations.population import Architecture, Function, Population
from graphwsl.zoo.checkpoint import Checkpoint

PROMPTS = "prompts"
"""The factor that holds the prompts of a network's task, one a line."""


def adapted_networks(
    network: nn.Module,
    inputs: Any,
    pairs: Mapping[str, Pair],
    prompts: Sequence[Sequence[str]],
    models: Sequence[str] | None = None,
    metrics: Sequence[Mapping[str, float]] | None = None,
) -> Population:
    """The population of adapters of one network.

    Args:
        network: What :func:`~graphwsl.generators.lora.adapted` gives; its own adapters are of no
            account.
        inputs: Examples of what it takes.
        pairs: A and B of every layer, ``(networks, …)`` or ``(tasks, snapshots, …)``, whose
            snapshots become the epochs of one model.
        prompts: Descriptions of the task, for each network or task; each is a line at most.
        models: Names, one a network or task; numbers by default.
        metrics: What was measured of each network, in the order of the networks.

    Raises:
        GeneratorError: Pairs of other layers, or not as many prompts as networks.
        UnsupportedModelError: The network cannot be traced.
    """
    function = Function.of(network, inputs, "adapted")
    layers = low_rank_layers(network)
    if set(pairs) != set(layers):
        raise GeneratorError(
            f"the network has adapters of {', '.join(layers)}, the pairs are of {', '.join(pairs)}"
        )
    dimensions = next(iter(pairs.values()))[0].ndim - 2
    if dimensions not in (1, 2):
        raise GeneratorError("pairs must be stacked: (networks, …) or (tasks, snapshots, …)")
    tasks = len(next(iter(pairs.values()))[0])
    snapshots = next(iter(pairs.values()))[0].shape[1] if dimensions == 2 else 1
    texts = prompt_texts(prompts, tasks)
    names = [f"task-{number:05d}" for number in range(tasks)] if models is None else list(models)
    if len(names) != tasks or (metrics is not None and len(metrics) != tasks * snapshots):
        raise GeneratorError(f"there must be a name for each of {tasks} tasks, and as many metrics")
    flat = {n: tuple(m.flatten(0, dimensions - 1) for m in pair) for n, pair in pairs.items()}
    rows = with_pairs(base_row(function.architecture)[None].expand(tasks * snapshots, -1),
                      flat, function.architecture)  # type: ignore[arg-type]  # fmt: skip
    checkpoints = [
        Checkpoint(
            names[task],
            snapshot if dimensions == 2 else None,
            {PROMPTS: texts[task]},
            dict(metrics[task * snapshots + snapshot]) if metrics is not None else {},
        )
        for task in range(tasks)
        for snapshot in range(snapshots)
    ]
    return Population.alike(checkpoints, [*rows], function)


def with_prompts(population: Population, texts: Sequence[str]) -> Population:
    """The same networks with prompts.

    Args:
        population: The networks.
        texts: A text for each, a prompt a line.
    """
    checkpoints = [
        replace(checkpoint, configuration={**checkpoint.configuration, PROMPTS: text})
        for checkpoint, text in zip(population.checkpoints, texts, strict=True)
    ]
    return replace(population, checkpoints=checkpoints)


def prompt_texts(prompts: Sequence[Sequence[str]], tasks: int) -> list[str]:
    """The prompts of each task as one text, a prompt a line.

    Args:
        prompts: Prompts of every task.
        tasks: How many there must be.

    Raises:
        GeneratorError: There are more or fewer, or a prompt is empty.
    """
    if len(prompts) != tasks:
        raise GeneratorError(f"there must be prompts for each of {tasks} tasks, got {len(prompts)}")
    for some in prompts:
        require_prompts(some)
    return ["\n".join(" ".join(one.split()) for one in some) for some in prompts]


def has_pairs(architecture: Architecture) -> bool:
    """Whether networks have low-rank adapters.

    Args:
        architecture: That of the networks.
    """
    return any(name.endswith(FIRST) for name in architecture.graph.state)


def pair_places(architecture: Architecture) -> dict[str, tuple[slice, slice]]:
    """Where A and B of each layer lie in a flattened state.

    Args:
        architecture: That of adapted networks.

    Raises:
        GeneratorError: It has no adapters.
    """
    graph = architecture.graph
    places = {}
    for name in graph.state:
        if name.endswith(FIRST):
            layer = name.removesuffix(FIRST)
            places[layer] = tuple(
                slice(graph.offsets[one], graph.offsets[one] + graph.state[one].numel())
                for one in (name, layer + SECOND)
            )
    if not places:
        raise GeneratorError(
            f"networks {architecture.name!r} have no low-rank adapters; make a population by "
            "graphwsl.generators.lora.adapted_networks"
        )
    return places  # type: ignore[return-value]


def pairs_of(rows: Float[Tensor, "networks entries"], architecture: Architecture) -> Pairs:
    """The low-rank pairs of flattened states.

    Args:
        rows: States of adapted networks.
        architecture: What they have in common.

    Raises:
        GeneratorError: They have no adapters.
    """
    arguments.rows("rows", rows)
    state = architecture.graph.state
    return {
        layer: (
            rows[:, first].unflatten(1, state[layer + FIRST].shape),
            rows[:, second].unflatten(1, state[layer + SECOND].shape),
        )
        for layer, (first, second) in pair_places(architecture).items()
    }


def with_pairs(
    rows: Float[Tensor, "networks entries"], pairs: Mapping[str, Pair], architecture: Architecture
) -> Float[Tensor, "networks entries"]:
    """Flattened states with other low-rank pairs.

    Args:
        rows: States of adapted networks.
        pairs: A and B of every layer, stacked.
        architecture: What the networks have in common.

    Raises:
        GeneratorError: The architecture has no adapters, or other ones.
    """
    rows = rows.clone()
    for layer, (first, second) in pair_places(architecture).items():
        for place, matrix in zip((first, second), pairs[layer], strict=True):
            wanted = rows[:, place]
            if matrix.flatten(1).shape != wanted.shape:
                raise GeneratorError(
                    f"a matrix of {layer!r} cannot be of shape {tuple(matrix.shape[1:])}"
                )
            rows[:, place] = matrix.flatten(1)
    return rows


def base_row(architecture: Architecture) -> Float[Tensor, " entries"]:
    """The state of the network that was traced, without what its adapters hold.

    Args:
        architecture: That of adapted networks.
    """
    row = architecture.graph.flat(dtype=torch.float32).clone()
    for places in pair_places(architecture).values():
        for place in places:
            row[place] = 0.0
    return row


def shared_base(population: Population) -> Float[Tensor, " entries"]:
    """The base that all networks of a population have, without adapters.

    Args:
        population: Adapted networks.

    Raises:
        GeneratorError: They have no adapters, or different bases.
    """
    architecture = population.require_one("prompt_to_lora")
    places = [place for both in pair_places(architecture).values() for place in both]
    row = population.states[0].clone()
    is_base = torch.ones(len(row), dtype=torch.bool)
    for place in places:
        is_base[place], row[place] = False, 0.0
    for checkpoint, state in zip(population.checkpoints, population.states, strict=True):
        if not torch.equal(state[is_base], row[is_base]):
            raise GeneratorError(
                f"{checkpoint.model!r} is adapted from another base than "
                f"{population.checkpoints[0].model!r}; adapters of one base are learnt from"
            )
    return row


def canonical_networks(population: Population) -> Population:
    """The same networks with every pair in its canonical form.

    Args:
        population: Adapted networks of one base.
    """
    from graphwsl.generators.lora.canonical_form import canonical

    architecture = population.require_one("prompt_to_lora")
    rows = torch.stack(population.states)
    pairs = {name: canonical(*pair) for name, pair in pairs_of(rows, architecture).items()}
    return replace(population, states=[*with_pairs(rows, pairs, architecture)])
