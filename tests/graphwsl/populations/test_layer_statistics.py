"""Statistics of layers are those that NumPy finds in the modules of each network."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from graphwsl.populations import Function, LayerStatistics, Population
from graphwsl.populations.layer_statistics import layer_entries, layer_statistics
from graphwsl.populations.population import Architecture
from graphwsl.zoo.checkpoint import Checkpoint
from tests.graphwsl.properties.property_cases import MLP, SMALL_CNN, MemoryZoo

QUANTILES = (1, 25, 50, 75, 99)


def of_values(values: np.ndarray) -> list[float]:
    if not len(values):
        return [np.nan] * 7
    return [values.mean(), values.var(), *np.percentile(values, QUANTILES)]


def of_module(module: nn.Module) -> np.ndarray:
    """Fourteen numbers of each layer with parameters: its weights, then its biases."""
    rows = []
    for layer in module.modules():
        own = {name: p.detach().double().numpy().ravel()
               for name, p in layer.named_parameters(recurse=False)}  # fmt: skip
        if own:
            rows.append(of_values(own["weight"]) + of_values(own.get("bias", np.zeros(0))))
    return np.array(rows)


def filled(zoo: MemoryZoo, checkpoint: Checkpoint) -> nn.Module:
    module = zoo.module(checkpoint)
    module.load_state_dict(zoo.weights(checkpoint))
    return module


@pytest.mark.parametrize("configuration", [MLP, SMALL_CNN])
def test_networks_of_one_depth_have_a_slot_a_layer(configuration: dict[str, Any]) -> None:
    zoo = MemoryZoo([configuration], 3)
    population = Population.load(zoo)
    statistics = LayerStatistics.for_population(population)
    assert statistics == LayerStatistics(3, True)
    table = statistics.of(population)
    assert table.shape == (6, statistics.num_columns) == (6, 42)
    for row, checkpoint in zip(table, zoo.checkpoints, strict=True):
        expected = of_module(filled(zoo, checkpoint))
        np.testing.assert_allclose(row.reshape(3, 14), expected, rtol=1e-6, atol=1e-9)


def test_networks_of_several_depths_are_counted_from_the_front_and_from_the_back() -> None:
    zoo = MemoryZoo([MLP, {**MLP, "depth": 1}], 4)
    population = Population.load(zoo)
    statistics = LayerStatistics.for_population(population)
    assert statistics == LayerStatistics(3, False)
    table = statistics.of(population).reshape(8, 2, 3, 14)
    assert statistics.num_columns == 84
    for (front, back), checkpoint in zip(table, zoo.checkpoints, strict=True):
        expected = of_module(filled(zoo, checkpoint))
        depth = len(expected)
        assert depth == (3 if int(checkpoint.model) % 2 == 0 else 2)
        np.testing.assert_allclose(front[:depth], expected, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(back[3 - depth :], expected, rtol=1e-6, atol=1e-9)
        assert np.isnan(front[depth:]).all()
        assert np.isnan(back[: 3 - depth]).all()


def test_columns_of_the_training_are_those_of_deeper_networks() -> None:
    """A network that is deeper than all of the training keeps what has a column."""
    known = LayerStatistics(2, False)
    zoo = MemoryZoo([MLP], 1)
    table = known.of(Population.load(zoo)).reshape(2, 2, 2, 14)
    expected = of_module(filled(zoo, zoo.checkpoints[0]))
    np.testing.assert_allclose(table[0, 0], expected[:2], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(table[0, 1], expected[1:], rtol=1e-6, atol=1e-9)


def test_a_layer_without_bias_has_none_and_statistics_are_vectors() -> None:
    module = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()
    torch.manual_seed(0)
    for tensor in (*module.parameters(), module[1].running_mean, module[1].running_var):
        torch.nn.init.uniform_(tensor)
    function = Function.of(module, torch.zeros(1, 3), "own")
    row = function.architecture.graph.flat(dtype=torch.float32)
    population = Population.alike([Checkpoint("own", 0, {}, {})], [row], function)
    found = layer_statistics(function.architecture, row[None].double().numpy())[0]
    state = {name: value.double().numpy().ravel() for name, value in module.state_dict().items()}
    nothing: np.ndarray = np.zeros(0)
    expected = [
        of_values(state["0.weight"]) + of_values(nothing),
        of_values(nothing) + of_values(np.concatenate([state["1.weight"], state["1.bias"]])),
        of_values(nothing) + of_values(state["1.running_mean"]),
        of_values(nothing) + of_values(state["1.running_var"]),
        of_values(state["2.weight"]) + of_values(state["2.bias"]),
    ]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-6)
    table = LayerStatistics.for_population(population).of(population)
    np.testing.assert_allclose(table.reshape(5, 14), np.array(expected), rtol=1e-6)


def test_no_entry_is_of_two_layers() -> None:
    population = Population.load(MemoryZoo([SMALL_CNN], 1))
    (architecture,) = population.architectures
    assert isinstance(architecture, Architecture)
    entries = [some for layer in layer_entries(architecture) for some in layer]
    numbers = np.concatenate(entries)
    assert sorted(numbers.tolist()) == list(range(architecture.num_entries))
