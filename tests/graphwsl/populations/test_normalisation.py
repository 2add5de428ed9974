"""Layers get mean zero and deviation one, and back; what is saved is what was fitted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gnncore.storage import StorageError
from graphwsl.errors import PredictorError
from graphwsl.populations import Function, LayerNormaliser, Population
from tests.graphwsl.properties.property_cases import MLP, SMALL_CNN, MemoryZoo


def rows_of(configuration: dict[str, object]) -> tuple[torch.Tensor, Population]:
    population = Population.load(MemoryZoo([configuration], 20))
    return population.rows(0), population


def test_layers_have_mean_zero_and_deviation_one() -> None:
    rows, population = rows_of(SMALL_CNN)
    (architecture,) = population.architectures
    normaliser = LayerNormaliser.fit(rows[:30], architecture)
    normalised = normaliser.normalise(rows)
    start = 0
    for layer in (40, 4 * 36 + 4, 3 * 4 + 3):  # weights and biases of a layer together
        before = rows[:30, start : start + layer].double().numpy()
        expected = (rows[:, start : start + layer].double().numpy() - before.mean()) / before.std()
        np.testing.assert_allclose(normalised[:, start : start + layer], expected, atol=1e-5)
        start += layer
    assert start == rows.shape[1] == len(normaliser.layer)
    torch.testing.assert_close(normaliser.restore(normalised), rows)
    assert torch.equal(normaliser.normalise(rows[0]), normalised[0])


def test_counts_stay_and_equal_weights_are_only_moved() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()
    function = Function.of(module, torch.zeros(1, 3), "normalised")
    graph = function.architecture.graph
    rows = graph.flat(dtype=torch.float32).repeat(2, 1)
    counts = [start for name, start in graph.offsets.items() if name.endswith("_tracked")]
    rows[:, counts] = 7.0
    normaliser = LayerNormaliser.fit(rows, function.architecture)
    normalised = normaliser.normalise(rows)
    assert (normalised[:, counts] == 7).all()
    start = graph.offsets["1.running_var"]
    assert (normalised[:, start : start + 4] == 0).all()  # all are 1
    torch.testing.assert_close(normaliser.restore(normalised), rows)


def test_what_is_saved_is_what_was_fitted(tmp_path: Path) -> None:
    rows, population = rows_of(MLP)
    (architecture,) = population.architectures
    normaliser = LayerNormaliser.fit(rows, architecture)
    path = tmp_path / "normaliser.safetensors"
    normaliser.save(path)
    again = LayerNormaliser.load(path, architecture)
    assert torch.equal(again.normalise(rows), normaliser.normalise(rows))
    _, other = rows_of(SMALL_CNN)
    with pytest.raises(StorageError, match="its architecture is"):
        LayerNormaliser.load(path, other.architectures[0])
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    with pytest.raises(StorageError, match=r"sealed|finite|read"):
        LayerNormaliser.load(path, architecture)


def test_what_cannot_be_normalised_is_said() -> None:
    rows, population = rows_of(MLP)
    (architecture,) = population.architectures
    with pytest.raises(PredictorError, match="at least one row of finite weights, got 0"):
        LayerNormaliser.fit(rows[:0], architecture)
    with pytest.raises(PredictorError, match="with values that are not"):
        LayerNormaliser.fit(rows / 0, architecture)
    with pytest.raises(PredictorError, match="have 75 numbers, got 74"):
        LayerNormaliser.fit(rows, architecture).normalise(rows[:, 1:])
