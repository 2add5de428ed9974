"""Largest eigenvalues of matrices that are known: negative, equal, none, and not finite ones."""

import pytest
import torch
from torch import Tensor, nn

from graphwsl.landscape.eigenvalues import largest
from graphwsl.landscape.hessian_products import Hessians
from graphwsl.landscape.module_objective import ModuleObjective


class Vector(nn.Module):
    """Gives its parameters, whatever it takes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight + 0 * x.sum()


def hessians_of(matrix: Tensor) -> Hessians:
    """Those of the loss wᵀ M w / 2, which is a symmetric matrix M itself."""
    made = ModuleObjective(
        Vector(len(matrix)),
        lambda outputs, _: outputs @ matrix @ outputs / 2,
        [(torch.zeros(1, 1), torch.zeros(1))],
    )
    return Hessians(made, made.flat, made.buffers)


def symmetric(values: Tensor, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = len(values)
    rotation, _ = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    return rotation @ values.double().diag() @ rotation.mT


@pytest.mark.parametrize("size", [1, 2, 7])
def test_all_eigenvalues_are_those_of_numpy_in_descending_order(size: int) -> None:
    matrix = symmetric(torch.linspace(-3, 5, size))
    values, bounds = largest(hessians_of(matrix), size)
    expected = torch.linalg.eigvalsh(matrix).flip(0)
    torch.testing.assert_close(values[0], expected, rtol=0, atol=1e-10)
    assert float(bounds.max()) < 1e-9


def test_largest_is_the_highest_and_not_the_largest_in_size() -> None:
    matrix = symmetric(torch.tensor([-50.0, -3.0, 0.0, 1.0, 2.0]))
    values, _ = largest(hessians_of(matrix), 2, tolerance=1e-9)
    torch.testing.assert_close(values[0], torch.tensor([2.0, 1.0]).double(), atol=1e-6, rtol=0)


def test_where_all_are_negative_the_highest_is_negative() -> None:
    values, _ = largest(hessians_of(symmetric(torch.tensor([-4.0, -2.0, -1.0]))))
    assert float(values) == pytest.approx(-1, abs=4e-3)


def test_a_flat_loss_has_zeros() -> None:
    values, bounds = largest(hessians_of(torch.zeros(4, 4, dtype=torch.float64)), 3)
    assert values.tolist() == [[0, 0, 0]]
    assert bounds.tolist() == [[0, 0, 0]]


def test_bounds_hold_and_are_infinite_of_what_was_not_found_in_time() -> None:
    matrix = symmetric(torch.linspace(0, 1, 60))
    truth = torch.linalg.eigvalsh(matrix).flip(0)
    values, bounds = largest(hessians_of(matrix), 2, tolerance=1e-2)
    nearest = (values[0][:, None] - truth).abs().amin(1)
    assert (nearest <= bounds[0] + 1e-12).all()
    assert float(bounds.max()) <= 1e-2
    _, none = largest(hessians_of(matrix), 2, tolerance=1e-12, max_products=4)
    assert none.isinf().all()


def test_what_is_not_finite_is_nan() -> None:
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[1, 1] = torch.inf
    values, _ = largest(hessians_of(matrix), 2)
    assert values.isnan().all()


def test_the_same_draws_give_the_same_bits_and_scale_scales() -> None:
    matrix = symmetric(torch.linspace(-1, 2, 9))
    found = [largest(hessians_of(some), 2)[0] for some in (matrix, matrix, 8 * matrix)]
    assert torch.equal(found[0], found[1])
    torch.testing.assert_close(8 * found[0], found[2], rtol=1e-3, atol=0)
