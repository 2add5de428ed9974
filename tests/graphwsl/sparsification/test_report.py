"""Summaries of twins by hand."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr

from graphwsl.errors import ZooError
from graphwsl.sparsification import summarise_twins
from graphwsl.sparsification.report import correlation
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.store import StoredZoo


class MadeZoo(StoredZoo):
    """Twins whose metrics and masks are made by hand, a chunk for every sparsity."""

    def __init__(self, twins: dict[float, list[dict[str, float]]], masks: list[Any]) -> None:
        def chunk(number: int) -> Any:
            return SimpleNamespace(read=lambda: SimpleNamespace(masks=masks[number]))

        folder: Any = SimpleNamespace(path="made", chunk=chunk)
        self.folder = folder
        self.checkpoints = [
            Checkpoint(f"{number} {network}", 1, {"target_sparsity": share}, metrics)
            for number, (share, members) in enumerate(twins.items())
            for network, metrics in enumerate(members)
        ]

    def location(self, checkpoint: Checkpoint) -> Any:
        chunk, network = map(int, checkpoint.model.split())
        return SimpleNamespace(chunk=chunk, network=network, epoch=0)


def metrics(accuracy: float, original: float, agreement: float, gone: float) -> dict[str, float]:
    return {
        "test_accuracy": accuracy,
        "original_test_accuracy": original,
        "agreement": agreement,
        "sparsity": gone,
    }


def made() -> MadeZoo:
    high = [metrics(0.5, 0.9, 0.6, 0.75), metrics(0.7, 0.8, 0.8, 0.75)]
    low = [metrics(a, o, 0.9, 0.5) for a, o in ((0.9, 0.91), (0.8, 0.84), (0.7, 0.74))]
    first = np.array([[[True, False]], [[False, False]]])
    second = np.array([[[True, True]], [[True, False]]])
    every = np.array([[[True, False]]] * 3)
    return MadeZoo({0.75: high, 0.5: low}, [{"a": first, "b": second}, {"a": every, "b": ~every}])


def test_means_and_losses_of_every_sparsity() -> None:
    low, high = summarise_twins(made())
    assert (low.networks, high.networks) == (3, 2)
    assert (low.sparsity, high.sparsity) == (0.5, 0.75)
    assert high.accuracy == pytest.approx(0.6)
    assert high.original_accuracy == pytest.approx(0.85)
    assert high.points_lost == pytest.approx(25)
    assert high.agreement == pytest.approx(0.7)
    assert low.points_lost == pytest.approx(3)
    assert low.correlation == pytest.approx(pearsonr([0.91, 0.84, 0.74], [0.9, 0.8, 0.7])[0])
    assert math.isnan(high.correlation)  # of two


def test_shares_of_layers_are_counted_over_all_networks() -> None:
    low, high = summarise_twins(made())
    assert high.layers == {"a": 0.75, "b": 0.25}
    assert low.layers == {"a": 0.5, "b": 0.5}


def test_zoos_without_twins_that_classify_are_refused() -> None:
    zoo = made()
    del zoo.checkpoints[3].metrics["agreement"]
    with pytest.raises(ZooError, match="'made' holds no sparse twins of networks that classify"):
        summarise_twins(zoo)
    zoo = made()
    zoo.checkpoints[0] = Checkpoint("0 0", 1, {}, zoo.checkpoints[0].metrics)
    with pytest.raises(ZooError, match="holds no sparse twins"):
        summarise_twins(zoo)


def test_a_correlation_that_says_nothing_is_none() -> None:
    some = np.array([0.1, 0.5, 0.3])
    assert correlation(some, 2 * some + 1) == pytest.approx(1)
    assert correlation(some, -some) == pytest.approx(-1)
    assert math.isnan(correlation(some[:2], some[:2]))
    assert math.isnan(correlation(some, np.full(3, 0.5)))
    assert math.isnan(correlation(np.full(3, 0.5), some))
