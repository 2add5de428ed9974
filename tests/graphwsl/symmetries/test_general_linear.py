"""General linear groups: where two matrices follow one another, and nowhere else."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from graphwsl import neural_graph
from graphwsl.errors import InvalidArgumentError
from graphwsl.generators.lora import adapted, canonical
from graphwsl.symmetries import Symmetries, symmetries, verify

INPUTS = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
SCALES = torch.tensor([1.0, 2.0, 3.0])


class TwoMatrices(nn.Module):
    """Two matrices, a vector, and what is made of them."""

    def __init__(self, function: Callable[["TwoMatrices", Tensor], Tensor]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.a = nn.Parameter(torch.randn(3, 5, generator=generator))
        self.b = nn.Parameter(torch.randn(4, 3, generator=generator))
        self.c = nn.Parameter(torch.randn(3, generator=generator))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def adapters() -> nn.Module:
    base = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    network = adapted(base, rank=2)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, generator=generator)
    return network


def group_of(network: nn.Module, inputs: Tensor) -> Symmetries:
    return symmetries(neural_graph(network.eval(), inputs))


def test_adapters_have_one_group_a_layer_and_its_elements_change_no_answer() -> None:
    network, inputs = adapters(), torch.randn(4, 8)
    groups = group_of(network, inputs).general_linear
    assert [group.rank for group in groups] == [2, 2]
    before = network(inputs)
    for group, layer in zip(groups, (network[0], network[2]), strict=True):  # type: ignore[index]
        matrix = torch.tensor([[0.3, -2.0], [1.5, 0.7]], dtype=torch.float64)
        element = group.element(matrix)
        moved = element.apply()
        a, b = layer.lora_A.weight, layer.lora_B.weight
        name = next(n for n, part in network.named_modules() if part is layer)
        torch.testing.assert_close(moved[f"{name}.lora_A.weight"], matrix.float() @ a)
        back = torch.linalg.inv(matrix).float()
        torch.testing.assert_close(moved[f"{name}.lora_B.weight"], b @ back)
        after = torch.func.functional_call(network, moved, (inputs,))
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
        found = canonical(moved[f"{name}.lora_A.weight"], moved[f"{name}.lora_B.weight"])
        for one, other in zip(found, canonical(a.detach(), b.detach()), strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
        returned = element.inverse().apply(moved)
        torch.testing.assert_close(returned[f"{name}.lora_A.weight"], a.detach())


THERE: dict[str, Callable[[TwoMatrices, Tensor], Tensor]] = {
    "in series": lambda s, x: linear(linear(x, s.a), s.b),
    "with a bias": lambda s, x: linear(linear(x, s.a, s.c), s.b),
    "products": lambda s, x: x @ s.a.T @ s.b.T,
    "a multiple": lambda s, x: linear(linear(x, 2 * s.a), s.b),
    "in another order": lambda s, x: linear(linear(x, s.a).flip(1), s.b),
    "several times": lambda s, x: linear(linear(x, s.a), s.b) - linear(linear(x, s.a), s.b) / 3,
}


@pytest.mark.parametrize("name", THERE)
def test_where_nothing_stands_between(name: str) -> None:
    (group,) = group_of(TwoMatrices(THERE[name]), INPUTS).general_linear
    assert group.rank == 3
    for seed in range(3):
        result = verify(group.random(torch.Generator().manual_seed(seed)))
        assert result.error < 1e-5
        assert result.change > 0.5


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)),
        (nn.Conv2d(2, 3, 1), nn.Dropout(0.5), nn.Conv2d(3, 4, 3)),
    ],
)
def test_channels_between_convolutions(layers: tuple[nn.Module, ...]) -> None:
    (group,) = group_of(nn.Sequential(*layers), torch.randn(1, 2, 5, 5)).general_linear
    assert verify(group.random(torch.Generator().manual_seed(0))).error < 1e-5


NOWHERE: dict[str, Callable[[TwoMatrices, Tensor], Tensor]] = {
    "a function": lambda s, x: linear(linear(x, s.a).relu(), s.b),
    "an odd function": lambda s, x: linear(linear(x, s.a).tanh(), s.b),
    "a softmax": lambda s, x: linear(linear(x, s.a).softmax(1), s.b),
    "a square": lambda s, x: linear(linear(x, s.a) ** 2, s.b),
    "constants": lambda s, x: linear(linear(x, s.a) * SCALES, s.b),
    "a parameter": lambda s, x: linear(linear(x, s.a) * s.c, s.b),
    "a sum with inputs": lambda s, x: linear(linear(x, s.a) + x[:, :3], s.b),
    "a norm": lambda s, x: linear(linear(x, s.a) / linear(x, s.a).norm(), s.b),
    "rows times constants": lambda s, x: linear(linear(x, s.a * SCALES[:, None]), s.b),
    "biases times constants": lambda s, x: linear(linear(x, s.a, s.c * SCALES), s.b),
    "positive weights": lambda s, x: linear(linear(x, s.a.exp()), s.b),
    "centred weights": lambda s, x: linear(linear(x, s.a - s.a.mean(0)), s.b),
    "shared weights": lambda s, x: linear(linear(linear(x, s.a), s.b), s.b.T),
    "a result": lambda s, x: torch.cat([linear(x, s.a), linear(linear(x, s.a), s.b)], 1),
}


@pytest.mark.parametrize("name", NOWHERE)
def test_where_something_stands_between(name: str) -> None:
    assert not group_of(TwoMatrices(NOWHERE[name]), INPUTS).general_linear


@pytest.mark.parametrize(
    "between", [nn.LayerNorm(3), nn.BatchNorm1d(3), nn.ReLU(), nn.PReLU(), nn.GELU()]
)
def test_layers_between(between: nn.Module) -> None:
    network = nn.Sequential(nn.Linear(5, 3), between, nn.Linear(3, 4))
    assert not group_of(network, INPUTS).general_linear


def test_groups_of_convolutions_that_do_not_meet_and_flattened_maps() -> None:
    crossed = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.Conv2d(6, 6, 1, groups=3))
    assert not group_of(crossed, torch.randn(1, 4, 5, 5)).general_linear
    flat = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(27, 4))
    assert not group_of(flat, torch.randn(1, 1, 5, 5)).general_linear


def test_attention_has_none() -> None:
    layer = nn.TransformerEncoderLayer(12, 3, 16, batch_first=True)
    assert not group_of(layer, torch.randn(1, 5, 12)).general_linear


def test_a_chain_has_a_group_between_each_two() -> None:
    widths = (5, 3, 4, 2)
    chain = nn.Sequential(*(nn.Linear(i, o) for i, o in pairwise(widths)))
    groups = group_of(chain, INPUTS).general_linear
    assert [repr(group) for group in groups] == ["GL(3)", "GL(4)"]


@pytest.mark.parametrize(
    "matrix", [torch.ones(3, 3), torch.eye(2), torch.full((3, 3), torch.nan), [[1.0]]]
)
def test_matrices_that_are_no_element(matrix: object) -> None:
    (group,) = group_of(TwoMatrices(THERE["in series"]), INPUTS).general_linear
    with pytest.raises(InvalidArgumentError) as caught:
        group.element(matrix)  # type: ignore[arg-type]
    assert "matrix" in str(caught.value)
    assert "\n" not in str(caught.value)
