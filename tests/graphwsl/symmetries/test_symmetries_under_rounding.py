"""What an operator is depends on types, keywords, the order of operands, and on chance."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import GroupElement, Symmetries, symmetries
from tests.graphwsl.network_families import Wired, parameter, randomised

Wiring = Callable[..., Tensor]
KINDS: tuple[dict[str, bool], ...] = (
    {"scalings": False, "signs": False},
    {"permutations": False, "signs": False},
    {"permutations": False, "scalings": False},
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model_of(wiring: Wiring) -> Wired:
    torch.manual_seed(0)
    model = Wired(
        wiring,
        a=nn.Linear(3, 6),
        b=nn.Linear(6, 2),
        conv=nn.Conv2d(1, 4, 1),
        vector=parameter(6),
        square=parameter(6, 6),
    )
    model.register_buffer("numbers", torch.full((6,), 2.0))
    return randomised(model.double())


def results(model: nn.Module, x: Tensor, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    with torch.no_grad():
        return model(x)


def sound(wiring: Wiring, x: Tensor) -> Symmetries:
    """The group of a network, elements of which were loaded into it and changed nothing."""
    model = model_of(wiring)
    own = {name: one.clone() for name, one in model.state_dict().items()}
    group = symmetries(neural_graph(model, x))
    fresh = [normal(*x.shape, seed=seed) for seed in (1, 2, 3)]
    before = [results(model, one) for one in fresh]
    for number, kinds in enumerate(KINDS):
        for seed in range(3):
            element: GroupElement = group.random(
                torch.Generator().manual_seed(10 * number + seed), **kinds
            )
            model.load_state_dict(element.apply())
            for one, expected in zip(fresh, before, strict=True):
                given = results(model, one)
                assert torch.allclose(given, expected, rtol=0, atol=1e-9, equal_nan=True), kinds
    model.load_state_dict(own)
    return group


def takes_factors(group: Symmetries) -> tuple[bool, bool]:
    return bool(group.positive.allowed.any()), bool(group.sign.allowed.any())


X = normal(5, 3)
STEPS = torch.arange(5)

ROUNDED: dict[str, Wiring] = {
    "integers": lambda m, x: m.b(m.a(x).relu().mul(3).long().double()),
    "small integers": lambda m, x: m.b(m.a(x).relu().mul(3).to(torch.int8).double()),
    "truth values": lambda m, x: m.b(m.a(x).tanh().bool().double()),
    "eight-bit floats": lambda m, x: m.b(m.a(x).relu().to(torch.float8_e4m3fn).double()),
    "copied into integers": lambda m, x: m.b(
        torch.zeros(5, 6, dtype=torch.int64).copy_(m.a(x).relu() * 3).double()
    ),
    "put among integers": lambda m, x: m.b(
        torch.zeros(5, 6, dtype=torch.int64)
        .index_put((STEPS,), (m.a(x).relu() * 3).long())
        .double()
    ),
    "added to integers": lambda m, x: m.b(
        torch.zeros(5, 6, dtype=torch.int64).index_add(0, STEPS, (m.a(x).relu() * 3).int().long())
        / torch.ones((), dtype=torch.float64)
    ),
    "straight through": lambda m, x: m.b(
        (lambda h: h + (h.int().double() - h).detach())(m.a(x).relu() * 3)
    ),
    "a sum of integers": lambda m, x: m.b(
        (3 * m.a(x))[:, :, None].expand(-1, -1, 2).sum(2, dtype=torch.int64).double()
    ),
    "sums of integers": lambda m, x: m.b(
        (3 * m.a(x))[:, :, None].expand(-1, -1, 2).cumsum(2, dtype=torch.int64)[:, :, 1].double()
    ),
    "bits": lambda m, x: m.b(m.a(x).relu().view(torch.int64).double() / 2**60),
    "a quotient, floored": lambda m, x: m.b(torch.div(m.a(x).relu(), 0.3, rounding_mode="floor")),
    "a quotient, truncated": lambda m, x: m.b(
        torch.div(m.a(x).tanh(), torch.tensor(0.3), rounding_mode="trunc")
    ),
    "a quotient by parameters, floored": lambda m, x: m.b(
        torch.div(m.a(x).relu(), m.vector, rounding_mode="floor")
    ),
    "a remainder": lambda m, x: m.b(m.a(x).relu() % 0.3),
    "weights as integers": lambda m, x: m.a(x).relu() @ (m.b.weight * 4).long().double().T,
    "weights as truth values": lambda m, x: m.a(x).relu() @ m.b.weight.relu().bool().double().T,
    "weights of eight bits": lambda m, x: (
        m.a(x).relu() @ (m.b.weight * 9).to(torch.int8).double().T
    ),
    "weights, floored": lambda m, x: (
        m.a(x).relu() @ torch.div(m.b.weight, 0.25, rounding_mode="floor").T
    ),
    "a bias as integers": lambda m, x: m.b((x @ m.a.weight.T + (3 * m.a.bias).long()).relu()),
    "a bias, floored": lambda m, x: m.b(
        (x @ m.a.weight.T + torch.div(m.a.bias, 0.2, rounding_mode="floor")).relu()
    ),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_no_factor_passes_through_what_is_cut(name: str) -> None:
    group = sound(ROUNDED[name], X)
    assert takes_factors(group) == (False, False)


REVERSED: dict[str, Wiring] = {
    "a constant divided": lambda m, x: m.b(torch.full((6,), 2.0).double() / m.a(x)),
    "a number divided": lambda m, x: m.b(2.0 / m.a(x)),
    "a buffer divided": lambda m, x: m.b(m.numbers / m.a(x)),
    "parameters divided": lambda m, x: m.b(m.vector / m.a(x)),
    "a constant less": lambda m, x: m.b(torch.full((6,), 2.0).double() - m.a(x).relu()),
    "a constant to the power": lambda m, x: m.b(m.numbers ** m.a(x).relu()),
    "the remainder of a constant": lambda m, x: m.b(torch.remainder(m.numbers, m.a(x).relu() + 1)),
    "slopes that are computed": lambda m, x: m.b(
        torch._prelu_kernel(-m.numbers.view(1, 6) + STEPS[:, None], m.a(x))
    ),
    "slopes of parameters": lambda m, x: m.b(
        torch._prelu_kernel(m.vector.expand(5, 6), m.a(x).relu())
    ),
    "a constant bias": lambda m, x: m.b(
        functional.linear(m.a(x), torch.eye(6).double() * 2, torch.ones(6).double())
    ),
    "a constant bias of weights": lambda m, x: m.b(
        functional.linear(x, m.a.weight, torch.ones(6).double())
    ),
    "nothing divided": lambda m, x: m.b(
        functional.pad(m.a(x)[:, :3].relu(), (0, 3), value=2.0) / m.a(x).abs()
    ),
    "nothing compared": lambda m, x: m.b((functional.pad(m.a(x)[:, :2], (0, 4)) < m.a(x)).double()),
}


@pytest.mark.parametrize("name", REVERSED)
def test_the_order_of_operands_counts(name: str) -> None:
    group = sound(REVERSED[name], X)
    assert takes_factors(group) == (False, False)


DRAWN: dict[str, Wiring] = {
    "dropout": lambda m, x: m.b(functional.dropout(m.a(x).relu())),
    "dropout of channels": lambda m, x: m.b(
        functional.dropout1d(m.a(x).relu()[:, :, None], training=True)[:, :, 0]
    ),
    "alpha dropout": lambda m, x: m.b(functional.alpha_dropout(m.a(x).relu(), 0.5, True)),
    "random slopes": lambda m, x: m.b(functional.rrelu(m.a(x), training=True)),
    "a mask that is compared": lambda m, x: m.b(m.a(x).relu() * (torch.rand(5, 6) > 0.2)),
    "a mask like": lambda m, x: m.b(m.a(x).relu() * (torch.rand_like(m.a(x)) > 0.2)),
    "integers": lambda m, x: m.b(m.a(x).relu() * torch.randint(0, 2, (6,))),
    "integers like": lambda m, x: m.b(m.a(x).relu() * torch.randint_like(m.a(x), 2)),
    "an order": lambda m, x: m.b(m.a(x).relu()[:, torch.randperm(6)]),
    "noise that is added": lambda m, x: m.b(m.a(x).relu() + torch.randn(5, 6).round()),
    "a choice": lambda m, x: m.b(torch.where(torch.rand(6) > 0.5, m.a(x), 0.0)),
    "drawn by chances": lambda m, x: m.b(torch.bernoulli(m.a(x).sigmoid())),
    "a gumbel softmax": lambda m, x: m.b(functional.gumbel_softmax(m.a(x), hard=True)),
    "weights that are dropped": lambda m, x: m.b(
        (m.a(x).relu() @ functional.dropout(m.square)).relu()
    ),
    "windows": lambda m, x: (
        functional.fractional_max_pool2d(
            m.conv(x[:, None, None].expand(-1, -1, 3, -1)), 2, output_size=2
        )
        .flatten(2)
        .mean(1)
        .tanh()
    ),
}


@pytest.mark.parametrize("samples", [5, 1])
@pytest.mark.parametrize("name", DRAWN)
def test_no_two_draws_are_equal(name: str, samples: int) -> None:
    """With one sample most masks of dropout are equal, by chance."""
    if samples == 1 and "5, 6" in str(DRAWN[name].__code__.co_consts):
        pytest.skip("draws for five samples")
    group = sound(DRAWN[name], normal(samples, 3, seed=4))
    assert not any(len(orbit.nodes) > 1 for orbit in group.orbits)


ALIKE: dict[str, tuple[Wiring, tuple[bool, bool]]] = {
    "samples that are dropped": (
        lambda m, x: m.b(m.a(x).relu() * torch.bernoulli(torch.full((len(x), 1), 0.5))),
        (True, False),
    ),
    "another order of the samples": (
        lambda m, x: m.b(m.a(x).relu()[torch.randperm(len(x))]),
        (True, False),
    ),
    "a slope that is not drawn": (
        lambda m, x: m.b(functional.rrelu(m.a(x), training=False)),
        (False, False),
    ),
    "a quotient": (
        lambda m, x: m.b(torch.div(m.a(x).relu(), 0.3, rounding_mode=None)),
        (True, False),
    ),
    "parameters less": (lambda m, x: m.b(m.vector - m.a(x)), (True, True)),
    "integers of the input": (
        lambda m, x: m.b(m.a(x.round().long().double()).relu()),
        (True, False),
    ),
}


@pytest.mark.parametrize("name", ALIKE)
def test_neurons_that_are_treated_equally_are_permuted(name: str) -> None:
    wiring, factors = ALIKE[name]
    group = sound(wiring, X)
    assert [len(orbit.nodes) for orbit in group.orbits] == [6]
    assert takes_factors(group) == factors
