"""Weights that are functions of parameters: factors do not pass, and constants tell rows apart."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import Symmetries, symmetries, verify
from tests.graphwsl.network_families import Wired, randomised

ROWS = torch.tensor([1.0, 2.0, 1.0, 2.0], dtype=torch.float64)
Make = Callable[[Tensor], Tensor]


def group_of(model: nn.Module, *shape: int) -> Symmetries:
    return symmetries(neural_graph(randomised(model.double()), torch.zeros(shape).double()))


def errors(group: Symmetries) -> list[float]:
    kinds = ("permutations", "scalings", "signs")
    return [
        verify(
            group.random(torch.Generator().manual_seed(seed), **{one: one == kind for one in kinds})
        ).error
        for kind in kinds
        for seed in range(3)
    ]


def convolution(make: Make, bias: Make = lambda b: b) -> Symmetries:
    """Four channels with weights that ``make`` makes of the parameter."""

    def wiring(m: nn.Module, x: Tensor) -> Tensor:
        y = functional.conv2d(x, make(m.first.weight), bias(m.first.bias))
        return m.head(y.relu().mean((2, 3)))

    return group_of(Wired(wiring, first=nn.Conv2d(2, 4, 3), head=nn.Linear(4, 2)), 1, 2, 6, 6)


def standardised(w: Tensor) -> Tensor:
    dims = (1, 2, 3)
    return (w - w.mean(dims, keepdim=True)) / (w.var(dims, keepdim=True) + 1e-5).sqrt()


def standardised_flat(w: Tensor) -> Tensor:
    rows = w.flatten(1)
    variance, mean = torch.var_mean(rows, dim=1)
    return ((rows - mean[:, None]) * variance.rsqrt()[:, None]).view_as(w)


INVARIANT: dict[str, Make] = {
    "standardised": standardised,
    "standardised flat": standardised_flat,
    "of norm one": lambda w: w / w.norm(),
    "columns of norm one": lambda w: w / w.flatten(1).norm(dim=0).view(1, *w.shape[1:]),
    "softmax": lambda w: w.softmax(0),
    "positive": functional.softplus,
    "square": lambda w: w * w.abs(),
    "ternary": lambda w: w.sign() * w.abs().mean(),
    "kernel window": lambda w: w * torch.hann_window(3, dtype=w.dtype),
}
"""No factor passes; all four channels are permuted."""


@pytest.mark.parametrize("name", INVARIANT)
def test_functions_that_treat_all_rows_equally(name: str) -> None:
    group = convolution(INVARIANT[name])
    assert [len(orbit.nodes) for orbit in group.orbits] == [4]
    assert int(group.positive.allowed.sum()) == 0
    assert max(errors(group)) < 1e-12


TOLD_APART: dict[str, Make] = {
    "constants": lambda w: w * ROWS[:, None, None, None],
    "added constants": lambda w: w + ROWS[:, None, None, None],
    "divided, then turned": lambda w: (w / ROWS[:, None, None, None]).transpose(2, 3),
    "another row's mean": lambda w: w - w.mean((1, 2, 3), keepdim=True).roll(1, 0),
    "sum with constants": lambda w: w / (w * ROWS[:, None, None, None]).square().sum().sqrt(),
    "constants beside": lambda w: torch.cat([w[:2], ROWS[:2, None, None, None].expand(2, 2, 3, 3)]),
}
"""What is found is true, although not everything need be found."""


@pytest.mark.parametrize("name", TOLD_APART)
def test_functions_that_distinguish_rows(name: str) -> None:
    group = convolution(TOLD_APART[name])
    assert max(len(orbit.nodes) for orbit in group.orbits) <= 2 if group.orbits else True
    assert max(errors(group)) < 1e-12


def test_rows_with_equal_constants_are_permuted() -> None:
    group = convolution(TOLD_APART["constants"])
    assert [len(orbit.nodes) for orbit in group.orbits] == [2, 2]


@pytest.mark.parametrize("make", [lambda w: 2 * w, lambda w: -w / 3, lambda w: w.double().clone()])
def test_multiples_of_weights_are_as_free_as_weights(make: Make) -> None:
    group = convolution(make, make)
    assert [len(orbit.nodes) for orbit in group.orbits] == [4]
    assert int(group.positive.allowed.sum()) == 4
    assert max(errors(group)) < 1e-12


@pytest.mark.parametrize(
    ("bias", "parts"),
    [(functional.softplus, [4]), (lambda b: b * ROWS, [2, 2]), (lambda b: b + b.mean(), [4])],
)
def test_biases_that_are_functions(bias: Make, parts: list[int]) -> None:
    group = convolution(lambda w: w, bias)
    assert [len(orbit.nodes) for orbit in group.orbits] == parts
    assert int(group.positive.allowed.sum()) == 0
    assert max(errors(group)) < 1e-12


def test_a_normalisation_with_one_plus_its_scale() -> None:
    def wiring(m: nn.Module, x: Tensor) -> Tensor:
        variance = m.variance.exp()  # positive, whatever is drawn
        y = functional.batch_norm(m.first(x), m.mean, variance, 1 + m.scale, m.shift)
        return m.head(y.relu())

    group = group_of(
        Wired(
            wiring,
            first=nn.Linear(3, 4),
            mean=nn.Parameter(torch.zeros(4)),
            variance=nn.Parameter(torch.ones(4)),
            scale=nn.Parameter(torch.zeros(4)),
            shift=nn.Parameter(torch.zeros(4)),
            head=nn.Linear(4, 2),
        ),
        2,
        3,
    )
    assert [len(orbit.nodes) for orbit in group.orbits] == [4]
    assert max(errors(group)) < 1e-12


def test_rows_divided_by_their_norms_after_the_product() -> None:
    def wiring(m: nn.Module, x: Tensor) -> Tensor:
        rows = m.first.weight
        return m.head((x @ rows.T / rows.norm(dim=1)).relu())

    group = group_of(Wired(wiring, first=nn.Linear(3, 4, bias=False), head=nn.Linear(4, 2)), 2, 3)
    assert max(errors(group)) < 1e-12


def test_parameters_as_activations() -> None:
    """A softplus of a parameter beside an activation: its own value is no multiple of it."""

    def wiring(m: nn.Module, x: Tensor) -> Tensor:
        token = functional.softplus(m.token) * ROWS
        return m.head(torch.stack([m.first(x), token.expand(len(x), 4)], 1).relu().mean(1))

    group = group_of(
        Wired(
            wiring,
            first=nn.Linear(3, 4),
            token=nn.Parameter(torch.zeros(4)),
            head=nn.Linear(4, 2),
        ),
        2,
        3,
    )
    assert sorted(len(orbit.nodes) for orbit in group.orbits) == [2, 2]
    assert max(errors(group)) < 1e-12
