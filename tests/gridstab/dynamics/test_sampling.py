import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, qmc

from gridstab.dynamics.sampling import SAMPLERS, perturbations
from gridstab.errors import InvalidParameterError


def offsets(*arguments, **options):
    drawn = perturbations(*arguments, **options)
    return np.stack([drawn.dtheta, drawn.domega])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SAMPLERS)), st.integers(0, 90), st.integers(0, 60), st.integers(2, 9))
def test_any_block_is_a_slice_of_the_stream(sampler, start, count, scrambles):
    options = {"sampler": sampler, "scrambles": scrambles}
    whole = offsets(3, 1, 7, 0, 150, **options)
    part = offsets(3, 1, 7, start, count, **options)
    np.testing.assert_array_equal(part, whole[:, start : start + count])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_seed_grid_and_node_has_its_own_stream(sampler):
    keys = [(seed, grid, node) for seed in range(3) for grid in range(3) for node in range(3)]
    firsts = {tuple(offsets(*key, 0, 8, sampler=sampler).ravel()) for key in keys}
    assert len(firsts) == len(keys)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_offsets_follow_the_published_law(sampler):
    drawn = perturbations(0, 1, 0, 0, 8 * 512, sampler=sampler)
    assert kstest(drawn.dtheta, "uniform", (-np.pi, 2 * np.pi)).pvalue > 0.01
    assert kstest(drawn.domega, "uniform", (-15, 30)).pvalue > 0.01
    assert abs(np.corrcoef(drawn.dtheta, drawn.domega)[0, 1]) < 0.05
    assert (drawn.node == 0).all()


def test_independent_draws_are_numpys_philox():
    """The stream is pinned: labels of one release can be drawn again by another."""
    unit = np.random.Generator(np.random.Philox(np.random.SeedSequence([5, 2, 11]))).random((9, 2))
    drawn = perturbations(5, 2, 11, 0, 9)
    np.testing.assert_array_equal(drawn.dtheta, np.pi * (2 * unit[:, 0] - 1))
    np.testing.assert_array_equal(drawn.domega, 15 * (2 * unit[:, 1] - 1))


def test_every_scramble_is_a_balanced_net():
    unit = offsets(1, 1, 1, 0, 4 * 64, sampler="sobol", scrambles=4) / [[np.pi], [15.0]]
    unit = (unit + 1) / 2
    for scramble in range(4):
        points = unit[:, scramble::4]
        for columns in (1, 2, 4, 8, 16, 32, 64):
            rows = 64 // columns
            cell = np.floor(points[0] * columns) * rows + np.floor(points[1] * rows)
            assert len(set(cell)) == 64
    assert qmc.discrepancy(unit[:, ::4].T) < 0.2 * qmc.discrepancy(
        np.random.default_rng(0).random((64, 2))
    )


def test_ranges_scale_the_offsets():
    wide = offsets(0, 1, 0, 0, 20)
    narrow = offsets(0, 1, 0, 0, 20, dtheta_range=0.5, domega_range=3.0)
    np.testing.assert_allclose(narrow, wide * [[0.5 / np.pi], [3.0 / 15]])


def test_unknown_samplers_are_refused():
    with pytest.raises(InvalidParameterError, match="'halton'; choose one of mc, sobol"):
        perturbations(0, 1, 0, 0, 10, sampler="halton")
