"""Noise of weights: its measure, its price, and how it is drawn."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit

from graphwsl.sparsification.variational_dropout import (
    LARGEST_LOG_ALPHA,
    LOG_VARIANCE,
    VariationalTraining,
    divergence,
    log_alpha,
)
from graphwsl.zoo.data import load_images
from graphwsl.zoo.training.chunk import Training
from graphwsl.zoo.training.tuning import Tuning

MLP = {"architecture": "mlp", "width": 3, "depth": 1, "learning_rate": 1e-3}


def training(*seeds: int, epochs: int = 4) -> VariationalTraining:
    configurations = [{**MLP, "seed": seed} for seed in seeds]
    data = load_images("digits")
    weights = Training(configurations, data, 64).weights
    return VariationalTraining(configurations, data, 64, Tuning(weights=weights), epochs)


def test_the_divergence_is_the_published_formula() -> None:
    """Equation 14 of Molchanov, Ashukha and Vetrov, in NumPy."""
    values = np.linspace(-8, 8, 33)
    published = 0.63576 * expit(1.8732 + 1.48695 * values) - 0.5 * np.log1p(np.exp(-values))
    np.testing.assert_allclose(divergence(torch.from_numpy(values)), 0.63576 - published)


def test_the_divergence_falls_to_nothing_with_noise() -> None:
    values = divergence(torch.linspace(-8, 30, 400, dtype=torch.float64))
    assert (values.diff() < 0).all()
    assert 0 <= float(values[-1]) < 1e-9
    steep = divergence(torch.tensor([-40.0, -60.0], dtype=torch.float64))
    assert float(steep[1] - steep[0]) == pytest.approx(10.0)  # half of minus log α


def test_log_alpha_is_the_variance_beside_the_weight() -> None:
    theta = torch.tensor([0.3, -0.3, 2.0], dtype=torch.float64)
    found = log_alpha(theta, torch.tensor(-1.5, dtype=torch.float64))
    expected = np.log(math.exp(-1.5) / theta.numpy() ** 2)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_log_alpha_is_cut_off_on_both_sides() -> None:
    theta, variance = torch.tensor([0.0, 1e9, 1.0]), torch.tensor([0.0, 0.0, -100.0])
    limit = LARGEST_LOG_ALPHA
    assert log_alpha(theta, variance).tolist() == [limit, -limit, -limit]


def test_a_training_begins_with_the_weights_and_hardly_any_noise() -> None:
    own = training(0, 1)
    before = Training([{**MLP, "seed": seed} for seed in (0, 1)], load_images("digits"), 64).weights
    assert {name: value.shape for name, value in own.weights.items()} == {
        name: value.shape for name, value in before.items()
    }
    for name, value in own.weights.items():
        assert torch.equal(value, before[name])
    assert len(own.log_alphas) == 2
    for name, value in own.log_alphas.items():
        expected = LOG_VARIANCE - 2 * before[name].double().abs().log()
        torch.testing.assert_close(value.double(), expected.clamp(-8, 8), atol=1e-3, rtol=1e-3)


def test_noise_has_the_stated_variance_and_biases_have_none() -> None:
    own = training(0, 1)
    own.begin_epoch(1)
    means = [view.detach().clone() for view in own.parameters.views]
    off = [
        (noisy.detach() - mean).flatten() for noisy, mean in zip(own.of_step(), means, strict=False)
    ]
    assert sorted(name for name in own.log_alphas) == sorted(
        name for name, value in zip(own.networks.names, off, strict=True) if value.any()
    )
    noise = torch.cat([value for value in off if value.any()])
    assert float(noise.std()) == pytest.approx(math.exp(LOG_VARIANCE / 2), rel=0.15)
    assert abs(float(noise.mean())) < 4 * math.exp(LOG_VARIANCE / 2) / len(noise) ** 0.5


def test_noise_is_drawn_by_the_seed_of_each_network_alone() -> None:
    """A network has the same noise whoever trains beside it, and other noise every step."""
    one, both = training(1), training(0, 1)
    for some in (one, both):
        some.begin_epoch(1)
    for alone, together in zip(one.of_step(), both.of_step(), strict=False):
        assert torch.equal(alone[0], together[1])
    first, second = (one.of_step()[0].detach().clone() for _ in range(2))
    assert not torch.equal(first, second)


def test_the_price_is_the_mean_divergence_a_sample_and_comes_bit_by_bit() -> None:
    own = training(0, epochs=4)
    total = float(sum(divergence(value.double()).sum() for value in own.log_alphas.values()))
    samples = len(load_images("digits").train)
    prices = []
    for epoch in range(1, 5):
        own.begin_epoch(epoch)
        prices.append(float(own.penalty().detach()))
    expected = [share * total / samples for share in (0.5, 1.0, 1.0, 1.0)]
    assert prices == pytest.approx(expected, rel=1e-4)
