"""The vector that the graph autoencoder gives a network, against the same worked out by hand."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from graphwsl.populations import Population
from graphwsl.representations import load
from graphwsl.representations.graph_pooling import pooled
from tests.graphwsl.properties.property_cases import MLP, MemoryZoo
from tests.graphwsl.representations.representation_cases import fitted, parts

PER_LAYER = 14 + 2 + 3


def of_depth(depth: int) -> Population:
    return Population.load(MemoryZoo([{**MLP, "depth": depth}], 1))


def vectors(population: Population, layers: int) -> torch.Tensor:
    """Those of networks whose latents are one number a unit, its layer, times (1, 2, 3)."""
    rows = torch.stack(population.states)
    depth = len(population.architectures[0].graph.offsets) // 2
    layer_of = torch.arange(depth).repeat_interleave(2)
    latents = (layer_of[:, None] + 1.0) * torch.tensor([1.0, 2.0, 3.0])
    latents = latents.expand(len(rows), -1, -1)
    return pooled(population.architectures[0], rows, latents, layer_of, layers)


def test_weights_and_latents_layer_by_layer() -> None:
    population = of_depth(2)
    found = vectors(population, 3)[1].view(3, PER_LAYER)
    graph, row = population.architectures[0].graph, population.states[1].double().numpy()
    starts = list(graph.offsets.values())
    ends = [*starts[1:], len(row)]
    names = list(graph.offsets)
    for layer in range(3):
        own = {}
        for name, start, end in zip(names, starts, ends, strict=True):
            if names.index(name) // 2 == layer:
                own[name.rpartition(".")[2]] = row[start:end]
        for column, part in enumerate(("weight", "bias")):
            values = own[part]
            quantiles = np.quantile(values, (0.01, 0.25, 0.5, 0.75, 0.99))
            expected = [values.mean(), values.var(), *quantiles]
            start = 7 * column
            np.testing.assert_allclose(found[layer, start : start + 7], expected, rtol=1e-5)
            logarithm = np.log(values.var() + 1e-6)
            np.testing.assert_allclose(found[layer, 14 + column], logarithm, rtol=1e-5)
        energies = 2 * np.log((layer + 1.0) * np.array([1.0, 2.0, 3.0]))
        np.testing.assert_allclose(found[layer, 16:], energies, atol=1e-3)


@pytest.mark.parametrize(
    ("depth", "told"), [(1, [0, 0, 1, 1]), (2, [0, 1, 1, 2]), (3, [0, 1, 2, 3]), (6, [0, 2, 4, 6])]
)
def test_networks_of_other_depths_are_told_from_both_ends(depth: int, told: list[int]) -> None:
    population = of_depth(depth)
    own = vectors(population, depth + 1).view(-1, depth + 1, PER_LAYER)
    found = vectors(population, 4).view(-1, 4, PER_LAYER)
    assert found[:, [0, -1]].equal(own[:, [0, -1]])
    assert found.equal(own[:, told])


def test_one_layer_is_told_where_only_one_was_learnt_from() -> None:
    population = of_depth(2)
    own = vectors(population, 3).view(-1, 3, PER_LAYER)
    assert vectors(population, 1).equal(own[:, 0])


def test_a_file_of_before_gives_the_mean_of_latents(tmp_path: Path) -> None:
    made, test = fitted("graph_autoencoder"), parts("mlp").test
    made = copy.copy(made)
    made._built = {name: value for name, value in made._built.items() if name != "layers"}
    made.save(tmp_path)
    mean = torch.stack(made.encode(test)).mean(1)
    torch.testing.assert_close(load(tmp_path).embed(test), mean)
