"""Chains of layers that the compiled loops do not know are computed otherwise, never misread."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.layered import LayeredNetwork
from graphwsl.zoo.training.batched_networks import (
    BatchedNetworks,
    LayeredNetworks,
    MappedNetworks,
)


def after_a_convolution(*layers: nn.Module) -> list[nn.Module]:
    return [nn.Conv2d(2, 4, 3), *layers, nn.Flatten(), nn.LazyLinear(3)]


def instead_of_it(layer: nn.Module) -> list[nn.Module]:
    return [layer, nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)]


class Halved(nn.Linear):
    """A subclass, which may compute anything."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) / 2


class Reversed(LayeredNetwork):
    """A chain that is gone through in another way."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flip(-1))


def hooked() -> nn.Module:
    layer = nn.Tanh()
    layer.register_forward_hook(lambda module, inputs, output: 2 * output)
    return layer


def shared() -> list[nn.Module]:
    layer = nn.Conv2d(2, 2, 3)
    return [layer, nn.Tanh(), layer, nn.Flatten(), nn.LazyLinear(3)]


UNKNOWN: dict[str, Callable[[], list[nn.Module]]] = {
    "groups": lambda: instead_of_it(nn.Conv2d(2, 4, 3, groups=2)),
    "dilation": lambda: instead_of_it(nn.Conv2d(2, 4, 3, dilation=2)),
    "no bias": lambda: instead_of_it(nn.Conv2d(2, 4, 3, bias=False)),
    "non-square kernel": lambda: instead_of_it(nn.Conv2d(2, 4, (3, 1))),
    "non-square stride": lambda: instead_of_it(nn.Conv2d(2, 4, 3, stride=(1, 2))),
    "non-square padding": lambda: instead_of_it(nn.Conv2d(2, 4, 3, padding=(1, 0))),
    "padding by name": lambda: instead_of_it(nn.Conv2d(2, 4, 3, padding="same")),
    "reflecting padding": lambda: instead_of_it(
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")
    ),
    "overlapping maxima": lambda: after_a_convolution(nn.MaxPool2d(3, 1)),
    "maxima in rows": lambda: after_a_convolution(nn.MaxPool2d((1, 2))),
    "padded maxima": lambda: after_a_convolution(nn.MaxPool2d(2, padding=1)),
    "maxima rounded up": lambda: after_a_convolution(nn.MaxPool2d(4, ceil_mode=True)),
    "maxima later": lambda: after_a_convolution(nn.Tanh(), nn.MaxPool2d(2)),
    "means": lambda: after_a_convolution(nn.AvgPool2d(2)),
    "means of four": lambda: after_a_convolution(nn.AdaptiveAvgPool2d(2)),
    "softmax of channels": lambda: after_a_convolution(nn.Softmax(dim=1)),
    "normalisation": lambda: after_a_convolution(nn.GroupNorm(2, 4)),
    "a linear layer of rows": lambda: after_a_convolution(nn.Linear(6, 5)),
    "no bias of a linear layer": lambda: [nn.Flatten(), nn.Linear(128, 3, bias=False)],
    "a flattened part": lambda: [nn.Conv2d(2, 4, 3), nn.Flatten(2), nn.Flatten(), nn.LazyLinear(3)],
    "a hook": lambda: after_a_convolution(hooked()),
    "in place": lambda: after_a_convolution(nn.ReLU(inplace=True)),
    "a subclass": lambda: [nn.Flatten(), Halved(128, 3)],
    "a layer twice": shared,
}


def populated(make: Callable[[], LayeredNetwork]) -> tuple[list[LayeredNetwork], torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(16, 2, 8, 8)
    modules = [make() for _ in range(3)]
    for module in modules:
        module(x)  # which sizes the lazy layer
    return modules, x


def require_same_outputs(networks: BatchedNetworks, modules: list[nn.Module], x: torch.Tensor):
    parameters = [
        torch.stack([module.get_parameter(name).detach() for module in modules])
        for name in networks.names
    ]
    logits = networks.logits(parameters, networks.shared_images(x, len(modules)))
    expected = torch.stack([module(x).T for module in modules])
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    assert all(torch.dist(one, other) > 0.1 for one, other in pairwise(expected))


@pytest.mark.parametrize("case", UNKNOWN)
def test_unknown_layers_are_computed_by_the_general_way(case: str) -> None:
    modules, x = populated(lambda: LayeredNetwork(UNKNOWN[case]()))
    networks = BatchedNetworks.of(modules[0])
    assert isinstance(networks, MappedNetworks)
    require_same_outputs(networks, modules, x)
    with pytest.raises(ZooError, match="layers that the compiled loops do not know"):
        LayeredNetworks(modules[0])


def test_a_chain_of_ones_own_kind_is_computed_by_the_general_way() -> None:
    modules, x = populated(lambda: Reversed([nn.Flatten(), nn.Linear(128, 3)]))
    networks = BatchedNetworks.of(modules[0])
    assert isinstance(networks, MappedNetworks)
    require_same_outputs(networks, modules, x)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [
            nn.Conv2d(2, 4, 3, padding=1, stride=2),
            nn.MaxPool2d(2),
            nn.GELU(),
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.LazyLinear(3),
        ],
        lambda: [nn.Tanh(), nn.Flatten(), nn.Linear(128, 5), nn.Identity(), nn.Linear(5, 3)],
    ],
)
def test_known_layers_stay_with_the_compiled_loops(
    layers: Callable[[], list[nn.Module]],
) -> None:
    modules, x = populated(lambda: LayeredNetwork(layers()))
    networks = BatchedNetworks.of(modules[0].eval())
    assert isinstance(networks, LayeredNetworks)
    require_same_outputs(networks, [module.eval() for module in modules], x)
