"""The waves of the convection, their points, and draws that are the same everywhere."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import qmc

from graphwsl.errors import ZooError
from graphwsl.zoo import parents_of
from graphwsl.zoo.convection import FASTEST, convection
from graphwsl.zoo.draws import Draws
from tests.graphwsl.properties.property_cases import MLP, MemoryZoo


def test_labels_are_the_waves_of_all_speeds() -> None:
    data = convection()
    assert data.signals == FASTEST + 1 == 51
    for points, labels in ((data.train, data.train_labels), (data.test, data.test_labels)):
        assert labels.shape == (51, len(points), 1)
        x, t = points.double().numpy().T
        for speed in (0, 1, 7, 50):
            # The points are rounded to single precision after the waves were computed.
            wave = np.sin(x - speed * t)
            np.testing.assert_allclose(labels[speed, :, 0], wave, atol=1e-6 * (speed + 8))


def test_training_points_fill_the_plane_evenly() -> None:
    data = convection()
    unit = data.train.double().numpy() / [2 * math.pi, 1]
    assert len(np.unique(unit, axis=0)) == 1024
    assert ((unit >= 0) & (unit <= 1)).all()
    counts, _, _ = np.histogram2d(unit[:, 0], unit[:, 1], bins=16, range=[[0, 1], [0, 1]])
    assert counts.min() >= 3
    assert counts.max() <= 5
    drawn = np.random.default_rng(0).random((1024, 2))
    assert qmc.discrepancy(np.clip(unit, 0, 1)) < qmc.discrepancy(drawn) / 10


def test_the_grid_is_of_the_middles_of_its_cells() -> None:
    points = convection().test
    assert points.shape == (512, 2)
    x, t = (column.unique() for column in points.unbind(1))
    torch.testing.assert_close(x, (torch.arange(32) + 0.5) * (2 * math.pi / 32))
    torch.testing.assert_close(t, (torch.arange(16) + 0.5) / 16)


def test_it_is_the_same_each_time() -> None:
    assert convection().content_hash == convection().content_hash


def test_draws_are_within_their_bounds_and_even() -> None:
    found = Draws(3).whole((60000,), 2, 8)
    assert (found.min(), found.max()) == (2, 7)
    counts = np.bincount(found)[2:]
    assert abs(counts - 10000).max() < 500  # five standard deviations
    around = Draws(3).around((5000,), 2)
    assert np.unique(around).tolist() == [-2, -1, 0, 1, 2]
    assert (Draws(1).whole((9,), 5, 6) == 5).all()
    assert Draws(1).whole((0, 4), 0, 9).shape == (0, 4)


@pytest.mark.parametrize("seed", [0, 1])
def test_draws_are_the_raw_bits_of_philox(seed: int) -> None:
    words = np.random.Philox(key=seed).random_raw(2).tolist()
    bits = [word >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)]
    assert Draws(seed).whole((7,), 0, 2**16).tolist() == bits[:7]
    assert Draws(seed).whole((8,), 0, 10).tolist() == [bit * 10 >> 16 for bit in bits]


def test_parents_are_the_last_checkpoints_of_those_that_are_named() -> None:
    zoo = MemoryZoo([MLP, {**MLP, "parent": "000"}, {**MLP, "parent": "gone"}], 3)
    home, found = parents_of(zoo)
    assert home is zoo
    assert {child: (one.model, one.epoch) for child, one in found.items()} == {"001": ("000", 1)}
    with pytest.raises(ZooError, match="no network of the zoo has a parent") as caught:
        parents_of(MemoryZoo([MLP], 2))
    assert "\n" not in str(caught.value)
