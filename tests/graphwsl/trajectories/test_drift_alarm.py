"""An alarm that is silent at the stated rate, and loud once the data shift."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from graphwsl.errors import GraphwslError, TrajectoryError
from graphwsl.trajectories import DriftAlarm, Monitor
from graphwsl.trajectories.histories import Layers
from graphwsl.trajectories.movement import movements
from tests.graphwsl.trajectories.paths import LAYERS, brownian, shifted


def walks(count: int, seed: int) -> torch.Tensor:
    return torch.stack([brownian(6, 30, seed + n) for n in range(count)])


def test_movements_are_what_they_are_called() -> None:
    path = torch.tensor([[3.0, 4.0, 1.0], [3.0, 7.0, 1.0], [9.0, 7.0, 1.0]])
    (first, second) = movements(path, (2, 1))[0].tolist()
    assert first == pytest.approx([np.log(2), 0.0, np.log(6 / 58**0.5)])
    assert second[1] == 0.0  # a layer that does not move


def test_normal_trainings_raise_alarms_at_the_stated_rate() -> None:
    """Exactly: over the draws of reference and training, 1 in 10 for a rate of 0.1."""
    rates = []
    for seed in range(60):
        alarm = DriftAlarm.of(walks(18, 10_000 * seed), (20, 10), rate=0.1)
        scores = alarm.scores(walks(10, 10_000 * seed + 5_000)).amax((1, 2))
        rates.append(float((scores > alarm.threshold).double().mean()))
    assert np.mean(rates) == pytest.approx(0.1, abs=0.03)


def test_a_shift_of_the_data_is_seen_at_the_next_checkpoint() -> None:
    reference, normal = shifted(40, at=8), shifted(12, at=9)
    alarm = DriftAlarm.of(reference, LAYERS)
    for at in (2, 5):
        step = at + 1 - 2
        usual = alarm.scores(normal)[:, step].amax(1)
        unusual = alarm.scores(shifted(12, at=at))[:, step].amax(1)
        truth = [0] * len(usual) + [1] * len(unusual)
        assert roc_auc_score(truth, torch.cat([usual, unusual])) >= 0.95
    assert (alarm.scores(normal).amax((1, 2)) > alarm.threshold).double().mean() <= 0.25


def test_a_monitor_says_when_which_layer_and_how_much() -> None:
    alarm = DriftAlarm.of(shifted(40, at=8), LAYERS, names=("0", "1"))
    layers = Layers({"0.weight": (8, 64), "0.bias": (8,), "1.weight": (10, 8), "1.bias": (10,)})
    assert layers.sizes == LAYERS
    path = shifted(12, at=5)[0]
    monitor = Monitor(layers, alarm)
    changes = [monitor.see(row, str(epoch)) for epoch, row in enumerate(path)]
    assert [change.is_alarm for change in changes[:2]] == [None, None]
    first = next(change for change in changes if change.is_alarm)
    assert first.label == "6"
    scores = alarm.scores(path)
    assert first.score == pytest.approx(float(scores[4].max()))
    assert first.layer == str(int(scores[4].argmax()))
    assert first.p_value == pytest.approx(1 / 21)
    assert first.length == pytest.approx(float((path[6] - path[5]).norm()), rel=1e-5)


@given(st.integers(-60, 60), st.integers(0, 3))
@settings(max_examples=6, deadline=None)
def test_the_scale_of_the_weights_plays_no_part(exponent: int, seed: int) -> None:
    """Not even where layers stand still, for a while or for ever, or begin at zero."""
    trainings, path = walks(20, 100 * seed), brownian(6, 30, 7_000 + seed)
    for some in (*trainings, path):
        some[:, :6] = some[0, :6]  # frozen
        some[4:, 6:12] = some[3, 6:12]  # from a while on
        some[:, 12:18] = 0.0
        some[0, 18:24] = 0.0
    layers = Layers(dict.fromkeys("abcde", (6,)))
    factor = 2.0**exponent
    found = []
    for scale in (1.0, factor):
        alarm = DriftAlarm.of(trainings * scale, layers.sizes, names=layers.names, rate=0.1)
        for judge in (alarm, None):
            monitor = Monitor(layers, judge)
            changes = [monitor.see(row, "") for row in path * scale]
            found.append([(one.layer, one.score, one.p_value, one.is_alarm) for one in changes])
    assert found[:2] == found[2:]
    assert all(score < 1e6 for _, score, *_ in found[0][2:])


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_no_answer_depends_on_the_unit_of_the_weights(scale: float) -> None:
    reference, path = shifted(40, at=8), shifted(12, at=5)[0]
    frozen = path.clone()
    frozen[4:, : LAYERS[0]] = frozen[3, : LAYERS[0]]
    alarm, other = (DriftAlarm.of(reference * s, LAYERS) for s in (1.0, scale))
    for own in (path, frozen):
        torch.testing.assert_close(
            other.scores(own * scale), alarm.scores(own), rtol=1e-3, atol=1e-3
        )


def test_beyond_the_normal_trainings_there_is_movement_but_no_alarm() -> None:
    alarm = DriftAlarm.of(walks(40, 0), (30,), names=("a",))
    monitor = Monitor(Layers({"a": (30,)}), alarm)
    changes = [monitor.see(row, "") for row in brownian(9, 30, 77)]
    assert [change.score is None for change in changes] == [True] * 2 + [False] * 5 + [True] * 3
    assert changes[-1].turning is not None
    with pytest.raises(TrajectoryError, match="have 7 checkpoints, and nothing is known beyond"):
        alarm.scores(brownian(9, 30, 77))


@pytest.mark.parametrize("rate", [0.05, 0.4, 1.0])
def test_too_few_normal_trainings_for_a_rate_are_refused(rate: float) -> None:
    with pytest.raises(GraphwslError, match=f"a rate of {rate:g} of false alarms needs at least"):
        DriftAlarm.of(walks(37 if rate == 0.05 else 3, 0), (30,), rate=rate)


def test_other_layers_and_weights_that_are_not_finite_are_refused() -> None:
    alarm = DriftAlarm.of(walks(40, 0), (30,), names=("a",))
    with pytest.raises(TrajectoryError, match=r"they have layers a \(30\), and not b \(30\)"):
        Monitor(Layers({"b": (30,)}), alarm)
    with pytest.raises(TrajectoryError, match="some of them not finite"):
        Monitor(Layers({"b": (2,)})).see(torch.tensor([1.0, torch.nan]), "7")
