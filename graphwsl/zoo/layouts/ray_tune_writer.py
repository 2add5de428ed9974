"""Our zoos in the layout of the published ones, for programs that read those.

A zoo becomes a folder a network, one of two stages ``pretraining/<parent>`` and
``finetuning/<parent>/<network>``, as in Falk et al., "A Model Zoo of Vision Transformers", 2025;
each has its configuration under the published names and our own, a line of JSON an epoch, and the
weights in torch's format. :class:`graphwsl.zoo.layouts.ray_tune.RayTuneZoo` reads it back.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gnncore.storage import (
    is_free,
    make_folder,
    write_folder_with,
    write_json,
    write_text,
    write_with,
)
from graphwsl.arguments import as_path
from graphwsl.errors import ZooError
from graphwsl.zoo.checkpoint import Checkpoint, Scalar
from graphwsl.zoo.layouts.factors import METRICS, RAY_TUNE_FACTORS
from graphwsl.zoo.layouts.ray_tune import (
    CONFIGURATIONS,
    PRETRAINED,
    RESULTS,
    TUNED,
    WEIGHTS,
    published_type,
)
from graphwsl.zoo.parentage import parents_of
from graphwsl.zoo.store import StoredZoo
from graphwsl.zoo.zoo import Zoo, require_beside, require_zoo

_FACTORS = {ours: published for published, ours in RAY_TUNE_FACTORS.items()}
_METRICS = {ours: published for published, ours in METRICS.items()}


def write_ray_tune(zoo: Zoo, out: str | Path) -> int:
    """Write a zoo in the published layout.

    Args:
        zoo: A zoo of any layout.
        out: The folder to make; an empty one may be there.

    Returns:
        Checkpoints that were written.

    Raises:
        ZooError: The folder holds something or lies within the zoo, the zoo has no checkpoints, or
            one is not usable; then nothing is in the folder.
        StorageError: A file of the zoo is damaged, the disk is full, and the like.
    """
    require_zoo(zoo)
    out = as_path("out", out)
    if not is_free(out):
        raise ZooError(f"{str(out)!r} is there already; choose another folder")
    if not zoo.checkpoints:
        raise ZooError("the zoo has no checkpoints to write")
    if isinstance(zoo, StoredZoo):
        require_beside(out, zoo.folder.path)
    networks = list(_networks(zoo))

    def write(part: Path) -> None:
        for source, place, checkpoints in networks:
            _write_network(source, part / place, checkpoints)

    write_folder_with(out, write)
    return sum(len(checkpoints) for _, _, checkpoints in networks)


def _networks(zoo: Zoo) -> Iterator[tuple[Zoo, Path, list[Checkpoint]]]:
    """The networks of a zoo and of its parents: the zoo that holds them, and their folder."""
    tuned = any(c.configuration.get("parent") for c in zoo.checkpoints)
    home = parents_of(zoo)[0] if tuned else zoo
    sources = [zoo] if home is zoo else [home, zoo]
    for source in sources:
        for model, members in groupby(source.checkpoints, key=lambda checkpoint: checkpoint.model):
            checkpoints = list(members)
            parent = checkpoints[0].configuration.get("parent")
            # A zoo that was published has its places already.
            if not tuned or home is zoo:
                place = Path(model)
            else:
                place = Path(TUNED, str(parent), model) if parent else Path(PRETRAINED, model)
            yield source, place, checkpoints


def _write_network(zoo: Zoo, folder: Path, checkpoints: list[Checkpoint]) -> None:
    make_folder(folder)
    configuration = published(checkpoints[0].configuration)
    name = CONFIGURATIONS["pretraining::model" in configuration]
    write_json(folder / name, configuration)
    lines = [{**_result(checkpoint), "config": configuration} for checkpoint in checkpoints]
    write_text(folder / RESULTS, "".join(f"{json.dumps(line)}\n" for line in lines))
    for checkpoint in checkpoints:
        place = folder / f"checkpoint_{checkpoint.epoch or 0:06d}"
        make_folder(place)
        _write_state(place / WEIGHTS, zoo.weights(checkpoint))


def _write_state(path: Path, state: Mapping[str, Tensor]) -> None:
    """Tensors by name in torch's format and nothing else, so that ``weights_only`` reads them."""
    # Copies, for torch writes all that a view is a part of.
    write_with(path, partial(torch.save, {name: value.clone() for name, value in state.items()}))


def published(configuration: dict[str, Scalar]) -> dict[str, Scalar]:
    """A configuration under our names and, for all that has one, under the published ones.

    Args:
        configuration: The generating factors.
    """
    found: dict[str, Any] = dict(configuration)
    found |= {_FACTORS[name]: value for name, value in configuration.items() if name in _FACTORS}
    found["model::type"] = published_type(configuration)
    hidden = configuration.get("head_width") or None
    found |= {"model::head::mlp": hidden is not None, "model::head::hidden_dim": hidden}
    parent = configuration.get("parent")
    if parent is not None:
        found |= {"pretraining::model": parent, "model::head::seed": configuration.get("seed")}
    return found


def _result(checkpoint: Checkpoint) -> dict[str, float | int | None]:
    measured = {_METRICS.get(name, name): value for name, value in checkpoint.metrics.items()}
    measured.pop("generalisation_gap", None)
    return {"training_iteration": checkpoint.epoch, **measured}
