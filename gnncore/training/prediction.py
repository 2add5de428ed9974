"""What a model says about the items of a data set."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnncore.errors import TrainingError
from gnncore.training.adapters import Trainable, as_dataset
from gnncore.training.dataset import Dataset
from gnncore.training.forward import Forward, as_prediction, call_model
from gnncore.training.loader import Loader
from gnncore.training.threads import threads_for


def predict(
    model: nn.Module, data: Trainable, batch_size: int = 128, *, forward: Forward = call_model
) -> Float[Tensor, "rows *columns"]:
    """Predictions for all nodes (or graphs, or rows, as the model has it) of a data set, in order.

    The model judges in evaluation mode, without gradients, where its parameters lie, and is left
    in the mode it was in. One without parameters judges on the CPU.

    Args:
        model: What predicts.
        data: At least one item: a data set of this package, of PyG or of torch, a list of items,
            or a loader of one (:func:`gnncore.training.as_dataset`).
        batch_size: Items a pass.
        forward: The prediction of the model for a batch (default:
            :func:`gnncore.training.call_model`, as layers and models of this package and of PyG
            are called).

    Returns:
        The predictions, on the CPU.

    Raises:
        TrainingError: There is nothing to predict, or ``data`` are no data set.
    """
    dataset = as_dataset(data)
    first = next(model.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    if device.type != "cpu":
        return predict_on(device, model, dataset, batch_size, forward).cpu()
    with threads_for(model, dataset, batch_size):
        return predict_on(device, model, dataset, batch_size, forward)


def predict_on(
    device: torch.device, model: nn.Module, dataset: Dataset, batch_size: int, forward: Forward
) -> Float[Tensor, "rows *columns"]:
    """As :func:`predict`, with the result left on the device."""
    if not len(dataset):
        raise TrainingError("there is nothing to predict, the store is empty")
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            parts = [
                as_prediction(forward(model, batch.to(device)))
                for batch in Loader(dataset, batch_size)
            ]
    finally:
        model.train(was_training)
    return torch.cat(parts)
