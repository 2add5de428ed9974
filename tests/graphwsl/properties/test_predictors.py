"""Every predictor: it learns, ignores the order of neurons where it claims to, and is kept."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gnncore.storage import StorageError, read_json, write_json
from graphwsl.errors import PredictorError
from graphwsl.populations import Population, Target, split_models
from graphwsl.properties import PREDICTORS, evaluate, load_predictor, make_predictor
from graphwsl.properties.predictors.stacked import best_mean
from tests.graphwsl.properties.property_cases import CNN, MLP, SMALL_CNN, MemoryZoo, permuted

QUICK: dict[str, dict[str, Any]] = {
    name: {"epochs": 0, "batch_size": 16, "learning_rate": 5e-3}
    for name, predictor in PREDICTORS.items()
    if "epochs" in predictor.defaults
}
QUICK["weight_statistics_boosting"] = {
    "learning_rates": [0.1],
    "max_leaf_nodes": [8],
    "max_iter": 60,
}
QUICK["stacked"] = {
    "options": {
        "weight_statistics_boosting": QUICK["weight_statistics_boosting"],
        "forward_propagation": {"epochs": 4, "batch_size": 16, "learning_rate": 5e-3},
    }
}
INVARIANT = [name for name, predictor in PREDICTORS.items() if predictor.invariant]
MIXED = [name for name, predictor in PREDICTORS.items() if predictor.mixed]
READS_WEIGHTS_ALONE = [name for name in MIXED if name != "probing"]


@cache
def zoo(kind: str, count: int) -> tuple[MemoryZoo, Population]:
    configurations = {"cnn": [CNN], "mlp": [MLP], "mixed": [MLP, SMALL_CNN]}[kind]
    made = MemoryZoo(configurations, count)
    return made, Population.load(made)


@cache
def fitted(
    name: str, kind: str = "mlp", target: str = "size", *, count: int = 40, epochs: int = 12
) -> Any:
    _, population = zoo(kind, count)
    split = split_models(population.checkpoints)
    options = QUICK.get(name, {})
    options = {**options, "epochs": epochs} if "epochs" in options else options
    return make_predictor(name, **options).fit(population, split, target, seed=1)


def of_test(name: str, kind: str = "mlp", target: str = "size") -> tuple[Tensor, Tensor, Target]:
    predictor = fitted(name, kind, target)
    _, population = zoo(kind, 40)
    members = population.select(predictor.split.numbers("test", population.checkpoints))
    label = predictor.target.values(members.checkpoints)
    return predictor.predict(members), label, predictor.target


@pytest.mark.parametrize("name", PREDICTORS)
def test_learns_what_the_weights_say(name: str) -> None:
    # Flattened weights with 56 networks and 71 unknowns of changing sign do not give a size away.
    if name in ("flat_ridge", "flat_mlp"):
        pytest.skip("the size is no smooth function of single weights")
    if name == "probing":
        pytest.skip("it sees outputs alone and needs more networks: test_probing.py")
    assert evaluate(*of_test(name))["r2"] > 0.7


@pytest.mark.parametrize("name", READS_WEIGHTS_ALONE)
def test_learns_from_mixed_architectures(name: str) -> None:
    assert evaluate(*of_test(name, "mixed"))["r2"] > 0.5


@pytest.mark.parametrize("name", [name for name in PREDICTORS if name not in MIXED])
def test_refuses_mixed_architectures(name: str) -> None:
    _, population = zoo("mixed", 40)
    with pytest.raises(PredictorError, match=rf"'{name}' needs networks of one .* 2;"):
        make_predictor(name).fit(population, split_models(population.checkpoints), "size")
    other = Population.load(MemoryZoo([SMALL_CNN], 2))
    with pytest.raises(PredictorError, match="only the architecture it was trained on"):
        fitted(name).predict(other)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("name", INVARIANT)
def test_the_order_of_neurons_does_not_matter(name: str, kind: str) -> None:
    count = 40 if kind == "mlp" else 8
    made, population = zoo(kind, count)
    predictor = fitted(name, kind, count=count, epochs=1)
    generator = torch.Generator().manual_seed(0)
    shuffled = MemoryZoo([{"mlp": MLP, "cnn": CNN}[kind]], count)
    for checkpoint in made.checkpoints[:6]:
        state, module = made.weights(checkpoint), made.module(checkpoint)
        new = permuted(state, module, generator)
        images = torch.rand(4, *made.example_inputs(checkpoint).shape[1:], generator=generator)
        before = torch.func.functional_call(module, state, (images,))
        after = torch.func.functional_call(module, new, (images,))
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
        assert not all(torch.equal(new[key], state[key]) for key in state)
        shuffled.states[checkpoint.model, checkpoint.epoch] = new
    rows = population.checkpoints[:6]
    first, second = predictor.predict(made, rows), predictor.predict(shuffled, rows)
    torch.testing.assert_close(second, first, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["flat_ridge", "flat_mlp"])
def test_the_order_of_neurons_matters_to_flat_predictors(name: str) -> None:
    made, population = zoo("mlp", 40)
    checkpoint = population.checkpoints[0]
    shuffled = MemoryZoo([MLP], 40)
    shuffled.states[checkpoint.model, checkpoint.epoch] = permuted(
        made.weights(checkpoint), made.module(checkpoint), torch.Generator().manual_seed(0)
    )
    predictor = fitted(name)
    first, second = (predictor.predict(z, [checkpoint]) for z in (made, shuffled))
    assert not torch.allclose(first, second, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["weight_statistics_ridge", "weight_statistics_boosting", "nfn", "deep_sets"]
)
def test_classes(name: str) -> None:
    prediction, label, target = of_test(name, target="sign")
    assert target.classes == ("large", "small")
    assert evaluate(prediction, label, target)["accuracy"] > 0.7


@pytest.mark.parametrize("name", PREDICTORS)
def test_is_kept_and_found_again(name: str, tmp_path: Path) -> None:
    _, population = zoo("mlp", 40)
    predictor = fitted(name)
    predictor.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "predictor.json",
        "predictor.safetensors",
    }
    again = load_predictor(tmp_path)
    assert (again.name, again.target, again.split) == (name, predictor.target, predictor.split)
    assert again.report == predictor.report
    some = population.select(range(6))
    torch.testing.assert_close(again.predict(some), predictor.predict(some), atol=0, rtol=0)


def test_a_damaged_predictor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictorError, match="holds no predictor"):
        load_predictor(tmp_path)
    fitted("weight_statistics_ridge").save(tmp_path)
    arrays = tmp_path / "predictor.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-8])
    with pytest.raises(StorageError):
        load_predictor(tmp_path)
    config = tmp_path / "predictor.json"
    config.write_text(config.read_text().replace('"seed"', '"sead"'))
    fitted("deep_sets").save(tmp_path / "other")
    arrays.write_bytes((tmp_path / "other" / "predictor.safetensors").read_bytes())
    with pytest.raises(StorageError, match="its configuration is "):
        load_predictor(tmp_path)


def test_what_was_saved_before_there_were_seals_is_read(tmp_path: Path) -> None:
    predictor = fitted("weight_statistics_ridge")
    predictor.save(tmp_path)
    file = tmp_path / "predictor.json"
    config = read_json(file)
    del config["seal"], config["networks"], config["request"]
    write_json(file, {**config, "format": 1})
    _, population = zoo("mlp", 4)
    assert load_predictor(tmp_path).predict(population).equal(predictor.predict(population))
    write_json(tmp_path / "training.json", {})
    with pytest.raises(PredictorError, match="training that is not complete"):
        load_predictor(tmp_path)
    write_json(file, {**config, "format": 2})
    with pytest.raises(StorageError, match="carries no seal"):
        load_predictor(tmp_path)


def test_same_seed_same_predictor() -> None:
    _, population = zoo("mlp", 40)
    split = split_models(population.checkpoints)
    values = [
        make_predictor("forward_propagation", epochs=1).fit(population, split, "size", s)
        for s in (1, 1, 2)
    ]
    first, second, third = (predictor.predict(population) for predictor in values)
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    assert not torch.equal(first, third)


def test_auxiliary_numbers_are_learnt_along_and_decide_nothing(tmp_path: Path) -> None:
    _, population = zoo("mlp", 40)
    split = split_models(population.checkpoints)
    options = {"epochs": 12, "batch_size": 16, "learning_rate": 5e-3}
    predictor = make_predictor(
        "forward_propagation", **options, auxiliary=["epoch", "train_accuracy", "test_accuracy"]
    ).fit(population, split, "size", work=tmp_path / "work")
    valid = population.select(split.numbers("valid", population.checkpoints))
    assert predictor.target is not None
    label = predictor.target.values(valid.checkpoints)
    assert predictor.predict(valid).shape == label.shape
    lines = (tmp_path / "work" / "history.jsonl").read_text().splitlines()
    best = max(json.loads(line)["validation_r2"] for line in lines)
    found = evaluate(predictor.predict(valid), label, predictor.target)["r2"]
    assert found == pytest.approx(best, abs=1e-5)
    assert best > 0.7
    predictor.save(tmp_path / "kept")
    again = load_predictor(tmp_path / "kept").predict(population)
    torch.testing.assert_close(again, predictor.predict(population), atol=0, rtol=0)
    gap = make_predictor("deep_sets", epochs=1).fit(population, split, "generalisation_gap")
    assert gap.auxiliary == ("train_accuracy", "test_accuracy")
    for names in (None, ["train_accuracy", "test_accuracy"]):
        accuracy = make_predictor("deep_sets", epochs=1, auxiliary=names)
        accuracy.fit(population, split, "test_accuracy")
        assert accuracy.auxiliary == ("train_accuracy",)  # these networks have no losses
    with pytest.raises(PredictorError, match="has no 'speed'; choose one of epoch"):
        make_predictor("deep_sets", auxiliary=["speed"]).fit(population, split, "size")


def test_one_line_errors() -> None:
    with pytest.raises(PredictorError, match="unknown predictor 'oracle'; choose one of weight_"):
        make_predictor("oracle")
    with pytest.raises(PredictorError, match=r"'flat_ridge' has no option 'depth'; .* are none"):
        make_predictor("flat_ridge", depth=3)
    _, population = zoo("mlp", 40)
    with pytest.raises(PredictorError, match="is not fitted"):
        make_predictor("flat_ridge").predict(population)
    split = split_models(population.checkpoints)
    with pytest.raises(PredictorError, match="options of predictor 'deep_sets': epochs must be"):
        make_predictor("deep_sets", epochs=0).fit(population, split, "size")


def test_weights_of_stacked_members_are_the_best_of_all_means() -> None:
    generator = np.random.default_rng(0)
    label = 0.93 + 0.005 * generator.standard_normal(200)
    common = 0.002 + 0.003 * generator.standard_normal(200)  # no weights of sum one remove it
    noise = generator.standard_normal((200, 3)) * [0.001, 0.002, 0.004]
    outputs = (label + common)[:, None] + noise
    weights = best_mean(outputs, label)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    grid = np.arange(201) / 200
    every = np.array([(a, b, 1 - a - b) for a in grid for b in grid if a + b <= 1 + 1e-9])
    best = ((outputs @ every.T - label[:, None]) ** 2).sum(0)
    error = ((outputs @ weights - label) ** 2).sum()
    assert error <= best.min() * (1 + 1e-9)
    np.testing.assert_allclose(weights, every[best.argmin()], atol=0.006)
    np.testing.assert_allclose(best_mean(outputs[:, :1], label), [1.0])
    np.testing.assert_allclose(best_mean(label[:, None] + np.zeros((200, 2)), label).sum(), 1)


def test_copies_of_a_member_are_fits_of_their_own_and_count_as_their_mean(tmp_path: Path) -> None:
    _, population = zoo("mlp", 40)
    split = split_models(population.checkpoints)
    stacked = make_predictor("stacked", **QUICK["stacked"], copies=2)
    stacked.fit(population, split, "size", seed=1)
    trees, one, two = stacked.members
    assert (trees.name, one.name, two.name) == (
        "weight_statistics_boosting",
        "forward_propagation",
        "forward_propagation",
    )
    alone = make_predictor("forward_propagation", **QUICK["stacked"]["options"][one.name])
    alone.fit(population, split, "size", seed=1)
    first, second = one.predict(population), two.predict(population)
    torch.testing.assert_close(alone.predict(population), first)
    assert not torch.allclose(first, second)
    weights = dict(stacked.report["weights"])
    mean = weights["forward_propagation"] * (first + second) / 2
    expected = weights["weight_statistics_boosting"] * trees.predict(population) + mean
    torch.testing.assert_close(stacked.predict(population), expected)
    stacked.save(tmp_path)
    again = load_predictor(tmp_path).predict(population)
    torch.testing.assert_close(again, stacked.predict(population))
    for copies in (0, "two"):
        with pytest.raises(PredictorError, match=f"at least 1, got {copies}"):
            make_predictor("stacked", copies=copies)
