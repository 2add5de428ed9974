"""What networks cost, counted by hand."""

import pytest
import torch
from torch import Tensor, nn

from graphwsl.sparsification import Comparison, Cost, compact, compared


def test_parameters_and_bytes_are_counted_and_tied_ones_once() -> None:
    layer = nn.Linear(3, 3)
    tied = nn.Sequential(layer, layer, nn.BatchNorm1d(3)).eval()
    table = compared(tied, nn.Linear(3, 2), torch.ones(1, 3), repetitions=0)
    assert table.after.parameters == 3 * 2 + 2
    assert table.after.bytes == 4 * 8
    assert table.before.parameters == 3 * 3 + 3 + 2 * 3
    # Running mean and variance, and a count of 8 bytes.
    assert table.before.bytes == 4 * 18 + 4 * 6 + 8


def test_the_speed_up_is_a_ratio_and_the_table_has_shares() -> None:
    table = Comparison(Cost(1_234_567, 4000, 3.0), Cost(617_283, 1000, 1.5))
    assert table.speed_up == 2
    lines = str(table).splitlines()
    assert [line.split() for line in lines] == [
        ["before", "after", "share"],
        ["parameters", "1,234,567", "617,283", "50.0%"],
        ["bytes", "4,000", "1,000", "25.0%"],
        ["milliseconds", "3.00", "1.50", "50.0%"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_a_network_without_parameters_has_no_share() -> None:
    lines = str(Comparison(Cost(0, 0, 1.0), Cost(0, 0, 1.0))).splitlines()
    assert [line.split() for line in lines[1:3]] == [["parameters", "0", "0"], ["bytes", "0", "0"]]


class Two(nn.Module):
    """A sum of two inputs."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        assert not self.training
        return x + y


@pytest.mark.parametrize("form", ["tuple", "list", "mapping"])
def test_inputs_are_given_as_the_network_takes_them(form: str) -> None:
    x = torch.ones(2)
    given = {"tuple": (x, x), "list": [x, x], "mapping": {"y": x, "x": x}}[form]
    network = Two()
    assert compared(network, network, given, repetitions=0).before.milliseconds > 0
    assert network.training  # as it was


def test_a_compacted_network_is_counted_without_what_is_dead() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    model[0].weight.data[:2] = 0
    small = compact(model, torch.zeros(1, 4))
    table = compared(model, small, torch.zeros(1, 4), repetitions=0)
    assert table.before.parameters == 4 * 6 + 6 + 6 * 3 + 3
    assert table.after.parameters == 4 * 4 + 4 + 4 * 3 + 3
    assert table.after.bytes == 4 * table.after.parameters
