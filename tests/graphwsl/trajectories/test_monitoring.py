"""What a monitor says of each step, by hand; and the pictures of it."""

import math

import pytest
import torch

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories import DriftAlarm, Monitor
from graphwsl.trajectories.histories import Layers
from graphwsl.trajectories.pictures import COLOURS, draw_changes, draw_paths
from tests.graphwsl.trajectories.paths import brownian

LAYERS = Layers({"a.weight": (2,), "b.weight": (1,)})


def seen(*rows: list[float], alarm: DriftAlarm | None = None) -> Monitor:
    monitor = Monitor(LAYERS, alarm)
    for number, row in enumerate(rows):
        monitor.see(torch.tensor(row), str(number))
    return monitor


def test_steps_are_measured_beside_the_weights_and_the_step_before() -> None:
    first, second, third = seen([3.0, 4.0, 0.0], [3.0, 6.0, 0.0], [6.0, 6.0, 0.0]).changes
    assert (first.length, first.relative, first.faster, first.layer) == (None,) * 4
    assert second.length == 2
    assert second.relative == pytest.approx(2 / 5)
    assert (second.faster, second.turning, second.layer) == (None, None, "a")
    assert third.relative == pytest.approx(3 / 45**0.5)
    assert third.faster == pytest.approx(1.5)
    assert third.turning == pytest.approx(90)


def test_the_layer_that_moved_most_is_so_relative_to_its_weights() -> None:
    assert seen([100.0, 0.0, 1.0], [110.0, 0.0, 1.5]).changes[1].layer == "b"
    assert seen([100.0, 0.0, 1.0], [160.0, 0.0, 1.5]).changes[1].layer == "a"


def test_what_is_not_known_is_none_and_never_nan() -> None:
    changes = seen([0.0] * 3, [0.0] * 3, [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]).changes
    assert changes[1].relative is None
    assert changes[2].faster is None
    assert changes[2].turning is None
    assert changes[3].faster == 0
    for change in changes:
        values = [value for value in vars(change).values() if isinstance(value, float)]
        assert all(map(math.isfinite, values))


def test_a_row_that_is_refused_is_not_seen() -> None:
    monitor = seen([1.0, 2.0, 3.0])
    for row in ([1.0, 2.0], [1.0, 2.0, math.inf]):
        with pytest.raises(TrajectoryError, match="late must be 3 finite weights, got") as caught:
            monitor.see(torch.tensor(row), "late")
        assert "\n" not in str(caught.value)
    assert len(monitor.changes) == 1
    assert monitor.see(torch.tensor([1.0, 2.0, 5.0]), "next").length == 2


def alarm() -> DriftAlarm:
    normal = torch.stack([brownian(4, 3, seed) for seed in range(12)])
    return DriftAlarm.of(normal, LAYERS.sizes, names=LAYERS.names, rate=0.2)


def test_scores_are_those_of_the_alarm_and_the_threshold_is_a_rank() -> None:
    known = alarm()
    # Of 6 set aside at a rate of 0.2, ceil(7 × 0.8) = 6: the largest.
    assert known.threshold == known.largest.max()
    assert known.p_value(math.inf) == pytest.approx(1 / 7)
    assert known.p_value(-1.0) == 1
    path = brownian(4, 3, 99)
    monitor = Monitor(LAYERS, known)
    for row in path:
        monitor.see(row, "")
    scores = known.scores(path).amax(1).tolist()
    assert [one.score for one in monitor.changes[2:]] == pytest.approx(scores)
    assert [one.is_alarm for one in monitor.changes[2:]] == [s > known.threshold for s in scores]
    assert monitor.is_alarm == (max(scores) > known.threshold)


def test_a_picture_has_a_line_and_a_ring_for_every_path() -> None:
    line = torch.arange(5.0)[:, None] * torch.tensor([3.0, 4.0])
    axes = draw_paths({"one": line, "two": line + line[1]}).axes[0]
    assert len(axes.lines) == 4
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "two"]
    assert axes.get_xlabel() == "first principal direction (100% of variance)"
    x = torch.as_tensor(axes.lines[0].get_xdata())
    torch.testing.assert_close(x.diff().abs(), torch.full((4,), 5.0, dtype=torch.float64))


def test_pictures_of_one_checkpoint_and_of_many_trainings() -> None:
    assert len(draw_paths({"one": torch.ones(1, 3)}).axes[0].lines) == 2
    many = {str(n): brownian(2, 5, n) for n in range(len(COLOURS) + 1)}
    assert draw_paths(many).axes[0].get_legend() is None


def test_pictures_of_nothing_are_refused() -> None:
    with pytest.raises(TrajectoryError, match="no paths to draw; give at least one"):
        draw_paths({})
    with pytest.raises(TrajectoryError, match="no trainings to draw; give at least one"):
        draw_changes({})


def test_changes_are_drawn_with_the_threshold() -> None:
    known = alarm()
    monitor = seen(*brownian(4, 3, 5).tolist(), alarm=known)
    steps, scores = draw_changes({"run": monitor}).axes
    assert steps.lines[0].get_ydata() == pytest.approx([c.relative for c in monitor.changes[1:]])
    assert scores.lines[0].get_ydata() == pytest.approx([c.score for c in monitor.changes[2:]])
    assert list(scores.lines[-1].get_ydata()) == [known.threshold] * 2
