"""Normal trainings of several architectures, each with an alarm of its own."""

from pathlib import Path

import pytest
import torch

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories import DriftAlarm, reference
from graphwsl.trajectories.histories import History, Layers
from graphwsl.trajectories.reference import Reference
from tests.graphwsl.trajectories.paths import brownian

ONE, OTHER = Layers({"a": (20,)}), Layers({"a": (30,)})


def trainings(count: int, entries: int) -> list[History]:
    return [
        History(str(seed), list("0123456"), brownian(6, entries, seed)) for seed in range(count)
    ]


def test_each_architecture_has_the_alarm_of_its_own_trainings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = [(ONE, trainings(20, 20)), (OTHER, trainings(3, 30))]
    monkeypatch.setattr(reference, "histories_by_layers", lambda path: parts)
    normal = Reference(Path("zoo"), 0.1)
    assert normal.layers == [ONE, OTHER]
    rows = torch.stack([training.rows for training in parts[0][1]])
    expected = DriftAlarm.of(rows, ONE.sizes, names=ONE.names, rate=0.1)
    assert normal.alarm(Layers({"a": (20,)})).threshold == expected.threshold
    with pytest.raises(TrajectoryError, match=r"known from 'zoo': a rate of 0\.1 .* at least 18"):
        normal.alarm(OTHER)
    with pytest.raises(TrajectoryError, match=r"of 2 architectures, .* layers a \(20\), and not b"):
        normal.alarm(Layers({"b": (20,)}))
