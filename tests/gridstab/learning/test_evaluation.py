"""Metrics against scikit-learn, and the ceiling of R² against a simulated perfect prediction."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    fbeta_score,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
)
from torch import Tensor
from torch_geometric.data import Data

from gnncore.errors import GnncoreError
from gnncore.training import GraphStore
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.learning.evaluation import evaluate, tune_threshold
from gridstab.learning.tasks import TASKS
from gridstab.learning.transfers import TRANSFERS, evaluate_transfers

SNBS, TROUBLE, DEVIATION = (
    TASKS[name] for name in ("snbs", "troublemaker", "max_frequency_deviation")
)


@dataclass
class Labels:
    """The least that a data set has."""

    store: GraphStore


def labels(y: Tensor, samples: Tensor | None = None, mask: Tensor | None = None) -> Labels:
    data = Data(x=torch.zeros(len(y), 1), edge_index=torch.zeros(2, 0, dtype=torch.long), y=y)
    if samples is not None:
        data.n_samples = samples
    if mask is not None:
        data.y_mask = mask
    return Labels(GraphStore.from_data_list([data]))


def binomial(nodes: int, samples: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """True shares, labels of so many trajectories, and their numbers."""
    random = np.random.default_rng(seed)
    truth = random.beta(4, 1, nodes)
    share = torch.tensor(random.binomial(samples, truth) / samples)
    return torch.tensor(truth), share, torch.full((nodes,), samples)


def test_metrics_of_shares() -> None:
    truth, share, samples = binomial(500, 100, seed=1)
    prediction = (truth + 0.1).clamp(0, 1)
    found = evaluate(prediction[:, None], labels(share, samples), SNBS)
    assert found["r2"] == pytest.approx(r2_score(share, prediction))
    assert found["mse"] == pytest.approx(mean_squared_error(share, prediction))
    assert found["mae"] == pytest.approx(mean_absolute_error(share, prediction))
    within = ((prediction - share).abs() < 0.1).double().mean()
    assert found["share_within_0.1"] == pytest.approx(float(within))
    assert found["excess_mse"] == pytest.approx(found["mse"] - found["label_noise"])
    assert set(found) == {
        *("r2", "mse", "mae", "share_within_0.1"),
        *("label_noise", "r2_ceiling", "excess_mse", "share_in_interval"),
    }


def test_without_sample_sizes_nothing_is_said_about_noise() -> None:
    truth, share, _ = binomial(50, 100, seed=1)
    assert set(evaluate(truth, labels(share), SNBS)) == {"r2", "mse", "mae", "share_within_0.1"}


@pytest.mark.parametrize("samples", [2, 10, 300])
def test_the_ceiling_is_what_a_perfect_prediction_reaches(samples: int) -> None:
    """Means over repetitions, with their standard errors: no bias even at two trajectories."""
    gaps, excesses = [], []
    for seed in range(60):
        truth, share, counts = binomial(4000, samples, seed)
        found = evaluate(truth, labels(share, counts), SNBS)
        gaps.append(found["r2"] - found["r2_ceiling"])
        excesses.append(found["excess_mse"])
    for values in (np.array(gaps), np.array(excesses)):
        assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))
    # The biased form y(1 − y)/n would be off by a share of 1/n: at two trajectories by half.
    assert 1 - found["r2_ceiling"] == pytest.approx(1 - found["r2"], rel=0.15)


def test_excess_is_the_distance_to_the_truth() -> None:
    truth, share, samples = binomial(40_000, 50, seed=3)
    prediction = 0.9 * truth
    found = evaluate(prediction, labels(share, samples), SNBS)
    assert found["excess_mse"] == pytest.approx(float((0.1 * truth).square().mean()), rel=0.05)


def test_a_perfect_prediction_lies_in_95_of_100_intervals() -> None:
    truth, share, samples = binomial(20_000, 1000, seed=4)
    counted = labels(share, samples)
    for prediction, held in ((truth, pytest.approx(0.95, abs=0.01)), (share, 1.0)):
        assert evaluate(prediction, counted, SNBS)["share_in_interval"] == held
    assert evaluate(truth - 0.2, counted, SNBS)["share_in_interval"] < 0.05


def test_ceilings_without_noise_and_without_signal() -> None:
    sure = torch.tensor([0.0, 1.0, 0.0, 1.0]).double()
    assert evaluate(sure, labels(sure, torch.full((4,), 10)), SNBS)["r2_ceiling"] == 1.0
    random = np.random.default_rng(0)
    same = torch.tensor(random.binomial(10, 0.5, 20_000) / 10)
    found = evaluate(same, labels(same, torch.full((20_000,), 10)), SNBS)
    assert found["r2_ceiling"] == pytest.approx(0, abs=0.05)


def test_single_trajectories_have_unknown_noise() -> None:
    with pytest.raises(DatasetError, match="labels of 1 trajectories have unknown noise"):
        evaluate(torch.zeros(2), labels(torch.tensor([0.0, 1.0]), torch.tensor([1, 1])), SNBS)


def test_metrics_of_classes() -> None:
    random = np.random.default_rng(5)
    y = torch.tensor(random.integers(0, 2, 200)).float()
    logit = y + torch.tensor(random.normal(0, 1.0, 200)) - 0.5
    found = evaluate(logit, labels(y), TROUBLE)
    called = (logit > 0).numpy()
    assert found == {
        "f2": pytest.approx(fbeta_score(y, called, beta=2)),
        "recall": pytest.approx(recall_score(y, called)),
        "precision": pytest.approx(precision_score(y, called)),
        "average_precision": pytest.approx(average_precision_score(y, logit)),
        "threshold": 0.0,
        "positive_share": pytest.approx(float(y.mean())),
    }
    stricter = evaluate(logit, labels(y), TROUBLE, threshold=0.7)
    assert stricter["recall"] == pytest.approx(recall_score(y, (logit > 0.7).numpy()))
    assert stricter["average_precision"] == found["average_precision"]


def test_deviations_are_judged_as_numbers_and_as_classes() -> None:
    y = torch.tensor([10.0, 14.0, 16.0, 20.0])
    found = evaluate(torch.tensor([10.0, 15.5, 14.5, 20.0]), labels(y), DEVIATION)
    assert found["recall"] == found["precision"] == 0.5
    assert found["threshold"] == 15.0
    assert found["r2"] == pytest.approx(1 - 4.5 / 52)


@given(
    st.lists(
        st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 0.5000001, 2.0]), st.booleans()), min_size=1
    )
)
@settings(max_examples=60, deadline=None)
def test_the_tuned_threshold_is_the_best_of_all(pairs: list[tuple[float, bool]]) -> None:
    score = torch.tensor([pair[0] for pair in pairs], dtype=torch.float64)
    y = torch.tensor([pair[1] for pair in pairs]).float()
    if not y.any():
        with pytest.raises(DatasetError, match="no node is a troublemaker"):
            tune_threshold(score, labels(y), TROUBLE)
        return
    threshold = tune_threshold(score, labels(y), TROUBLE)
    tuned = evaluate(score, labels(y), TROUBLE, threshold=threshold)["f2"]
    every = [score.min() - 1, *score]
    best = max(fbeta_score(y, (score > t).numpy(), beta=2, zero_division=0) for t in every)
    assert tuned == pytest.approx(best)


def test_masked_labels_do_not_count() -> None:
    y, mask = torch.tensor([0.2, 0.4, 0.9]), torch.tensor([True, True, False])
    found = evaluate(torch.tensor([0.2, 0.4, 0.1]), labels(y, mask=mask), SNBS)
    assert (found["r2"], found["mse"]) == (1.0, 0.0)
    with pytest.raises(DatasetError, match="no label of the split counts"):
        evaluate(torch.zeros(3), labels(y, mask=torch.zeros(3, dtype=torch.bool)), SNBS)


def test_predictions_that_do_not_fit_are_refused() -> None:
    y = labels(torch.tensor([0.1, 0.2]))
    with pytest.raises(InvalidParameterError, match=r"2 nodes needs as many .* shape \(3,\)"):
        evaluate(torch.zeros(3), y, SNBS)
    with pytest.raises(InvalidParameterError, match="must be finite, got nan at 1"):
        evaluate(torch.tensor([0.0, torch.nan]), y, SNBS)
    with pytest.raises(InvalidParameterError, match="tells no classes apart"):
        evaluate(torch.zeros(2), y, SNBS, threshold=0.5)
    with pytest.raises(GnncoreError, match="without a positive label"):
        evaluate(torch.zeros(2), labels(torch.zeros(2)), TROUBLE)


class Shifted:
    """Predicts the labels, all too high by the same."""

    def __init__(self, shift: float) -> None:
        self.shift = shift

    def predict(self, dataset: Labels) -> Tensor:
        return dataset.store.tensors["y"] + self.shift


def test_transfers_are_the_published_five_in_their_order() -> None:
    sets = {name: labels(torch.tensor([0.1, 0.5, width])) for name, width in SIZES.items()}
    rows = evaluate_transfers({"ds20": Shifted(0.1), "ds100": Shifted(0.2)}, sets)
    assert [(row.trained_on, row.evaluated_on) for row in rows] == list(TRANSFERS)
    errors = [row.metrics["mse"] for row in rows]
    assert errors == pytest.approx([0.01, 0.04, 0.01, 0.01, 0.04])
    only = evaluate_transfers({"ds20": Shifted(0.0)}, {"texas": sets["texas"]})
    assert [(row.trained_on, row.evaluated_on) for row in only] == [("ds20", "texas")]
    with pytest.raises(InvalidParameterError, match="no transfers with 'france'"):
        evaluate_transfers({}, {"france": sets["ds20"]})


SIZES = {"ds20": 0.9, "ds100": 0.8, "texas": 0.7}


def test_thresholds_go_with_the_training_set() -> None:
    y = labels(torch.tensor([0.0, 1.0]))
    rows = evaluate_transfers(
        {"ds20": Shifted(0.0), "ds100": Shifted(0.0)},
        {"texas": y},
        TROUBLE,
        thresholds={"ds20": 0.5},
    )
    assert [row.metrics["threshold"] for row in rows] == [0.5, 0.0]
