"""The landscape of a whole zoo in one call: networks of one architecture are measured together."""

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import LandscapeError
from graphwsl.landscape.eigenvalues import BASIS
from graphwsl.landscape.group_data import Found, GroupData, submodule
from graphwsl.landscape.group_metrics import MEASURES
from graphwsl.landscape.groups import Cell, Group, cells_of, groups_of, parameters_and_buffers
from graphwsl.landscape.hessian_products import require_layer
from graphwsl.landscape.landscape import (
    Landscape,
    MeasuredCell,
    MeasuredNetwork,
    ResultFile,
    number_or_nan,
    plain,
)
from graphwsl.landscape.settings import LandscapeSettings
from graphwsl.populations.population import Function, Population
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.zoo import Zoo, require_zoo

AT_ONCE = 64
"""Networks that are measured together, at most."""

NUMBERS = 2**26
"""Numbers that a group holds at once, about: of a basis of its Krylov spaces, or of activations."""

Progress = Callable[[int, int, str], None]


def measure(
    zoo: Zoo,
    settings: LandscapeSettings | None = None,
    *,
    epoch: int | None = None,
    data: DataSet | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    on_progress: Progress | None = None,
) -> Landscape:
    """Measure the loss landscape of all networks of a zoo.

    Hessians of training data are those of what each network has learnt: its share of the data, and
    its labels, noise included. Between networks, on curves and lines and of averages, all are
    judged by the data's own labels.

    Args:
        zoo: A zoo of any layout.
        settings: What is measured, and how closely; None for the defaults.
        epoch: The epoch of the networks; None for the last of each.
        data: Training and test samples; None for those of the zoo.
        out: A JSON file that keeps every part as soon as it is done, so that the work may be
            interrupted; None keeps nothing.
        resume: Go on with that file.
        on_progress: Called with the parts that are done, their total, and what is measured.

    Returns:
        Numbers of networks and of cells, which are networks that differ in their seeds alone.

    Raises:
        InvalidArgumentError: An argument of another type.
        LandscapeError: The zoo lacks what is asked for: networks that differ in their seeds alone,
            several epochs of each, or a layer; or there is a file that cannot be resumed.
        ZooError: The zoo does not say what its data are, or they are not to be had.
        StorageError: A file cannot be read or written.

    >>> measure(open_zoo("zoos/digits_seed"))  # doctest: +SKIP
    """
    require_zoo(zoo)
    settings = LandscapeSettings() if settings is None else settings
    what = "LandscapeSettings"
    arguments.instance("settings", settings, LandscapeSettings, what, "give LandscapeSettings()")
    arguments.instance("data", data, (DataSet, type(None)), "a DataSet or None", "leave it out")
    chosen = _chosen(zoo, epoch)
    cells = cells_of(chosen)
    _require_seeds(settings, cells)
    averaged = _averaged(zoo, chosen, settings) if "averages" in settings.metrics else {}
    own = data is None
    data = zoo.images() if data is None else data
    population = Population.load(zoo, chosen)
    _require_fitting(population, data)
    _require_layers(population, settings)
    at_once = [_at_once(one, data.test[:1], settings) for one in population.functions]
    parts = groups_of(population, cells, at_once)
    file = ResultFile(out, _identity(population, data, settings, averaged))
    file.open(resume)
    work = [(metric, group) for metric in settings.metrics for group in parts]
    for number, (metric, group) in enumerate(work):
        name = f"{metric} {group.key}"
        if name not in file.parts:
            if on_progress is not None:
                on_progress(number, len(work), f"{metric} of {len(group.members)} networks")
            start = time.perf_counter()
            earlier = {m: _states(zoo, averaged[m]) for m in group.members if m in averaged}
            given = GroupData(group, population, earlier, data, settings)
            found = MEASURES[metric](given, activations_of(given.module, data.test[:1]))
            seconds = time.perf_counter() - start
            file.keep(name, _part(found, seconds))
    if on_progress is not None:
        on_progress(len(work), len(work), "done")
    if "own errors" not in file.parts:
        file.keep("own errors", _part(_own_errors(population, parts, data, settings, own), 0.0))
    landscape = _assembled(population, cells, settings, file.parts)
    file.finish(landscape.to_dict())
    return landscape


def activations_of(module: nn.Module, sample: Tensor) -> int:
    """How many numbers the modules of a network compute for one sample.

    Args:
        module: The network.
        sample: One sample.
    """
    counts = [0]

    def count(_: Any, __: Any, output: Any) -> None:
        counts[0] += output.numel() if isinstance(output, Tensor) else 0

    leaves = [part for part in module.modules() if not list(part.children())]
    hooks = [leaf.register_forward_hook(count) for leaf in leaves]
    try:
        with torch.no_grad():
            module(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return max(counts[0], 1)


def _at_once(function: Function, sample: Tensor, settings: LandscapeSettings) -> int:
    """Networks of a function that fit into the memory together."""
    basis = 2 * BASIS * function.architecture.num_entries
    activations = 2 * settings.batch_size * activations_of(function.module, sample)
    return max(1, min(AT_ONCE, NUMBERS // max(basis, activations)))


def _chosen(zoo: Zoo, epoch: int | None) -> list[Checkpoint]:
    """One checkpoint of every network."""
    known = [c for c in zoo.checkpoints if epoch is None or c.epoch == epoch]
    if not known:
        epochs = sorted({c.epoch for c in zoo.checkpoints if c.epoch is not None})
        if not epochs:
            raise LandscapeError("the zoo has no usable checkpoints")
        raise LandscapeError(f"the zoo has no checkpoints of epoch {epoch}; it has {epochs}")
    return list({checkpoint.model: checkpoint for checkpoint in known}.values())


def _require_seeds(settings: LandscapeSettings, cells: Sequence[Cell]) -> None:
    asked = [m for m in settings.metrics if m in ("similarity", "curves", "lines")]
    if asked and all(len(cell.members) < 2 for cell in cells):
        raise LandscapeError(
            f"{asked[0]} needs networks that differ in their seed alone, and no two of "
            f"{sum(len(cell.members) for cell in cells)} do; choose other metrics (hessian does "
            "without)"
        )


def _averaged(
    zoo: Zoo, chosen: Sequence[Checkpoint], settings: LandscapeSettings
) -> dict[int, list[Checkpoint]]:
    """The kept epochs of every network, up to its own: the first one, and the last few."""
    by_model: dict[str, list[Checkpoint]] = {}
    for checkpoint in zoo.checkpoints:
        by_model.setdefault(checkpoint.model, []).append(checkpoint)
    found = {}
    for number, checkpoint in enumerate(chosen):
        kept = [
            one
            for one in by_model[checkpoint.model]
            if one.epoch is not None and 0 < one.epoch <= (checkpoint.epoch or 0)
        ]
        if len(kept) < 2:
            raise LandscapeError(
                f"averages along trainings need at least two epochs of each network, and of model "
                f"{checkpoint.model!r} there is {len(kept) or 'none'} after the beginning; choose "
                "other metrics, or keep more epochs"
            )
        first, last = kept[:1], kept[-settings.averaged_epochs :]
        found[number] = last if first[0] in last else first + last
    return found


def _states(zoo: Zoo, checkpoints: Sequence[Checkpoint]) -> list[Tensor]:
    return Population.load(zoo, checkpoints).states


def _require_fitting(population: Population, data: DataSet) -> None:
    for architecture, function in zip(population.present, population.functions, strict=False):
        inputs = function.inputs
        if isinstance(inputs, Tensor) and tuple(inputs.shape[1:]) != data.sample_shape:
            raise LandscapeError(
                f"networks {architecture.name!r} take samples of shape "
                f"{tuple(inputs.shape[1:])}, the data are of shape {data.sample_shape}"
            )


def _require_layers(population: Population, settings: LandscapeSettings) -> None:
    """Refuse layers that a network lacks before anything is measured."""
    for number in population.function.unique().tolist():
        module = population.functions[number].module
        if "hessian" in settings.metrics:
            for layer in settings.layers:
                require_layer(layer, [name for name, _ in module.named_parameters()])
        if "similarity" in settings.metrics:
            for name in settings.activations:
                submodule(module, name)


def _identity(
    population: Population,
    data: DataSet,
    settings: LandscapeSettings,
    averaged: Mapping[int, Sequence[Checkpoint]],
) -> dict[str, Any]:
    epochs = [[one.epoch for one in several] for several in averaged.values()]
    networks = hashlib.sha256(f"{population.content_hash} {epochs}".encode()).hexdigest()
    return {
        "networks": networks,
        "data": data.content_hash,
        "settings": settings.model_dump(mode="json"),
    }


def _own_errors(
    population: Population,
    groups: Sequence[Group],
    data: DataSet,
    settings: LandscapeSettings,
    own: bool,
) -> Found:
    """Losses and errors of every network on all it has learnt, and on all test samples."""
    names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    found = Found()
    for group in groups:
        metrics = {m: population.checkpoints[m].metrics for m in group.members}
        if own and all(name in one for one in metrics.values() for name in names):
            for member, one in metrics.items():
                errors = {f"{p}_error": 1 - one[f"{p}_accuracy"] for p in ("train", "test")}
                losses = {f"{p}_loss": one[f"{p}_loss"] for p in ("train", "test")}
                found.networks[member] = {**losses, **errors}
            continue
        given = GroupData(group, population, {}, data, settings)
        flat, buffers = parameters_and_buffers(group.function, group.rows(population))
        for part in ("train", "test"):
            objective = (
                given.own_training(group.members, len(data.train))
                if part == "train"
                else given.shared("test", group.members)
            )
            loss, error = objective.measure(flat, buffers)
            for place, member in enumerate(group.members):
                kept = found.networks.setdefault(member, {})
                kept[f"{part}_loss"] = float(loss[place])
                if error is not None:
                    kept[f"{part}_error"] = float(error[place])
    return found


def _part(found: Found, seconds: float) -> dict[str, Any]:
    return plain(
        {
            "networks": found.networks,
            "cells": found.cells,
            "profiles": found.profiles,
            "seconds": round(seconds, 3),
        }
    )


def _assembled(
    population: Population,
    cells: Sequence[Cell],
    settings: LandscapeSettings,
    parts: Mapping[str, Any],
) -> Landscape:
    networks: list[dict[str, float]] = [{} for _ in population.checkpoints]
    between: list[dict[str, float]] = [{} for _ in cells]
    profiles: list[dict[str, list[float]]] = [{} for _ in cells]
    seconds: dict[str, float] = {}
    for name, part in sorted(parts.items()):
        metric = name.partition(" ")[0]
        if metric != "own":
            seconds[metric] = round(seconds.get(metric, 0.0) + part["seconds"], 3)
        for number, values in part["networks"].items():
            networks[int(number)] |= {key: number_or_nan(value) for key, value in values.items()}
        for number, values in part["cells"].items():
            between[int(number)] |= {key: number_or_nan(value) for key, value in values.items()}
        for number, along in part["profiles"].items():
            profiles[int(number)] |= {
                key: [number_or_nan(value) for value in some] for key, some in along.items()
            }
    measured = tuple(
        MeasuredNetwork(c.model, c.epoch, c.configuration, dict(sorted(own.items())))
        for c, own in zip(population.checkpoints, networks, strict=True)
    )
    return Landscape(
        settings,
        measured,
        tuple(
            MeasuredCell(
                cell.configuration,
                tuple(population.checkpoints[member].model for member in cell.members),
                {**_means([networks[member] for member in cell.members]), **own},
                along,
            )
            for cell, own, along in zip(cells, between, profiles, strict=True)
        ),
        seconds,
    )


def _means(several: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = sorted(set.intersection(*(set(one) for one in several)))
    return {name: sum(one[name] for one in several) / len(several) for name in names}
