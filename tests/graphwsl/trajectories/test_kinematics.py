"""Motion against NumPy, against circles through three points, and under transformations."""

import itertools
import math

import numpy as np
import pytest
import torch

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories import motion
from tests.graphwsl.trajectories.paths import brownian


def test_curvature_is_four_areas_over_the_product_of_sides() -> None:
    """The circle through three points by Heron's formula."""
    path = brownian(7, 6, 0).double()
    points = path.numpy()
    expected = []
    for one, two, three in zip(points, points[1:], points[2:], strict=False):
        a, b, c = (np.linalg.norm(x - y) for x, y in ((one, two), (two, three), (one, three)))
        half = (a + b + c) / 2
        area = math.sqrt(half * (half - a) * (half - b) * (half - c))
        expected.append(4 * area / (a * b * c))
    np.testing.assert_allclose(motion(path).curvature, expected, rtol=1e-8)


def test_turning_is_the_angle_between_steps() -> None:
    path = brownian(7, 6, 1).double()
    steps = path.diff(dim=0).numpy()
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in itertools.pairwise(steps)]
    np.testing.assert_allclose(motion(path).turning, np.arccos(cosines), rtol=1e-8)


@pytest.mark.parametrize("angle", [1e-9, 1e-3, math.pi / 2, math.pi - 1e-6])
def test_small_and_large_angles_keep_their_digits(angle: float) -> None:
    turn = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    path = torch.stack([torch.zeros(2), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]) + turn])
    assert motion(path.double()).turning[0] == pytest.approx(angle, rel=1e-6)


def test_there_and_back_turns_by_half_a_circle() -> None:
    found = motion(torch.tensor([[0.0], [2.0], [0.0]]))
    assert found.turning.tolist() == pytest.approx([math.pi])
    assert found.straightness == 0
    assert np.isnan(found.curvature).all()  # the first and the third point are equal


def test_scale_and_shift() -> None:
    path = brownian(8, 10, 2).double()
    one, other = motion(path), motion(5 * path + 3)
    np.testing.assert_allclose(other.step_lengths, 5 * one.step_lengths)
    np.testing.assert_allclose(other.turning, one.turning, rtol=1e-8)
    np.testing.assert_allclose(other.curvature, one.curvature / 5, rtol=1e-8)
    assert other.straightness == pytest.approx(one.straightness)


def test_the_way_back_has_the_same_numbers_backward() -> None:
    path = brownian(8, 10, 3).double()
    one, other = motion(path), motion(path.flip(0))
    np.testing.assert_allclose(other.step_lengths, one.step_lengths[::-1])
    np.testing.assert_allclose(other.turning, one.turning[::-1])
    np.testing.assert_allclose(other.curvature, one.curvature[::-1])


def test_two_checkpoints_are_one_straight_step() -> None:
    found = motion(np.array([[0.0, 0.0], [3.0, 4.0]]))
    assert found.step_lengths.tolist() == [5.0]
    assert found.straightness == 1
    assert found.turning.shape == found.curvature.shape == (0,)


def test_only_what_is_beside_a_rest_is_unknown() -> None:
    path = torch.tensor([[0.0, 0], [1, 0], [1, 0], [1, 1], [1, 2]])
    found = motion(path)
    assert np.isnan(found.turning).tolist() == [True, True, False]
    assert np.isnan(found.curvature).tolist() == [True, True, False]
    assert found.step_lengths.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_checkpoints_are_refused(count: int) -> None:
    with pytest.raises(TrajectoryError, match=f"motion needs at least 2 checkpoints, got {count}"):
        motion(torch.ones(count, 2))
