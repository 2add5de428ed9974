"""Exactly the exchanges of neurons that keep the function are found: tried one by one."""

import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import Symmetries, symmetries, verify
from tests.graphwsl.network_families import Wired, parameter, randomised

CHANNELS, LENGTH = 4, 6
Middle = Callable[[Tensor], Tensor]


def network_around(middle: Middle, reader: str) -> nn.Module:
    """A layer of channels, a function of them, and a layer that reads all of it."""
    first = nn.Conv1d(2, CHANNELS, 1)
    if reader == "linear":
        head: nn.Module = nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
    else:
        head = nn.LazyConv1d(2, 3, padding=1)
    model = Wired(lambda m, x: m.head(middle(m.first(x))), first=first, head=head)
    torch.manual_seed(0)
    model.double()(torch.zeros(1, 2, LENGTH, dtype=torch.float64))
    return randomised(model)


def exchanged(model: nn.Module, i: int, j: int) -> nn.Module:
    """Channels exchanged: rows of the first layer, columns of the reader, position by position."""
    other = network_like(model)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    order = list(range(CHANNELS))
    order[i], order[j] = order[j], order[i]
    for name in ("first.weight", "first.bias"):
        state[name] = state[name][order]
    (reader,) = (name for name in state if name.startswith("head") and name.endswith("weight"))
    columns = state[reader]
    shape = columns.shape
    columns = columns.reshape(shape[0], -1, CHANNELS, columns[0].numel() // CHANNELS)
    state[reader] = columns[:, :, order].reshape(shape)
    other.load_state_dict(state)
    return other


def network_like(model: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(model)


def preserves(model: nn.Module, i: int, j: int) -> bool:
    x = torch.randn(3, 2, LENGTH, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        before = torch.stack([model(one[None]) for one in x])
        after = torch.stack([exchanged(model, i, j)(one[None]) for one in x])
    return torch.allclose(before, after, rtol=0, atol=1e-9)


def group_of(model: nn.Module) -> Symmetries:
    return symmetries(neural_graph(model, torch.zeros(1, 2, LENGTH, dtype=torch.float64)))


def check(middle: Middle, reader: str) -> None:
    model = network_around(middle, reader)
    group = group_of(model)
    channels = group.graph.blocks[0].targets[0].tolist()
    together = {
        frozenset(pair)
        for orbit in group.orbits
        for column in orbit.nodes.T.tolist()
        for pair in itertools.combinations(column, 2)
    }
    for i, j in itertools.combinations(range(CHANNELS), 2):
        found = frozenset((channels[i], channels[j])) in together
        assert found == preserves(model, i, j), (i, j)
    for seed in range(3):
        assert verify(group.random(torch.Generator().manual_seed(seed))).error < 1e-12


FUNCTIONS: dict[str, Middle] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "twice": lambda x: 2 * x,
    "flip": lambda x: x.flip(-1),
    "shift": lambda x: functional.pad(x, (1, 0))[..., :-1],
    "shift back": lambda x: functional.pad(x, (0, 1))[..., 1:],
    "square": lambda x: x * x,
    "roll": lambda x: x.roll(1, -1),
}


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), st.integers(0, 3), st.integers(1, 4)),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["linear", "convolution"]),
)
def test_functions_of_some_channels_distinguish_them(
    functions: list[tuple[str, int, int]], reader: str
) -> None:
    """Each function acts on a range of the channels only."""

    def middle(x: Tensor) -> Tensor:
        for name, start, stop in functions:
            if start < stop:
                some = FUNCTIONS[name](x[:, start:stop])
                x = torch.cat([x[:, :start], some, x[:, stop:]], 1)
        return x

    # Functions that do the same in several calls are not known to be the same function.
    names = [name for name, _, _ in functions]
    if len(set(names)) == len(names):
        sound_and_almost_complete(middle, reader)


def sound_and_almost_complete(middle: Middle, reader: str) -> None:
    """What is found is true; all is found if whole channels moved, whatever the reader."""
    model = network_around(middle, reader)
    group = group_of(model)
    channels = group.graph.blocks[0].targets[0].tolist()
    for orbit in group.orbits:
        for column in orbit.nodes.T.tolist():
            for a, b in itertools.combinations([n for n in column if n in channels], 2):
                assert preserves(model, channels.index(a), channels.index(b))
    for seed in range(3):
        assert verify(group.random(torch.Generator().manual_seed(seed))).error < 1e-12


def temporal_shift(x: Tensor) -> Tensor:
    result = torch.zeros_like(x)
    result[:, :2, :-1] = x[:, :2, 1:]
    result[:, 2:, 1:] = x[:, 2:, :-1]
    return result


SPECIAL: dict[str, Middle] = {
    "nothing": lambda x: x,
    "relu": torch.relu,
    "relu of half": lambda x: torch.cat([x[:, :2].relu(), x[:, 2:]], 1),
    "constants": lambda x: x * torch.tensor([1.0, 2.0, 1.0, 2.0]).double()[:, None],
    "equal constants": lambda x: x * torch.full((4, 1), 3.0).double(),
    "flip of half": lambda x: torch.cat([x[:, :2], x[:, 2:].flip(-1)], 1),
    "every second position": lambda x: torch.cat([x[:, :2, ::2], x[:, 2:, 1::2]], 1),
    "temporal shift": temporal_shift,
    "shift by padding": lambda x: torch.cat(
        [functional.pad(x[:, :2], (1, 0)), functional.pad(x[:, 2:], (0, 1))], 1
    ),
    "shift by zeros": lambda x: torch.cat(
        [
            torch.cat([x[:, :2], x.new_zeros(1, 2, 1)], 2),
            torch.cat([x.new_zeros(1, 2, 1), x[:, 2:]], 2),
        ],
        1,
    ),
    "checkerboard": lambda x: torch.where(
        (torch.arange(4)[:, None] + torch.arange(6)) % 2 == 0, x, x.flip(-1)
    ),
    "same mask": lambda x: torch.where(torch.arange(6) % 2 == 0, x, x.flip(-1)),
    "positions of its own": lambda x: x.gather(
        2, torch.tensor([[[0, 1], [0, 1], [3, 2], [4, 5]]]).expand(1, 4, 2)
    ),
    "twice the same": lambda x: x * x,
    "softmax": lambda x: x.softmax(1),
    "norm": lambda x: functional.group_norm(x, 1),
}


@pytest.mark.parametrize("reader", ["linear", "convolution"])
@pytest.mark.parametrize("name", SPECIAL)
def test_exchanges_are_found_exactly_if_they_keep_the_function(name: str, reader: str) -> None:
    if name == "shift by padding" and reader == "linear":
        # Columns move with their position: true, but the halves count as different.
        sound_and_almost_complete(SPECIAL[name], reader)
    else:
        check(SPECIAL[name], reader)


@pytest.mark.parametrize(
    "middle",
    [
        lambda x: x * x,
        lambda x: x.relu() * x.relu(),
        lambda x: x.relu() / (x.abs() + 1e-3),
        lambda x: x @ x.transpose(1, 2),
        lambda x: functional.pad(x, (1, 0), value=1.0) + functional.pad(x, (0, 1)),
        lambda x: torch.maximum(x, x.flip(-1)),
        lambda x: x.relu() + x,
        lambda x: x.tanh() * x.sigmoid(),
    ],
)
def test_factors_that_a_function_of_itself_forbids(middle: Middle) -> None:
    group = group_of(network_around(middle, "linear"))
    for seed in range(4):
        assert verify(group.random(torch.Generator().manual_seed(seed))).error < 1e-12


def test_groups_at_other_places_of_the_same_units_stay() -> None:
    """A weight matrix of its own for every position: positions cannot be exchanged."""
    model = Wired(
        lambda m, x: m.head((m.first(x).permute(2, 0, 1) @ m.own).relu().flatten()),
        first=nn.Conv1d(2, 4, 1),
        own=parameter(LENGTH, 4, 3),
        head=nn.Linear(3 * LENGTH, 2),
    )
    group = group_of(randomised(model.double()))
    assert sorted(len(orbit.nodes) for orbit in group.orbits) == [3] * LENGTH + [4]
    for seed in range(3):
        assert verify(group.random(torch.Generator().manual_seed(seed))).error < 1e-12
