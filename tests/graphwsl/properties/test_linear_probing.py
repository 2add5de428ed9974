"""Linear probes against scikit-learn, on relations that were planted, and where little is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from graphwsl.errors import PredictorError
from graphwsl.populations.layer_statistics import layer_statistics
from graphwsl.populations.population import Function, Population
from graphwsl.populations.splits import Split, split_models
from graphwsl.properties.linear_models import FEW_PENALTIES, LinearModel, PrincipalAxes
from graphwsl.properties.linear_probe_results import LinearProbe
from graphwsl.properties.linear_probing import LAYER_STATISTICS, WEIGHTS, linear_probes
from graphwsl.properties.ridge import PENALTIES
from graphwsl.zoo.checkpoint import Checkpoint

FUNCTIONS = {
    width: Function.of(
        nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2)).eval(),
        torch.zeros(1, 3),
        f"mlp-{width}",
    )
    for width in (4, 6)
}
SPLIT = Split(
    tuple(f"{n:03d}" for n in range(60)),
    tuple(f"{n:03d}" for n in range(60, 80)),
    tuple(f"{n:03d}" for n in range(80, 100)),
)


def networks(
    count: int = 100, width: int = 4, seed: int = 0, *, kinds: Callable[[int], str] | None = None
) -> Population:
    """Networks of random weights, of which accuracy, scale and kind are linear functions."""
    function, generator = FUNCTIONS[width], torch.Generator().manual_seed(seed)
    size = function.architecture.num_entries
    scales = 0.5 + torch.rand(count, generator=generator)
    states = torch.randn(count, size, generator=generator) * scales[:, None]
    direction = torch.linspace(-1, 1, size)
    accuracies = (0.5 + 0.05 * states @ direction).tolist()
    checkpoints = [
        Checkpoint(
            f"{n:03d}",
            n % 3,
            {
                "seed": n,
                "learning_rate": float(scales[n]),
                "constant": 1.0,
                "kind": kinds(n) if kinds else ("high" if accuracies[n] > 0.5 else "low"),
            },
            {"test_accuracy": accuracies[n]},
        )
        for n in range(count)
    ]
    return Population.alike(checkpoints, list(states), function)


def states(population: Population) -> Tensor:
    return torch.stack(population.states)


def parts(population: Population) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and accuracies of each part."""
    found = []
    for part in ("train", "valid", "test"):
        some = population.select(SPLIT.numbers(part, population.checkpoints))
        y = [checkpoint["test_accuracy"] for checkpoint in some.checkpoints]
        found.append((states(some).double().numpy(), np.array(y)))
    return found


@pytest.mark.parametrize("shape", [(40, 7), (12, 30)])
@pytest.mark.parametrize("penalty", [PENALTIES[0], PENALTIES[8], PENALTIES[-1]])
def test_ridge_is_that_of_scikit_learn(
    shape: tuple[int, int], penalty: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x, other = rng.normal(3, 2, shape), rng.normal(3, 2, (9, shape[1]))
    x[:, 2] = other[:, 2] = 5.0
    y = x @ rng.normal(size=shape[1]) + rng.normal(size=len(x))
    monkeypatch.setattr("graphwsl.properties.linear_models.PENALTIES", np.array([penalty]))
    axes = PrincipalAxes.fit(x)
    assert axes.axes.shape[1] <= min(shape)
    model = LinearModel.ridge(axes.turned(x), y, axes.turned(x), y)
    scaler = StandardScaler().fit(x)
    theirs = Ridge(alpha=penalty * len(x), solver="svd").fit(scaler.transform(x), y)
    ours = model.predict(axes.turned(other))
    np.testing.assert_allclose(ours, theirs.predict(scaler.transform(other)), rtol=1e-7)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("shape", [(60, 5), (15, 40)])
def test_logistic_regression_is_that_of_scikit_learn(
    classes: int, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the penalty and all columns as they are, without turning them."""
    rng = np.random.default_rng(1)
    x, other = rng.normal(1, 3, shape), rng.normal(1, 3, (50, shape[1]))
    y = np.arange(len(x)) % classes * 2  # numbers of classes need not be successive
    monkeypatch.setattr("graphwsl.properties.linear_models.FEW_PENALTIES", np.array([0.01]))
    axes = PrincipalAxes.fit(x)
    model = LinearModel.logistic(axes.turned(x), y, axes.turned(x), y)
    scaler = StandardScaler().fit(x)
    theirs = LogisticRegression(C=1 / (0.01 * len(x)), tol=1e-8, max_iter=5000)
    theirs.fit(scaler.transform(x), y)
    turned = axes.turned(other)
    scores = turned @ model.weight + model.bias
    ours = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(ours, theirs.predict_proba(scaler.transform(other)), atol=2e-4)
    assert set(model.predict(turned)) <= set(y.tolist())


def test_the_penalty_is_the_one_that_is_best_on_validation() -> None:
    population = networks()
    (x, y), (valid_x, valid_y), (test_x, test_y) = parts(population)
    scaler = StandardScaler().fit(x)
    fits = {
        penalty: Ridge(alpha=penalty * len(x)).fit(scaler.transform(x), y + 0.1 * np.sin(99 * y))
        for penalty in PENALTIES
    }
    errors = {
        penalty: ((fit.predict(scaler.transform(valid_x)) - valid_y) ** 2).mean()
        for penalty, fit in fits.items()
    }
    best = min(errors, key=lambda penalty: errors[penalty])
    assert best not in (PENALTIES[0], PENALTIES[-1])
    noisy = [
        replace(
            c, metrics={"test_accuracy": c["test_accuracy"] + 0.1 * np.sin(99 * c["test_accuracy"])}
        )
        if c.model in SPLIT.train
        else c
        for c in population.checkpoints
    ]
    found = linear_probes({}, replace(population, checkpoints=noisy), SPLIT, ["test_accuracy"])
    made = found[WEIGHTS, "test_accuracy"]
    assert made.penalty == pytest.approx(best)
    assert made.metrics is not None
    expected = r2_score(test_y, fits[best].predict(scaler.transform(test_x)))
    assert made.metrics["r2"] == pytest.approx(expected, abs=1e-4)


def test_what_was_planted_is_read() -> None:
    found = linear_probes({"nothing": lambda some: torch.zeros(len(some), 3)}, networks(), SPLIT)
    assert [(one.target, one.features) for one in found.probes][:3] == [
        ("test_accuracy", "nothing"),
        ("test_accuracy", WEIGHTS),
        ("test_accuracy", LAYER_STATISTICS),
    ]
    targets = {one.target for one in found.probes}
    # Neither the seed nor what is constant.
    assert targets == {"test_accuracy", "epoch", "kind", "learning_rate"}
    weights, scale = found[WEIGHTS, "test_accuracy"], found[LAYER_STATISTICS, "learning_rate"]
    assert weights.metrics is not None
    assert weights.metrics["r2"] > 0.999
    assert (found[WEIGHTS, "kind"].score or 0) > 0.65
    # The scale of weights shows in their variance, and not in a linear function of them.
    assert (scale.score or 0) > 0.6 > 0.2 > (found[WEIGHTS, "learning_rate"].score or 0)
    nothing = found["nothing", "test_accuracy"]
    assert nothing.metrics is not None
    assert "kendall_tau" not in nothing.metrics
    assert nothing.metrics["r2"] <= 0
    assert 0 < (found["nothing", "kind"].score or 0) < 1


def test_the_test_part_decides_nothing() -> None:
    population = networks()
    number = SPLIT.numbers("test", population.checkpoints)[0]
    moved = list(population.states)
    moved[number] = moved[number] + 1000
    first, second = (
        linear_probes({}, some, SPLIT, ["test_accuracy", "kind"])
        for some in (population, replace(population, states=moved))
    )
    for one, other in zip(first.probes, second.probes, strict=True):
        assert (one.penalty, one.valid) == (other.penalty, other.valid)
        assert one.metrics != other.metrics or one.target == "kind"


def test_layer_statistics_have_biases_apart_and_no_padding() -> None:
    population = networks()
    found = linear_probes({}, population, SPLIT, ["test_accuracy"])
    statistics = layer_statistics(
        population.architectures[0], states(population).double().numpy()
    ).reshape(len(population), -1)
    assert found[LAYER_STATISTICS, "test_accuracy"].columns == 2 * 14
    same = linear_probes(
        {"own": lambda some: torch.from_numpy(
            statistics[[int(c.model) for c in some.checkpoints]]
        )},
        population,
        SPLIT,
        ["test_accuracy"],
    )  # fmt: skip
    assert same["own", "test_accuracy"].metrics == found[
        LAYER_STATISTICS, "test_accuracy"
    ].metrics  # fmt: skip


def test_a_constant_target_is_refused_where_it_is_named() -> None:
    population = networks()
    with pytest.raises(PredictorError, match=r"'constant' is 1\.0 in all checkpoints"):
        linear_probes({}, population, SPLIT, ["constant"])
    with pytest.raises(PredictorError, match="has no 'colour'"):
        linear_probes({}, population, SPLIT, ["colour"])
    equal = networks(kinds=lambda n: "rare" if n >= 60 else "usual")  # in training alone
    with pytest.raises(PredictorError, match="'kind' is 'usual' in all checkpoints"):
        linear_probes({}, equal, SPLIT, ["kind"])
    assert "kind" not in {one.target for one in linear_probes({}, equal, SPLIT).probes}


def test_a_class_without_training_networks_counts_as_wrong_and_is_named() -> None:
    def kind(n: int) -> str:
        return "rare" if n in (70, 85, 90) else ("even", "odd")[n % 2]

    population = networks(kinds=kind)
    labels = {"even": 0.0, "odd": 1.0, "rare": 5.0}
    found = linear_probes(
        {"label": lambda some: torch.tensor([[labels[c["kind"]]] for c in some.checkpoints])},
        population,
        SPLIT,
        ["kind"],
    )
    made = found["label", "kind"]
    assert made.missing == ("rare",)
    assert made.metrics == {"accuracy": pytest.approx(18 / 20)}
    assert made.valid == {"accuracy": pytest.approx(19 / 20)}
    assert "0.900*" in str(found)


def test_networks_that_were_learnt_from_are_no_test() -> None:
    population = networks()
    seen = population.select(SPLIT.numbers("valid", population.checkpoints))
    with pytest.raises(PredictorError, match="20 of the 20 networks 'other' are among those"):
        linear_probes({}, population, SPLIT, others={"other": seen})
    twice = Split(SPLIT.train, SPLIT.valid, (*SPLIT.test, "003"))
    with pytest.raises(PredictorError, match="'003' is in two parts"):
        linear_probes({}, population, twice)
    with pytest.raises(PredictorError, match="the valid part of the split has no networks"):
        linear_probes({}, population, Split(SPLIT.train, (), SPLIT.test))
    with pytest.raises(PredictorError, match="cannot be called 'train'"):
        linear_probes({}, population, SPLIT, others={"train": networks(seed=3)})
    with pytest.raises(PredictorError, match="'weights' is probed anyway"):
        linear_probes({WEIGHTS: states}, population, SPLIT)


def test_transfer_to_another_zoo_and_to_another_width() -> None:
    """Fitted here, tested there; what cannot be read says so, and hinders nobody else."""
    others = {"zoo": networks(30, seed=1), "wide": networks(30, width=6, seed=2)}

    def sums(population: Population) -> Tensor:
        direction = [torch.linspace(-1, 1, len(state)) for state in population.states]
        rows = zip(population.states, direction, strict=True)
        return torch.stack([(state @ line)[None] for state, line in rows])

    found = linear_probes({"sums": sums}, networks(), SPLIT, ["test_accuracy"], others=others)
    for tested_on in ("test", "zoo", "wide"):
        made = found["sums", "test_accuracy", tested_on]
        assert (made.score or 0) > 0.999
        assert made.networks == {"test": 20, "zoo": 30, "wide": 30}[tested_on]
        assert made.penalty == found["sums", "test_accuracy"].penalty
    assert (found[WEIGHTS, "test_accuracy", "zoo"].score or 0) > 0.99
    wide = found[WEIGHTS, "test_accuracy", "wide"]
    assert wide.failed == "weights are compared among networks of one architecture alone"
    assert wide.score is None
    assert wide.valid is not None
    assert found[LAYER_STATISTICS, "test_accuracy", "wide"].failed is None


def test_other_networks_may_lack_the_property() -> None:
    other = networks(5, seed=1)
    bare = replace(other, checkpoints=[Checkpoint(c.model, 0, {}, {}) for c in other.checkpoints])
    found = linear_probes({}, networks(), SPLIT, ["test_accuracy"], others={"bare": bare})
    assert "has no 'test_accuracy'" in (found[WEIGHTS, "test_accuracy", "bare"].failed or "")
    equal = [replace(c, metrics={"test_accuracy": 0.5}) for c in other.checkpoints]
    found = linear_probes(
        {},
        networks(),
        SPLIT,
        ["test_accuracy"],
        others={"equal": replace(other, checkpoints=equal)},
    )
    made = found[WEIGHTS, "test_accuracy", "equal"]
    assert made.metrics is not None
    assert made.metrics.keys() == {"mae"}
    assert made.score is None


def test_features_must_be_a_finite_vector_a_network() -> None:
    def broken(population: Population) -> Tensor:
        found = states(population)
        found[3, 3] = torch.nan
        return found

    wrong: dict[str, tuple[Any, str]] = {
        "broken": (broken, "not finite"),
        "few": (lambda some: torch.zeros(1, 2), "a vector for each of 60 networks"),
        "flat": (lambda some: torch.zeros(len(some)), r"\(60, features\), got a Tensor of shape"),
        "none": (lambda some: torch.zeros(len(some), 0), "a vector for each of 60 networks"),
        "list": (lambda some: [[0.0]] * len(some), "got a list"),
        "text": (lambda some: np.full((len(some), 1), "a"), "got an? ndarray of shape"),
        "ragged": (lambda some: torch.zeros(len(some), len(some)), "has 20 numbers .* 60 for"),
    }
    for name, (read, message) in wrong.items():
        with pytest.raises(PredictorError, match=message) as caught:
            linear_probes({name: read}, networks(), SPLIT, ["test_accuracy"])
        assert repr(name) in str(caught.value)


def test_features_of_numpy_are_those_of_torch() -> None:
    features: dict[str, Any] = {"torch": states, "numpy": lambda some: states(some).numpy()}
    found = linear_probes(features, networks(), SPLIT, ["test_accuracy"], baselines=False)
    assert found["numpy", "test_accuracy"].metrics is not None
    assert found["numpy", "test_accuracy"].metrics == found["torch", "test_accuracy"].metrics


def test_features_that_are_not_of_other_networks_hinder_nobody() -> None:
    def broken(population: Population) -> Tensor:
        found = torch.arange(2.0 * len(population)).reshape(-1, 2)
        return found if len(population) != 5 else found + torch.inf

    features = {"broken": broken, "ragged": lambda some: torch.zeros(
        len(some), 3 if len(some) == 5 else 2)}  # fmt: skip
    others = {"zoo": networks(5, seed=1)}
    found = linear_probes(features, networks(), SPLIT, ["test_accuracy"], others=others)
    for name, reason in (("broken", "not finite"), ("ragged", "has 3 numbers here, not 2")):
        assert found[name, "test_accuracy"].failed is None
        assert reason in (found[name, "test_accuracy", "zoo"].failed or "")


def test_a_probe_that_is_not_there_names_the_known_ones() -> None:
    found = linear_probes({}, networks(), SPLIT, ["test_accuracy"])
    attempts: list[tuple[Any, str]] = [
        (("wieghts", "test_accuracy"), "unknown features 'wieghts', did you mean 'weights'"),
        ((WEIGHTS, "epoch"), "unknown target 'epoch'; choose one of test_accuracy"),
        ((WEIGHTS, "test_accuracy", "zoo"), "unknown tested on 'zoo'; choose one of test"),
        (WEIGHTS, "give features and target"),
    ]
    for key, message in attempts:
        with pytest.raises(KeyError) as caught:
            found[key]
        assert message in caught.value.args[0]


@settings(max_examples=8, deadline=None)
@given(st.integers(2, 6), st.integers(1, 40), st.integers(0, 99))
def test_fewer_networks_than_features(count: int, columns: int, seed: int) -> None:
    """Whatever there is too little of, the fit is finite and no better than it can be."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(count, columns)), rng.normal(size=count)
    axes = PrincipalAxes.fit(x)
    turned = axes.turned(x)
    # Centred rows lie in one dimension less than there are, and distances do not change.
    assert turned.shape[1] <= min(count - 1, columns)
    standard = StandardScaler().fit_transform(x)
    np.testing.assert_allclose(turned @ turned.T, standard @ standard.T, atol=1e-8)
    model = LinearModel.ridge(turned, y, turned, y)
    assert model.penalty == PENALTIES[0]
    errors = (model.predict(turned) - y) ** 2
    assert errors.sum() <= ((y - y.mean()) ** 2).sum() + 1e-9
    kinds = np.arange(count) % 2
    told = LinearModel.logistic(turned, kinds, turned, kinds)
    assert told.penalty in FEW_PENALTIES
    alone = LinearModel.logistic(turned, np.full(count, 4), turned, kinds)
    assert (alone.predict(turned) == 4).all()


def test_results_are_plain_values_and_a_table() -> None:
    import json

    found = linear_probes({}, networks(), SPLIT, ["test_accuracy", "kind"])
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["networks"] == {"train": 60, "valid": 20, "test": 20}
    assert LinearProbe(**{**plain["probes"][0], "missing": ()}) == found.probes[0]
    lines = str(found).splitlines()
    assert lines[0].split() == ["target", "tested", "on", "score", WEIGHTS, LAYER_STATISTICS]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["test_accuracy", "test", "R²"],
        ["kind", "test", "accuracy"],
    ]
    with pytest.raises(KeyError):
        found["nothing", "kind"]


def test_splits_of_zoos_fit() -> None:
    population = networks()
    split = split_models(population.checkpoints, 1)
    assert linear_probes({}, population, split, ["test_accuracy"]).networks["train"] == 70
