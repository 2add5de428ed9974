"""Which neurons can be permuted where an operator takes several operands, and which cannot."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import Symmetries, symmetries, verify
from tests.graphwsl.network_families import Wired, parameter, randomised

TOKENS = 5
Wiring = Callable[[Any, Tensor], Tensor]


def group_of(wiring: Wiring) -> Symmetries:
    """Of five tokens with three features: their features, one channel of them, or all flattened."""
    model = Wired(
        wiring,
        features=nn.Linear(3, 4),
        channel=nn.Conv1d(3, 1, 3, padding=1),
        neurons=nn.Linear(3 * TOKENS, TOKENS),
        tokens=nn.Linear(TOKENS, TOKENS),
        centres=parameter(TOKENS, 4),
        square=parameter(4, 4),
        narrow=nn.Linear(4, 1),
        gate=nn.Linear(4, 4),
        head=nn.Linear(4, 2),
        token_head=nn.Linear(TOKENS, 2),
    )
    torch.manual_seed(0)
    return symmetries(neural_graph(randomised(model.double()), torch.zeros(1, TOKENS, 3).double()))


def largest_error(group: Symmetries) -> float:
    return max(verify(group.random(torch.Generator().manual_seed(seed))).error for seed in range(4))


def positions(m: Any, x: Tensor) -> Tensor:
    """One channel: all tokens are its positions."""
    return m.channel(x.transpose(1, 2))[:, 0]


def neurons(m: Any, x: Tensor) -> Tensor:
    return m.neurons(x.flatten(1))


def mixed_tokens(m: Any, x: Tensor) -> Tensor:
    y = m.features(x)
    return m.head((y + m.tokens(y.transpose(1, 2)).transpose(1, 2)).relu().mean(1))


def attention(m: Any, x: Tensor) -> Tensor:
    y = m.features(x)
    return (y @ y.transpose(1, 2)).softmax(-1)


FIXED: dict[str, Wiring] = {
    "sum": lambda m, x: m.token_head((positions(m, x) + neurons(m, x)).relu()),
    "sum the other way": lambda m, x: m.token_head((neurons(m, x) + positions(m, x)).relu()),
    "product": lambda m, x: m.token_head(positions(m, x) * neurons(m, x)),
    "scalar product": lambda m, x: (positions(m, x) * neurons(m, x)).sum(1, keepdim=True),
    "matrix product": lambda m, x: positions(m, x)[:, None] @ neurons(m, x)[:, :, None],
    "maximum of a stack": lambda m, x: m.token_head(
        torch.stack([positions(m, x), neurons(m, x)], 1).amax(1)
    ),
    "choice": lambda m, x: m.token_head(
        torch.where(torch.arange(TOKENS) % 2 == 0, positions(m, x), neurons(m, x)).relu()
    ),
    "normalised positions": lambda m, x: m.token_head(
        functional.layer_norm(positions(m, x), (TOKENS,)) + neurons(m, x)
    ),
    "gated": lambda m, x: m.token_head(
        functional.glu(torch.cat([neurons(m, x), positions(m, x)], 1))
    ),
    "scores": lambda m, x: m.token_head((attention(m, x)[:, 0] * neurons(m, x)).relu()),
    "weighted by scores": lambda m, x: m.token_head(
        (attention(m, x) @ neurons(m, x)[:, :, None])[:, :, 0]
    ),
    "opaque result": lambda m, x: m.token_head(
        neurons(m, x).relu() + torch.cdist(m.features(x), m.centres)[0].mean(1)
    ),
}


@pytest.mark.parametrize("name", FIXED)
def test_neurons_that_are_combined_with_positions_are_fixed(name: str) -> None:
    group = group_of(FIXED[name])
    assert largest_error(group) < 1e-12
    rows = next(
        block.targets.flatten() for block in group.graph.blocks if block.sources.shape[1] == 15
    )
    moved = [orbit.nodes.flatten() for orbit in group.orbits]
    assert not moved or not bool(torch.isin(rows, torch.cat(moved)).any())


def test_tokens_that_are_mixed_are_fixed() -> None:
    assert largest_error(group_of(mixed_tokens)) < 1e-12


def test_an_opaque_function_of_weights_is_no_layer() -> None:
    """Its entries have no unit each, and still those that it multiplies are distinct."""

    def wiring(m: Any, x: Tensor) -> Tensor:
        return m.head((m.features(x).mean(1) @ torch.linalg.matrix_exp(m.square)).relu())

    assert largest_error(group_of(wiring)) < 1e-12


def test_a_pattern_of_zeros_makes_rows_distinct() -> None:
    group = group_of(lambda m, x: m.head((m.features(x).mean(1) @ m.square.tril()).relu()))
    assert largest_error(group) < 1e-12
    assert group.orbits == []


@pytest.mark.parametrize(
    "wiring",
    [
        lambda m, x: (m.gate(m.features(x).mean(1)).relu() * m.gate.weight.norm(dim=0)).sum(1),
        lambda m, x: m.head(m.features(x).mean(1).relu() / m.gate.weight.sum()) + m.gate.bias[0],
        lambda m, x: (m.head(m.gate(m.features(x).mean(1)).relu()), m.gate.weight.norm()),
        lambda m, x: (m.head(m.gate(m.features(x).mean(1)).relu()), m.gate.weight),
    ],
)
def test_weights_whose_statistics_are_used_elsewhere_are_fixed(wiring: Wiring) -> None:
    assert largest_error(group_of(wiring)) < 1e-12


PERMUTED: dict[str, Wiring] = {
    "positions averaged by scores": lambda m, x: m.head(
        (m.narrow(m.features(x)).softmax(1) * m.features(x)).sum(1)
    ),
    "attention": lambda m, x: m.head((attention(m, x) @ m.features(x)).mean(1)),
    "gate of the mean": lambda m, x: m.head(
        (m.features(x) * m.gate(m.features(x).mean(1, keepdim=True)).sigmoid()).mean(1)
    ),
    "one number repeated": lambda m, x: m.head(
        m.features(x).mean(1) * m.narrow(m.features(x).mean(1)).repeat(1, 4)
    ),
    "a copy for each": lambda m, x: m.head(
        m.features(x).mean(1) * m.narrow(m.features(x).mean(1)).expand(-1, 4).contiguous().tanh()
    ),
}
"""Positions of a channel that enter all features alike: the four features are permuted."""


@pytest.mark.parametrize("name", PERMUTED)
def test_features_that_are_combined_with_the_same_positions_are_permuted(name: str) -> None:
    group = group_of(PERMUTED[name])
    assert largest_error(group) < 1e-12
    assert 4 in [len(orbit.nodes) for orbit in group.orbits]
