"""Losses against scikit-learn and against the labels that are left once masked ones are cut out."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    fbeta_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    recall_score,
)
from torch_geometric.data import Data

from gnncore.errors import TrainingError
from gnncore.training import ClassificationObjective, Objective, RegressionObjective


def draw(seed: int, columns: int | None, *, classes: bool) -> tuple[torch.Tensor, Data]:
    """Predictions, and labels with a mask and weights; masked labels are NaN."""
    generator = torch.Generator().manual_seed(seed)
    shape = (30,) if columns is None else (30, columns)
    y = torch.randn(shape, generator=generator, dtype=torch.float64)
    y = (y > 0).double() if classes else y
    mask = torch.rand(shape, generator=generator) < 0.7
    mask[:2], y[0], y[1] = True, 0.0, 1.0
    y[~mask] = math.nan
    weight = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.1
    prediction = torch.randn(30, columns or 1, generator=generator, dtype=torch.float64)
    return prediction.requires_grad_(), Data(y=y, y_mask=mask, weight=weight)


def counted(prediction: torch.Tensor, data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    p = prediction.detach().view_as(data.y)
    return tuple(t[data.y_mask].numpy() for t in (p, data.y, data.weight))


@given(seed=st.integers(0, 10**6), columns=st.sampled_from([None, 1, 3]))
def test_regression_is_that_of_sklearn(seed: int, columns: int | None) -> None:
    prediction, data = draw(seed, columns, classes=False)
    p, y, w = counted(prediction, data)
    squared, absolute = RegressionObjective(), RegressionObjective(error="absolute")
    assert squared.loss(prediction, data).item() == pytest.approx(
        mean_squared_error(y, p, sample_weight=w)
    )
    assert absolute.loss(prediction, data).item() == pytest.approx(
        mean_absolute_error(y, p, sample_weight=w)
    )
    assert squared.size(data).item() == pytest.approx(w.sum())


@given(seed=st.integers(0, 10**6), columns=st.sampled_from([None, 1, 3]))
def test_classification_is_that_of_sklearn(seed: int, columns: int | None) -> None:
    prediction, data = draw(seed, columns, classes=True)
    p, y, w = counted(prediction, data)
    probability = 1 / (1 + np.exp(-p))
    importance = w * np.where(y == 1, 3.0, 1.0)
    wanted = log_loss(y, probability, sample_weight=importance) * importance.sum() / w.sum()
    logits = ClassificationObjective(pos_weight=3.0)
    assert logits.loss(prediction, data).item() == pytest.approx(wanted)
    shares = ClassificationObjective(pos_weight=3.0, probabilities=True)
    assert shares.loss(prediction.sigmoid(), data).item() == pytest.approx(wanted)


@pytest.mark.parametrize("objective", [RegressionObjective(), ClassificationObjective()])
def test_masked_labels_leave_no_trace(objective: Objective) -> None:
    prediction, data = draw(0, 2, classes=True)
    objective.check(data)
    loss = objective.loss(prediction, data)
    loss.backward()
    assert bool(loss.isfinite())
    assert bool((prediction.grad[~data.y_mask] == 0).all())
    assert bool((prediction.grad[data.y_mask] != 0).all())


@pytest.mark.parametrize("objective", [RegressionObjective(), ClassificationObjective()])
def test_parts_join_to_the_whole(objective: Objective) -> None:
    prediction, data = draw(1, 2, classes=True)
    parts = [
        Data(y=data.y[rows], y_mask=data.y_mask[rows], weight=data.weight[rows])
        for rows in (slice(0, 7), slice(7, 30))
    ]
    parts[0].y_mask[:] = False  # a part may have no label that counts
    whole = Data(y=data.y, y_mask=torch.cat([part.y_mask for part in parts]), weight=data.weight)
    sizes = [objective.size(part) for part in parts]
    losses = [
        objective.loss(p, part) for p, part in zip(prediction.split([7, 23]), parts, strict=True)
    ]
    joined = sum(size * loss for size, loss in zip(sizes, losses, strict=True)) / sum(sizes)
    assert losses[0].item() == 0
    assert joined.item() == pytest.approx(objective.loss(prediction, whole).item())


def test_metrics_are_means_over_columns() -> None:
    prediction, data = draw(2, 2, classes=False)
    columns = [
        (p[m].numpy(), y[m].numpy())
        for p, y, m in zip(prediction.detach().T, data.y.T, data.y_mask.T, strict=True)
    ]
    found = RegressionObjective(tolerance=0.5).metrics(prediction.detach(), data)
    wanted = {
        "r2": np.mean([r2_score(y, p) for p, y in columns]),
        "mse": np.mean([mean_squared_error(y, p) for p, y in columns]),
        "mae": np.mean([mean_absolute_error(y, p) for p, y in columns]),
        "share_within": np.mean([(abs(y - p) < 0.5).mean() for p, y in columns]),
    }
    assert found == pytest.approx(wanted)


def test_a_column_without_labels_has_no_part_in_metrics() -> None:
    prediction, data = draw(2, 2, classes=False)
    data.y_mask[:, 1] = False
    alone = Data(y=data.y[:, :1], y_mask=data.y_mask[:, :1])
    objective = RegressionObjective()
    found = objective.metrics(prediction.detach(), data)
    assert found == objective.metrics(prediction[:, :1].detach(), alone)
    data.y_mask[:, 0] = False
    assert all(map(math.isnan, objective.metrics(prediction.detach(), data).values()))


def test_metrics_of_classes() -> None:
    prediction, data = draw(3, None, classes=True)
    p, y, _ = counted(prediction, data)
    wanted = {
        "average_precision": average_precision_score(y, p),
        "f_beta": fbeta_score(y, p > 0, beta=2),
        "recall": recall_score(y, p > 0),
    }
    assert ClassificationObjective().metrics(prediction, data) == pytest.approx(wanted)
    shares = ClassificationObjective(probabilities=True)
    assert shares.metrics(prediction.sigmoid(), data) == pytest.approx(wanted)


def test_what_is_not_defined_is_nan() -> None:
    found = RegressionObjective().metrics(torch.ones(3, 1), Data(y=torch.zeros(3)))
    assert math.isnan(found["r2"])
    assert found["mse"] == 1


def test_which_way_is_better() -> None:
    assert RegressionObjective().maximise
    assert not RegressionObjective(select_by="mse").maximise
    assert ClassificationObjective().maximise
    assert not ClassificationObjective(select_by="loss").maximise


NAN = torch.tensor([0.0, math.nan])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Data(x=torch.ones(2, 1)), "no labels"),
        (Data(y=NAN), "1 of 2 labels are not finite, such as nan; set y_mask"),
        (Data(y=NAN, y_mask=torch.tensor([1, 0])), "y_mask must be bool"),
        (Data(y=NAN, y_mask=torch.tensor([True])), "y_mask must be bool of shape"),
        (Data(y=NAN, y_mask=torch.tensor([False, False])), "no label counts"),
        (Data(y=torch.ones(2), weight=torch.tensor([1.0, -1.0])), "weight must be finite"),
        (Data(y=torch.ones(2), weight=torch.ones(3)), "weight must have shape"),
        (Data(y=torch.ones(2), weight=torch.zeros(2)), "no label counts"),
    ],
)
def test_labels_that_cannot_be_trained_on(data: Data, message: str) -> None:
    for objective in (RegressionObjective(), ClassificationObjective()):
        with pytest.raises(TrainingError, match=message):
            objective.check(data)


def test_a_masked_nan_passes_and_a_third_class_does_not() -> None:
    RegressionObjective().check(Data(y=NAN, y_mask=torch.tensor([True, False])))
    with pytest.raises(TrainingError, match="0 or 1, got 2"):
        ClassificationObjective().check(Data(y=torch.tensor([0, 2])))


def test_predictions_of_another_shape_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"predicts shape \(3, 2\).*have shape \(3,\)"):
        RegressionObjective().loss(torch.ones(3, 2), Data(y=torch.ones(3)))
