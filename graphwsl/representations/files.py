"""Embeddings and rebuilt networks as files that other programs read."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from gnncore.storage import leading_to, make_folder, save_tensors, write_json, write_text
from graphwsl import arguments
from graphwsl.errors import RepresentationError
from graphwsl.populations.population import Population
from graphwsl.populations.unflattening import states_of

INDEX = "networks.json"


def embedding_path(path: str | Path) -> Path:
    """A path that an embedding can be written to.

    Raises:
        RepresentationError: Its ending is another one.
    """
    path = arguments.as_path("path", path)
    if path.suffix not in (".csv", ".safetensors"):
        raise RepresentationError(f"an embedding is a .csv or .safetensors file, got {str(path)!r}")
    return path


def save_embedding(
    path: str | Path,
    embedding: Float[Tensor, "networks features"],
    population: Population,
    names: Sequence[str],
) -> None:
    """Write a row a network.

    Args:
        path: A ``.csv`` file, with the network, model and epoch of each row; or ``.safetensors``,
            with the tensor ``embedding`` in the order of the networks.
        embedding: A vector a network.
        population: The networks.
        names: Where each came from.

    Raises:
        RepresentationError: A file of another kind.
        StorageError: It cannot be written.
    """
    path = leading_to(embedding_path(path))
    make_folder(path.parent)
    if path.suffix == ".safetensors":
        save_tensors(path, {"embedding": np.ascontiguousarray(embedding.numpy())})
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["network", "model", "epoch", *range(embedding.shape[1])])
    for name, checkpoint, row in zip(names, population.checkpoints, embedding, strict=True):
        writer.writerow([name, checkpoint.model, checkpoint.epoch, *row.tolist()])
    write_text(path, text.getvalue())


def empty_folder(folder: str | Path) -> Path:
    """A folder in which nothing is yet.

    Raises:
        RepresentationError: Something is in it.
    """
    folder = arguments.as_path("folder", folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RepresentationError(f"{str(folder)!r} is not empty; choose another folder")
    return folder


def save_networks(
    folder: str | Path,
    population: Population,
    names: Sequence[str],
    known: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Write a file of weights a network, and ``networks.json``, which says what each one is.

    Args:
        folder: New, or empty.
        population: The networks.
        names: Where each came from.
        known: What else ``networks.json`` says of each, as plain values; None for no more.

    Raises:
        RepresentationError: Something is in the folder.
        StorageError: It cannot be written.
    """
    folder = empty_folder(folder)
    make_folder(folder)
    index = []
    more = [{} for _ in names] if known is None else known
    for number, (name, checkpoint, kind, state, further) in enumerate(
        zip(
            names,
            population.checkpoints,
            population.kind.tolist(),
            population.states,
            more,
            strict=True,
        )
    ):
        (tensors,) = states_of(state[None], population.architectures[kind])
        file = f"{number:05d}.safetensors"
        arrays = {key: np.ascontiguousarray(value.numpy()) for key, value in tensors.items()}
        save_tensors(folder / file, arrays)
        row = {"file": file, "network": name, "model": checkpoint.model, "epoch": checkpoint.epoch}
        index.append({**row, **further})
    write_json(folder / INDEX, index)
