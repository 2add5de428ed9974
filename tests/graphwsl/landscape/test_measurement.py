"""What is measured of a whole zoo at once is what each network has alone."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from sklearn.metrics import r2_score
from torch import Tensor
from torch.nn import functional

from gnncore.storage import read_json, write_json
from graphwsl.errors import LandscapeError, ZooError
from graphwsl.landscape import (
    Landscape,
    LandscapeSettings,
    average,
    cka,
    hessian_trace,
    largest_eigenvalues,
    linear_connectivity,
    measure,
)
from graphwsl.landscape.groups import cells_of, groups_of
from graphwsl.landscape.zoo_objective import own_training_data, some_of
from graphwsl.neural_graph import neural_graph
from graphwsl.populations import Population
from graphwsl.symmetries import symmetries
from graphwsl.zoo import Checkpoint, Recipe, Zoo, open_zoo, train_zoo
from graphwsl.zoo.training.chunk import Training

RECIPE: dict[str, Any] = {
    "data": {"name": "digits"},
    "epochs": 2,
    "keep": (1, 2),
    "seeds": 2,
    "fixed": {"architecture": "mlp", "depth": 1, "learning_rate": 0.01, "batch_size": 128},
    "grid": {"width": (3, 5), "label_noise": (0.0, 0.2)},
}
SETTINGS: dict[str, Any] = {
    "samples": 40,
    "batch_size": 16,
    "probes": 3,
    "eigenvalues": 2,
    "layers": ("module_list.1",),
    "activations": ("module_list.2",),
    "curve_steps": 3,
    "line_points": 3,
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    folder = tmp_path_factory.mktemp("landscape") / "zoo"
    train_zoo(Recipe.of(RECIPE), folder, workers=1)
    return open_zoo(folder)


@pytest.fixture(scope="module")
def measured(zoo: Zoo) -> Landscape:
    return measure(zoo, LandscapeSettings(**SETTINGS))


def batches(x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    return list(zip(x.split(16), y.split(16), strict=True))


def last(zoo: Zoo) -> list[Checkpoint]:
    return [checkpoint for checkpoint in zoo.checkpoints if checkpoint.epoch == 2]


def network(zoo: Zoo, checkpoint: Checkpoint) -> torch.nn.Module:
    module = zoo.module(checkpoint)
    module.load_state_dict(zoo.weights(checkpoint))
    return module.eval()


def test_hessians_are_those_of_each_network_on_what_it_has_learnt(
    zoo: Zoo, measured: Landscape
) -> None:
    data = zoo.images()
    for number in (0, 3, 6):
        checkpoint, found = last(zoo)[number], measured.networks[number].metrics
        module = network(zoo, checkpoint)
        labels, chosen = own_training_data(data, [checkpoint.configuration], 40, 0)
        others = some_of(len(data.test), 40, 0)
        for part, x, y in (
            ("train", data.train[chosen], labels[0, chosen]),
            ("test", data.test[others], data.test_labels[others]),
        ):
            given = (module, functional.cross_entropy, batches(x, y))
            trace = hessian_trace(*given, 3, torch.Generator().manual_seed(0))
            assert found[f"{part}_hessian_trace"] == pytest.approx(trace, rel=1e-3)
            top = largest_eigenvalues(*given, 2)
            own = [found[f"{part}_hessian_eigenvalue"], found[f"{part}_hessian_eigenvalue_2"]]
            assert own == pytest.approx(top.tolist(), rel=2e-3)
            block = largest_eigenvalues(*given, layer="module_list.1")
            name = f"{part}_hessian_eigenvalue[module_list.1]"
            assert found[name] == pytest.approx(float(block), rel=2e-3)
        assert 0 < found["train_hessian_trace[module_list.1]"] < found["train_hessian_trace"] * 2


def test_own_training_data_are_those_that_were_trained_on() -> None:
    from tests.graphwsl.zoo.training.zoo_training_cases import configuration, images

    data = images(8)
    given = [
        configuration("mlp", data, seed=seed, data_fraction=0.5, label_noise=0.3, width=3, depth=1)
        for seed in (1, 2)
    ]
    training = Training(given, data, 16)
    labels, chosen = own_training_data(data, given, 1000, 0)
    assert torch.equal(labels, training.train_labels)
    assert torch.equal(chosen, training._subset)


def test_similarities_are_those_of_the_pairs(zoo: Zoo, measured: Landscape) -> None:
    data = zoo.images()
    x = data.test[some_of(len(data.test), 40, 0)]
    for cell in (measured.cells[0], measured.cells[-1]):
        pair = [network(zoo, c) for c in last(zoo) if c.model in cell.models]
        first, second = (module(x) for module in pair)
        assert cell.metrics["similarity"] == pytest.approx(cka(first, second), abs=1e-4)
        unbiased = cka(first, second, unbiased=True)
        assert cell.metrics["similarity_unbiased"] == pytest.approx(unbiased, abs=1e-4)
        hidden = [_hidden(module, x) for module in pair]
        found = cell.metrics["similarity[module_list.2]"]
        assert found == pytest.approx(cka(*hidden), abs=1e-4)


def _hidden(module: torch.nn.Module, x: Tensor) -> Tensor:
    for layer in list(module.get_submodule("module_list"))[:3]:  # type: ignore[call-overload]
        x = layer(x)
    return x


def test_lines_and_averages_are_those_of_the_pairs(zoo: Zoo, measured: Landscape) -> None:
    data = zoo.images()
    cell = measured.cells[0]
    pair = [c for c in last(zoo) if c.model in cell.models]
    module = network(zoo, pair[0])
    states = [zoo.weights(checkpoint) for checkpoint in pair]
    train = batches(data.train, data.train_labels)
    test = batches(data.test, data.test_labels)
    group = symmetries(neural_graph(module, zoo.example_inputs(pair[0])))
    for name, known in (("line", None), ("aligned_line", group)):
        found = linear_connectivity(
            module, *states, functional.cross_entropy, train, test_batches=test, points=3,
            symmetries=known,
        )  # fmt: skip
        assert found.errors is not None
        assert cell.profiles[f"test_{name}_error"] == pytest.approx(found.errors.tolist(), abs=1e-6)
        along = cell.profiles[f"test_{name}_loss"]
        assert along == pytest.approx(found.losses.tolist(), rel=1e-4)
    module.load_state_dict(average(states))
    right = (module(data.test).argmax(1) == data.test_labels).double().mean()
    assert cell.metrics["test_accuracy_of_average_of_seeds"] == pytest.approx(float(right))
    before = [1 - one.metrics["test_error"] for one in measured.networks[:2]]
    gain = cell.metrics["test_accuracy_gain_of_average_of_seeds"]
    assert gain == pytest.approx(float(right) - sum(before) / 2, abs=1e-6)
    first = [c for c in zoo.checkpoints if c.model == pair[0].model]
    module.load_state_dict(average([zoo.weights(one) for one in first]))
    right = (module(data.test).argmax(1) == data.test_labels).double().mean()
    own = measured.networks[0].metrics
    assert own["test_accuracy_of_average_along_training"] == pytest.approx(float(right))
    assert own["test_accuracy_of_wise_ft"] == pytest.approx(float(right))


def test_work_that_was_interrupted_goes_on_and_ends_alike(zoo: Zoo, tmp_path: Path) -> None:
    settings = LandscapeSettings(**{**SETTINGS, "metrics": ("similarity", "curves")})
    seen: list[int] = []

    def stop(done: int, total: int, what: str) -> None:
        seen.append(done)
        if done == 1 and len(seen) == 2:
            raise KeyboardInterrupt

    path = tmp_path / "results" / "landscape.json"
    path.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        measure(zoo, settings, out=path, on_progress=stop)
    with pytest.raises(LandscapeError, match="not done yet"):
        Landscape.load(path)
    with pytest.raises(LandscapeError, match="exists; resume it"):
        measure(zoo, settings, out=path)
    with pytest.raises(
        LandscapeError, match=r"is of other settings \(seed is 0 there and 1 here\); choose"
    ):
        measure(zoo, settings.model_copy(update={"seed": 1}), out=path, resume=True)
    found = measure(zoo, settings, out=path, resume=True)
    whole = measure(zoo, settings)
    assert found.cells == whole.cells == Landscape.load(path).cells
    assert set(read_json(path)["parts"]) == {
        "own errors", "similarity 0000", "similarity 0001", "curves 0000", "curves 0001"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "zoo"}, "holds no landscape"),
        ({"kind": "landscape", "networks": [{}], "cells": []}, "is not as it was written"),
    ],
)
def test_files_that_hold_something_else_are_refused(
    content: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_json(tmp_path / "found.json", content)
    with pytest.raises(LandscapeError, match=message):
        Landscape.load(tmp_path / "found.json")


def test_groups_hold_whole_cells(zoo: Zoo) -> None:
    population = Population.load(zoo, last(zoo))
    cells = cells_of(population.checkpoints)
    assert [len(cell.members) for cell in cells] == [2, 2, 2, 2]
    groups = groups_of(population, cells, at_once=[2, 2])
    assert [len(group.cells) for group in groups] == [1, 1, 1, 1]
    assert [len(group.cells) for group in groups_of(population, cells, at_once=[64, 64])] == [2, 2]


def test_zoos_that_lack_what_is_asked_for_are_refused(zoo: Zoo, tmp_path: Path) -> None:
    alone = Recipe.of({**RECIPE, "seeds": 1, "epochs": 1, "keep": (1,), "grid": {"width": (3,)}})
    train_zoo(alone, tmp_path / "alone", workers=1)
    one = open_zoo(tmp_path / "alone")
    for metrics, message in (
        (("similarity",), "similarity needs networks that differ in their seed alone"),
        (("averages",), "at least two epochs of each network"),
    ):
        with pytest.raises(LandscapeError, match=message):
            measure(one, LandscapeSettings(metrics=metrics))
    with pytest.raises(LandscapeError, match=r"no checkpoints of epoch 7; it has \[1, 2\]"):
        measure(zoo, epoch=7)
    wrong = LandscapeSettings(**{**SETTINGS, "layers": ("nothing",), "metrics": ("hessian",)})
    with pytest.raises(LandscapeError, match="no layer 'nothing'"):
        measure(zoo, wrong)

    class NoData:
        def __getattr__(self, name: str) -> Any:
            return getattr(zoo, name)

        def images(self) -> Any:
            raise ZooError("the zoo does not say what its data are")

    with pytest.raises(ZooError, match="does not say"):
        measure(NoData(), LandscapeSettings(**SETTINGS))  # type: ignore[arg-type]


def test_errors_of_numbers_are_the_variance_that_is_not_explained() -> None:
    fixed = {"architecture": "mlp", "width": 6, "depth": 1, "objective": "convection"}
    recipe = {
        "data": {"name": "convection"}, "epochs": 2, "keep": (2,), "seeds": 2,
        "fixed": {**fixed, "learning_rate": 0.01}, "grid": {"signal": (1, 3)},
    }  # fmt: skip
    with TemporaryDirectory() as folder:
        own = train_zoo(Recipe.of(recipe), Path(folder, "zoo"), workers=1).zoo
        settings = LandscapeSettings(metrics=("curves",), curve_steps=3)
        found = measure(own, settings)
        data, population = own.images(), Population.load(own)
        for number, network in enumerate(found.networks):
            module = population.functions[0].module
            module.load_state_dict(own.weights(own.checkpoints[number]))
            with torch.no_grad():
                outputs = module(data.test)
            truth = data.test_labels[network.configuration["signal"]]
            expected = 1 - r2_score(truth.numpy(), outputs.numpy())
            assert network.metrics["test_error"] == pytest.approx(expected, rel=1e-4)
    assert all("train_curve_error_connectivity" in cell.metrics for cell in found.cells)
