"""What can be predicted, how networks are split, how predictions are judged."""

from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau
from sklearn.metrics import r2_score

from graphwsl.errors import PredictorError
from graphwsl.populations import Target, split_models
from graphwsl.populations.splits import PARTS
from graphwsl.properties import evaluate
from graphwsl.zoo.checkpoint import Checkpoint


def checkpoints(models: int, epochs: int = 3) -> list[Checkpoint]:
    return [
        Checkpoint(
            f"{model:04d}",
            epoch,
            {"width": 4 if model % 2 else 8, "activation": "tanh" if model % 3 else "relu"},
            {"train_accuracy": 0.9, "test_accuracy": 0.1 * epoch + 0.001 * model},
        )
        for model in range(models)
        for epoch in range(epochs)
    ]


def test_numbers_and_classes() -> None:
    rows = checkpoints(4)
    gap = Target.of("generalisation_gap", rows)
    assert not gap.is_categorical
    expected = [0.9 - 0.1 * c.epoch - 0.001 * int(c.model) for c in rows]
    assert gap.values(rows).tolist() == pytest.approx(expected)
    assert Target.of("epoch", rows).values(rows[:3]).tolist() == [0, 1, 2]
    assert Target.of("width", rows).values(rows[:6]).tolist() == [8, 8, 8, 4, 4, 4]
    activation = Target.of("activation", rows)
    assert activation.classes == ("relu", "tanh")
    assert activation.values([rows[0], rows[3]]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("colour", "has no 'colour'; choose one of epoch, generalisation_gap, test_accuracy"),
        ("train_accuracy", "is 0.9 in all checkpoints; choose a property that varies"),
    ],
)
def test_what_cannot_be_predicted(name: str, message: str) -> None:
    with pytest.raises(PredictorError, match=message):
        Target.of(name, checkpoints(4))


def of_values(*values: object) -> list[Checkpoint]:
    return [Checkpoint(str(n), 0, {"kind": value}, {}) for n, value in enumerate(values)]  # type: ignore[dict-item]


def test_yes_and_no_are_classes_and_no_numbers() -> None:
    rows = of_values(True, False, True)
    target = Target.of("kind", rows)
    assert target.is_categorical
    assert target.values(rows).tolist() == [float(value is True) for value in (True, False, True)]
    with pytest.raises(PredictorError, match="is 'yes', which is none of False, True"):
        target.values(of_values("yes"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1, "one", 2), "is a number in some and text in other checkpoints; choose a property of"),
        ((1, True), "is a number in some and text in other checkpoints"),
        ((0.5, float("nan")), "epoch 0 of model '1' has no 'kind'"),
        ((0.5, float("inf")), "epoch 0 of model '1' has no 'kind'"),
        (("a", None), "epoch 0 of model '1' has no 'kind'"),
        ((), "there are no checkpoints that have a 'kind'"),
    ],
)
def test_values_of_several_kinds_or_none_are_refused(
    values: tuple[object, ...], message: str
) -> None:
    with pytest.raises(PredictorError, match=message):
        Target.of("kind", of_values(*values))


def test_a_number_must_stay_one() -> None:
    assert Target("kind").values(of_values(2, 0.5)).tolist() == [2, 0.5]
    for value in ("two", True):
        with pytest.raises(PredictorError, match=f"'kind' must be a number, got {value!r}"):
            Target("kind").values(of_values(1, value))


def test_a_class_that_was_not_trained_on() -> None:
    target = Target("activation", ("gelu", "relu"))
    with pytest.raises(PredictorError, match="'tanh', which is none of gelu, relu"):
        target.values([checkpoints(2)[3]])


@given(models=st.integers(10, 60), seed=st.integers(0, 10**6))
def test_no_network_is_in_two_parts(models: int, seed: int) -> None:
    rows = checkpoints(models)
    split = split_models(rows, seed)
    parts = [set(split.train), set(split.valid), set(split.test)]
    assert set().union(*parts) == {c.model for c in rows}
    assert sum(map(len, parts)) == models
    assert len(split.train) == round(0.7 * models)
    numbers = [split.numbers(part, rows) for part in ("train", "valid", "test")]
    assert sorted(chain.from_iterable(numbers)) == list(range(len(rows)))
    assert split == split_models(list(reversed(rows)), seed)


@given(seeds=st.integers(12, 30), seed=st.integers(0, 10**6))
def test_networks_that_began_alike_stay_together(seeds: int, seed: int) -> None:
    rows = [
        Checkpoint(f"{start}-{decay}", 0, {"seed": start, "weight_decay": decay}, {})
        for start in range(seeds)
        for decay in (0.0, 1e-4, 1e-3)
    ]
    split = split_models(rows, seed)
    starts = [{model.partition("-")[0] for model in getattr(split, part)} for part in PARTS]
    assert sum(map(len, starts)) == seeds
    assert len(set().union(*starts)) == seeds
    assert len(split.train) == pytest.approx(0.7 * len(rows), abs=3)
    apart = split_models(rows, seed, together=())
    assert sum(map(len, (apart.train, apart.valid, apart.test))) == len(rows)
    assert len(apart.train) == round(0.7 * len(rows))


def test_networks_that_all_began_alike_cannot_be_cut() -> None:
    rows = [Checkpoint(str(n), 0, {"seed": 1, "learning_rate": n}, {}) for n in range(20)]
    with pytest.raises(PredictorError, match=r"the 20 to be cut began in 1 ways: .*more networks$"):
        split_models(rows)
    assert len(split_models(rows, together=()).test) == 3


def test_other_seeds_split_otherwise() -> None:
    rows = checkpoints(40)
    assert split_models(rows, 0) != split_models(rows, 1)


def test_wide_networks_are_held_out() -> None:
    rows = checkpoints(40)
    split = split_models(rows, held_out={"width": [8]})
    assert {int(model) % 2 for model in split.test} == {0}
    assert {int(model) % 2 for model in (*split.train, *split.valid)} == {1}
    assert len(split.test) == 20
    with pytest.raises(PredictorError, match="no network is left for the test part"):
        split_models(rows, held_out={"width": [5]})


def test_metrics_are_those_of_scipy_and_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.rand(50, generator=generator)
    prediction = label + 0.2 * torch.rand(50, generator=generator)
    found = evaluate(prediction, label, Target("test_accuracy"))
    assert found["r2"] == pytest.approx(r2_score(label, prediction), abs=1e-6)
    assert found["kendall_tau"] == pytest.approx(kendalltau(prediction, label).statistic)
    assert found["mae"] == pytest.approx(float((prediction - label).abs().mean()), rel=1e-5)
    assert "kendall_tau" not in evaluate(torch.ones(50), label, Target("test_accuracy"))
    classes = Target("activation", ("a", "b"))
    right = evaluate(torch.tensor([0.0, 1, 1, 0]), torch.tensor([0.0, 1, 0, 0]), classes)
    assert right == {"accuracy": 0.75}
    assert evaluate(label, torch.ones(50), Target("test_accuracy")).keys() == {"mae"}
    with pytest.raises(PredictorError, match="cannot evaluate 'test_accuracy'"):
        evaluate(label / 0, label, Target("test_accuracy"))


def test_a_metric_of_some_checkpoints_says_of_how_many() -> None:
    checkpoints = [
        Checkpoint(f"{n}", epoch, {"width": n}, {"norm": 1.0 + n} if epoch == 10 else {})
        for n in range(4)
        for epoch in (5, 10)
    ]
    with pytest.raises(PredictorError) as caught:
        Target.of("norm", checkpoints)
    assert str(caught.value) == (
        "epoch 5 of model '0' has no 'norm', 4 of 8 have it; choose the epochs [10], which have "
        "it, or one of epoch, width"
    )
    assert Target.of("norm", checkpoints[1::2]) == Target("norm")
    with pytest.raises(PredictorError, match="has no 'norm', 2 of 4 have it; choose one of epoch"):
        Target.of("norm", [checkpoints[1], checkpoints[3], *(
            Checkpoint(f"{n}", 10, {}, {}) for n in (5, 6))])  # fmt: skip
