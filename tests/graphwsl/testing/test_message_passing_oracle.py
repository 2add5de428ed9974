"""Messages over the graph give the network's output, and say so where they cannot."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph import neural_graph
from graphwsl.testing import message_passing
from tests.graphwsl.network_families import network, randomised

FEEDFORWARD = [
    "linear", "mlp", "conv1d", "conv2d", "conv3d", "groups", "dilation", "transposed",
    "transposed groups", "depthwise", "batch norm", "group norm", "layer norm", "max pool",
    "average pool", "adaptive pool", "upsample", "prelu", "residual", "dense net",
    "squeeze excitation", "channel shuffle", "tied", "low rank", "chunk", "stack", "expand",
    "slice", "pad", "roll",
]  # fmt: skip


def drawn(inputs: tuple[Tensor, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(one.shape, generator=generator, dtype=one.dtype) for one in inputs]


def difference(model: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    graph = neural_graph(model, inputs)
    x = drawn(inputs)
    with torch.no_grad():
        expected, at_zero = model(*x), model(*inputs)
    assert float((expected - at_zero).abs().max()) > 1e-2  # the comparison means something
    (output,) = message_passing(graph, *x)
    return float((output - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", FEEDFORWARD)
def test_messages_give_the_output_in_double_precision(name: str) -> None:
    assert difference(*network(name, torch.float64)) < 1e-12


@pytest.mark.parametrize("name", ["mlp", "residual", "depthwise", "dense net"])
def test_messages_give_the_output_in_single_precision(name: str) -> None:
    assert difference(*network(name)) < 1e-5


def test_several_samples_at_once() -> None:
    model, _ = network("residual", torch.float64)
    assert difference(model, (torch.zeros(3, 2, 8, 8, dtype=torch.float64),)) < 1e-12


@st.composite
def convolutional_networks(draw: st.DrawFn) -> nn.Module:
    groups = draw(st.sampled_from([1, 2]))
    kernel, stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    geometry = {
        "stride": stride,
        "padding": draw(st.integers(0, 2)),
        "dilation": draw(st.integers(1, 2)),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    kind = draw(st.sampled_from([nn.Conv2d, nn.ConvTranspose2d]))
    first = kind(2, 4, (kernel, draw(st.integers(1, 2))), **geometry)
    activation = draw(st.sampled_from([nn.ReLU(), nn.Tanh(), nn.GELU(), nn.LeakyReLU(0.2)]))
    norm = draw(st.sampled_from([nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.Identity()]))
    pool = draw(st.sampled_from([nn.MaxPool2d(2, 1), nn.AdaptiveAvgPool2d(1), nn.Identity()]))
    return nn.Sequential(first, norm, activation, pool, nn.Flatten(), nn.LazyLinear(2))


@settings(max_examples=15, deadline=None)
@given(convolutional_networks())
def test_messages_give_the_output_for_any_geometry(model: nn.Module) -> None:
    x = torch.zeros(1, 2, 6, 7, dtype=torch.float64)
    torch.manual_seed(0)
    model.eval().double()(x)
    assert difference(randomised(model), (x,)) < 1e-12


def test_the_weights_are_the_graphs() -> None:
    """Other weights in the graph, other output: the module is not asked."""
    model, inputs = network("mlp", torch.float64)
    other = randomised(network("mlp", torch.float64)[0], seed=7)
    graph = neural_graph(model, inputs).with_weights(other.state_dict())
    x = drawn(inputs)
    (output,) = message_passing(graph, *x)
    assert torch.allclose(output, other(*x), rtol=0, atol=1e-12)
    assert not torch.allclose(output, model(*x), atol=1e-2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("attention", "cannot run bmm"),
        ("embedding", "cannot run embedding"),
        ("weight norm", "_weight_norm_interface: it computes weights from weights"),
        ("pruned", "mul: it computes weights from weights"),
        ("instance norm", "computes weights from weights"),
    ],
)
def test_what_messages_cannot_run_is_named(name: str, message: str) -> None:
    model, inputs = network(name)
    graph = neural_graph(model, inputs)
    with pytest.raises(UnsupportedModelError, match=message):
        message_passing(graph, *inputs)


def test_weights_that_serve_twice_are_refused() -> None:
    layer = nn.Linear(3, 3)
    graph = neural_graph(nn.Sequential(layer, nn.Tanh(), layer), torch.zeros(1, 3))
    with pytest.raises(UnsupportedModelError, match="cannot run addmm: source"):
        message_passing(graph, torch.zeros(1, 3))


def test_inputs_of_another_shape_are_refused() -> None:
    model, inputs = network("mlp")
    with pytest.raises(UnsupportedModelError, match=r"\(2, 4\).* traced with \[\(1, 4\)\]"):
        message_passing(neural_graph(model, inputs), torch.zeros(2, 4))
