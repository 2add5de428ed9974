"""Data sets give each network with its targets, to the loaders of torch and of PyG."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch_geometric.loader import DataLoader as GraphLoader

from graphwsl.errors import PredictorError
from graphwsl.populations import Population, Target, dataset, tokenize
from tests.graphwsl.properties.property_cases import MLP, SMALL_CNN, MemoryZoo


def test_rows_with_targets() -> None:
    zoo = MemoryZoo([MLP], 4)
    found: Any = dataset(zoo, "rows", ["test_accuracy", "sign"], checkpoints=zoo.checkpoints[:6])
    assert isinstance(found, Dataset)
    assert len(found) == 6
    rows, y = next(iter(DataLoader(found, batch_size=6)))
    population = Population.load(zoo, zoo.checkpoints[:6])
    assert torch.equal(rows, population.rows(0))
    assert y[:, 0].tolist() == pytest.approx([c["test_accuracy"] for c in zoo.checkpoints[:6]])
    assert y[:, 1].tolist() == [float(c["sign"] == "small") for c in zoo.checkpoints[:6]]
    known = found.targets[1]
    validation: Any = dataset(population.select([3]), "rows", [known])
    assert validation[0][1].tolist() == [y[3, 1]]
    assert dataset(zoo, "rows")[0][1].shape == (0,)


def test_graphs_of_several_architectures() -> None:
    zoo = MemoryZoo([MLP, SMALL_CNN], 4)
    found: Any = dataset(zoo, "graphs", ["epoch"])
    for number, checkpoint in enumerate(zoo.checkpoints):
        graph = Population.load(zoo, [checkpoint]).architectures[0].graph
        expected = graph.to_data(zoo.weights(checkpoint))
        assert torch.equal(found[number].x, expected.x)
        assert torch.equal(found[number].edge_attr, expected.edge_attr)
    alike: Any = dataset(MemoryZoo([MLP], 4), "graphs", ["epoch"])
    batch = next(iter(GraphLoader(alike, batch_size=8)))
    assert batch.y.tolist() == [[0.0], [1.0]] * 4


class Made(NamedTuple):
    values: Tensor
    mask: Tensor
    positions: Tensor


def by_five(rows: Tensor, architecture: Any) -> Made:
    assert rows.shape[1] == architecture.num_entries
    tokens = rows.shape[1] // 5
    mask = torch.ones(tokens, 5, dtype=torch.bool)
    return Made(rows.unflatten(1, (tokens, 5)), mask, torch.zeros(tokens, 3, dtype=torch.int64))


def test_tokens_of_any_tokeniser() -> None:
    zoo = MemoryZoo([MLP], 3)
    found: Any = dataset(zoo, "tokens", ["size"], tokenise=by_five)
    values, y = next(iter(DataLoader(found, batch_size=6)))
    assert torch.equal(values.flatten(1), Population.load(zoo).rows(0))
    assert y[:, 0].tolist() == pytest.approx([c["size"] for c in zoo.checkpoints])
    assert found.mask.shape == (15, 5)
    assert found.positions.shape == (15, 3)


def test_tokens_are_those_of_the_tokeniser_by_default() -> None:
    population = Population.load(MemoryZoo([MLP], 2))
    found: Any = dataset(population, "tokens", ["epoch"])
    expected = tokenize(population.rows(0), population.architectures[0])
    for number in range(4):
        values, y = found[number]
        assert torch.equal(values, expected.values[number])
        assert y.tolist() == [number % 2]
    assert torch.equal(found.mask, expected.mask)
    assert torch.equal(found.positions, expected.positions)


def test_what_is_no_data_set_is_said() -> None:
    mixed = MemoryZoo([MLP, SMALL_CNN], 2)
    for kind in ("rows", "tokens"):
        with pytest.raises(PredictorError, match="needs networks of one architecture"):
            dataset(mixed, kind, tokenise=by_five)  # type: ignore[arg-type]
    with pytest.raises(PredictorError, match="has no 'colour'"):
        dataset(mixed, "graphs", ["colour"])
    assert Target("size") == Target.of("size", mixed.checkpoints)
