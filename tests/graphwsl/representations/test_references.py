"""References, and how rebuilt networks are judged, against plain loops over networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from graphwsl.errors import RepresentationError
from graphwsl.populations import Population
from graphwsl.populations.unflattening import states_of
from graphwsl.representations.known import Known
from graphwsl.representations.quality import agreement, unexplained
from graphwsl.representations.references import References
from tests.graphwsl.properties.property_cases import permuted
from tests.graphwsl.representations.representation_cases import parts


def outputs_of(population: Population, number: int, inputs: Tensor) -> Tensor:
    """What one network answers, run alone."""
    function = population.functions[int(population.function[number])]
    (state,) = states_of(population.states[number][None], function.architecture)
    with torch.no_grad():
        found = torch.func.functional_call(function.module, state, (inputs,))
    assert isinstance(found, Tensor)
    return found


def shuffled(population: Population, seed: int = 0) -> Population:
    generator = torch.Generator().manual_seed(seed)
    return population.select(torch.randperm(len(population), generator=generator))


def noisy(population: Population, noise: float) -> Population:
    generator = torch.Generator().manual_seed(1)
    states = [
        state + noise * state.std() * torch.randn(state.shape, generator=generator)
        for state in population.states
    ]
    return replace(population, states=states)


def known_of(population: Population) -> dict[int, Known]:
    return {n: Known.of(one, None) for n, one in enumerate(population.architectures)}


@pytest.mark.parametrize("kind", ["mlp", "mixed"])
def test_the_reference_is_the_network_closest_to_the_mean(kind: str) -> None:
    train = parts(kind).train
    references = References.of(train)
    assert set(references.rows) == {one.digest for one in train.architectures}
    for number, architecture in enumerate(train.architectures):
        rows = [
            state.double().numpy()
            for state, own in zip(train.states, train.kind.tolist(), strict=True)
            if own == number
        ]
        mean = np.mean(rows, axis=0)
        distances = [np.linalg.norm(row - mean) for row in rows]
        expected = rows[int(np.argmin(distances))]
        found = references.rows[architecture.digest]
        np.testing.assert_array_equal(found.double().numpy(), expected)
    for digest, row in References.of(shuffled(train)).rows.items():
        assert torch.equal(row, references.rows[digest])


def test_one_network_is_its_own_reference_and_a_copy_of_it() -> None:
    one = parts("mlp").train.select([3])
    references = References.of(one)
    (row,) = references.rows.values()
    assert torch.equal(row, one.states[0])
    row.zero_()  # the networks are not touched
    assert bool(one.states[0].any())


def test_permuted_copies_of_a_reference_become_alike() -> None:
    train = parts("mlp").train
    references = References.of(train)
    (row,) = references.rows.values()
    module, architecture = train.functions[0].module, train.architectures[0]
    (state,) = states_of(row[None], architecture)
    generator = torch.Generator().manual_seed(2)
    copies = []
    for _ in range(4):
        moved = permuted(state, module, generator)
        copies.append(torch.cat([moved[name].flatten() for name in architecture.graph.offsets]))
    assert not any(torch.equal(copy, row) for copy in copies)
    population = replace(train.select(range(5)), states=[row, *copies])
    first, *others = references.aligned(population, known_of(train)).states
    for other in others:
        torch.testing.assert_close(other, first)


def test_aligned_networks_keep_their_place_and_what_they_do() -> None:
    own = parts("mixed")
    population = shuffled(own.test)
    assert len(population.architectures) == 2
    references = References.of(own.train)
    found = references.aligned(population, known_of(population))
    moved = 0
    for number, (before, after) in enumerate(zip(population.states, found.states, strict=True)):
        moved += not torch.allclose(before, after)
        expected = outputs_of(population, number, own.inputs)
        answer = outputs_of(found, number, own.inputs)
        torch.testing.assert_close(answer, expected, atol=1e-4, rtol=1e-3)
    assert moved > len(population) // 2
    alone = references.aligned(population.select([4]), known_of(population)).states
    torch.testing.assert_close(alone[0], found.states[4])


def test_networks_without_a_reference_are_refused() -> None:
    own = parts("mixed")
    references = References.of(own.train.select(own.train.kind == 0))
    with pytest.raises(RepresentationError, match="nothing to align them to; set align=False"):
        references.aligned(own.test, known_of(own.test))


def test_references_are_taken_out_of_the_tensors_of_a_file() -> None:
    references = References.of(parts("mixed").train)
    others = {"weight": torch.ones(2), "bias": torch.zeros(1)}
    tensors = {**others, **references.tensors()}
    again = References.pop(tensors)
    assert again is not None
    assert again.rows.keys() == references.rows.keys()
    assert all(torch.equal(again.rows[name], row) for name, row in references.rows.items())
    assert tensors == others
    assert References.pop(tensors) is None


@pytest.mark.parametrize("kind", ["mlp", "mixed"])
def test_agreement_is_the_share_of_equal_classes(kind: str) -> None:
    own = parts(kind)
    original = shuffled(own.test)
    rebuilt = noisy(original, 0.5)
    expected = []
    for number in range(len(original)):
        classes = [
            outputs_of(some, number, own.inputs).argmax(1).tolist() for some in (original, rebuilt)
        ]
        same = sum(one == other for one, other in zip(*classes, strict=True))
        expected.append(same / len(own.inputs))
    assert len(set(expected)) > 1
    found = agreement(original, rebuilt, own.inputs)
    torch.testing.assert_close(found, torch.tensor(expected))
    torch.testing.assert_close(agreement(rebuilt, original, own.inputs), found)
    assert set(agreement(original, rebuilt, own.inputs[:1]).tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("kind", ["mlp", "mixed"])
def test_what_is_unexplained_is_the_error_over_the_variance_of_each_layer(kind: str) -> None:
    own = parts(kind)
    original = shuffled(own.test)
    rebuilt = noisy(original, 0.2)
    found = unexplained(original, rebuilt, own.train)
    for number in range(len(original)):
        graph = original.architectures[int(original.kind[number])].graph
        rows = own.train.rows(int(original.kind[number])).double().numpy()
        layers: dict[str, list[np.ndarray]] = {}
        for name, start in graph.offsets.items():
            entries = np.arange(start, start + graph.state[name].numel())
            layers.setdefault(name.rpartition(".")[0], []).append(entries)
        error = (original.states[number] - rebuilt.states[number]).double().numpy()
        total = 0.0
        for pieces in layers.values():
            entries = np.concatenate(pieces)
            total += (error[entries] ** 2).sum() / rows[:, entries].var()
        assert float(found[number]) == pytest.approx(total / len(error), rel=1e-4)
    twice = [2 * b - a for a, b in zip(original.states, rebuilt.states, strict=True)]
    further = unexplained(original, replace(rebuilt, states=twice), own.train)
    torch.testing.assert_close(further, 4 * found, rtol=1e-3, atol=0)


def test_the_mean_of_each_layer_leaves_exactly_everything_unexplained() -> None:
    train = parts("mlp").train
    graph, mean = train.architectures[0].graph, torch.zeros_like(train.states[0])
    rows = torch.stack(train.states)
    for layer in {name.rpartition(".")[0] for name in graph.state}:
        own = torch.cat(
            [
                torch.arange(start, start + graph.state[name].numel())
                for name, start in graph.offsets.items()
                if name.rpartition(".")[0] == layer
            ]
        )
        mean[own] = rows[:, own].mean()
    means = replace(train, states=[mean] * len(train))
    assert float(unexplained(train, means, train).mean()) == pytest.approx(1, rel=1e-4)


def test_networks_that_cannot_be_compared_are_refused() -> None:
    own = parts("mixed")
    with pytest.raises(RepresentationError, match="5 networks are no reconstruction of 6"):
        agreement(own.test, own.test.select(range(5)), own.inputs)
    swapped = replace(own.test, states=[*own.test.states[1:], own.test.states[0]])
    with pytest.raises(RepresentationError, match="or of other architectures"):
        unexplained(own.test, swapped, own.train)
    only = own.train.select(own.train.kind == 0)
    with pytest.raises(RepresentationError, match="no training network has the architecture"):
        unexplained(own.test, own.test, only)
