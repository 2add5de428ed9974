"""Elements form a group and act on weights as one; the verifier can tell right from wrong."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphwsl.errors import StateMismatchError
from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import GroupElement, Symmetries, symmetries, verify
from tests.graphwsl.network_families import network

GROUPS: dict[str, Symmetries] = {}


def group_of(name: str) -> Symmetries:
    if name not in GROUPS:
        GROUPS[name] = symmetries(neural_graph(*network(name, torch.float64)))
    return GROUPS[name]


def element(group: Symmetries, seed: int) -> GroupElement:
    return group.random(torch.Generator().manual_seed(seed))


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.allclose(first[name], second[name], rtol=1e-12, atol=0) for name in first)


names = st.sampled_from(["mlp", "depthwise", "residual", "encoder layer", "group norm", "rnn"])
seeds = st.integers(0, 2**31)


@settings(max_examples=12, deadline=None)
@given(names, seeds, seeds)
def test_acting_one_after_the_other_is_acting_by_the_product(name: str, a: int, b: int) -> None:
    group = group_of(name)
    first, second = element(group, a), element(group, b)
    assert same(second.apply(first.apply()), first.then(second).apply())


@settings(max_examples=12, deadline=None)
@given(names, seeds, seeds, seeds)
def test_group_laws(name: str, a: int, b: int, c: int) -> None:
    group = group_of(name)
    first, second, third = (element(group, seed) for seed in (a, b, c))
    left, right = first.then(second).then(third), first.then(second.then(third))
    assert torch.equal(left.image, right.image)
    assert torch.allclose(left.factors, right.factors, rtol=1e-12)
    for both in (first.then(first.inverse()), first.inverse().then(first)):
        assert torch.equal(both.image, torch.arange(group.graph.num_nodes))
        assert torch.allclose(both.factors, torch.ones_like(both.factors), rtol=1e-12)
    assert same(first.inverse().apply(first.apply()), group.graph.to_state_dict())


def test_the_identity_changes_no_bit() -> None:
    graph = group_of("residual").graph
    state = GroupElement.identity(graph).apply()
    assert all(torch.equal(state[name], tensor) for name, tensor in graph.state.items())


def test_elements_of_the_whole_orbit_are_drawn() -> None:
    group = group_of("mlp")
    images = {tuple(element(group, seed).image.tolist()) for seed in range(30)}
    assert len(images) == 30
    factors = torch.stack([element(group, seed).factors for seed in range(200)])
    assert factors.abs().max() <= 2
    assert factors.abs()[:, 4:9].max() > 1.9
    assert set(factors[:, 9:15].flatten().tolist()) == {-1.0, 1.0}
    flipped = (factors[:, 9:15] < 0).double().mean()
    assert 0.4 < flipped < 0.6


def test_a_scaling_by_hand() -> None:
    """ReLU: rows times a, columns divided by it."""
    group = group_of("mlp")
    graph = group.graph
    factors = torch.ones(graph.num_nodes, dtype=torch.float64)
    factors[graph.blocks[0].targets[0, 2]] = 4
    state = GroupElement(graph, torch.arange(graph.num_nodes), factors).apply()
    expected = graph.to_state_dict()
    expected["0.weight"][2] *= 4
    expected["0.bias"][2] *= 4
    expected["2.weight"][:, 2] /= 4
    assert same(state, expected)


def test_the_verifier_finds_what_is_no_symmetry() -> None:
    """Exchanging two outputs, or scaling a tanh neuron, changes the function."""
    group = group_of("mlp")
    graph = group.graph
    image = torch.arange(graph.num_nodes)
    outputs = torch.nonzero(graph.is_output).flatten()
    image[outputs[:2]] = outputs[:2].flip(0)
    ones = torch.ones(graph.num_nodes, dtype=torch.float64)
    assert verify(GroupElement(graph, image, ones)).error > 1e-2
    factors = ones.clone()
    factors[graph.blocks[1].targets[0, 0]] = 2
    assert verify(GroupElement(graph, torch.arange(graph.num_nodes), factors)).error > 1e-3
    assert verify(GroupElement.identity(graph)).change == 0


def test_other_weights_of_the_architecture_are_moved() -> None:
    group = group_of("mlp")
    drawn = element(group, 0)
    doubled = {name: 2 * tensor for name, tensor in group.graph.state.items()}
    moved = drawn.apply(doubled)
    expected = {name: 2 * tensor for name, tensor in drawn.apply().items()}
    assert same(moved, expected)
    with pytest.raises(StateMismatchError, match="lacks"):
        drawn.apply({})
