"""What is traced as what it computes, and what is refused in one line."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import symmetries, verify
from tests.graphwsl.network_families import Wired


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_a_compiled_network_is_the_network() -> None:
    plain = neural_graph(perceptron(), torch.ones(1, 3))
    compiled = neural_graph(torch.compile(perceptron(), backend="eager"), torch.ones(1, 3))
    assert [node.name for node in compiled.program.graph_module.graph.nodes] == [
        node.name for node in plain.program.graph_module.graph.nodes
    ]
    for name, tensor in plain.state.items():
        assert torch.equal(compiled.state[f"_orig_mod.{name}"], tensor)
    for ours, theirs in zip(compiled.blocks, plain.blocks, strict=True):
        assert torch.equal(ours.entries, theirs.entries)


def test_gradients_within_a_network_are_traced() -> None:
    """A force is the gradient of an energy; its symmetries are those of the energy."""

    def force(m: nn.Module, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            return torch.autograd.grad(m.energy(x).sum(), x)[0]

    model = Wired(force, energy=perceptron().double())
    group = symmetries(neural_graph(model, torch.ones(2, 3).double()))
    result = verify(group.random(torch.Generator().manual_seed(0), scalings=False, signs=False))
    assert result.change > 0.2
    assert result.error < 1e-12


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(perceptron())


def through_numpy() -> nn.Module:
    return Wired(lambda m, x: m.layer(torch.from_numpy(np.tanh(x.numpy()))), layer=nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (scripted, "TorchScript program.*export it to ONNX"),
        (through_numpy, r"cannot be traced on the example inputs \[\(1, 3\)\].*numpy"),
        (lambda: nn.Linear(4, 2), "cannot be traced.*mat1 and mat2 shapes"),
        (lambda: nn.Linear(3, 2, device="meta"), "cannot be traced.*meta"),
    ],
)
def test_a_refusal_is_one_line_with_its_reason(make: Callable[[], nn.Module], said: str) -> None:
    with pytest.raises(UnsupportedModelError, match=said) as refused:
        neural_graph(make(), torch.ones(1, 3))
    assert "\n" not in str(refused.value)
