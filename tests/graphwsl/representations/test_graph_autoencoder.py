"""The graph autoencoder: equivariant under every permutation, and able to copy small networks."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwsl.errors import RepresentationError
from graphwsl.populations import Function, Population
from graphwsl.populations.symmetric_views import ViewBank
from graphwsl.populations.unflattening import unflat
from graphwsl.representations import make
from graphwsl.representations.codes import orthonormal_codes
from graphwsl.representations.graph_plan import GraphPlan
from graphwsl.representations.quality import unexplained
from graphwsl.zoo.checkpoint import Checkpoint
from tests.graphwsl.network_families import network
from tests.graphwsl.properties.property_cases import MLP, MemoryZoo
from tests.graphwsl.representations.representation_cases import TINY, fitted, parts, tiny

READABLE = ("residual", "squeeze excitation")
RECURRENT = ("rnn", "lstm")


def population_of(name: str, count: int = 8) -> Population:
    """Networks of a family with random weights."""
    module, inputs = network(name)
    function = Function.of(module.eval(), inputs[0] if len(inputs) == 1 else inputs, name)
    size = function.architecture.num_entries
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(size, generator=generator).abs() for _ in range(count)]
    checkpoints = [Checkpoint(str(n), 0, {}, {}) for n in range(count)]
    return Population.alike(checkpoints, states, function)


def assert_equivariant(made, population: Population, seed: int) -> None:  # type: ignore[no-untyped-def]
    """Moved networks have equal vectors, and come back moved alike."""
    known = made._know(population.architectures[0])
    rows = torch.stack(population.states)
    generator = torch.Generator().manual_seed(seed)
    bank = ViewBank.draw(known.group, len(rows), generator, scalings=False, signs=False)
    numbers = torch.arange(len(rows))
    moved = replace(population, states=[*bank.apply(rows, numbers)])
    assert not torch.equal(torch.stack(moved.states), rows)
    before, after = made.embed(population), made.embed(moved)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)
    expected = bank.apply(torch.stack(made.reconstruct(population).states), numbers)
    found = torch.stack(made.reconstruct(moved).states)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@settings(max_examples=2, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["mlp", "cnn"]))
def test_moved_networks_come_back_moved(seed: int, kind: str) -> None:
    assert_equivariant(fitted("graph_autoencoder", kind), parts(kind).test, seed)


@pytest.mark.parametrize("name", READABLE)
def test_moved_networks_of_other_families_come_back_moved(name: str) -> None:
    population = population_of(name)
    made = tiny("graph_autoencoder", epochs=1).fit(population, population.select([0, 1]))
    assert_equivariant(made, population, 5)


def test_token_autoencoders_are_no_such_thing() -> None:
    made, test = fitted("behavioural"), parts("mlp").test
    known = made._know(test.architectures[0])
    rows = torch.stack(test.states)
    bank = ViewBank.draw(
        known.group, len(rows), torch.Generator().manual_seed(0), scalings=False, signs=False
    )
    moved = replace(test, states=[*bank.apply(rows, torch.arange(len(rows)))])
    assert not torch.allclose(made.embed(moved), made.embed(test), atol=1e-3)


def test_latents_as_wide_as_units_lose_nothing_from_the_first_epoch() -> None:
    own = parts("cnn")
    width = max(int(mask.sum(1).max()) for mask in
                [GraphPlan.of(own.train.architectures[0]).tokenizer.layout.mask])  # fmt: skip
    options = {**TINY["graph_autoencoder"], "latent_channels": width, "learning_rate": 1e-7}
    made = make("graph_autoencoder", **{**options, "epochs": 1}).fit(own.train, own.valid)
    assert float(unexplained(own.test, made.reconstruct(own.test), own.train).max()) < 1e-3


@pytest.mark.parametrize("units", [1, 3, 8])
def test_codes_are_orthonormal_and_follow_their_units(units: int) -> None:
    generator = torch.Generator().manual_seed(0)
    signals = torch.randn(2, units, 6, generator=generator)
    codes = orthonormal_codes(signals, 6)
    count = min(units, 6)
    assert codes.shape == (2, units, count)
    torch.testing.assert_close(
        codes.mT @ codes, torch.eye(count).expand(2, -1, -1), atol=1e-5, rtol=0
    )
    order = torch.randperm(units, generator=generator)
    torch.testing.assert_close(orthonormal_codes(signals[:, order], 6), codes[:, order])
    twins = torch.ones(1, units, 6)
    assert orthonormal_codes(twins, 6).isfinite().all()
    with pytest.raises(RepresentationError, match="units respond with inf"):
        orthonormal_codes(twins * torch.inf, 6)


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_networks_are_refused(name: str) -> None:
    module, inputs = network(name)
    architecture = Function.of(module.eval(), inputs, name).architecture
    with pytest.raises(RepresentationError, match=r"recurrent weights\); choose a method"):
        GraphPlan.of(architecture)


def test_augmentation_that_changes_nothing_is_refused() -> None:
    own = parts("mlp")
    for option in ({"contrast": 0.1}, {"views": 3}, {"align": True}):
        with pytest.raises(RepresentationError, match="needs no augmentation and no alignment"):
            make("graph_autoencoder", structure=1.0, **option).fit(own.train, own.valid)


def test_wider_units_than_were_learnt_are_refused() -> None:
    population = population_of_width(16)
    with pytest.raises(RepresentationError, match=r"units of 17 numbers, .* have \d+ at most"):
        fitted("graph_autoencoder").embed(population)


def population_of_width(width: int) -> Population:
    return Population.load(MemoryZoo([{**MLP, "width": width}], 1))


def test_networks_of_one_architecture_may_differ_in_what_they_do() -> None:
    """Each is run in its own way: behaviour is that of its function, first weights those of all."""
    tanh, relu = ({**MLP, "activation": name} for name in ("tanh", "relu"))
    both = Population.load(MemoryZoo([tanh, relu], 2))
    assert (len(both.present), len(both.functions)) == (1, 2)
    inputs = parts("mlp").inputs
    made = tiny("graph_autoencoder", structure=0.0, epochs=1)
    module = made.fit(both, both, inputs=inputs).module
    assert module is not None
    assert len(module.known) == 2
    for number, known in module.known.items():
        member = int((both.function == number).nonzero()[0])
        assert known.behaviour is not None
        state = unflat(both.states[member], both.architectures[0])
        own = both.functions[number].module
        expected = torch.func.functional_call(own, state, (inputs,))
        found = known.behaviour.outputs(both.states[member][None], inputs)[0]
        torch.testing.assert_close(found, expected)


def test_narrower_networks_are_read() -> None:
    made = fitted("graph_autoencoder", "mixed")
    narrow = population_of_width(3)
    assert len(made.embed(narrow)) == 2
    assert made.embed(narrow).isfinite().all()
    assert torch.stack(made.reconstruct(narrow).states).isfinite().all()
