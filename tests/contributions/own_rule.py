"""A rule: an operator that the graph does not know works on each number alone; and a network."""

import torch
from torch import Tensor, library, nn

from graphwsl.neural_graph import rule
from graphwsl.neural_graph.rules.elementwise import pointwise


@library.custom_op("own::bump", mutates_args=())
def bump(x: Tensor) -> Tensor:
    return torch.exp(-x * x)


@bump.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@rule("bump")
def keeps_units(builder, call):
    return pointwise(builder, call)


class Bumps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(bump(self.first(x)))


def network() -> tuple[nn.Module, Tensor]:
    return Bumps(), torch.zeros(1, 3)
