"""Zoos whose networks have batch norms: statistics and counts come back, in their own types."""

from pathlib import Path

import pytest
import torch

from graphwsl.populations import Population, evaluate
from graphwsl.zoo import Recipe, open_zoo, train_zoo
from graphwsl.zoo.rows import holds


@pytest.fixture(scope="module")
def zoo_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoo") / "zoo"
    recipe = Recipe.resolve("digits_resnet", seeds=2, epochs=1, keep=[0, 1])
    train_zoo(recipe, path, workers=1)
    return path


def test_weights_fit_their_networks(zoo_path: Path) -> None:
    zoo = open_zoo(zoo_path)
    batches = -(-len(zoo.images().train) // 32)
    for checkpoint in zoo.checkpoints:
        state, own = zoo.weights(checkpoint), zoo.module(checkpoint).state_dict()
        assert state.keys() == own.keys()
        assert {n: t.dtype for n, t in state.items()} == {n: t.dtype for n, t in own.items()}
        counts = {int(t) for n, t in state.items() if n.endswith("num_batches_tracked")}
        assert counts == {batches * (checkpoint.epoch or 0)}


def test_a_population_of_them_is_as_accurate_as_the_zoo_says(zoo_path: Path) -> None:
    zoo = open_zoo(zoo_path)
    population, data = Population.load(zoo), zoo.images()
    found = evaluate(population, data.test, data.test_labels).accuracy
    told = torch.tensor([float(c.metrics["test_accuracy"]) for c in population.checkpoints])
    torch.testing.assert_close(found.float(), told, atol=1e-3, rtol=0)
    rows, usable = zoo.array()
    assert usable == population.checkpoints
    assert rows.equal(torch.stack(population.states))


def test_counts_of_former_versions_are_floats() -> None:
    assert holds(torch.float32, torch.int64)
    assert holds(torch.int64, torch.int64)
    for stored, expected in [
        (torch.int64, torch.float32), (torch.float64, torch.int64), (torch.float16, torch.float32),
        (torch.float32, torch.complex64), (torch.float32, torch.float64),
    ]:  # fmt: skip
        assert not holds(stored, expected)
