"""The dense layout says the same of a network as its neural graph, edge by edge."""

from collections import Counter
from functools import cache

import pytest
import torch
from torch import Tensor

from graphwsl.neural_graph.data import NODE_FEATURES
from graphwsl.neural_graph.roles import EdgeKind
from graphwsl.populations.dense_layout import BlockKind, DenseLayout
from graphwsl.populations.population import Architecture
from tests.graphwsl.network_families import symmetries_of

NAMES = ("groups", "depthwise", "group norm", "residual", "lstm", "mixer", "pad")


@cache
def laid_out(name: str) -> tuple[Architecture, DenseLayout]:
    architecture = Architecture(symmetries_of(name).graph, name)
    return architecture, DenseLayout.of(architecture)


def rows(architecture: Architecture, networks: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(networks, architecture.num_entries, generator=generator)


@pytest.mark.parametrize("name", NAMES)
def test_edges_are_those_of_the_graph(name: str) -> None:
    """As a bag of source, target, tag and weights; a graph has no edges from constant zeros."""
    architecture, dense = laid_out(name)
    layout, row = architecture.graph.layout, rows(architecture, 1)
    width = dense.largest_kernel
    blocks, related = dense.split(torch.arange(dense.num_edges)[None, :, None].float())
    found = []
    for block, numbers in zip(dense.blocks, blocks, strict=True):
        ends = dense.edge_index[:, numbers.flatten().long()]
        tags = block.tags[:, None, :].expand(block.entries.shape[:3]).reshape(1, -1)
        weights = block.weights(row)[0].flatten(0, 2)
        start = width // 2 - weights.shape[1] // 2
        padded = torch.zeros(len(weights), width)
        padded[:, start : start + weights.shape[1]] = weights
        some = torch.cat([ends, tags]).T
        is_there = torch.ones(len(some), dtype=torch.bool)
        if block.there is not None:
            is_there = block.there.flatten(0, 2).any(1)
        found.append(torch.cat([some, padded], dim=1)[is_there])
    is_weight = layout.edge_kind == EdgeKind.WEIGHT
    ends = torch.cat([layout.edge_index, layout.edge_tag[None]]).T
    expected = torch.cat([ends, layout.edge_attr(row[0])], dim=1)[is_weight]
    bags = [some.unique(dim=0, return_counts=True) for some in (torch.cat(found), expected)]
    assert all(torch.equal(one, other) for one, other in zip(*bags, strict=True))
    ends = dense.edge_index[:, related.flatten().long()]
    assert torch.equal(ends, torch.stack([dense.relations.sources, dense.relations.targets]))
    assert torch.equal(ends, layout.edge_index[:, ~is_weight])
    assert torch.equal(dense.relations.kind + 1, layout.edge_kind[~is_weight])


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_nodes_are_those_of_the_graph(name: str) -> None:
    architecture, dense = laid_out(name)
    states = rows(architecture)
    for row, x in zip(states, dense.x(states), strict=True):
        torch.testing.assert_close(x, architecture.graph.layout.x(row))
    nothing = dense.x(torch.zeros(1, architecture.num_entries))[0]
    holds = torch.zeros(nothing.numel(), dtype=torch.bool).index_fill(0, dense.node_elements, True)
    neutral = torch.tensor([float(role.value in ("scale", "variance")) for role in NODE_FEATURES])
    assert torch.equal(nothing, neutral * ~holds.view_as(nothing))


@pytest.mark.parametrize("name", NAMES)
def test_layers_part_nodes_blocks_and_relations(name: str) -> None:
    _, dense = laid_out(name)
    nodes = torch.cat([layer.nodes for layer in dense.layers])
    assert torch.equal(nodes.sort().values, torch.arange(dense.num_nodes))
    assert sorted(n for layer in dense.layers for n in layer.blocks) == list(
        range(len(dense.blocks))
    )
    related = torch.cat([layer.relations for layer in dense.layers])
    assert torch.equal(related.sort().values, torch.arange(len(dense.relations.kind)))
    for number, layer in enumerate(dense.layers):
        assert set(dense.node_layer[layer.nodes].tolist()) == {number}
        for block in layer.blocks:
            # All targets, not the first one alone; sources may be made by the same operator.
            assert set(dense.node_layer[dense.blocks[block].targets].flatten().tolist()) == {number}
            assert int(dense.node_layer[dense.blocks[block].sources].max()) <= number
        targets = dense.relations.targets[layer.relations]
        assert set(dense.node_layer[targets].tolist()) <= {number}
    assert torch.equal(dense.edge_layer, dense.node_layer[dense.edge_index[1]])
    depths = torch.arange(len(dense.layers)) / (len(dense.layers) - 1)
    torch.testing.assert_close(dense.depth, depths[dense.node_layer])


@pytest.mark.parametrize("name", NAMES)
def test_shares_are_one_over_how_often(name: str) -> None:
    """So that what nodes get by all edges of a block adds up to a mean."""
    _, dense = laid_out(name)
    for block in dense.blocks:
        times = Counter(block.sources.flatten().tolist())
        for node, share in zip(
            block.sources.flatten().tolist(), block.share.flatten().tolist(), strict=True
        ):
            assert share == pytest.approx(1 / times[node])
        assert block.fan_in == block.entries.shape[2] * block.entries.shape[3]
        if block.there is not None:
            assert not bool(block.there.all())
    for ends, shares in (
        (dense.relations.targets, dense.relations.into),
        (dense.relations.sources, dense.relations.out_of),
    ):
        times = Counter(ends.tolist())
        expected = [1 / times[node] for node in ends.tolist()]
        assert shares.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("linear", [BlockKind.INPUT]),  # it makes outputs as well
        ("mlp", [BlockKind.INPUT, BlockKind.HIDDEN, BlockKind.OUTPUT]),
        ("residual", [BlockKind.INPUT, BlockKind.HIDDEN, BlockKind.HIDDEN, BlockKind.OUTPUT]),
    ],
)
def test_blocks_know_where_they_are(name: str, kinds: list[BlockKind]) -> None:
    _, dense = laid_out(name)
    assert [block.kind for block in dense.blocks] == kinds


def test_weights_of_the_padding_are_zero_whatever_the_state_holds() -> None:
    _, dense = laid_out("pad")
    (block,) = [one for one in dense.blocks if one.there is not None]
    assert block.there is not None
    weights = block.weights(torch.ones(2, dense.num_entries))
    assert torch.equal(weights, block.there.float().expand_as(weights))


def test_a_layout_moves_as_a_whole() -> None:
    _, dense = laid_out("residual")
    assert dense.to(torch.device("cpu")) is dense
    moved = dense.to(torch.device("meta"))
    assert moved.node_layer.is_meta
    assert moved.blocks[1].entries.is_meta
    assert moved.layers[2].nodes.is_meta
    assert moved.relations.into.is_meta
    assert (moved.num_nodes, moved.blocks[1].fan_in) == (dense.num_nodes, dense.blocks[1].fan_in)
