"""Which weight joins which nodes: by hand, and by values that tell every element apart."""

from collections.abc import Callable

import networkx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import prune

from graphwsl.neural_graph import NeuralGraph, NodeKind, neural_graph
from graphwsl.neural_graph.roles import ARGUMENTS, RelationKind
from tests.graphwsl.network_families import Wired, network, parameter


def entries_of(graph: NeuralGraph, name: str) -> Tensor:
    """Indices of a tensor's entries in the flattened state, in its shape."""
    tensor = graph.state[name]
    return torch.arange(tensor.numel()).view(tensor.shape) + graph.offsets[name]


def test_a_dense_layer() -> None:
    graph = neural_graph(
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.ones(1, 3)
    )
    first, second = graph.blocks
    assert first.sources.tolist() == [[0, 1, 2]]
    assert first.targets.tolist() == [[3, 4, 5, 6]]
    assert second.sources.tolist() == first.targets.tolist()
    assert torch.equal(first.entries[0, :, :, 0], entries_of(graph, "0.weight"))
    assert torch.equal(second.entries[0, :, :, 0], entries_of(graph, "2.weight"))
    (bias, _) = graph.node_parameters
    assert (bias.role, bias.nodes.tolist()) == ("bias", [3, 4, 5, 6])
    assert torch.equal(bias.entries, entries_of(graph, "0.bias"))
    assert torch.nonzero(graph.is_output).flatten().tolist() == second.targets[0].tolist()
    assert graph.inputs[0].tolist() == [[0, 1, 2]]


def test_groups_of_a_convolution() -> None:
    graph = neural_graph(nn.Conv2d(4, 6, 3, groups=2), torch.ones(1, 4, 5, 5))
    (block,) = graph.blocks
    assert block.sources.tolist() == [[0, 1], [2, 3]]
    assert block.targets.tolist() == [[4, 5, 6], [7, 8, 9]]
    assert block.kernel == (3, 3)
    expected = entries_of(graph, "weight").flatten(2).view(2, 3, 2, 9)
    assert torch.equal(block.entries, expected)


def test_a_transposed_convolution_stores_inputs_first() -> None:
    graph = neural_graph(nn.ConvTranspose1d(4, 6, 3, groups=2), torch.ones(1, 4, 5))
    (block,) = graph.blocks
    weight = entries_of(graph, "weight")
    assert block.entries[1, 2, 0].tolist() == weight[2, 2].tolist()
    assert block.targets.tolist() == [[4, 5, 6], [7, 8, 9]]


def test_a_flattened_channel_is_multiplied_with_its_own_columns() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(8, 3))
    graph = neural_graph(model, torch.ones(1, 1, 2, 2))
    channels = graph.blocks[0].targets[0].tolist()
    assert graph.blocks[1].sources.tolist() == [[channels[0]] * 4 + [channels[1]] * 4]
    assert graph.blocks[1].tags.tolist() == [[0, 1, 2, 3] * 2]


def test_channels_last_alternate() -> None:
    model = Wired(
        lambda m, x: m.head(m.first(x).permute(0, 2, 3, 1).flatten(1)),
        first=nn.Conv2d(1, 2, 1),
        head=nn.Linear(8, 3),
    )
    graph = neural_graph(model, torch.ones(1, 1, 2, 2))
    channels = graph.blocks[0].targets[0].tolist()
    assert graph.blocks[1].sources.tolist() == [channels * 4]
    assert graph.blocks[1].tags.tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]]


def test_concatenation_keeps_its_order() -> None:
    model = Wired(
        lambda m, x: m.head(torch.cat([m.b(x), x, m.a(x)], 1)),
        a=nn.Linear(2, 3),
        b=nn.Linear(2, 2),
        head=nn.Linear(7, 1),
    )
    graph = neural_graph(model, torch.ones(1, 2))
    b, a, head = graph.blocks  # in the order of the program
    expected = [*b.targets[0].tolist(), *graph.inputs[0][0].tolist(), *a.targets[0].tolist()]
    assert head.sources.tolist() == [expected]


def test_shuffled_channels() -> None:
    model = nn.Sequential(nn.Conv2d(1, 6, 1), nn.ChannelShuffle(3), nn.Conv2d(6, 1, 1))
    graph = neural_graph(model, torch.ones(1, 1, 2, 2))
    channels = graph.blocks[0].targets[0]
    assert graph.blocks[1].sources[0].tolist() == channels.view(3, 2).T.flatten().tolist()


def test_a_residual_sum_has_a_node_for_every_pair() -> None:
    model = Wired(
        lambda m, x: m.head(m.stem(x) + m.branch(x)),
        stem=nn.Linear(2, 3),
        branch=nn.Linear(2, 3),
        head=nn.Linear(3, 1),
    )
    graph = neural_graph(model, torch.ones(1, 2))
    stem, branch, head = graph.blocks
    sums = {}
    for relation in graph.relations:
        sums[relation.kind] = dict(
            zip(relation.targets.tolist(), relation.sources.tolist(), strict=True)
        )
    read = head.sources[0].tolist()
    assert [graph.kinds[node] for node in read] == [NodeKind.SUM] * 3
    first, second = (sums[RelationKind("add", role)] for role in ARGUMENTS)
    assert [first[node] for node in read] == stem.targets[0].tolist()
    assert [second[node] for node in read] == branch.targets[0].tolist()


def test_zeros_remain_edges() -> None:
    model, inputs = network("mlp")
    graph = neural_graph(model, inputs)
    with torch.no_grad():
        prune.remove(prune.random_unstructured(model[0], "weight", 0.5), "weight")
        model[2].weight.zero_()
    pruned = neural_graph(model, inputs)
    assert pruned.num_weights == graph.num_weights == 4 * 5 + 5 * 6 + 6 * 3
    assert torch.equal(pruned.to_data().edge_index, graph.to_data().edge_index)


def test_every_token_of_a_vocabulary_is_a_node() -> None:
    model, inputs = network("embedding")
    graph = neural_graph(model, inputs)
    table = graph.blocks[0]
    assert (table.sources.shape, table.targets.shape) == ((1, 7), (1, 5))
    assert torch.equal(table.entries[0, :, :, 0].T, entries_of(graph, "0.weight"))


def test_weights_of_two_parameters_form_two_blocks() -> None:
    model, inputs = network("weight norm")
    graph = neural_graph(model, inputs)
    first, second = (block for block in graph.blocks if block.layer == graph.blocks[0].layer)
    assert torch.equal(first.targets, second.targets)
    length = entries_of(graph, "0.parametrizations.weight.original0")
    assert torch.equal(second.entries[0, :, :, 0], length.expand(5, 4)) or torch.equal(
        first.entries[0, :, :, 0], length.expand(5, 4)
    )


def test_positions_belong_to_the_coordinates_that_they_are_added_to() -> None:
    model, inputs = network("vision transformer")
    graph = neural_graph(model, inputs)
    wanted = entries_of(graph, "positions").flatten()
    nodes = torch.full((len(graph.flat()),), -1)
    for use in graph.node_parameters:
        nodes[use.entries] = use.nodes
    found = nodes[wanted].view(5, 8)
    assert bool((found >= 0).all())
    assert bool((found[1:] == found[1]).all())  # patches share their coordinates
    assert len(found.unique()) == 16  # the class token has its own


MOVES: list[Callable[[Tensor], Tensor]] = [
    lambda x: x.flip(1),
    lambda x: x.flip(3),
    lambda x: x.transpose(2, 3),
    lambda x: x.roll(1, 2),
    lambda x: x.roll((1, 1), (1, 3)),
    lambda x: x[:, 1:],
    lambda x: x[..., ::2],
    lambda x: torch.cat(x.split([1, x.shape[1] - 1], 1)[::-1], 1),
    lambda x: torch.cat([x, x.flip(2)], 1),
    lambda x: torch.cat([x[:, :1], x], 3 if x.shape[1] == 1 else 1),
    lambda x: torch.stack([x, x], 2).flatten(1, 2),
    lambda x: x.flatten(2)[..., None],
    lambda x: x.reshape(1, -1, 1, x.shape[3]),
    lambda x: x.repeat_interleave(2, 2),
    lambda x: x[:, torch.tensor([0, -1, 0])],
    lambda x: x.expand(2, -1, -1, -1).reshape(1, -1, x.shape[2], x.shape[3]),
    lambda x: x.unfold(3, 1, 1).squeeze(-1),
    lambda x: torch.chunk(x, 2, 2)[0],
]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(range(len(MOVES))), min_size=1, max_size=4))
def test_every_column_reads_the_place_whose_value_it_sees(moves: list[int]) -> None:
    """No two elements of the first layer have one value, so values tell where each has gone."""

    def rearranged(x: Tensor) -> Tensor:
        for move in moves:
            x = MOVES[move](x)
        return x.flatten(1)

    torch.manual_seed(0)
    first = nn.Conv2d(2, 4, 1)
    x = torch.randn(1, 2, 4, 4)
    with torch.no_grad():
        made = first(x)
        seen = rearranged(made)
    model = Wired(
        lambda m, x: m.head(rearranged(m.first(x))),
        first=first,
        head=nn.Linear(seen.shape[1], 1, bias=False),
    )
    graph = neural_graph(model, torch.zeros_like(x))
    values = {float(value): index for index, value in enumerate(made.flatten())}
    assert len(values) == made.numel()
    expected = [int(graph.blocks[0].targets[0, values[float(v)] // 16]) for v in seen[0]]
    assert graph.blocks[1].sources[0].tolist() == expected
    counts: dict[int, int] = {}
    tags = []
    for node in expected:
        tags.append(counts.get(node, 0))
        counts[node] = tags[-1] + 1
    assert graph.blocks[1].tags[0].tolist() == tags


@st.composite
def grouped_networks(draw: st.DrawFn) -> nn.Module:
    """Convolutions with groups, shuffles and residual sums: not all inputs reach all outputs."""
    layers: list[nn.Module] = []
    width = 6
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["grouped", "shuffle", "residual", "slice"]))
        groups = draw(st.sampled_from([1, 2, 3, 6]))
        if kind == "grouped":
            layers.append(nn.Conv1d(width, width, 2, groups=groups, padding=1))
        elif kind == "shuffle":
            layers.append(nn.ChannelShuffle(draw(st.sampled_from([2, 3]))))
        elif kind == "residual":
            branch = nn.Conv1d(width, width, 1, groups=groups)
            layers.append(Wired(lambda m, x: x + m.branch(x), branch=branch))
        else:
            layers.append(Wired(lambda m, x: torch.cat([x[:, 2:], x[:, :2] * 2], 1)))
        layers.append(nn.Softplus())
    return nn.Sequential(*layers, nn.Conv1d(width, width, 1, groups=6))


@settings(max_examples=12, deadline=None)
@given(grouped_networks())
def test_paths_of_the_graph_are_the_sparsity_of_the_jacobian(model: nn.Module) -> None:
    """An output depends on an input channel exactly if the graph has a path between them."""
    torch.manual_seed(0)
    x = torch.randn(1, 6, 4, requires_grad=True)
    outputs = model(x)
    graph = neural_graph(model, x.detach())
    edges = networkx.DiGraph(graph.to_data().edge_index.T.tolist())
    edges.add_nodes_from(range(graph.num_nodes))
    inputs = graph.inputs[0][0, :, 0].tolist()
    last = graph.blocks[-1]
    for index, node in enumerate(last.targets.flatten().tolist()):
        (gradient,) = torch.autograd.grad(outputs[0, index].sum(), x, retain_graph=True)
        reached = networkx.ancestors(edges, node)
        depends = gradient[0].abs().sum(1) > 0
        assert [one in reached for one in inputs] == depends.tolist()


@pytest.mark.parametrize("name", ["mlp", "depthwise", "dense net", "groups"])
def test_one_weight_changes_its_target_alone(name: str) -> None:
    """The gradient of a layer's output by its weight is non-zero at the target, nowhere else."""
    model, inputs = network(name)
    graph = neural_graph(model, inputs)
    layers = {
        key: module
        for key, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }
    outputs: dict[str, Tensor] = {}
    for key, module in layers.items():
        module.register_forward_hook(lambda m, i, o, key=key: outputs.__setitem__(key, o))
    torch.manual_seed(0)
    model(*(torch.randn_like(one) for one in inputs))
    assert len(graph.blocks) == len(layers)
    for block in graph.blocks:
        entry = int(block.entries[-1, -1, -1, 0])
        key = next(
            key for key in layers
            if bool((entries_of(graph, f"{key}.weight") == entry).any())
        )  # fmt: skip
        targets = block.targets.flatten()
        for number in range(len(targets)):
            total = outputs[key][:, number].sum()
            (gradient,) = torch.autograd.grad(total, layers[key].weight, retain_graph=True)
            touched = entries_of(graph, f"{key}.weight")[gradient != 0]
            group, row = divmod(number, block.targets.shape[1])
            own = block.entries[group, row].flatten()
            assert set(touched.tolist()) <= set(own.tolist())
            assert len(touched)


def test_a_parameter_as_an_activation_is_a_node() -> None:
    model = Wired(
        lambda m, x: m.head(torch.cat([m.token, x], 1)), token=parameter(1, 2), head=nn.Linear(5, 1)
    )
    graph = neural_graph(model, torch.ones(1, 3))
    token = graph.blocks[0].sources[0, :2]
    assert graph.kinds[token].tolist() == [NodeKind.PARAMETER] * 2
    (use,) = (use for use in graph.node_parameters if use.role == "activation")
    assert torch.equal(use.nodes, token)
    assert torch.equal(use.entries, entries_of(graph, "token").flatten())
