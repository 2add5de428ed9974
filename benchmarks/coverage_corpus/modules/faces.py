"""The three networks of the face detector MTCNN."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class FaceNetwork(nn.Module):
    """Convolutions with learnt slopes, then dense layers or 1x1 convolutions as heads.

    Args:
        state: The weights, whose names and shapes say which layers there are.
        pools: Window of the pooling with stride 2 after each convolution, 0 for none.
    """

    def __init__(self, state: Mapping[str, Tensor], pools: tuple[int, ...]) -> None:
        super().__init__()
        self.pools = pools
        self.steps: list[str] = []
        self.heads: list[str] = []
        for name in dict.fromkeys(key.rsplit(".", 1)[0] for key in state):
            weight = state[f"{name}.weight"]
            layer: nn.Module
            if name.startswith("prelu"):
                layer = nn.PReLU(weight.shape[0])
            elif weight.ndim == 4:
                layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:])
            else:
                layer = nn.Linear(weight.shape[1], weight.shape[0])
            self.add_module(name, layer)
            (self.heads if "_" in name else self.steps).append(name)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        pools = iter(self.pools)
        for name in self.steps:
            layer = self.get_submodule(name)
            if isinstance(layer, nn.Linear) and x.ndim == 4:
                # The weights were trained with columns before rows.
                x = x.permute(0, 3, 2, 1).flatten(1)
            x = layer(x)
            if name.startswith("prelu") and x.ndim == 4 and (size := next(pools)):
                x = nn.functional.max_pool2d(x, size, 2, ceil_mode=True)
        outputs = [self.get_submodule(name)(x) for name in self.heads]
        return torch.softmax(outputs[0], 1), *outputs[1:]
