"""Small populations for the tests: untrained networks whose property follows from their weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.checkpoint import Checkpoint, Problem
from graphwsl.zoo.data_set import DataSet

CNN = {"architecture": "cnn_s", "image_size": 28}
MLP = {"architecture": "mlp", "image_size": 3, "width": 4, "depth": 2, "out_channels": 3}
SMALL_CNN = {
    "architecture": "cnn",
    "image_size": 8,
    "width": 4,
    "depth": 2,
    "out_channels": 3,
}


class MemoryZoo:
    """Random networks of given configurations, two epochs each.

    The ``size`` of a checkpoint is the logarithm of the factor by which its weights were scaled,
    so that it can be read from them.
    """

    problems: Sequence[Problem] = ()

    def __init__(self, configurations: Sequence[dict[str, object]], count: int) -> None:
        self.checkpoints: list[Checkpoint] = []
        self.states: dict[tuple[str, int], dict[str, Tensor]] = {}
        generator = torch.Generator().manual_seed(0)
        for number in range(count):
            configuration = dict(configurations[number % len(configurations)])
            torch.manual_seed(number)
            state = build(str(configuration["architecture"]), configuration).state_dict()
            for epoch in (0, 1):
                size = float(torch.rand((), generator=generator)) - 0.5
                configuration["sign"] = "large" if size > 0 else "small"
                metrics = {"size": size, "train_accuracy": 0.9, "test_accuracy": 0.9 - size / 10}
                model = f"{number:03d}"
                self.checkpoints.append(Checkpoint(model, epoch, dict(configuration), metrics))
                scaled = {name: tensor * 10**size for name, tensor in state.items()}
                self.states[model, epoch] = scaled

    def weights(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        return self.states[checkpoint.model, checkpoint.epoch]

    def module(self, checkpoint: Checkpoint) -> nn.Module:
        configuration = checkpoint.configuration
        return build(str(configuration["architecture"]), configuration).eval()

    def example_inputs(self, checkpoint: Checkpoint) -> Tensor:
        size = int(str(checkpoint.configuration["image_size"]))
        return torch.zeros(1, 1, size, size)

    def images(self) -> DataSet:
        raise ZooError("these networks were never trained")

    def verify(self) -> Sequence[Problem]:
        return self.problems


def permuted(
    state: dict[str, Tensor], module: nn.Module, generator: torch.Generator
) -> dict[str, Tensor]:
    """The same function with the hidden neurons of every layer in another order.

    Written by hand for chains of convolutions and linear layers, for the tests alone.
    """
    layers = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    result = dict(state)
    order: Tensor | None = None
    for index, (name, _) in enumerate(layers):
        weight, bias = result[f"{name}.weight"], result[f"{name}.bias"]
        if order is not None:
            # A flattened feature map has several columns a channel.
            columns = weight.unflatten(1, (len(order), -1))
            weight = columns[:, order].reshape(weight.shape)
        if index < len(layers) - 1:
            order = torch.randperm(len(weight), generator=generator)
            weight, bias = weight[order], bias[order]
        result[f"{name}.weight"], result[f"{name}.bias"] = weight, bias
    return result
