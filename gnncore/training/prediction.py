"""What a model says about the graphs of a store."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import Data

from gnncore.errors import TrainingError
from gnncore.training.graph_store import GraphStore
from gnncore.training.graphs import Graphs, as_store
from gnncore.training.loader import Loader
from gnncore.training.threads import threads_for


def predict(
    model: nn.Module, store: Graphs, batch_size: int = 128
) -> Float[Tensor, "rows columns"]:
    """Predictions for all nodes (or graphs, as the model has it) of a data set, in its order.

    The model judges in evaluation mode, without gradients, where its parameters lie, and is left
    in the mode it was in.

    Args:
        model: Called as :func:`call` says.
        store: At least one graph: a store, a data set or list of PyG graphs, or a loader of one.
        batch_size: Graphs a pass.

    Returns:
        The predictions, on the CPU.

    Raises:
        TrainingError: There are no graphs.
    """
    store = as_store(store)
    first = next(model.parameters(), None)
    device = store.device if first is None else first.device
    if device.type != "cpu":
        return predict_on(device, model, store, batch_size).cpu()
    with threads_for(model, store, batch_size):
        return predict_on(device, model, store, batch_size)


def predict_on(
    device: torch.device, model: nn.Module, store: GraphStore, batch_size: int
) -> Float[Tensor, "rows columns"]:
    """As :func:`predict`, with the result left on the device."""
    if not len(store):
        raise TrainingError("there is nothing to predict, the store is empty")
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            parts = [call(model, batch.to(device)) for batch in Loader(store, batch_size)]
    finally:
        model.train(was_training)
    return torch.cat(parts)


def call(model: Callable[..., Any], data: Data) -> Float[Tensor, "rows columns"]:
    """The prediction for a batch, in single precision at least.

    The model is called as ``model(x, edge_index, edge_attr, batch)``, and with ``encoding`` and
    ``graph_attr`` where the batch has tensors of these names. One whose ``forward`` names its
    arguments otherwise, as PyG's models do, gets those that it names. Of a layer's result, which
    holds nodes and edges, the nodes are taken.
    """
    more = {name: data[name] for name in ("encoding", "graph_attr", "edge_weight") if name in data}
    offered = {"edge_attr": data.get("edge_attr"), "batch": data.batch, **more}
    named = _named_arguments(model)
    if named is None or named[2:4] == ["edge_attr", "batch"]:
        prediction = model(data.x, data.edge_index, offered["edge_attr"], offered["batch"], **more)
    else:
        taken = {name: value for name, value in offered.items() if name in named}
        if not getattr(model, "supports_edge_attr", True):  # PyG's models name it all the same
            taken.pop("edge_attr", None)
        prediction = model(data.x, data.edge_index, **taken)
    if isinstance(prediction, tuple):
        prediction = prediction[0]
    return prediction.to(torch.promote_types(prediction.dtype, torch.float32))


def _named_arguments(model: Callable[..., Any]) -> list[str] | None:
    """Names of what a model takes; None where it hands on whatever it gets, as wrappers do."""
    forward = model.forward if isinstance(model, nn.Module) else model
    parameters = inspect.signature(forward).parameters.values()
    if any(one.kind == one.VAR_POSITIONAL for one in parameters):
        inner = getattr(model, "_orig_mod", getattr(model, "module", None))
        return _named_arguments(inner) if isinstance(inner, nn.Module) else None
    return [one.name for one in parameters]
