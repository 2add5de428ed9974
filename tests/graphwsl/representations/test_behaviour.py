"""Rebuilt networks run in one pass, as each of them would alone, with gradients to all weights."""

from dataclasses import replace

import pytest
import torch

from graphwsl.populations import Function
from graphwsl.populations.unflattening import states_of
from graphwsl.representations import make
from graphwsl.representations.behaviour import Behaviour
from graphwsl.representations.quality import agreement, unexplained
from tests.graphwsl.generators.generator_cases import zoo_case
from tests.graphwsl.network_families import network
from tests.graphwsl.representations.representation_cases import TINY, parts, tiny


def case(kind: str) -> tuple[Function, torch.Tensor, torch.Tensor]:
    if kind in ("mlp", "cnn"):
        own = parts(kind)
        return own.test.functions[0], torch.stack(own.test.states), own.inputs
    module, inputs = network(kind)
    function = Function.of(module.eval(), inputs[0], kind)
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(3, function.architecture.num_entries, generator=generator)
    return function, rows, torch.rand(5, *inputs[0].shape[1:], generator=generator)


@pytest.mark.parametrize("kind", ["mlp", "cnn", "residual"])
def test_outputs_are_those_of_each_network_alone(kind: str) -> None:
    function, rows, inputs = case(kind)
    found = Behaviour(function).outputs(rows, inputs)
    for row, own in zip(states_of(rows, function.architecture), found, strict=True):
        expected = torch.func.functional_call(function.module, row, (inputs,))
        torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["mlp", "residual"])
def test_gradients_are_those_of_differences(kind: str) -> None:
    function, rows, inputs = case(kind)
    rows = rows[:1].clone().requires_grad_()
    behaviour = Behaviour(function)
    weights = torch.randn(behaviour.outputs(rows, inputs).shape)

    def value(some: torch.Tensor) -> torch.Tensor:
        return (behaviour.outputs(some, inputs) * weights).sum()

    (gradient,) = torch.autograd.grad(value(rows), rows)
    direction = torch.randn(rows.shape, generator=torch.Generator().manual_seed(1))
    graph, buffers = function.architecture.graph, dict(function.module.named_buffers())
    for name in buffers.keys() & graph.offsets.keys():  # running statistics are left as they are
        direction[:, graph.offsets[name] :][:, : buffers[name].numel()] = 0
    step = 1e-2 * direction
    with torch.no_grad():
        slope = (value(rows + step) - value(rows - step)) / 2e-2
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=0.05, atol=0.05)


def test_what_networks_do_is_kept_better_where_it_counts() -> None:
    """From the first step on, for components are those of weights that outputs depend on."""
    own = zoo_case()
    options = {**TINY["graph_autoencoder"], "latent_channels": 8, "epochs": 1}
    found = []
    for structure in (1.0, 0.1):
        options |= {"structure": structure, "learning_rate": 1e-7, "queries": 32}
        made = make("graph_autoencoder", **options)
        inputs = None if structure == 1 else own.data.train
        made.fit(own.train, own.held_out, inputs=inputs)
        found.append(float(agreement(own.others, made.reconstruct(own.others), own.inputs).mean()))
    assert found[1] > found[0] + 0.03


def test_learning_behaviour_brings_outputs_closer() -> None:
    own = parts("mlp")
    made = tiny("behavioural", epochs=10, structure=0.0, contrast=0.0)
    made.fit(own.train, own.train, inputs=own.inputs)
    behaviour = [row["validation_behaviour"] for row in made.history]
    assert min(behaviour) < 0.9 * behaviour[0]


@pytest.mark.parametrize("kind", ["mlp", "residual"])
def test_slopes_are_gradients_whose_products_are_those_of_outputs(kind: str) -> None:
    function, rows, inputs = case(kind)
    row, behaviour = rows[:1], Behaviour(function)
    jacobian = torch.autograd.functional.jacobian(
        lambda some: behaviour.outputs(some, inputs)[0], row
    )
    spread = behaviour.outputs(row, inputs).std(correction=0)
    expected = (jacobian[..., 0, :] / spread).square().sum((0, 1))
    buffers = {name for name, _ in function.module.named_buffers()}
    graph = function.architecture.graph
    learnt = torch.ones(len(expected), dtype=torch.bool)
    for name in buffers & graph.offsets.keys():
        learnt[graph.offsets[name] :][: graph.state[name].numel()] = False
    slopes = torch.cat(behaviour.slopes(row, inputs))
    assert (slopes[:, ~learnt] != 0).all()
    # A draw has many samples of few: compared are shares of the whole, which few draws tell.
    found = slopes.square().mean(0)
    shares = found[learnt] / found[learnt].sum(), expected[learnt] / expected[learnt].sum()
    assert float(torch.corrcoef(torch.stack(shares))[0, 1]) > 0.9


def test_quality_of_copies_and_of_means() -> None:
    own = parts("mlp")
    same = agreement(own.test, own.test, own.inputs)
    assert same.tolist() == [1.0] * len(own.test)
    assert unexplained(own.test, own.test, own.train).tolist() == [0.0] * len(own.test)
    made = replace(own.train, states=[torch.stack(own.train.states).mean(0)] * len(own.train))
    assert 0.8 < float(unexplained(own.train, made, own.train).mean()) <= 1.01
