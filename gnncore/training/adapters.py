"""Data sets as users have them, of PyG, of torch or lists: what training takes in their place."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)
from torch_geometric.data import Data
from torch_geometric.loader.dataloader import Collater

from gnncore.errors import TrainingError
from gnncore.training.dataset import Dataset
from gnncore.training.graph_store import GraphStore
from gnncore.training.rows import RaggedRows
from gnncore.training.tensor_store import TensorStore

Trainable = Dataset | Iterable[Any] | DataLoader[Any]
"""A data set of this package, of PyG or of torch, a list of items, or a loader of one of these."""


def as_dataset(data: Trainable) -> Dataset:
    """The items as a data set of this package, where they are not already.

    Items are PyG's ``Data``, tensors ``x``, pairs ``(x, y)`` of tensors or numbers, or
    dictionaries of such. Of another data set every item is read once, and transformed once; one
    that keeps its graphs in a store (as ``GridDataset`` does) or its rows in tensors (as torch's
    ``TensorDataset``) is taken at once. What is too large for that is a
    :class:`gnncore.training.LazyRows`. Of a loader the data set is taken alone, since batches,
    their order and their seed are the training's own.

    Args:
        data: A store, a data set, a list of items, or a loader over all of one.

    Raises:
        TrainingError: Not of these, nothing in it, a loader that samples or collates in a way of
            its own, or items that do not fit together.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, DataLoader):
        _check_loader(data)
        return as_dataset(cast(Iterable[Any], data.dataset))
    store = getattr(data, "store", None)
    if isinstance(store, Dataset) and getattr(data, "transform", None) is None:
        return store
    if isinstance(data, TensorDataset):
        return TensorStore(**dict(zip(_names(data.tensors), data.tensors, strict=True)))
    items = _read(data)
    if all(isinstance(item, Data) for item in items):
        return GraphStore.from_data_list(items, exclude_keys=_texts(items))
    return _rows(items)


def _texts(graphs: list[Data]) -> list[str]:
    """Attributes that are names and the like, of which nothing is learnt."""
    return [key for key, value in graphs[0].to_dict().items() if isinstance(value, str)]


def _read(data: Any) -> list[Any]:
    if isinstance(data, IterableDataset | Tensor | Mapping | str):
        raise TrainingError(_refusal(data))
    # Data sets of torch have items and a length, but need not be iterable.
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return [data[number] for number in range(len(data))]
    try:
        items = iter(data)
    except TypeError as error:
        raise TrainingError(_refusal(data)) from error
    return list(items)


def _rows(items: list[Any]) -> TensorStore:
    """Rows of numbers, one an item."""
    columns: dict[str, list[Tensor]] = {}
    for number, item in enumerate(items):
        named = _named(item)
        if number and named.keys() != columns.keys():
            raise TrainingError(
                f"item {number} has {', '.join(named)}, the first has {', '.join(columns)}"
            )
        for name, value in named.items():
            columns.setdefault(name, []).append(value)
    return TensorStore(**{name: _column(name, values) for name, values in columns.items()})


def _named(item: Any) -> dict[str, Tensor]:
    if isinstance(item, Mapping):
        named = dict(item)
    elif isinstance(item, tuple | list):
        named = dict(zip(_names(item), item, strict=True))
    elif isinstance(item, Tensor):
        named = {"x": item}
    else:
        raise TrainingError(_refusal(item))
    for name, value in named.items():
        if isinstance(value, bool | int | float):
            named[name] = torch.tensor(value)
        elif not isinstance(value, Tensor):
            raise TrainingError(_refusal(value))
    return named


def _column(name: str, values: list[Tensor]) -> Tensor | RaggedRows:
    shapes = sorted({tuple(value.shape) for value in values})
    if len(shapes) == 1:
        return torch.stack(values)
    if name in ("y", "y_mask", "weight"):
        raise TrainingError(f"{name} has shapes {shapes[0]} and {shapes[1]} in different items")
    return RaggedRows.of(values)


def _names(parts: Sequence[Any]) -> list[str]:
    if not 1 <= len(parts) <= 2:
        raise TrainingError(
            f"items of {len(parts)} parts do not say what each is; make them dictionaries with "
            "x, y and whatever the model reads"
        )
    return ["x", "y"][: len(parts)]


def _check_loader(loader: DataLoader[Any]) -> None:
    sampler, collate = loader.sampler, loader.collate_fn
    plain = isinstance(sampler, SequentialSampler) or (
        isinstance(sampler, RandomSampler)
        and not sampler.replacement
        and sampler.num_samples == len(cast(Any, loader.dataset))
    )
    if isinstance(loader.dataset, IterableDataset) or not plain:
        raise TrainingError(
            f"a loader with a {type(sampler).__name__} draws items in its own way, which a "
            "training would not follow; give its data set"
        )
    if loader.batch_sampler is not None and type(loader.batch_sampler) is not BatchSampler:
        raise TrainingError(
            f"a loader with a {type(loader.batch_sampler).__name__} makes batches in its own way, "
            "which a training would not follow; give its data set"
        )
    if collate is not default_collate and not isinstance(collate, Collater):
        raise TrainingError(
            f"a loader with collate_fn {getattr(collate, '__name__', collate)!r} makes batches in "
            "its own way, which a training would not follow; let items of its data set be "
            "tensors, or make a TensorStore"
        )


def _refusal(given: object) -> str:
    return (
        "data must be a GraphStore, a TensorStore, a data set or list of torch_geometric.data.Data "
        "or of tensors x, pairs (x, y) or dictionaries of tensors, or a loader of one, got a "
        f"{type(given).__name__}"
    )
