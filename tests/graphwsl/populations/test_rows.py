"""Checkpoints as rows: the numbers of the states, what is bad left out and listed."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnncore.storage import Manifest, StorageError, load_tensors, save_tensors
from graphwsl.errors import PredictorError, StateMismatchError, ZooError
from graphwsl.neural_graph import neural_graph
from graphwsl.populations import Population, states_of, unflat
from graphwsl.zoo import open_zoo, train_zoo
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.rows import array
from tests.graphwsl.properties.property_cases import CNN, MLP, SMALL_CNN, MemoryZoo
from tests.graphwsl.zoo.layouts.published_layouts import (
    configuration,
    small,
    small_cnn_row,
    write_small_cnn_zoo,
    write_trial,
)

RECIPE = Recipe.of(
    {
        "data": {"name": "digits"},
        "epochs": 1,
        "batch_size": 512,
        "seeds": 2,
        "fixed": {"architecture": "mlp", "width": 3, "depth": 1},
        "grid": {"activation": ["relu", "tanh"]},
    }
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoos") / "small"
    train_zoo(RECIPE, path)
    return path


@pytest.fixture
def zoo_path(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def flattened(state: dict[str, Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1).float() for tensor in state.values()])


def require_rows(zoo: Any) -> None:
    """All checkpoints, some in another order, and the population, by the states themselves."""
    rows, checkpoints = zoo.array(zoo.checkpoints)
    assert rows.dtype == torch.float32
    assert checkpoints == list(zoo.checkpoints)
    expected = torch.stack([flattened(zoo.weights(c)) for c in checkpoints])
    assert torch.equal(rows, expected)
    some = [*checkpoints[::-2], checkpoints[0]]
    rows, found = zoo.array(some)
    assert found == some
    indices = [checkpoints.index(c) for c in some]
    assert torch.equal(rows, expected[indices])
    population = Population.load(zoo, some)
    assert population.checkpoints == some
    assert torch.equal(torch.stack(population.states), expected[indices])


def test_rows_of_our_own_zoo(trained: Path) -> None:
    zoo = open_zoo(trained)
    require_rows(zoo)
    assert len(Population.load(zoo).functions) == 2
    graph = neural_graph(zoo.module(zoo.checkpoints[0]), zoo.example_inputs(zoo.checkpoints[0]))
    rows, _ = zoo.array()
    assert torch.equal(rows[0], graph.flat(zoo.weights(zoo.checkpoints[0]), dtype=torch.float32))


def test_rows_of_ray_tune(tmp_path: Path) -> None:
    for number, activation in enumerate(("tanh", "relu")):
        states = {}
        for epoch in (0, 1):
            torch.manual_seed(2 * number + epoch)
            states[epoch] = small(1, activation, 0.0).state_dict()
        if number:
            states[1]["module_list.0.bias"][0] = torch.nan
            states[2] = {name: t.double() for name, t in small(1, "relu", 0.0).state_dict().items()}
        write_trial(tmp_path / f"NN_{number}", configuration(model__nlin=activation), states)
    zoo = open_zoo(tmp_path)
    rows, usable = zoo.array()
    assert [(c.model, c.epoch) for c in usable] == [("NN_0", 0), ("NN_0", 1), ("NN_1", 0)]
    assert [p.path for p in zoo.problems] == [f"NN_1/checkpoint_{n}/checkpoints" for n in (1, 2)]
    assert "not finite" in zoo.problems[0].reason
    assert "type torch.float64" in zoo.problems[1].reason
    assert torch.equal(rows, torch.stack([flattened(zoo.weights(c)) for c in usable]))
    with pytest.raises(PredictorError, match="not finite"):
        Population.load(zoo)
    assert Population.load_usable(zoo)[0].checkpoints == usable


def test_rows_of_the_small_cnn_zoo(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((5, 4970)).astype(np.float32)
    write_small_cnn_zoo(
        tmp_path, weights, [small_cnn_row(f"m{n // 2}", n % 2, config__dnn_architecture="cnn")
                            for n in range(5)]
    )  # fmt: skip
    require_rows(open_zoo(tmp_path))
    weights[3, 7] = np.inf
    write_small_cnn_zoo(tmp_path, weights, [small_cnn_row(f"m{n // 2}", n % 2) for n in range(5)])
    zoo = open_zoo(tmp_path)
    rows, usable = zoo.array()
    assert [(c.model, c.epoch) for c in usable] == [("m0", 0), ("m0", 1), ("m1", 0), ("m2", 0)]
    assert [p.path for p in zoo.problems] == ["weights.npy, row 4"]
    assert torch.equal(rows, torch.stack([flattened(zoo.weights(c)) for c in usable]))


def test_rows_of_any_zoo_of_the_protocol() -> None:
    zoo = MemoryZoo([MLP], 3)
    rows, usable, problems = array(zoo)
    assert (usable, problems) == (zoo.checkpoints, [])
    assert torch.equal(rows, torch.stack([flattened(zoo.weights(c)) for c in usable]))
    first, second, third = zoo.checkpoints[:3]
    zoo.states[second.model, second.epoch] = {"weight": torch.zeros(2)}
    zoo.states[third.model, third.epoch]["module_list.1.weight"][0, 0] = torch.inf
    rows, usable, problems = array(zoo, [third, first, second])
    assert usable == [first]
    assert [problem.path for problem in problems] == [
        "epoch 0 of model '001'",
        "epoch 1 of model '000'",
    ]
    assert "not finite" in problems[0].reason
    assert "does not belong to this network" in problems[1].reason


def test_one_array_is_of_one_shape(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"must have one shape, but '000' has 2,464 .*'001' 75 "):
        array(MemoryZoo([CNN, MLP], 2))
    with pytest.raises(ZooError, match="no checkpoints to read"):
        array(MemoryZoo([MLP], 1), [])


def test_a_damaged_checkpoint_is_left_out_of_an_array_and_an_error_of_a_population(
    zoo_path: Path,
) -> None:
    chunks = sorted((zoo_path / "chunks").iterdir())
    assert len(chunks) == 2  # one for each activation
    data = bytearray(chunks[0].read_bytes())
    data[-1] ^= 1
    chunks[0].write_bytes(data)
    zoo = open_zoo(zoo_path)
    rows, usable = zoo.array()
    (lost,) = [c for c in zoo.checkpoints if c not in usable]
    assert lost.configuration["activation"] == "relu"
    assert torch.equal(rows, torch.stack([flattened(zoo.weights(c)) for c in usable]))
    assert len(zoo.problems) == len(zoo.checkpoints) - len(usable) == 1
    assert all("SHA-256 differs" in problem.reason for problem in zoo.problems)
    zoo.array()
    assert len(zoo.problems) == 1
    with pytest.raises(StorageError, match="SHA-256 differs"):
        Population.load(zoo)


def test_a_chunk_of_other_shapes_is_left_out(zoo_path: Path) -> None:
    """The chunk of another architecture, sealed by nobody and listed in a manifest made anew."""
    path = sorted((zoo_path / "chunks").iterdir())[1]
    tensors = {name: array[..., :1] for name, array in load_tensors(path).items()}
    save_tensors(path, tensors, {"rows": "[]"})
    Manifest.of(zoo_path).write()
    zoo = open_zoo(zoo_path)
    _, usable = zoo.array()
    assert {c.configuration["activation"] for c in usable} == {"relu"}
    assert "does not hold what the index says" in zoo.problems[0].reason


class Mixed(nn.Module):
    """Tied weights, a view, running statistics, a count, and half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.third = nn.Linear(4, 4)
        self.third.weight.data = self.first.weight.data.T
        self.norm = nn.BatchNorm1d(4)
        self.scale = nn.Parameter(torch.randn(4, dtype=torch.float16))
        self.norm.num_batches_tracked.fill_(12345)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.second(torch.tanh(self.first(x))))
        return self.third(x) * self.scale.float()


def test_unflat_is_the_inverse_of_flat_bitwise() -> None:
    torch.manual_seed(0)
    module = Mixed().eval()
    graph = neural_graph(module, torch.zeros(1, 4))
    row = graph.flat(dtype=torch.float32)
    state = unflat(row, graph)
    expected = module.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor)
    Mixed().load_state_dict(state)
    assert torch.equal(graph.flat(state, dtype=torch.float32), row)


def test_unflat_of_several_rows_stacks() -> None:
    population = Population.load(MemoryZoo([SMALL_CNN], 3))
    (architecture,) = population.architectures
    rows = population.rows(0)
    stacked, states = unflat(rows, architecture), states_of(rows, architecture)
    module = build("cnn", SMALL_CNN).eval()
    x = torch.randn(3, 1, 8, 8)
    together = torch.func.vmap(lambda state: torch.func.functional_call(module, state, (x,)))(
        stacked
    )
    for number, state in enumerate(states):
        assert all(torch.equal(stacked[name][number], state[name]) for name in state)
        module.load_state_dict(state)
        torch.testing.assert_close(together[number], module(x))
    with pytest.raises(StateMismatchError, match=r"has \d+ numbers, got \d+; give the archit"):
        unflat(rows[:, 1:], architecture)
