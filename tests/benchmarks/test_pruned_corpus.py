"""Every architecture of the corpus is the same function without its dead channels."""

from functools import partial

import pytest
import torch
from torch import nn

from benchmarks.coverage_corpus.checks import small
from benchmarks.coverage_corpus.pruning import (
    compacted,
    compacted_by_orbits,
    failure_of,
    prune_channels,
    prune_units,
)
from benchmarks.coverage_corpus.small_configs import SMALL_CONFIGS


def test_the_channels_of_least_norm_go() -> None:
    layers = nn.Linear(3, 5), nn.ConvTranspose2d(2, 5, 3)
    assert prune_channels(nn.ModuleList(layers), 0.6) == 2
    for layer, channels in zip(layers, (0, 1), strict=True):
        gone = ~layer.weight.movedim(channels, 0).flatten(1).any(1)
        assert gone.sum() == 3
        assert torch.equal(layer.bias == 0, gone)


def layers() -> nn.Module:
    """Two layers with five neurons between them, of growing norm."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    with torch.no_grad():
        model[0].weight *= torch.tensor([3.0, 0.1, 2.0, 0.2, 4.0])[:, None]
        model[2].weight *= torch.tensor([3.0, 0.1, 2.0, 0.2, 4.0])
    return model


def test_units_go_with_all_that_belongs_to_them() -> None:
    model = layers().double()
    assert prune_units(model, torch.ones(1, 3, dtype=torch.float64), 0.4) == [5]
    for gone in (
        ~model[0].weight.any(1),
        model[0].bias == 0,
        ~model[2].weight.any(0),
    ):
        assert gone.tolist() == [False, True, False, True, False]
    assert model[2].bias.all()


def test_networks_without_their_units_are_compared_and_counted() -> None:
    record = compacted_by_orbits(lambda: (layers(), torch.ones(1, 3)), 0.4)
    assert failure_of(record) is None
    assert (record["before"], record["after"]) == (5 * 4 + 2 * 6, 3 * 4 + 2 * 4)
    assert (record["bytes_before"], record["bytes_after"]) == (4 * 32, 4 * 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_CONFIGS)
def test_compacted_architectures_compute_the_same(name: str) -> None:
    assert failure_of(compacted(partial(small, *SMALL_CONFIGS[name]), 0.8)) is None
