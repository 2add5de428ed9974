"""Every architecture of the corpus is the same function without its dead channels."""

from functools import partial

import pytest
import torch
from torch import nn

from benchmarks.coverage_corpus.checks import small
from benchmarks.coverage_corpus.pruning import compacted, failure_of, prune_channels
from benchmarks.coverage_corpus.small_configs import SMALL_CONFIGS


def test_the_channels_of_least_norm_go() -> None:
    layers = nn.Linear(3, 5), nn.ConvTranspose2d(2, 5, 3)
    assert prune_channels(nn.ModuleList(layers), 0.6) == 2
    for layer, channels in zip(layers, (0, 1), strict=True):
        gone = ~layer.weight.movedim(channels, 0).flatten(1).any(1)
        assert gone.sum() == 3
        assert torch.equal(layer.bias == 0, gone)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_CONFIGS)
def test_compacted_architectures_compute_the_same(name: str) -> None:
    assert failure_of(compacted(partial(small, *SMALL_CONFIGS[name]), 0.8)) is None
