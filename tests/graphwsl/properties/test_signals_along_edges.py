"""Bodies of metanetworks do with dense blocks what plain loops over single edges do."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from graphwsl.errors import PredictorError
from graphwsl.populations.dense_layout import DenseLayout
from graphwsl.populations.population import Architecture
from graphwsl.properties import make_predictor
from graphwsl.properties.metanetwork.graph_layers import GraphLayers
from graphwsl.properties.predictors.forward_propagation import ForwardPropagation, Sweep
from graphwsl.properties.predictors.message_passing import BlockMessages
from tests.graphwsl.network_families import symmetries_of

NAMES = ("groups", "residual", "tied")
CHANNELS, HEADS = 6, 3


@cache
def layout(name: str) -> DenseLayout:
    return DenseLayout.of(Architecture(symmetries_of(name).graph, name))


def signals(dense: DenseLayout, networks: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(networks, dense.num_nodes, CHANNELS, generator=generator)
    return x, torch.randn(networks, dense.num_edges, HEADS, generator=generator)


def edges_of(dense: DenseLayout) -> Iterator[tuple[int, int, int, int]]:
    """The number, source, target and owner of every edge: its block, or -1 for a relation."""
    number = 0
    for owner, block in enumerate(dense.blocks):
        for sources, targets in zip(block.sources.tolist(), block.targets.tolist(), strict=True):
            for target in targets:
                for source in sources:
                    yield number, source, target, owner
                    number += 1
    relations = dense.relations
    for source, target in zip(relations.sources.tolist(), relations.targets.tolist(), strict=True):
        yield number, source, target, -1
        number += 1


def means(
    dense: DenseLayout, messages: dict[int, Tensor], *, back: bool, width: int
) -> dict[int, Tensor]:
    """What nodes get: of every block the mean over their edges in it, and the mean of relations.

    Messages that are not there are zero, yet count; backwards a node's edges are all that begin
    at it.
    """
    groups: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
    for number, source, target, owner in edges_of(dense):
        message = messages.get(number, torch.zeros(width))
        groups[source if back else target, owner].append(message)
    received: dict[int, Tensor] = defaultdict(lambda: torch.zeros(width))
    for (node, _), several in groups.items():
        received[node] = received[node] + torch.stack(several).mean(0)
    return received


@torch.no_grad()
def swept(sweep: Sweep, dense: DenseLayout, x: Tensor, edges: Tensor) -> Tensor:
    """One network, one edge after the other."""
    x, width = x.clone(), CHANNELS + HEADS
    layer_of = {n: int(dense.node_layer[t]) for n, _, t, _ in edges_of(dense)}
    received: dict[int, Tensor] = defaultdict(lambda: torch.zeros(width))
    order = range(len(dense.layers))

    def send(layer: int) -> None:
        messages = {}
        for number, source, target, _ in edges_of(dense):
            if layer_of[number] == layer:
                value = sweep.value(x[target if sweep.backward else source])
                edge = edges[number]
                message = (edge[:, None] * value.view(HEADS, -1)).flatten()
                messages[number] = torch.cat([message, edge])
        for node, message in means(dense, messages, back=sweep.backward, width=width).items():
            received[node] = received[node] + message

    for layer in reversed(order) if sweep.backward else order:
        if not sweep.backward:
            send(layer)
        nodes = torch.nonzero(dense.node_layer == layer).flatten().tolist()
        new = {n: sweep.update(sweep.norm(sweep.message(received[n])), x[n]) for n in nodes}
        for node, value in new.items():
            x[node] = value
        if sweep.backward:
            send(layer)
    return x


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_sweep_updates_layer_after_layer(name: str, backward: bool) -> None:
    dense = layout(name)
    torch.manual_seed(0)
    sweep = Sweep(CHANNELS, HEADS, backward=backward)
    x, edges = signals(dense, 1)
    found = sweep(dense, x, edges)
    for own, one, expected in zip(x, edges, found, strict=True):
        torch.testing.assert_close(swept(sweep, dense, own, one), expected, rtol=1e-4, atol=1e-5)


def test_sweeps_go_forward_and_back_in_turns() -> None:
    dense = layout("groups")
    torch.manual_seed(0)
    body = ForwardPropagation(CHANNELS, HEADS, 2)
    assert [sweep.backward for sweep in body.sweeps] == [False, True, False, True]
    x, edges = signals(dense)
    expected = x
    for sweep in body.sweeps:
        expected = sweep(dense, expected, edges)
    found, same = body(dense, x, edges)
    assert torch.equal(found, expected)
    assert same is edges


@torch.no_grad()
def passed(body: BlockMessages, dense: DenseLayout, x: Tensor, edges: Tensor) -> list[Tensor]:
    """A round on one network, by the formula of the class."""
    width = body.width
    normal, quiet = body.node_norm(x), body.edge_norm(edges)
    weight = body.from_ends.weight
    messages = {
        number: functional.gelu(
            weight[:width] @ normal[source]
            + weight[width:] @ normal[target]
            + body.from_edge(quiet[number])
        )
        for number, source, target, _ in edges_of(dense)
    }
    into = means(dense, messages, back=False, width=width)
    out_of = means(dense, messages, back=True, width=width)
    nodes = [
        x[n] + body.update_nodes(torch.cat([normal[n], into[n], out_of[n]])[None])[0]
        for n in range(len(x))
    ]
    new_edges = [edges[n] + body.update_edges(message) for n, message in sorted(messages.items())]
    return [torch.stack(nodes), torch.stack(new_edges)]


@pytest.mark.parametrize("name", NAMES)
def test_a_round_of_messages_is_its_formula(name: str) -> None:
    dense = layout(name)
    torch.manual_seed(0)
    body = BlockMessages(CHANNELS, HEADS)
    x, edges = signals(dense)
    found = body(dense, x, edges)
    for number in range(len(x)):
        expected = passed(body, dense, x[number], edges[number])
        for one, other in zip(expected, found, strict=True):
            torch.testing.assert_close(one, other[number], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "options"),
    [("relational_transformer", {"heads": 3, "edge_out_channels": HEADS}), ("dirac_bianconi", {})],
)
def test_networks_of_a_batch_do_not_hear_each_other(layer: str, options: dict[str, int]) -> None:
    dense = layout("residual")
    torch.manual_seed(0)
    body = GraphLayers(layer, CHANNELS, HEADS, 2, **options).eval()
    x, edges = signals(dense, 3)
    nodes, found = body(dense, x, edges)
    for number in range(3):
        alone = body(dense, x[number][None], edges[number][None])
        torch.testing.assert_close(alone[0][0], nodes[number], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(alone[1][0], found[number], rtol=1e-4, atol=1e-5)


def test_graph_layers_hear_both_ends_of_an_edge() -> None:
    """A signal goes along weights and against them, an edge a layer."""
    dense = layout("mlp")
    torch.manual_seed(0)
    body = GraphLayers("gine", CHANNELS, HEADS, 1).eval()
    x, edges = signals(dense, 1)
    changed = x.clone()
    hidden = torch.nonzero(dense.node_layer == 1).flatten()
    changed[:, hidden[0]] = changed[:, hidden[1]]
    before, after = body(dense, x, edges)[0], body(dense, changed, edges)[0]
    moved = (before != after).any(dim=2)[0]
    assert moved[(dense.node_layer == 0) | (dense.node_layer == 2)].all()
    assert not moved[dense.node_layer == 3].any()


def test_channels_are_parted_among_heads() -> None:
    with pytest.raises(PredictorError, match="must be a multiple of edge_channels 5, got 12"):
        make_predictor("forward_propagation", channels=12, edge_channels=5)._body()
