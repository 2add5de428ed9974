"""What looks like a symmetry and is none: values at positions, choices, missing scales."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph import NeuralGraph, neural_graph
from graphwsl.symmetries import GroupElement, symmetries
from graphwsl.testing.exactness import same_bits
from tests.graphwsl.network_families import Wired, parameter, randomised

Wiring = Callable[..., Tensor]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def graph_of(wiring: Wiring, inputs: tuple[Tensor, ...], **options: str) -> NeuralGraph:
    torch.manual_seed(0)
    model = Wired(
        wiring,
        first=nn.Linear(3, 6),
        second=nn.Linear(3, 6),
        conv=nn.Conv1d(3, 4, 3, padding=1),
        table=parameter(6, 5),
        filters=parameter(3, 3, 3),
        square=parameter(6, 6),
        vector=parameter(6),
        head=nn.Linear(6, 2),
        rows=nn.Linear(5, 2),
        channels=nn.Conv1d(4, 2, 1),
        wide=nn.Conv1d(6, 2, 1),
    )
    return neural_graph(randomised(model.double()), inputs, **options)


def assert_sound(graph: NeuralGraph, inputs: tuple[Tensor, ...]) -> None:
    """Run with other numbers in the inputs, before and after; the identity moves no bit."""
    unmoved = GroupElement.identity(graph).apply()
    assert all(same_bits(unmoved[name], tensor) for name, tensor in graph.state.items())
    run = graph.program.graph_module
    others = [torch.randn_like(one) if one.is_floating_point() else one.roll(1) for one in inputs]
    (before,) = run(list(graph.state.values()), others)
    for seed in range(4):
        state = symmetries(graph).random(torch.Generator().manual_seed(seed)).apply()
        (after,) = run([state[name] for name in graph.state], others)
        assert torch.allclose(before, after, rtol=0, atol=1e-10)


X, SEQUENCE = drawn(5, 3), drawn(2, 3, 6)
NARROWING, ONE_EACH = drawn(6, 3, seed=1), drawn(4, 1, seed=2).expand(2, -1, -1)
NUMBERS = torch.tensor([0, 3, 5, 1, 2])

OPAQUE: dict[str, tuple[Wiring, tuple[Tensor, ...]]] = {
    # Networks that hold an operator of which the rules cannot say what it does to weights or units.
    "a table at numbers of the input": (lambda m, i: m.rows(m.table[i]), (NUMBERS,)),
    "rows of a table": (lambda m, i: m.rows(m.table.index_select(0, i)), (NUMBERS,)),
    "gathered entries": (
        lambda m, i: m.rows(m.table.gather(0, i[:, None].expand(-1, 5))),
        (NUMBERS,),
    ),
    "entries taken along": (
        lambda m, i: m.rows(torch.take_along_dim(m.table, i[:, None], 0)),
        (NUMBERS,),
    ),
    "a nearest code": (
        lambda m, x: m.rows(m.table[torch.cdist(m.first(x)[:, :5], m.table).argmin(1)]),
        (X,),
    ),
    "argmax": (
        lambda m, x: m.head(functional.one_hot(m.first(x).argmax(-1), 6).double()),
        (X,),
    ),
    "the index of the maximum": (lambda m, x: m.first(x).max(1)[1][:, None] * 1.0, (X,)),
    "the index of the median": (lambda m, x: m.first(x).median(1)[1][:, None] * 1.0, (X,)),
    "an order": (lambda m, x: m.head(m.first(x).argsort(1).double()), (X,)),
    "largest ones": (lambda m, x: m.first(x).topk(2, 1)[1].double(), (X,)),
    "a scale from a network": (
        lambda m, x: m.head(functional.layer_norm(m.first(x), (6,), m.second(x).mean(0))),
        (X,),
    ),
    "kernels from a network": (
        lambda m, x: functional.conv1d(x, m.second(x.mean(2)).view(-1, 3, 1)),
        (SEQUENCE,),
    ),
    "computed experts": (
        lambda m, x: torch.bmm(
            m.first(x)[:, None],
            m.filters.flatten().repeat(8)[:216].view(6, 6, 6)[m.second(x).argmax(1)],
        )[:, 0],
        (X,),
    ),
}


@pytest.mark.parametrize("name", OPAQUE)
def test_what_is_not_understood_is_listed_and_gives_no_symmetry(name: str) -> None:
    wiring, inputs = OPAQUE[name]
    graph = graph_of(wiring, inputs)
    assert_sound(graph, inputs)
    assert graph.coverage().opaque_operators
    with pytest.raises(UnsupportedModelError, match="no rule for"):
        graph_of(wiring, inputs, unknown="raise")


STAY: dict[str, tuple[Wiring, tuple[Tensor, ...]]] = {
    "no scale in an instance norm": (
        lambda m, x: m.channels(functional.instance_norm(m.conv(x)).relu()),
        (SEQUENCE,),
    ),
    "a shift without a scale": (
        lambda m, x: m.channels(
            functional.instance_norm(m.conv(x), bias=m.vector[:4], weight=None).relu()
        ),
        (SEQUENCE,),
    ),
    "a constant scale": (
        lambda m, x: m.channels(
            functional.instance_norm(m.conv(x), weight=torch.arange(4.0).double()).relu()
        ),
        (SEQUENCE,),
    ),
    "a constant shift": (
        lambda m, x: m.channels(
            functional.instance_norm(
                m.conv(x), weight=m.vector[:4], bias=torch.ones(4).double()
            ).relu()
        ),
        (SEQUENCE,),
    ),
    "a grid from a network": (
        lambda m, x: functional.grid_sample(
            m.conv(x)[:, :, None], m.first(x.mT).tanh()[:, None, :, :2], align_corners=False
        ),
        (SEQUENCE,),
    ),
    "weights of a bag": (
        lambda m, x: m.rows(
            functional.embedding_bag(
                torch.arange(30).view(5, 6) % 6, m.table, mode="sum", per_sample_weights=m.first(x)
            )
        ),
        (X,),
    ),
    "circulant weights": (
        lambda m, x: m.head(
            (m.first(x) @ torch.stack([m.vector.roll(i) for i in range(6)])).relu()
        ),
        (X,),
    ),
    "Toeplitz weights": (
        lambda m, x: m.head(
            (m.first(x) @ m.table.flatten()[torch.arange(6)[:, None] - torch.arange(6) + 5]).relu()
        ),
        (X,),
    ),
    "a Kronecker product": (
        lambda m, x: m.head(
            (m.first(x) @ torch.kron(m.square[:3, :3], m.filters[0, :2, :2])).relu()
        ),
        (X,),
    ),
    "halves of which one is doubled": (
        lambda m, x: m.head((x @ torch.cat([m.square[:3, :3], 2 * m.square[:3, 3:]], 1)).relu()),
        (X,),
    ),
    "a product with constants": (lambda m, x: m.first(x).relu() @ NARROWING, (X,)),
    "how often": (
        lambda m, x: torch.cat([m.first(x).relu(), m.first(x).relu()[:, :2]], 1).sum(1)[:, None],
        (X,),
    ),
    "padding with ones": (
        lambda m, x: m.channels(functional.pad(m.conv(x).relu(), (1, 1), value=1.0)).mean(2),
        (SEQUENCE,),
    ),
    "an own padding each": (
        lambda m, x: m.channels(torch.cat([m.conv(x), ONE_EACH], 2).relu()),
        (SEQUENCE,),
    ),
    "an exponent": (lambda m, x: torch.frexp(m.first(x).relu())[1].double(), (X,)),
    "a number that is looked at": (
        lambda m, x: m.head(m.first(x).relu()) * m.first(x)[0, 0].item(),
        (X,),
    ),
    "a square of weights": (lambda m, x: m.head((x @ (m.square * m.square)[:3]).relu()), (X,)),
    "a map and neurons by turns": (
        lambda m, x: (
            m.head(m.conv(x).relu()[:, :2, :3].flatten(1)) + m.head(m.first(x[:, :, 0]).relu())
        ),
        (SEQUENCE,),
    ),
    "a map and its transpose by turns": (
        lambda m, x: (
            m.head(m.conv(x).relu()[:, :3, :2].flatten(1))
            + m.head(m.conv(x).relu()[:, :3, :2].mT.flatten(1))
        ),
        (SEQUENCE,),
    ),
    "rows over mixed columns": (
        lambda m, x: m.head(
            torch.stack([m.conv(x).relu()[:, :2, :3].flatten(1), m.first(x[:, :, 0])], 1)
        ),
        (SEQUENCE,),
    ),
    "one direction beside two norms": (
        lambda m, x: torch.cat(
            [
                m.head((x @ torch._weight_norm(m.square[:3], m.vector[:3, None], 0)).relu()),
                x @ torch._weight_norm(m.square[:3], m.vector[3:, None], 0),
            ],
            1,
        ),
        (X,),
    ),
    "a matrix alone and in a sum": (
        lambda m, x: torch.cat(
            [m.head((x @ m.square[:3]).relu()), x @ (m.square[:3] + m.square[3:])], 1
        ),
        (X,),
    ),
    "rows of parameters over mixed columns": (
        lambda m, x: m.rows(
            torch.cat([m.conv(x)[:, :3, :2].flatten(1)[:, :5], m.table.tanh()[:2]]).relu()
        ),
        (SEQUENCE,),
    ),
    "parameters concatenated with positions, and a shift of all": (
        lambda m, x: m.head(
            (torch.stack([m.conv(x)[:, :2, :3].flatten(1), m.table.flatten()[:12].view(2, 6)]))
            .add(m.vector)
            .relu()
        ),
        (SEQUENCE,),
    ),
    "parameters that are chosen for positions": (
        lambda m, x: m.head(
            torch.where(
                torch.arange(6).view(2, 3, 1) % 2 == 0,
                m.conv(x)[:, :2, :3].flatten(1)[:, None],
                m.square[:3],
            )
        ),
        (SEQUENCE,),
    ),
    "rows that are scattered among mixed ones": (
        lambda m, x: m.head(
            torch.slice_scatter(
                m.conv(x).relu()[:, :2, :3].flatten(1), m.first(x[:1, :, 0]), 0, 0, 1
            )
            + m.vector
        ),
        (SEQUENCE,),
    ),
    "indices of a maximum": (
        lambda m, x: functional.max_pool1d(m.conv(x).relu(), 2, return_indices=True)[1].double(),
        (SEQUENCE,),
    ),
}


@pytest.mark.parametrize("name", STAY)
def test_the_function_stays(name: str) -> None:
    wiring, inputs = STAY[name]
    assert_sound(graph_of(wiring, inputs), inputs)


MOVE: dict[str, tuple[Wiring, tuple[Tensor, ...], list[int]]] = {
    # What is understood still moves: the sizes of the orbits.
    "channels without a scale": (
        lambda m, x: m.channels(functional.instance_norm(m.conv(x)).relu()),
        (SEQUENCE,),
        [4],
    ),
    "filters and their mirror images": (
        lambda m, x: m.wide(functional.conv1d(x, torch.cat([m.filters, m.filters.flip(2)])).relu()),
        (SEQUENCE,),
        [3],
    ),
    "channels under a grid": (
        lambda m, x: m.channels(
            functional.grid_sample(
                m.conv(x)[:, :, None], x.mT[:, None, :, :2].tanh(), align_corners=False
            )[:, :, 0]
        ),
        (SEQUENCE,),
        [4],
    ),
    "messages": (
        lambda m, x, i: m.head(
            torch.zeros(5, 6).double().index_add(0, i, m.first(x).relu()[i.flip(0)])
        ),
        (X, torch.tensor([0, 3, 4, 1, 1])),
        [6],
    ),
    "messages by positions": (
        lambda m, x, i: m.head(
            torch.zeros(5, 6)
            .double()
            .scatter_add(0, i[:, None].expand(-1, 6), m.first(x).relu().index_select(0, i))
        ),
        (X, torch.tensor([0, 3, 4, 1, 1])),
        [6],
    ),
}


@pytest.mark.parametrize("name", MOVE)
def test_what_is_understood_moves(name: str) -> None:
    wiring, inputs, sizes = MOVE[name]
    graph = graph_of(wiring, inputs)
    assert_sound(graph, inputs)
    assert [len(orbit.nodes) for orbit in symmetries(graph).orbits] == sizes


@pytest.mark.parametrize("name", ["GCNConv", "SAGEConv", "GATConv"])
def test_layers_of_graph_networks(name: str) -> None:
    """Hidden channels are permuted, and scaled: messages are sums."""
    layers = pytest.importorskip("torch_geometric.nn")
    edges = torch.tensor([[0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 2]])
    layer: Any = getattr(layers, name)
    torch.manual_seed(0)
    model = Wired(
        lambda m, x, e: m.second(m.first(x, e).relu(), e), first=layer(3, 6), second=layer(6, 2)
    )
    graph = neural_graph(randomised(model.double()), (X, edges))
    assert [len(orbit.nodes) for orbit in symmetries(graph).orbits] == [6]
    assert graph.coverage().share_mapped == 1
    assert_sound(graph, (X, edges))


def test_an_entry_that_is_used_often_takes_no_factor() -> None:
    """One number at 2¹⁶ positions is still more than one."""
    model = Wired(
        lambda m, x: m.head((x @ m.number.expand(256, 256)).relu()),
        number=parameter(1, 1),
        head=nn.Linear(256, 1),
    )
    graph = neural_graph(randomised(model.double()), torch.ones(1, 256).double())
    assert not bool(symmetries(graph).positive.allowed.any())


SHIFTS: dict[str, tuple[Callable[[Tensor], Tensor], bool]] = {
    # A shift of four channels at four positions, and whether two of the channels can be exchanged.
    "as it is": (lambda p: p, True),
    "columns for channels": (lambda p: p.t(), True),
    "positions reversed in two channels": (lambda p: torch.cat([p[:2], p[2:].flip(1)]), True),
    "a function of them": (lambda p: p.softmax(1), True),
    "two channels alike": (lambda p: torch.cat([p[:1], p[:1], p[2:]]), True),
    "entries twice, in another order": (
        lambda p: torch.stack([p[0][[0, 1, 0, 1]], p[1][[0, 1, 1, 0]], p[2][[1, 1, 0, 0]], p[3]]),
        False,
    ),
    "rows and columns": (lambda p: torch.cat([p.t()[:2], p[2:]]), False),
    "columns and a function of rows": (lambda p: torch.cat([p.t()[:2], p.softmax(0)[2:]]), False),
    "rows in both directions": (
        lambda p: torch.cat([p[:1], p[:1].flip(1), p[2:3], p[2:3].flip(1)]),
        False,
    ),
    "rows with columns": (lambda p: torch.stack([p[0], p[:, 0], p[1], p[:, 1]]), False),
}


@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("of", ["a normalisation", "the activation"])
def test_parameters_keep_the_positions_at_which_they_stand(name: str, of: str) -> None:
    shift, moves = SHIFTS[name]

    def wiring(m: Any, x: Tensor) -> Tensor:
        h = m.conv(x)
        if of == "the activation":
            h = h + shift(m.square)
        else:
            h = functional.layer_norm(h, h.shape[1:], None, shift(m.square))
        return m.head(h.reshape(-1, 16))

    torch.manual_seed(0)
    model = Wired(
        wiring,
        conv=nn.Conv1d(3, 4, 3, padding=1),
        square=parameter(4, 4),
        head=nn.Linear(16, 2),
    )
    graph = neural_graph(randomised(model.double()), (drawn(2, 3, 4),))
    assert_sound(graph, (drawn(2, 3, 4),))
    assert bool(symmetries(graph).orbits) == moves


PARTS: dict[str, Wiring] = {
    "before and after a function": lambda y: torch.cat([y.relu()[..., :2], y[..., 2:]], -1),
    "after one of two functions": lambda y: torch.cat([y.sin()[..., :2], y.cos()[..., 2:]], -1),
    "with and without a factor": lambda y: torch.cat([(3 * y)[..., :2], y[..., 2:]], -1),
    "at other times": lambda y: torch.cat([y[:, 1:, :2], y[:, :-1, 2:]], -1),
    "sums over time": lambda y: torch.cat([y.cumsum(1)[..., :2], y[..., 2:]], -1),
    "in other orders": lambda y: torch.cat([y.flip(1)[..., :2], y.roll(1, 1)[..., 2:]], -1),
    "picked": lambda y: torch.cat([y.relu()[..., [0, 1]], y[..., [2, 3, 4, 5]]], -1),
    "cut": lambda y: torch.cat([y.relu().chunk(2, -1)[0], y.chunk(2, -1)[1]], -1),
    "written": lambda y: y.slice_scatter(y.relu()[..., :2], -1, 0, 2),
    "chosen": lambda y: torch.where(torch.arange(6) < 2, y.relu(), y),
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("bias", [True, False])
def test_units_taken_at_other_points_of_the_program_stay_apart(name: str, bias: bool) -> None:
    torch.manual_seed(0)
    model = Wired(
        lambda m, x: m.head(PARTS[name](m.first(x))),
        first=nn.Linear(3, 6, bias=bias),
        head=nn.Linear(6, 2),
    ).double()
    x = drawn(2, 5, 3)
    graph = neural_graph(model, (x,))
    assert_sound(graph, (x,))
    assert not symmetries(graph).general_linear
    assert sorted(len(orbit.nodes) for orbit in symmetries(graph).orbits) in ([2, 4], [3, 3])


def test_parameters_of_units_that_are_taken_before_and_after_them_stay_apart() -> None:
    torch.manual_seed(0)
    model = Wired(
        lambda m, x: m.head(
            torch.cat([(m.first(x) + m.one)[:, :3], (m.first(x) + m.other)[:, 3:]], 1)
        ),
        first=nn.Linear(3, 6, bias=False),
        head=nn.Linear(6, 2),
        one=parameter(6),
        other=parameter(6),
    ).double()
    graph = neural_graph(model, (X,))
    assert_sound(graph, (X,))
    assert not symmetries(graph).general_linear


def test_halves_of_one_function_computed_twice_are_exchanged() -> None:
    model = Wired(
        lambda m, x: m.head(torch.cat([m.first(x).relu()[:, :3], m.first(x).relu()[:, 3:]], 1)),
        first=nn.Linear(3, 6),
        head=nn.Linear(6, 2),
    ).double()
    graph = neural_graph(model, (X,))
    assert_sound(graph, (X,))
    assert [len(orbit.nodes) for orbit in symmetries(graph).orbits] == [6]
