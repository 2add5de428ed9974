"""Numbers of steps against NumPy, and what they do not depend on."""

import numpy as np
import pytest
import torch

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories.movement import movements
from tests.graphwsl.trajectories.paths import brownian

SIZES = (5, 1, 14)


def by_hand(path: np.ndarray) -> np.ndarray:
    found = []
    for before, now, after in zip(path, path[1:], path[2:], strict=False):
        first, second = now - before, after - now
        one, other = np.linalg.norm(first), np.linalg.norm(second)
        numbers = np.log(other / one), first @ second / (one * other)
        found.append([*numbers, np.log(other / np.linalg.norm(now))])
    return np.array(found)


def test_each_layer_has_the_numbers_of_its_own_path() -> None:
    path = brownian(6, 20, 0).double()
    found = movements(path, SIZES).numpy()
    assert found.shape == (5, 3, 3)
    for layer, part in enumerate(np.split(path.numpy(), (5, 6), axis=1)):
        np.testing.assert_allclose(found[:, layer], by_hand(part), rtol=1e-9, atol=1e-12)


def test_several_trainings_are_each_as_alone() -> None:
    paths = torch.stack([brownian(4, 20, seed) for seed in range(6)]).view(2, 3, 5, 20)
    found = movements(paths, SIZES)
    assert found.shape == (2, 3, 3, 3, 3)
    torch.testing.assert_close(found[1, 2], movements(paths[1, 2], SIZES))


@pytest.mark.parametrize("scale", [1e-4, 7.0])
def test_the_scale_of_each_layer_plays_no_part(scale: float) -> None:
    path = brownian(5, 20, 1).double()
    scaled = path.clone()
    scaled[:, 6:] *= scale
    torch.testing.assert_close(movements(scaled, SIZES), movements(path, SIZES))


def test_a_shift_changes_only_what_is_beside_the_weights() -> None:
    path = brownian(5, 20, 2).double()
    before, after = movements(path, (20,)), movements(path + 3, (20,))
    torch.testing.assert_close(before[..., :2], after[..., :2])
    assert (before[..., 2] > after[..., 2]).all()


def test_what_does_not_move_has_finite_numbers() -> None:
    for path in (torch.ones(4, 3), torch.zeros(4, 3)):
        found = movements(path, (3,))
        assert found.isfinite().all()
        assert (found[..., 1] == 0).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_checkpoints_are_refused(count: int) -> None:
    with pytest.raises(TrajectoryError, match=f"at least 3 checkpoints, got {count}; give more"):
        movements(torch.ones(count, 3), (3,))


@pytest.mark.parametrize(("sizes", "total"), [((), 0), ((2,), 2), ((4, -1), 3), ((3, 0), 3)])
def test_sizes_that_cannot_be_are_refused(sizes: tuple[int, ...], total: int) -> None:
    with pytest.raises(TrajectoryError, match=f"add up to the 3 entries of a row, got {total}"):
        movements(torch.ones(4, 3), sizes)
