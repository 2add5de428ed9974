"""Dirac–Bianconi layers against their formula, dense matrices, and what follows from them."""

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import leaky_relu

from gnncore.errors import SpecificationError
from gnncore.layers import DiracBianconiConv, SemiImplicitDiracBianconiConv, make_layer
from gnncore.testing.dirac_oracle import dirac_matrix, dirac_steps

EXACT = 1e-10
Signal = tuple[Tensor, Tensor, Tensor]


def directed(graph: nx.Graph) -> Tensor:
    """Both directions of every edge."""
    pairs = torch.tensor(list(graph.edges), dtype=torch.long).reshape(-1, 2)
    return torch.cat([pairs, pairs.flip(1)]).T.contiguous()


def signal(graph: nx.Graph, channels: int, edge_channels: int, seed: int = 0) -> Signal:
    generator = torch.Generator().manual_seed(seed)
    edge_index = directed(graph)
    x = torch.randn(len(graph), channels, generator=generator, dtype=torch.float64)
    edge_attr = torch.randn(
        edge_index.shape[1], edge_channels, generator=generator, dtype=torch.float64
    )
    return x, edge_index, edge_attr


def layer(channels: int = 3, edge_channels: int = 2, **options: object) -> DiracBianconiConv:
    torch.manual_seed(1)
    made = DiracBianconiConv(channels, channels, edge_channels, **{"delta": 0.3, **options})
    made = made.double()
    for parameter in made.parameters():  # full matrices, not the multiples of I that β starts with
        parameter.data += 0.2 * torch.randn_like(parameter)
    return made


def by_formula(layer: DiracBianconiConv, x: Tensor, edge_index: Tensor, e: Tensor) -> list[Tensor]:
    """The published update, node by node and edge by edge."""
    for _ in range(layer.num_steps):
        new_x, new_e = torch.zeros_like(x), torch.zeros_like(e)
        for v in range(len(x)):
            total = sum(
                (e[k] for k, (_, end) in enumerate(edge_index.T.tolist()) if end == v),
                torch.zeros(e.shape[1], dtype=e.dtype),
            )
            new_x[v] = leaky_relu(x[v] + layer.beta_n @ x[v] + layer.W_ne.T @ total)
        for k, (u, v) in enumerate(edge_index.T.tolist()):
            new_e[k] = leaky_relu(e[k] + layer.beta_e @ e[k] + layer.W_en.T @ (x[v] - x[u]))
        x, e = new_x, new_e
    return [x, e]


GRAPHS = {
    "path": nx.path_graph(5),
    "star": nx.star_graph(4),
    "cycle": nx.cycle_graph(6),
    "apart": nx.disjoint_union(nx.path_graph(3), nx.complete_graph(4)),
    "isolated": nx.disjoint_union(nx.path_graph(2), nx.empty_graph(2)),
    "lone": nx.empty_graph(1),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("num_steps", [1, 4])
def test_layer_follows_the_formula(name: str, num_steps: int) -> None:
    tested = layer(num_steps=num_steps)
    inputs = signal(GRAPHS[name], 3, 2)
    for got, wanted in zip(tested(*inputs), by_formula(tested, *inputs), strict=True):
        torch.testing.assert_close(got, wanted, rtol=EXACT, atol=EXACT)


def test_gradients_follow_the_formula() -> None:
    tested = layer(num_steps=3)
    x, edge_index, edge_attr = signal(nx.house_graph(), 3, 2)
    x.requires_grad_()
    edge_attr.requires_grad_()
    leaves = [x, edge_attr, *tested.parameters()]
    weights = [torch.randn_like(x), torch.randn_like(edge_attr)]
    got, wanted = (
        torch.autograd.grad(outputs, leaves, weights)
        for outputs in (
            tested(x, edge_index, edge_attr),
            by_formula(tested, x, edge_index, edge_attr),
        )
    )
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=EXACT, atol=EXACT)


def test_the_authors_example_by_hand() -> None:
    # Graph, weights and result as in compare_to_julia.py of the publication's code. The example
    # is older than its layer: there W multiplies the signal, which is W transposed now.
    weight = torch.tensor([[2.0, 1.0], [5.0, 1.0]])
    tested = DiracBianconiConv(2, 2, 2, num_steps=2, act="relu")
    for name, parameter in tested.named_parameters():
        parameter.data.copy_(weight if name.startswith("beta") else weight.T)
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    x = torch.tensor([[-1.0, 1.0], [0.0, 4.0], [1.0, 2.0]]) @ weight.T
    edge_attr = torch.tensor([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 8.0]]) @ weight.T
    x, _ = tested(x, edge_index, edge_attr)
    assert (x @ weight[0]).tolist() == [930, 3585, 2133]


@settings(max_examples=30, deadline=None)
@given(
    nodes=st.integers(1, 6),
    density=st.floats(0, 1),
    channels=st.integers(1, 3),
    edge_channels=st.integers(1, 3),
    num_steps=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
def test_linear_layer_is_a_power_of_the_dirac_matrix(
    nodes: int, density: float, channels: int, edge_channels: int, num_steps: int, seed: int
) -> None:
    graph = nx.gnp_random_graph(nodes, density, seed=seed)
    x, edge_index, edge_attr = signal(graph, channels, edge_channels, seed)
    tested = layer(channels, edge_channels, num_steps=num_steps, act=None)
    matrix = dirac_matrix(edge_index, nodes, **dict(tested.named_parameters()))
    wanted = dirac_steps(x, edge_attr, matrix, num_steps)
    for got, expected in zip(tested(x, edge_index, edge_attr), wanted, strict=True):
        torch.testing.assert_close(got, expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("power", [0.5, 1.0])
@pytest.mark.parametrize("name", GRAPHS)
def test_degrees_divide_the_rows_of_nodes_in_the_dirac_matrix(name: str, power: float) -> None:
    graph = GRAPHS[name]
    inputs = signal(graph, 3, 2)
    tested = layer(num_steps=4, act=None, degree_power=power)
    matrix = dirac_matrix(inputs[1], len(graph), **dict(tested.named_parameters()))
    degrees = torch.tensor([max(degree, 1) for _, degree in graph.degree], dtype=torch.float64)
    size = 3 * len(graph)
    matrix[:size, size:] /= degrees.repeat_interleave(3)[:, None] ** power
    wanted = dirac_steps(inputs[0], inputs[2], matrix, 4)
    for got, expected in zip(tested(*inputs), wanted, strict=True):
        torch.testing.assert_close(got, expected, rtol=EXACT, atol=EXACT)


def test_a_mean_does_not_see_how_many_edges_agree() -> None:
    found = []
    for leaves in (3, 30):
        edge_index = directed(nx.star_graph(leaves))
        x = torch.ones(leaves + 1, 3).double()
        x[0] = 2
        edge_attr = torch.ones(2 * leaves, 2).double()
        found.append(layer(num_steps=5, degree_power=1.0)(x, edge_index, edge_attr)[0][0])
    torch.testing.assert_close(*found, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_dirac_matrix_is_a_root_of_the_laplacian(name: str) -> None:
    graph = GRAPHS[name]
    W_ne, W_en = torch.randn(2, 3, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    matrix = dirac_matrix(directed(graph), len(graph), W_ne=W_ne, W_en=W_en)
    laplacian = torch.tensor(nx.laplacian_matrix(graph).toarray(), dtype=torch.float64)
    size = 3 * len(graph)
    square = matrix @ matrix
    wanted = torch.kron(laplacian, (W_en @ W_ne).T.contiguous())
    torch.testing.assert_close(square[:size, :size], wanted)
    assert not square[:size, size:].any()
    assert not square[size:, :size].any()


def massless(num_steps: int, *, act: str | None = None) -> DiracBianconiConv:
    tested = layer(num_steps=num_steps, act=act)
    torch.nn.init.zeros_(tested.beta_n)
    torch.nn.init.zeros_(tested.beta_e)
    return tested


def antisymmetric(edge_attr: Tensor) -> Tensor:
    """Edges that carry the opposite on the way back."""
    there, _ = edge_attr.chunk(2)
    return torch.cat([there, -there])


def test_a_wave_keeps_the_sum_of_its_nodes() -> None:
    x, edge_index, edge_attr = signal(nx.barbell_graph(4, 2), 3, 2)
    moved, _ = massless(9)(x, edge_index, antisymmetric(edge_attr))
    assert (moved - x).abs().max() > 1
    torch.testing.assert_close(moved.sum(0), x.sum(0))


def test_edges_keep_what_both_directions_share() -> None:
    x, edge_index, edge_attr = signal(nx.barbell_graph(4, 2), 3, 2)
    _, moved = massless(9)(x, edge_index, edge_attr)
    there, back = edge_attr.chunk(2)
    moved_there, moved_back = moved.chunk(2)
    assert (moved_there - there).abs().max() > 1
    torch.testing.assert_close(moved_there + moved_back, there + back)


def test_equal_nodes_do_not_drive_edges() -> None:
    _, edge_index, edge_attr = signal(nx.petersen_graph(), 3, 2)
    _, moved = massless(1)(torch.ones(10, 3).double(), edge_index, edge_attr)
    torch.testing.assert_close(moved, edge_attr)


def oscillator(kind: type[DiracBianconiConv], strength: float, num_steps: int) -> DiracBianconiConv:
    """One channel without mass or activation, with weights that make waves of real frequencies.

    Edges that carry the opposite on the way back count twice in the energy, hence the factor.
    """
    tested = kind(1, 1, 1, num_steps=num_steps, act=None).double()
    sign = -1 if kind is DiracBianconiConv else 1
    values = {"W_en": strength, "W_ne": sign * 2 * strength, "beta_n": 0, "beta_e": 0}
    for name, value in values.items():
        torch.nn.init.constant_(getattr(tested, name), value)
    return tested


def energy(x: Tensor, edge_attr: Tensor) -> Tensor:
    return x.square().sum() + edge_attr.square().sum()


def test_an_explicit_step_adds_the_energy_of_the_change() -> None:
    # The matrix is skew there, so the change is orthogonal to the signal.
    x, edge_index, edge_attr = signal(nx.petersen_graph(), 1, 1)
    edge_attr = antisymmetric(edge_attr)
    new_x, new_edges = oscillator(DiracBianconiConv, 0.3, 1)(x, edge_index, edge_attr)
    change = energy(new_x - x, new_edges - edge_attr)
    assert change > 1
    torch.testing.assert_close(energy(new_x, new_edges), energy(x, edge_attr) + change)


def test_a_node_mode_oscillates_as_its_laplacian_eigenvalue_says() -> None:
    # x'' = -2 λ w² x, discretised: both kinds turn by an angle that is known in closed form.
    graph, strength, steps = nx.cycle_graph(12), 0.2, 40
    edge_index = directed(graph)
    angle = 2 * torch.pi * 2 / 12 * torch.arange(12, dtype=torch.float64)
    mode = torch.cos(angle)[:, None]
    square = 2 * strength**2 * (2 - 2 * torch.cos(angle[1]))
    still = torch.zeros(edge_index.shape[1], 1, dtype=torch.float64)

    explicit, _ = oscillator(DiracBianconiConv, strength, steps)(mode, edge_index, still)
    # (1 + iω)^n has the real part of the explicit Euler method's amplitude.
    amplitude = torch.complex(torch.ones_like(square), square.sqrt()) ** steps
    torch.testing.assert_close(explicit, amplitude.real * mode)

    semi, _ = oscillator(SemiImplicitDiracBianconiConv, strength, steps)(mode, edge_index, still)
    # The symplectic Euler method turns by θ with cos θ = 1 - ω²/2 and never grows.
    theta = torch.arccos(1 - square / 2)
    amplitude = torch.cos(theta * (steps + 0.5)) / torch.cos(theta / 2)
    torch.testing.assert_close(semi, amplitude * mode)


@pytest.mark.parametrize(
    ("kind", "steps_per_hop"),
    [(DiracBianconiConv, 2), (SemiImplicitDiracBianconiConv, 1)],
)
def test_a_pulse_travels_at_a_finite_speed(
    kind: type[DiracBianconiConv], steps_per_hop: int
) -> None:
    graph = nx.path_graph(20)
    x, edge_index, edge_attr = signal(graph, 1, 1)
    x = torch.eye(20, dtype=torch.float64)[:, :1]
    for steps in range(1, 12):
        moved, _ = oscillator(kind, 0.3, steps)(x, edge_index, torch.zeros_like(edge_attr))
        reached = int(moved.nonzero()[:, 0].max())
        assert reached == steps // steps_per_hop


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_semi_implicit_layer_follows_its_formula(power: float) -> None:
    tested = SemiImplicitDiracBianconiConv(3, 3, 2, num_steps=3, delta=0.4, degree_power=power)
    tested = tested.double()
    x, edge_index, e = inputs = signal(nx.house_graph(), 3, 2)
    for _ in range(3):
        new_e, new_x = torch.zeros_like(e), torch.zeros_like(x)
        for k, (u, v) in enumerate(edge_index.T.tolist()):
            new_e[k] = e[k] + tested.beta_e @ e[k] + tested.W_en.T @ (x[v] - x[u])
        for v in range(len(x)):
            starts = [k for k, (start, _) in enumerate(edge_index.T.tolist()) if start == v]
            total = new_e[starts].sum(0) / len(starts) ** power
            new_x[v] = x[v] + tested.beta_n @ x[v] + tested.W_ne.T @ total
        x, e = leaky_relu(new_x), leaky_relu(new_e)
    for got, wanted in zip(tested(*inputs), (x, e), strict=True):
        torch.testing.assert_close(got, wanted, rtol=EXACT, atol=EXACT)


def test_initial_values_are_the_published_ones() -> None:
    torch.manual_seed(0)
    tested = DiracBianconiConv(200, 200, 100, delta=1e-4)
    assert torch.equal(tested.beta_n, -1e-4 * torch.eye(200))
    assert torch.equal(tested.beta_e, 1e-4 * torch.eye(100))
    for weight, shape in ((tested.W_ne, (100, 200)), (tested.W_en, (200, 100))):
        assert weight.shape == shape
        # 20,000 draws: the standard error of the deviation is half a per cent.
        assert weight.std().item() == pytest.approx(1e-4, rel=0.03)
        assert weight.mean().item() == pytest.approx(0, abs=5e-6)
    before = tested.W_ne.clone()
    tested.reset_parameters()
    assert not torch.equal(before, tested.W_ne)
    assert tested.W_ne.std().item() == pytest.approx(1e-4, rel=0.03)


def test_dropout_stands_before_the_activation() -> None:
    # A sigmoid turns what is dropped into 1/2; dropped behind it, it would be 0.
    x, edge_index, edge_attr = signal(nx.complete_graph(30), 4, 4)
    tested = layer(4, 4, act="sigmoid", dropout=0.25, edge_dropout=0.5)
    torch.manual_seed(3)
    new_x, new_edges = tested(x, edge_index, edge_attr)
    assert (new_x == 0.5).double().mean().item() == pytest.approx(0.25, abs=0.15)
    assert (new_edges == 0.5).double().mean().item() == pytest.approx(0.5, abs=0.05)
    kept = new_edges != 0.5
    _, full = layer(4, 4, act=None).eval()(x, edge_index, edge_attr)
    torch.testing.assert_close(new_edges[kept], torch.sigmoid(full[kept] / 0.5))


def test_nothing_is_dropped_when_evaluating() -> None:
    inputs = signal(nx.house_graph(), 3, 2)
    tested = layer(dropout=0.9, num_steps=3).eval()
    for got, wanted in zip(tested(*inputs), layer(num_steps=3)(*inputs), strict=True):
        torch.testing.assert_close(got, wanted)


def test_edge_dropout_is_that_of_nodes_unless_given() -> None:
    assert make_layer("dirac_bianconi", 2, 2, 2, dropout=0.3).edge_dropout == 0.3
    assert make_layer("dirac_bianconi", 2, 2, 2, dropout=0.3, edge_dropout=0).edge_dropout == 0


def test_normalisation_divides_by_the_mean_of_both_means() -> None:
    x, edge_index, edge_attr = signal(nx.house_graph(), 3, 2)
    new_x, new_edges = layer(normalize=True)(x + 5, edge_index, edge_attr + 5)
    plain_x, plain_edges = layer()(x + 5, edge_index, edge_attr + 5)
    scale = (plain_x.mean() + plain_edges.mean()) / 2
    torch.testing.assert_close(new_x, plain_x / scale)
    torch.testing.assert_close(new_edges, plain_edges / scale)


def test_normalisation_of_a_graph_does_not_see_the_rest_of_the_batch() -> None:
    first, second = signal(nx.house_graph(), 3, 2, 0), signal(nx.star_graph(3), 3, 2, 1)
    tested = layer(normalize=True, num_steps=2)
    together = tested(
        torch.cat([first[0], second[0]]) + 5,
        torch.cat([first[1], second[1] + len(first[0])], dim=1),
        torch.cat([first[2], second[2]]) + 5,
        torch.tensor([0] * 5 + [1] * 4),
    )
    alone = [tested(x + 5, edge_index, e + 5) for x, edge_index, e in (first, second)]
    for k in range(2):
        torch.testing.assert_close(together[k], torch.cat([alone[0][k], alone[1][k]]))


@pytest.mark.parametrize("act", [None, "relu", "tanh"])
def test_inputs_stay_as_they_are(act: str | None) -> None:
    x, edge_index, edge_attr = signal(nx.house_graph(), 3, 2)
    before = x.clone(), edge_attr.clone()
    layer(act=act, dropout=0.5, num_steps=2)(x, edge_index, edge_attr)
    assert torch.equal(x, before[0])
    assert torch.equal(edge_attr, before[1])


def test_steps_keep_their_precision_under_autocast() -> None:
    x, edge_index, edge_attr = signal(nx.house_graph(), 3, 2)
    tested = layer(num_steps=5).float()
    inputs = x.bfloat16(), edge_index, edge_attr.bfloat16()
    wanted = tested(inputs[0].float(), edge_index, inputs[2].float())
    with torch.autocast("cpu", torch.bfloat16):
        got = tested(*inputs)
    assert all(torch.equal(one, other) for one, other in zip(got, wanted, strict=True))


def test_the_step_is_differentiable_twice() -> None:
    x, edge_index, edge_attr = signal(nx.path_graph(3), 2, 2)
    tested = layer(2, 2, act="tanh")
    x.requires_grad_()
    edge_attr.requires_grad_()
    torch.autograd.gradgradcheck(lambda x, e: tested(x, edge_index, e), (x, edge_attr))


@pytest.mark.parametrize(
    ("channels", "options", "message"),
    [
        ((3, 4, 2), {}, "got 3 to 4"),
        ((3, 3, 0), {}, "edge_channels must be at least 1"),
        ((3, 3, 2), {"num_steps": 0}, "num_steps must be at least 1, got 0"),
        ((3, 3, 2), {"act": "nonsense"}, "nonsense"),
        ((3, 3, 2), {"dropout": 1.5}, r"dropout must lie in \[0, 1\], got 1.5"),
        ((3, 3, 2), {"degree_power": 2}, r"degree_power must lie in \[0, 1\], got 2"),
        ((3, 3, 2), {"edge_dropout": -1}, r"edge_dropout must lie in \[0, 1\], got -1"),
    ],
)
def test_what_does_not_fit_is_said(
    channels: tuple[int, int, int], options: dict[str, object], message: str
) -> None:
    with pytest.raises(SpecificationError, match=message):
        make_layer("dirac_bianconi", *channels, **options)


def test_a_missing_edge_signal_is_said() -> None:
    x, edge_index, edge_attr = signal(nx.path_graph(3), 3, 2)
    with pytest.raises(SpecificationError, match="edge_channels=2, got edge_attr with none"):
        layer()(x, edge_index)
    with pytest.raises(SpecificationError, match="edge_channels=2, got edge_attr with 1"):
        layer()(x, edge_index, edge_attr[:, :1])
