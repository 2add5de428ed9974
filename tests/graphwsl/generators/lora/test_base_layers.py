"""Descriptions of bases: the same function again, or none; never code, never more than was kept."""

from typing import Any

import pytest
import torch
from torch import nn

from graphwsl.errors import GeneratorError
from graphwsl.generators.lora import adapted
from graphwsl.generators.lora.base_layers import described, function_of
from graphwsl.populations.population import Function
from graphwsl.zoo.architectures.registry import build
from tests.graphwsl.generators.lora.lora_cases import base

NETWORKS: dict[str, tuple[nn.Module, torch.Tensor]] = {
    "perceptron": (base(), torch.zeros(2, 5)),
    "zoo": (build("mlp", {"width": 4, "image_size": 4}), torch.zeros(2, 1, 4, 4)),
    "convolutions": (
        nn.Sequential(
            nn.Conv2d(1, 4, 3, padding="same", bias=False), nn.BatchNorm2d(4), nn.LeakyReLU(0.2),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3),
        ),
        torch.zeros(2, 1, 4, 4),
    ),
    "words": (
        nn.Sequential(nn.Embedding(7, 4), nn.LayerNorm(4), nn.Sequential(nn.Linear(4, 2))),
        torch.zeros(2, 3, dtype=torch.int64),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_function_again(name: str) -> None:
    network, inputs = NETWORKS[name]
    function = Function.of(adapted(network.eval(), rank=2, alpha=3), inputs, name)
    found = described(function)
    assert found is not None
    again = function_of(found, function.architecture.num_entries, name)
    assert again.program == function.program
    state = function.module.state_dict()
    outputs = [
        torch.func.functional_call(one.module, state, (inputs,)) for one in (function, again)
    ]
    assert torch.equal(*outputs)


def hooked() -> nn.Module:
    network = base()
    network[1].register_forward_hook(lambda *given: given[-1] + 1)
    return network


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).sin()


@pytest.mark.parametrize(
    "network", [hooked(), Own(), base().double(), nn.utils.parametrizations.weight_norm(base()[0])]
)
def test_what_has_no_description(network: nn.Module) -> None:
    dtype = next(network.parameters()).dtype
    function = Function.of(network, torch.zeros(2, 5, dtype=dtype), "own")
    assert described(function) is None


LINEAR: dict[str, Any] = {
    "layer": "Linear", "options": {"in_features": 5, "out_features": 3, "bias": True},
}  # fmt: skip


POOLING: dict[str, Any] = {
    "layer": "AdaptiveAvgPool2d", "options": {"output_size": 10**6},
}  # fmt: skip


def nested(times: int) -> dict[str, Any]:
    found = LINEAR
    for _ in range(times):
        found = {"layer": "Sequential", "parts": [found]}
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"layer": "system", "options": {}}},
        {"network": {**LINEAR, "options": {"in_features": "5"}}},
        {"network": {**LINEAR, "options": {**LINEAR["options"], "in_features": 10**9}}},
        {"network": nested(40)},
        {"network": None},
        {"inputs": [10**6, 10**6]},
        {"inputs": "many"},
        {"network": {"layer": "Sequential", "parts": [LINEAR, POOLING]}, "inputs": [2, 1, 1, 5]},
        {"dtype": "load"},
        {"dtype": 3},
    ],
)
def test_descriptions_that_are_none(changes: dict[str, Any]) -> None:
    known = {"network": LINEAR, "inputs": [2, 5], "dtype": "float32"}
    assert function_of(known, 18, "one").architecture.num_entries == 18
    with pytest.raises(GeneratorError) as caught:
        function_of({**known, **changes}, 18, "one")
    assert "\n" not in str(caught.value)
