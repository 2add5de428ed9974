"""What a model says about the graphs of a store."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import Data

from gnncore.errors import TrainingError
from gnncore.training.loader import Loader
from gnncore.training.store import GraphStore
from gnncore.training.threads import threads_for


def predict(
    model: nn.Module, store: GraphStore, batch_size: int = 128
) -> Float[Tensor, "rows columns"]:
    """Predictions for all nodes (or graphs, as the model has it) of a store, in its order.

    The model judges in evaluation mode, without gradients, where its parameters lie, and is left
    in the mode it was in.

    Args:
        model: Called as ``model(x, edge_index, edge_attr, batch)``, and with ``encoding`` and
            ``graph_attr`` where the store has tensors of these names.
        store: At least one graph.
        batch_size: Graphs a pass.

    Returns:
        The predictions, on the CPU.

    Raises:
        TrainingError: The store is empty.
    """
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
    """The prediction for a batch, in single precision at least."""
    more = {name: data[name] for name in ("encoding", "graph_attr") if name in data}
    prediction: Tensor = model(data.x, data.edge_index, data.get("edge_attr"), data.batch, **more)
    return prediction.to(torch.promote_types(prediction.dtype, torch.float32))
