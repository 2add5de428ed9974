"""Rows that are checked, and distances against SciPy's."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from graphwsl.errors import InvalidArgumentError, TrajectoryError
from graphwsl.trajectories.checked_rows import (
    checked,
    gram,
    squared_distances,
    squared_distances_of,
)


def rows(count: int = 6, entries: int = 40, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, entries, generator=torch.Generator().manual_seed(seed))


def test_distances_are_those_of_scipy() -> None:
    points = rows().double()
    unit = float((points - points[0]).abs().max())
    expected = cdist(points, points, "sqeuclidean") / unit**2
    np.testing.assert_allclose(squared_distances(points), expected, atol=1e-12)


def test_products_of_many_columns_are_summed_over_all_parts() -> None:
    points = rows(3, 2**18 + 5)
    exact = points.double().numpy() @ points.double().numpy().T
    np.testing.assert_allclose(gram(points), exact, rtol=1e-12)
    origin = points[1]
    moved = (points.double() - origin.double()).numpy()
    np.testing.assert_allclose(gram(points, origin), moved @ moved.T, atol=1e-9)


def test_close_checkpoints_far_from_the_origin_keep_their_digits() -> None:
    steps = torch.tensor([[0.0, 0.0], [1e-3, 0.0], [1e-3, 2e-3]], dtype=torch.float64)
    found = squared_distances(steps + 1e6)
    # Over the largest difference of an entry, 2e-3.
    np.testing.assert_allclose(np.sqrt(found[0]), [0, 0.5, np.hypot(0.5, 1)], rtol=1e-6)


def test_half_precision_is_computed_in_double() -> None:
    points = (100 * rows()).half()
    exact = points.double().numpy() @ points.double().numpy().T
    np.testing.assert_allclose(gram(points), exact, rtol=1e-12)


def test_rounding_makes_no_negative_distance() -> None:
    products = np.array([[1.0, 1.0 + 1e-15], [1.0 + 1e-15, 1.0]])
    assert squared_distances_of(products).min() == 0


def test_arrays_become_tensors_without_gradients() -> None:
    array = np.ones((2, 3))
    assert torch.equal(checked(array, 1, "it"), torch.ones(2, 3, dtype=torch.float64))
    assert not checked(torch.ones(2, 3, requires_grad=True), 1, "it").requires_grad


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.ones(1, 3), "it needs at least 2 checkpoints, got 1; give more"),
        (torch.ones(0, 3), "it needs at least 2 checkpoints, got 0; give more"),
        (torch.ones(3, 0), "it needs at least 2 checkpoints, got 3 without weights"),
        (torch.ones(3, 1) * 1j, "weights must be real numbers, got complex ones"),
        (torch.tensor([[1.0], [2.0], [torch.inf]]), "checkpoint 2 has weights that are not finite"),
        (torch.tensor([[torch.nan], [2.0]]), "checkpoint 0 has weights that are not finite"),
    ],
)
def test_what_cannot_be_used_is_refused(given: torch.Tensor, message: str) -> None:
    with pytest.raises(TrajectoryError, match=message) as caught:
        checked(given, 2, "it")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given", [[[1.0, 2.0]], "rows", None, torch.ones(3), torch.ones(2, 3, dtype=torch.int64)]
)
def test_what_is_no_matrix_of_numbers_is_refused(given: object) -> None:
    with pytest.raises(InvalidArgumentError, match="rows") as caught:
        checked(given, 1, "it")
    assert "\n" not in str(caught.value)
