"""Orders of paths that are known: random walks, curves, trainings."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories import find_order, order
from graphwsl.trajectories.checked_rows import checked, squared_distances
from graphwsl.trajectories.ordering import anti_robinson_violations, seriation
from tests.graphwsl.trajectories.paths import brownian, trainings


def tau_of(path: torch.Tensor, seed: int) -> float:
    """Kendall's τ of the order that is found of a shuffled path with the true one."""
    shuffled = torch.randperm(len(path), generator=torch.Generator().manual_seed(seed))
    found = order(path[shuffled])
    assert sorted(found.tolist()) == list(range(len(path)))
    return kendalltau(shuffled[found].numpy(), np.arange(len(path))).statistic


@given(st.integers(0, 1000), st.integers(2, 20))
@settings(max_examples=5, deadline=None)
def test_random_walks_are_ordered_up_to_the_direction(seed: int, steps: int) -> None:
    assert abs(tau_of(brownian(steps, 2000, seed), seed)) == pytest.approx(1.0)


def test_the_order_does_not_depend_on_rotations_and_shifts_up_to_its_direction() -> None:
    path = brownian(12, 40, 0).double()
    generator = torch.Generator().manual_seed(1)
    rotation = torch.linalg.qr(torch.randn(40, 40, generator=generator, dtype=torch.float64)).Q
    found = order(path).tolist()
    assert order(path @ rotation + 3).tolist() in (found, found[::-1])


def test_few_points_get_the_order_with_the_fewest_violations_of_all() -> None:
    angles = torch.tensor([0.0, 0.3, 0.9, 1.1, 2.0, 2.9])  # unevenly along half a circle
    points = torch.stack([angles.cos(), angles.sin()], 1)[[3, 0, 5, 1, 4, 2]]
    squares = squared_distances(points)
    least = min(
        anti_robinson_violations(squares, np.array(along))
        for along in itertools.permutations(range(6))
    )
    found = seriation(squares)
    assert least == 0 == anti_robinson_violations(squares, found)
    assert found.tolist() in ([1, 3, 5, 0, 4, 2], [2, 4, 0, 5, 3, 1])


@pytest.mark.parametrize("part", [slice(None), slice(0, 13), slice(12, None)])
def test_trainings_are_ordered_late_and_early_alike(part: slice) -> None:
    taus = [tau_of(path[part], seed) for seed, path in enumerate(trainings())]
    assert min(taus) >= 0.97
    assert np.mean(taus) >= 0.99


def test_checkpoints_that_are_uneven_in_time_are_ordered() -> None:
    taus = [abs(tau_of(path[[0, 1, 2, 5, 12, 24]], 0)) for path in trainings()]
    assert taus == pytest.approx([1.0] * 4)


def test_a_path_without_direction_is_said_to_be_uncertain() -> None:
    circle = torch.linspace(0, 3.0, 31)
    path = torch.stack([circle.cos(), circle.sin()], 1)
    path = torch.cat([path, -path], 1)  # every checkpoint has the same norm, every step one length
    found = find_order(path)
    assert not found.direction.is_certain
    assert found.violations == 0
    assert find_order(trainings()[0]).direction.is_certain


def test_points_without_order_violate_it_half_of_the_time() -> None:
    points = torch.randn(40, 2000, generator=torch.Generator().manual_seed(0))
    assert 0.4 < find_order(points).violations < 0.55
    assert find_order(brownian(39, 20000, 0)).violations < 0.01


def test_arrays_of_numpy_are_ordered_too() -> None:
    path = brownian(8, 500, 3)
    assert order(path.numpy()).tolist() == order(path).tolist()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.ones(1, 3), "an order needs at least 2 checkpoints, got 1; give more"),
        (torch.ones(3, 0), "without weights"),
        (torch.ones(4, 3), "all 4 checkpoints have the same weights"),
        (torch.tensor([[1.0], [torch.nan]]), "checkpoint 1 has weights that are not finite"),
    ],
)
def test_what_has_no_order_is_refused(rows: torch.Tensor, message: str) -> None:
    with pytest.raises(TrajectoryError, match=message):
        order(rows)


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e-305])
def test_the_order_does_not_depend_on_the_scale(scale: float) -> None:
    path = brownian(12, 40, 0).double()
    assert order(path * scale).tolist() == order(path).tolist()


def test_rows_of_numpy_may_lie_in_memory_in_any_way() -> None:
    path = brownian(12, 40, 0).double().numpy()
    frozen = path.copy()
    frozen.flags.writeable = False
    backward = path[::-1].copy()[::-1]
    for rows in (backward, path.astype(">f8"), path.astype(np.longdouble), frozen):
        assert torch.equal(checked(rows, 2, "an order"), torch.from_numpy(path))
