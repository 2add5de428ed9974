"""CKA: what it must be of copies, of what is unrelated, and by the published formulae."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphwsl.errors import InvalidArgumentError, LandscapeError
from graphwsl.landscape import cka


def features(samples: int, width: int, seed: int) -> Tensor:
    return torch.randn(samples, width, generator=torch.Generator().manual_seed(seed))


def by_formula(x: Tensor, y: Tensor, unbiased: bool) -> float:
    """The Hilbert-Schmidt criteria as printed, term by term."""
    k, l = (z.double() @ z.double().T for z in (x, y))  # noqa: E741
    n = len(x)

    def criterion(a: Tensor, b: Tensor) -> Tensor:
        if not unbiased:
            centring = torch.eye(n, dtype=torch.float64) - 1 / n
            return torch.trace(a @ centring @ b @ centring) / (n - 1) ** 2
        a, b = a.clone().fill_diagonal_(0), b.clone().fill_diagonal_(0)
        ones = torch.ones(n, dtype=torch.float64)
        sums = (ones @ a @ ones) * (ones @ b @ ones) / ((n - 1) * (n - 2))
        cross = 2 / (n - 2) * (ones @ a @ b @ ones)
        return (torch.trace(a @ b) + sums - cross) / (n * (n - 3))

    return float(criterion(k, l) / (criterion(k, k) * criterion(l, l)).sqrt())


@settings(max_examples=10, deadline=None)
@given(
    samples=st.integers(4, 12),
    width=st.integers(1, 6),
    seed=st.integers(0, 1000),
    scale=st.sampled_from([1e-18, 1e-3, 1.0, 1e15]),
    unbiased=st.booleans(),
)
def test_similarity_with_itself_is_exactly_1(
    samples: int, width: int, seed: int, scale: float, unbiased: bool
) -> None:
    x = scale * features(samples, width, seed)
    assert cka(x, x, unbiased) == cka(x, x.clone(), unbiased) == 1.0


@settings(max_examples=10, deadline=None)
@given(samples=st.integers(4, 12), width=st.integers(1, 6), unbiased=st.booleans())
def test_similarity_is_that_of_the_formula_and_symmetric(
    samples: int, width: int, unbiased: bool
) -> None:
    x, y = features(samples, width, 1), features(samples, 3, 2) + 1
    found = cka(x, y, unbiased)
    assert found == pytest.approx(by_formula(x, y, unbiased), abs=1e-9)
    assert found == pytest.approx(cka(y, x, unbiased), abs=1e-12)
    assert -1 <= found <= 1


@pytest.mark.parametrize("unbiased", [False, True])
def test_rotation_and_scale_do_not_matter(unbiased: bool) -> None:
    x, y = features(20, 5, 1), features(20, 4, 2)
    rotation = torch.linalg.qr(features(5, 5, 3)).Q
    assert cka(x, x @ rotation, unbiased) == pytest.approx(1, abs=1e-6)
    assert cka(7 * x @ rotation + 2, y, unbiased) == pytest.approx(cka(x, y, unbiased), abs=1e-6)


def test_unbiased_is_0_on_average_of_what_is_unrelated_and_biased_is_not() -> None:
    pairs = [(features(12, 30, 2 * n), features(12, 30, 2 * n + 1)) for n in range(60)]
    unbiased = [cka(x, y, unbiased=True) for x, y in pairs]
    assert abs(sum(unbiased) / len(unbiased)) < 0.02
    assert min(unbiased) < 0
    assert min(cka(x, y) for x, y in pairs) > 0.5


def test_images_are_flattened() -> None:
    x, y = features(8, 12, 0), features(8, 6, 1)
    assert cka(x.view(8, 3, 2, 2), y) == cka(x, y)


@pytest.mark.parametrize(
    ("x", "unbiased", "message"),
    [
        (torch.ones(5, 3), False, "x is the same for all 5 samples"),
        (torch.full((5, 3), 0.1) * torch.ones(5, 1), True, "x is the same for all 5 samples"),
        (torch.zeros(5, 3), True, "x is the same for all 5 samples"),
        (torch.tensor([[1.0], [2.0], [3.0], [torch.nan], [0.0]]), False, "not finite"),
        (torch.zeros(0, 3), False, "x is empty"),
        (features(4, 2, 0), False, "of the same samples, got 4 and 5"),
    ],
)
def test_what_has_no_similarity_is_refused(x: Tensor, unbiased: bool, message: str) -> None:
    with pytest.raises((LandscapeError, InvalidArgumentError), match=message):
        cka(x, features(5, 2, 0), unbiased)


def test_too_few_samples_are_refused() -> None:
    x = features(3, 2, 0)
    assert 0 <= cka(x, features(3, 2, 1)) <= 1
    with pytest.raises(LandscapeError, match="unbiased CKA needs at least 4 samples, got 3"):
        cka(x, x, unbiased=True)
    with pytest.raises(LandscapeError, match="biased CKA needs at least 2 samples, got 1"):
        cka(x[:1], x[:1])


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_huge_and_tiny_features_are_as_similar(scale: float, unbiased: bool) -> None:
    x, y = features(20, 5, 1).double(), features(20, 4, 2).double()
    assert cka(scale * x, y, unbiased) == pytest.approx(cka(x, y, unbiased), abs=1e-12)


def test_samples_that_are_all_equally_far_apart_have_no_unbiased_similarity() -> None:
    for other in (torch.eye(5), features(5, 3, 0)):
        with pytest.raises(LandscapeError, match="the CKA is nan"):
            cka(torch.eye(5), other, unbiased=True)
