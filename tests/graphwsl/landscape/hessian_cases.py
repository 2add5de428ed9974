"""Small networks in double precision, and their Hessians as matrices."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

SAMPLES = 24
Batches = list[tuple[Tensor, Tensor]]


class Recurrent(nn.Module):
    """The last state of a recurrent cell, read out."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.read_out = nn.GRUCell(2, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 3)
        for part in x.split(2, dim=1):
            state = self.cell(part, state)
        return self.read_out(state)


class Tied(nn.Module):
    """One matrix, used twice under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "perceptron": lambda: nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)),
    "batch norm": lambda: nn.Sequential(
        nn.Linear(6, 4), nn.BatchNorm1d(4), nn.GELU(), nn.Dropout(0.5), nn.Linear(4, 3)
    ),
    "convolution": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3)
    ),
    "recurrent": Recurrent,
    "tied": Tied,
}


def network(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    module = NETWORKS[name]().double().eval()
    for key, buffer in module.named_buffers():
        if "running" in key:
            buffer.uniform_(0.5, 2.0)
    return module


def batches(seed: int = 0) -> Batches:
    """Batches of unequal sizes, whose means do not weigh the same."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(SAMPLES, 6, generator=generator, dtype=torch.float64)
    y = torch.randint(0, 3, (SAMPLES,), generator=generator)
    return [(x[:7], y[:7]), (x[7:], y[7:])]


def dense_hessian(module: nn.Module, given: Batches) -> Tensor:
    """The Hessian by torch, of all samples in one batch."""
    names = [name for name, _ in module.named_parameters()]
    shapes = [parameter.shape for parameter in module.parameters()]
    x, y = (torch.cat(parts) for parts in zip(*given, strict=True))

    def loss(flat: Tensor) -> Tensor:
        parts = flat.split([shape.numel() for shape in shapes])
        state = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        return functional.cross_entropy(torch.func.functional_call(module, state, (x,)), y)

    flat = torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
    return torch.autograd.functional.hessian(loss, flat)
