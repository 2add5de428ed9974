"""Trainings that are mixed, and paths whose speed and curvature are known."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories import motion, separate
from tests.graphwsl.trajectories.paths import brownian, trainings


@pytest.mark.parametrize("epochs", [slice(None), slice(12, None), slice(0, None, 12)])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_mixed_trainings_are_separated_without_their_number(count: int, epochs: slice) -> None:
    paths = trainings()[:count, epochs]
    truth = torch.arange(count).repeat_interleave(paths.shape[1])
    shuffled = torch.randperm(len(truth), generator=torch.Generator().manual_seed(0))
    found = separate(paths.flatten(0, 1)[shuffled])
    assert len(found.unique()) == count
    assert adjusted_rand_score(truth[shuffled].numpy(), found.numpy()) == 1.0


def test_trainings_are_numbered_as_they_appear() -> None:
    first, second = trainings()[:2]
    assert separate(torch.stack([second[3], first[2], second[4]])).tolist() == [0, 1, 0]


def test_gains_that_all_networks_have_do_not_join_them() -> None:
    """Norms begin with gains of 1, beside weights of a tenth."""
    walks = torch.stack([brownian(5, 3000, seed) / 30 for seed in range(3)])
    gains = torch.ones(3, 6, 100)
    rows = torch.cat([walks, gains], 2).flatten(0, 1)
    assert separate(rows).tolist() == [0] * 6 + [1] * 6 + [2] * 6


def test_a_similarity_that_is_none_is_refused() -> None:
    with pytest.raises(TrajectoryError, match=r"similar must be between 0 and 1, got 1\.5"):
        separate(torch.ones(2, 3), similar=1.5)


def test_motion_along_a_circle() -> None:
    radius, angle, count = 2.5, 0.1, 20
    turns = torch.arange(count, dtype=torch.float64) * angle
    path = radius * torch.stack([turns.cos(), turns.sin(), 0 * turns], 1)
    found = motion(path)
    chord = 2 * radius * math.sin(angle / 2)
    np.testing.assert_allclose(found.step_lengths, np.full(count - 1, chord))
    np.testing.assert_allclose(found.turning, np.full(count - 2, angle))
    np.testing.assert_allclose(found.curvature, np.full(count - 2, 1 / radius))
    whole = 2 * radius * math.sin((count - 1) * angle / 2)
    assert math.isclose(found.straightness, whole / (chord * (count - 1)))


def test_a_straight_path_turns_nowhere_and_one_that_stands_still_has_no_curvature() -> None:
    straight = motion(torch.arange(5.0)[:, None] * torch.tensor([1.0, 2.0, -2.0]))
    np.testing.assert_allclose(straight.step_lengths, 3.0)
    assert np.abs(straight.turning).max() < 1e-7
    assert straight.straightness == pytest.approx(1.0)
    still = motion(torch.ones(4, 3))
    assert np.isnan(still.curvature).all()
    assert np.isnan(still.turning).all()
    assert math.isnan(still.straightness)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_trainings_and_motion_do_not_depend_on_the_scale(scale: float) -> None:
    walks = torch.stack([brownian(5, 3000, seed).double() / 30 for seed in range(2)])
    rows = walks.flatten(0, 1)
    assert separate(rows * scale).tolist() == separate(rows).tolist()
    plain, other = motion(walks[0]), motion(walks[0] * scale)
    np.testing.assert_allclose(other.step_lengths, plain.step_lengths * scale)
    np.testing.assert_allclose(other.curvature, plain.curvature / scale)


def test_a_path_beyond_double_precision_is_refused() -> None:
    with pytest.raises(TrajectoryError, match="is inf long"):
        motion(torch.tensor([[1.5e308], [-1.5e308]], dtype=torch.float64))
