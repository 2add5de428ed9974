"""Scales of layers, and rows brought to them and back, against loops over named tensors."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from graphwsl.errors import RepresentationError
from graphwsl.populations import Architecture, Function, Population
from graphwsl.representations.known import LEAST_VARIANCE, Known
from graphwsl.representations.scales import COUNTS, LayerScales, as_they_are, whole_numbers
from tests.graphwsl.network_families import network
from tests.graphwsl.properties.property_cases import MLP, MemoryZoo
from tests.graphwsl.representations.representation_cases import parts


def columns_of(architecture: Architecture) -> dict[str, slice]:
    graph = architecture.graph
    return {
        name: slice(start, start + graph.state[name].numel())
        for name, start in graph.offsets.items()
    }


def normalised() -> Architecture:
    """A network with batch norms: variances that are positive, and counts that are whole."""
    module, inputs = network("residual")
    return Function.of(module.eval(), inputs[0], "residual").architecture


def of_mlp(**options: object) -> Architecture:
    return Population.load(MemoryZoo([{**MLP, **options}], 1)).architectures[0]


def by_entry(population: Population, kind: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation of every entry: those of its layer, weights and bias together."""
    architecture = population.architectures[kind]
    rows, columns = population.rows(kind).double().numpy(), columns_of(architecture)
    mean, deviation = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for layer in {name.rpartition(".")[0] for name in columns}:
        own = [some for name, some in columns.items() if name.rpartition(".")[0] == layer]
        values = np.concatenate([rows[:, some].ravel() for some in own])
        for some in own:
            mean[some], deviation[some] = values.mean(), values.std()
    return torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()


@pytest.mark.parametrize("kind", ["mlp", "cnn", "mixed"])
def test_entries_have_the_mean_and_deviation_of_their_layer(kind: str) -> None:
    train = parts(kind).train
    scales = LayerScales.of(train)
    assert len(scales.mean) == len(train.architectures) == len(scales.deviation)
    for number, architecture in enumerate(train.architectures):
        for found, expected in zip(
            scales.entries(architecture), by_entry(train, number), strict=True
        ):
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_other_widths_have_the_mean_of_the_means_and_of_the_variances() -> None:
    train, wide = parts("mixed").train, of_mlp(width=9)
    scales = LayerScales.of(train)
    mean, deviation = scales.entries(wide)
    own = [scales.entries(architecture) for architecture in train.architectures]
    for name, columns in columns_of(wide).items():
        first = [columns_of(some)[name].start for some in train.architectures]
        means, deviations = (
            [float(pair[which][start]) for pair, start in zip(own, first, strict=True)]
            for which in range(2)
        )
        expected = (np.mean(means), np.sqrt(np.mean(np.square(deviations))))
        for found, value in zip((mean, deviation), expected, strict=True):
            torch.testing.assert_close(
                found[columns], torch.full_like(found[columns], float(value))
            )


def test_other_depths_are_refused() -> None:
    scales = LayerScales.of(parts("mlp").train)
    (known,) = scales.mean.values()
    with pytest.raises(
        RepresentationError, match=f"have {len(known) + 1} layers, .* learnt from have {len(known)}"
    ):
        scales.entries(of_mlp(depth=MLP["depth"] + 1))  # type: ignore[operator]


def test_scales_come_back_from_a_file() -> None:
    train = parts("mixed").train
    scales = LayerScales.of(train)
    again = LayerScales.from_json(json.loads(json.dumps(scales.to_json())))
    assert again == scales


def test_layers_of_equal_weights_have_deviation_one() -> None:
    own = parts("mlp").train
    equal = replace(own, states=[torch.full_like(state, 0.3) for state in own.states])
    mean, deviation = LayerScales.of(equal).entries(own.architectures[0])
    torch.testing.assert_close(mean, torch.full_like(mean, 0.3))
    assert torch.equal(deviation, torch.ones_like(deviation))


def test_counts_of_batches_are_whole_and_not_learnt() -> None:
    architecture = normalised()
    is_count = torch.zeros(architecture.num_entries, dtype=torch.bool)
    for name, columns in columns_of(architecture).items():
        is_count[columns] = name.endswith("num_batches_tracked")
    assert bool(is_count.any())
    assert torch.equal(whole_numbers(architecture), is_count)
    mean, deviation = as_they_are(architecture)
    assert not bool(mean.any())
    assert torch.equal(deviation, torch.where(is_count, COUNTS, 1.0))
    assert not bool(whole_numbers(parts("mlp").train.architectures[0]).any())


def test_rows_are_brought_to_scale_and_back() -> None:
    own = parts("mlp")
    architecture, rows = own.train.architectures[0], torch.stack(own.test.states)
    known = Known.of(architecture, LayerScales.of(own.train))
    mean, deviation = by_entry(own.train, 0)
    torch.testing.assert_close(known.normalise(rows), (rows - mean) / deviation)
    torch.testing.assert_close(known.restore(known.normalise(rows)), rows)
    training = known.normalise(torch.stack(own.train.states))
    assert float(training.mean()) == pytest.approx(0, abs=1e-4)
    assert float(training.square().mean()) == pytest.approx(1, abs=1e-4)
    assert torch.equal(Known.of(architecture, None).normalise(rows), rows)


def test_restored_variances_are_positive_and_counts_whole() -> None:
    architecture = normalised()
    known = Known.of(architecture, None)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(4, architecture.num_entries, generator=generator)
    rows[:, whole_numbers(architecture)] = torch.tensor([[-3e-6], [2.4e-6], [2.6e-6], [0.0]])
    rows.requires_grad_()
    found = known.restore(rows)
    for name, columns in columns_of(architecture).items():
        own, before = found[:, columns].detach(), rows[:, columns].detach()
        if name.endswith("num_batches_tracked"):
            assert own.tolist() == [[0.0], [2.0], [3.0], [0.0]]
        elif name.endswith("running_var"):
            assert bool((before < 0).any())
            torch.testing.assert_close(own, torch.where(before > 1e-6, before, LEAST_VARIANCE))
        else:
            assert torch.equal(own, before)
    found.sum().backward()
    assert rows.grad is not None
    learnt = torch.ones_like(rows, dtype=torch.bool)
    for name, columns in columns_of(architecture).items():
        if name.endswith("num_batches_tracked"):
            learnt[:, columns] = False
        if name.endswith("running_var"):
            learnt[:, columns] = rows[:, columns] >= LEAST_VARIANCE
    assert torch.equal(rows.grad, learnt.float())
