"""Voices on the direction of a path, each against what it is said to be."""

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from graphwsl.trajectories.direction import CERTAIN, FEWEST_STEPS, Direction, direction_of
from tests.graphwsl.trajectories.paths import brownian


def converging(count: int = 12, rate: float = 0.6, seed: int = 0) -> torch.Tensor:
    """Weights that grow towards an end, ever more slowly."""
    generator = torch.Generator().manual_seed(seed)
    begin = torch.randn(60, generator=generator, dtype=torch.float64)
    way = torch.randn(60, generator=generator, dtype=torch.float64) + 2 * begin
    return begin + (1 - rate ** torch.arange(count))[:, None] * way


def test_growth_and_extremes_are_correlations_with_time() -> None:
    path = brownian(14, 50, 3).double()
    time = np.arange(15)
    found = direction_of(path)
    assert found.growth == pytest.approx(pearsonr(time, path.norm(dim=1).numpy()).statistic)
    assert found.extremes == pytest.approx(pearsonr(time, path.abs().amax(1).numpy()).statistic)


def test_slowing_is_a_correlation_of_relative_steps_with_going_back() -> None:
    path = brownian(14, 50, 4).double()
    norms = path.norm(dim=1).numpy()
    relative = path.diff(dim=0).norm(dim=1).numpy() / np.sqrt(norms[1:] * norms[:-1])
    expected = -pearsonr(np.arange(14), np.log(relative)).statistic
    assert direction_of(path).slowing == pytest.approx(expected)


def test_leaving_compares_distances_from_the_first_with_those_from_the_last() -> None:
    path = brownian(9, 30, 5).double().numpy()
    logs = [
        np.log(np.linalg.norm(path[n] - path[0]) / np.linalg.norm(path[-1 - n] - path[-1]))
        for n in range(1, 9)
    ]
    found = direction_of(torch.from_numpy(path)).leaving
    assert found == pytest.approx(np.tanh(3 * np.mean(logs)))


def test_the_score_is_the_mean_of_all_voices() -> None:
    found = direction_of(brownian(20, 40, 6))
    assert found.slowing is not None
    assert found.leaving is not None
    voices = (found.growth, found.extremes, found.slowing, found.leaving)
    assert found.score == pytest.approx(np.mean(voices))


@pytest.mark.parametrize("seed", range(3))
def test_a_path_backward_has_the_opposite_evidence(seed: int) -> None:
    path = brownian(12, 40, seed).double()
    forward, backward = direction_of(path), direction_of(path.flip(0))
    for name, value in vars(forward.reversed).items():
        assert vars(backward)[name] == pytest.approx(value, abs=1e-9), name
    assert forward.reversed.reversed == forward


def test_what_converges_and_grows_runs_forward_for_certain() -> None:
    found = direction_of(converging())
    assert min(found.growth, found.extremes, found.slowing or 0, found.leaving or 0) > 0.5
    assert found.is_certain
    assert found.reversed.is_certain
    assert found.reversed.score == -found.score


@pytest.mark.parametrize("steps", [1, 2, FEWEST_STEPS - 1, FEWEST_STEPS])
def test_lengths_of_few_steps_count_as_nothing(steps: int) -> None:
    found = direction_of(brownian(steps, 30, 0))
    assert (found.slowing is None) == (found.leaving is None) == (steps < FEWEST_STEPS)
    assert (found.reversed.slowing is None) == (steps < FEWEST_STEPS)


@pytest.mark.parametrize("scale", [1e-6, 3.0, 1e6])
def test_evidence_does_not_depend_on_the_scale_of_weights(scale: float) -> None:
    path = converging()
    expected, found = direction_of(path), direction_of(scale * path)
    for name, value in vars(expected).items():
        assert vars(found)[name] == pytest.approx(value, abs=1e-9), name


def test_what_stands_still_says_nothing() -> None:
    found = direction_of(torch.ones(12, 5))
    assert found == Direction(0.0, 0.0, 0.0, 0.0, 0.0)
    assert not found.is_certain
    assert direction_of(torch.zeros(12, 5)).score == 0


def test_the_boundary_of_certainty_is_certain() -> None:
    assert Direction(CERTAIN, 0, 0, None, None).is_certain
    assert Direction(-CERTAIN, 0, 0, None, None).is_certain
    assert not Direction(CERTAIN - 1e-9, 0, 0, None, None).is_certain


def test_a_path_that_visits_its_ends_again_has_finite_evidence() -> None:
    path = converging()
    path[5], path[7] = path[0], path[-1]
    values = [value for value in vars(direction_of(path)).values() if value is not None]
    assert np.isfinite(values).all()
    assert max(map(abs, values)) <= 1
