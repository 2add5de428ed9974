"""Data sets as PyG users have them: what training takes in place of a store."""

from collections.abc import Iterable
from typing import Any, cast

from torch.utils.data import DataLoader, RandomSampler, SequentialSampler
from torch_geometric.data import Data

from gnncore.errors import TrainingError
from gnncore.training.graph_store import GraphStore

Graphs = GraphStore | Iterable[Data] | DataLoader[Any]
"""A store, a PyG data set or list of graphs, or a loader of either."""


def as_store(graphs: Graphs) -> GraphStore:
    """The graphs in one store, where they are not already.

    A data set that keeps its graphs in a store (as ``GridDataset`` does) is taken at once, unless
    it has a transform: then, as for any other data set, every graph is read once and transformed
    once. Of a loader the data set is taken alone, since batches, their order and their seed are
    the training's own.

    Args:
        graphs: A store, a data set, a list of graphs, or a loader over all of one.

    Raises:
        TrainingError: Not of these, no graphs, a loader that samples in a way of its own, or
            graphs that do not fit together.
    """
    if isinstance(graphs, GraphStore):
        return graphs
    if isinstance(graphs, DataLoader):
        if not isinstance(graphs.sampler, RandomSampler | SequentialSampler):
            raise TrainingError(
                f"a loader with a {type(graphs.sampler).__name__} draws graphs in its own way, "
                "which a training would not follow; give its data set"
            )
        return as_store(cast(Iterable[Data], graphs.dataset))
    store = getattr(graphs, "store", None)
    if isinstance(store, GraphStore) and getattr(graphs, "transform", None) is None:
        return store
    try:
        several = list(graphs)
    except TypeError as error:
        raise TrainingError(_refusal(graphs)) from error
    if not all(isinstance(graph, Data) for graph in several):
        odd = next(graph for graph in several if not isinstance(graph, Data))
        raise TrainingError(_refusal(odd))
    return GraphStore.from_data_list(several)


def _refusal(given: object) -> str:
    return (
        "graphs must be a GraphStore, a data set or list of torch_geometric.data.Data, or a loader "
        f"of one, got a {type(given).__name__}"
    )
