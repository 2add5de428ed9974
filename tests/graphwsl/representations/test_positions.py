"""Positions by their formulas, row by row."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from graphwsl.representations.positions import LearnedPositions, SinusoidalPositions


@pytest.mark.parametrize("channels", [2, 7, 8])
def test_learned_positions_are_rows_of_three_tables(channels: int) -> None:
    made = LearnedPositions((5, 3, 4), channels)
    tables = [made.sequence, made.layer, made.within]
    sequence, layer, within = (table.weight.detach().numpy() for table in tables)
    positions = torch.tensor([[[0, 0, 0], [4, 2, 3]], [[1, 2, 0], [3, 0, 2]]])
    found = made(positions)
    assert found.shape == (2, 2, channels)
    for place in np.ndindex(2, 2):
        one, two, three = positions[place].tolist()
        expected = np.concatenate([sequence[one] + layer[two], within[three]])
        np.testing.assert_array_equal(found[place].detach().numpy(), expected)


def test_positions_beyond_a_table_share_its_last_row() -> None:
    made = LearnedPositions((5, 3, 4), 6)
    beyond = torch.tensor([[5, 3, 4], [10**6, 9, 100]])
    last = made(torch.tensor([4, 2, 3]))
    assert torch.equal(made(beyond), last.expand(2, -1))
    assert torch.equal(LearnedPositions((1, 1, 1), 6)(beyond).diff(dim=0), torch.zeros(1, 6))


@pytest.mark.parametrize("frequencies", [1, 2, 5])
def test_sinusoidal_positions_are_sines_and_cosines_of_a_geometric_series(
    frequencies: int,
) -> None:
    made = SinusoidalPositions(6 * frequencies, frequencies)
    made.join = nn.Linear(6 * frequencies, 6 * frequencies)
    with torch.no_grad():
        made.join.weight.copy_(torch.eye(6 * frequencies))
        made.join.bias.zero_()
    place = [3, 0, 250]
    found = made(torch.tensor([place]))[0]
    angles = [
        position * math.pi / 2 * 10_000 ** (-number / max(frequencies - 1, 1))
        for position in place
        for number in range(frequencies)
    ]
    expected = [*map(math.sin, angles), *map(math.cos, angles)]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=0)


def test_neighbours_far_out_are_still_told_apart() -> None:
    torch.manual_seed(0)
    made = SinusoidalPositions(16)
    positions = torch.stack([torch.arange(2_000)] * 3, dim=1)
    with torch.no_grad():
        found = made(positions)
    assert float(torch.pdist(found).min()) > 1e-3
    assert list(made.state_dict()) == ["join.weight", "join.bias"]  # the rates are no weights
