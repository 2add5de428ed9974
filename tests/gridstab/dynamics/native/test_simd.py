"""The vector type against NumPy, in both precisions and several lane counts."""

import numpy as np
import pytest
from numba import njit

from gridstab.dynamics.native.simd import (
    Lanes,
    absolute,
    aligned_rows,
    any_lane,
    broadcast,
    flip_sign,
    load,
    maximum,
    minimum,
    nearest,
    nearest_and_parity,
    select,
    store,
)
from gridstab.dynamics.native.sincos import sincos_half_turns

SHAPES = [(np.float32, 4), (np.float32, 16), (np.float64, 2), (np.float64, 8)]


@pytest.fixture(params=SHAPES, ids=lambda shape: f"{shape[0].__name__}x{shape[1]}")
def lanes(request):
    return Lanes(*request.param)


def rows_of(lanes, *values):
    rows = aligned_rows(len(values), lanes)
    rows[:] = values
    return rows


@pytest.fixture
def x(lanes):
    return np.random.default_rng(0).normal(0, 3, lanes.count).astype(lanes.dtype)


@pytest.fixture
def y(lanes):
    return np.random.default_rng(1).normal(0, 3, lanes.count).astype(lanes.dtype)


@njit
def _arithmetic(lanes, rows, out):
    a, b = load(lanes, rows, 0), load(lanes, rows, 1)
    store(a + b, out, 0)
    store(a - 2, out, 1)
    store(0.5 * b, out, 2)
    store(a / b, out, 3)
    store(-a, out, 4)
    a += b
    store(a, out, 5)
    a -= b
    a *= 3.0
    store(a, out, 6)


def test_arithmetic_is_numpys(lanes, x, y):
    out = aligned_rows(7, lanes)
    _arithmetic(lanes, rows_of(lanes, x, y), out)
    three = lanes.dtype.type(3)
    expected = [x + y, x - 2, y / 2, None, -x, x + y, (x + y - y) * three]
    for row, values in enumerate(expected):
        if values is not None:
            np.testing.assert_array_equal(out[row], values)
    np.testing.assert_allclose(out[3], x / y, rtol=np.finfo(lanes.dtype).eps)


@njit
def _choices(lanes, rows, out):
    a, b = load(lanes, rows, 0), load(lanes, rows, 1)
    store(maximum(a, b), out, 0)
    store(minimum(a, b), out, 1)
    store(absolute(a), out, 2)
    store(select((a > 0.0) & (b <= 1.0), a, b), out, 3)
    store(nearest(a), out, 4)
    _, sign = nearest_and_parity(a)
    store(flip_sign(b, sign), out, 5)
    store(broadcast(lanes, 7), out, 6)


def test_choices_and_rounding_are_numpys(lanes, x, y):
    out = aligned_rows(7, lanes)
    x[0] = 2.5
    _choices(lanes, rows_of(lanes, x, y), out)
    odd = np.rint(x) % 2 != 0
    expected = [
        np.maximum(x, y), np.minimum(x, y), np.abs(x), np.where((x > 0) & (y <= 1), x, y),
        np.rint(x), np.where(odd, -y, y), np.full_like(x, 7),
    ]  # fmt: skip
    np.testing.assert_array_equal(out, expected)


@njit
def _any_above(lanes, rows, bound):
    return any_lane(load(lanes, rows, 0) > bound)


def test_any_lane_sees_a_single_lane(lanes):
    rows = aligned_rows(1, lanes)
    assert not _any_above(lanes, rows, 0.5)
    for lane in range(lanes.count):
        rows[:] = 0
        rows[0, lane] = 1
        assert _any_above(lanes, rows, 0.5)


@njit
def _maximum_of(lanes, rows, out):
    store(maximum(load(lanes, rows, 0), load(lanes, rows, 1)), out, 0)


def test_maximum_gives_the_second_where_one_is_not_a_number(lanes, x):
    bad = np.full_like(x, np.nan)
    out = aligned_rows(1, lanes)
    _maximum_of(lanes, rows_of(lanes, bad, x), out)
    np.testing.assert_array_equal(out[0], x)
    _maximum_of(lanes, rows_of(lanes, x, bad), out)
    assert np.isnan(out).all()


@njit
def _sincos(lanes, angle, sine, cosine):
    for i in range(angle.shape[0]):
        s, c = sincos_half_turns(load(lanes, angle, i))
        store(s, sine, i)
        store(c, cosine, i)


def test_sine_and_cosine_of_half_turns(lanes):
    angle = aligned_rows(4096, lanes)
    spread = np.linspace(-9, 9, angle.size).reshape(angle.shape)
    spread[0, :2] = 0.0, 0.5
    angle[:] = spread
    sine, cosine = aligned_rows(4096, lanes), aligned_rows(4096, lanes)
    _sincos(lanes, angle, sine, cosine)
    bound = 2 * np.finfo(lanes.dtype).eps
    # NumPy's sine of a rounded multiple of π is itself off by the rounding of that multiple.
    fraction = angle.astype(np.float64) - np.rint(angle)
    parity = 1 - 2 * (np.rint(angle) % 2)
    np.testing.assert_allclose(sine, parity * np.sin(np.pi * fraction), rtol=0, atol=bound)
    np.testing.assert_allclose(cosine, parity * np.cos(np.pi * fraction), rtol=0, atol=bound)


def test_rows_are_aligned_to_cache_lines(lanes):
    for rows in (1, 3, 100):
        assert aligned_rows(rows, lanes).ctypes.data % 64 == 0


def test_a_running_maximum_makes_no_masked_stores(lanes):
    """They are many times slower than plain ones on some processors."""

    @njit
    def track(lanes, x, highest):
        for i in range(x.shape[0]):
            store(maximum(load(lanes, x, i), load(lanes, highest, i)), highest, i)

    rows, highest = aligned_rows(8, lanes), aligned_rows(8, lanes)
    rows[:] = np.random.default_rng(2).normal(0, 3, rows.shape)
    track(lanes, rows, highest)
    np.testing.assert_array_equal(highest, np.maximum(rows, 0))
    (assembly,) = track.inspect_asm().values()
    assert "maskmov" not in assembly
