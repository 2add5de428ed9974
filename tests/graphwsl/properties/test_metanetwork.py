"""What metanetworks see and read out is what NumPy finds in the weights of each layer."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from graphwsl.errors import PredictorError
from graphwsl.neural_graph.data import NODE_FEATURES
from graphwsl.populations.dense_layout import DenseLayout
from graphwsl.populations.population import Architecture
from graphwsl.properties.metanetwork.inputs import InputEmbedding, index_encoding
from graphwsl.properties.metanetwork.read_out import LayerReadOut, _moments
from graphwsl.properties.metanetwork.statistics import LayerStatistics
from tests.graphwsl.network_families import symmetries_of

NAMES = ("mlp", "residual", "depthwise")
QUANTILES = (1, 25, 50, 75, 99)


@cache
def layout(name: str) -> DenseLayout:
    return DenseLayout.of(Architecture(symmetries_of(name).graph, name))


def states(dense: DenseLayout, networks: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 + torch.randn(networks, dense.num_entries, generator=generator)


def summary(values: np.ndarray) -> np.ndarray:
    """Centres and quantiles by arsinh, the spread by its logarithm."""
    return np.hstack([
        np.arcsinh(10 * values.mean(1, keepdims=True)),
        np.log(values.var(1, keepdims=True) + 1e-12),
        np.arcsinh(10 * np.percentile(values, QUANTILES, axis=1).T),
    ])  # fmt: skip


def of_layer(dense: DenseLayout, number: int, rows: Tensor) -> np.ndarray:
    """Weights in units of one over the root of the fan-in, and biases of the layer's neurons."""
    weights, targets = [], set()
    for one in dense.layers[number].blocks:
        block = dense.blocks[one]
        fan_in = block.entries.shape[2] * block.entries.shape[3]
        weights.append(rows[:, block.entries.flatten()].numpy() * math.sqrt(fan_in))
        targets |= set(block.targets.flatten().tolist())
    biases = dense.x(rows)[:, sorted(targets), NODE_FEATURES.index("bias")].numpy()
    return np.hstack([summary(np.hstack(weights)), summary(biases)])


@pytest.mark.parametrize("name", NAMES)
def test_statistics_of_layers_are_on_the_scale_of_the_training(name: str) -> None:
    dense, training, others = layout(name), states(layout(name)), states(layout(name), 3, seed=1)
    module = LayerStatistics()
    module.fit_scales([(dense, training)])
    found = module(dense, others)
    kinds: dict[int, list[int]] = {}
    for number, layer in enumerate(dense.layers):
        if layer.blocks:
            kinds.setdefault(int(dense.blocks[layer.blocks[0]].kind), []).append(number)
        else:
            assert not found[:, number].any()
    for numbers in kinds.values():
        known = np.vstack([of_layer(dense, number, training) for number in numbers])
        spread = known.std(0)
        spread[spread < 1e-5] = 1
        for number in numbers:
            expected = (of_layer(dense, number, others) - known.mean(0)) / spread
            np.testing.assert_allclose(found[:, number], expected.clip(-5, 5), atol=2e-3)


def test_statistics_of_outliers_are_bounded() -> None:
    dense = layout("mlp")
    module = LayerStatistics()
    module.fit_scales([(dense, states(dense))])
    found = module(dense, 1e6 * states(dense))
    assert float(found.abs().max()) == 5


def test_inputs_have_the_scale_of_the_training() -> None:
    """After it, squares of scaled weights are one on average, by where the weights are."""
    dense = layout("residual")
    rows = states(dense) * 7
    module = InputEmbedding(4, 3, dense.largest_kernel, 0.5)
    module.fit_scales([(dense, rows[:4]), (dense, rows[4:])])
    scaled: dict[int, list[Tensor]] = {}
    for block in dense.blocks:
        values = block.weights(rows) * block.fan_in**0.5 / module.edge_scale[block.kind]
        scaled.setdefault(int(block.kind), []).append(values.flatten())
    for several in scaled.values():
        assert float(torch.cat(several).square().mean()) == pytest.approx(1, rel=1e-4)
    has = torch.zeros(dense.num_nodes * len(NODE_FEATURES), dtype=torch.bool)
    has[dense.node_elements] = True
    has = has.view(dense.num_nodes, -1)
    x = dense.x(rows)
    for column, role in enumerate(NODE_FEATURES):
        neutral = 1.0 if role in ("scale", "variance") else 0.0
        values = (x[:, has[:, column], column] - neutral) / module.node_scale[column]
        if values.numel():
            assert float(values.square().mean()) == pytest.approx(1, rel=1e-4)
        else:
            assert module.node_scale[column] == 1


@torch.no_grad()
def test_small_kernels_are_at_the_centre_of_large_ones() -> None:
    """A kernel of one position is embedded as that of nine that is zero elsewhere."""
    dense = layout("residual")
    block = next(one for one in dense.blocks if one.entries.shape[3] == 1)
    torch.manual_seed(0)
    module = InputEmbedding(4, 3, 9, 1.0)
    rows = states(dense, 2)
    weights = torch.zeros(*block.entries.shape[:3], 9).expand(2, -1, -1, -1, -1).clone()
    weights[..., 4] = block.weights(rows)[..., 0] * block.fan_in
    depth = dense.depth[block.targets[0, 0]]
    constant = module.block_place.weight[block.kind] + module.edge_depth(depth[None])
    hidden = torch.asinh(weights) @ module.embed_kernel.weight.T + constant
    found = module._embed_block(dense, block, rows)
    torch.testing.assert_close(found, module.embed_edges(hidden), rtol=1e-4, atol=1e-5)
    with pytest.raises(PredictorError, match=r"kernels of 9 positions, .* at most 4; train it on"):
        InputEmbedding(4, 3, 4, 1.0)(dense, rows)


def test_indices_are_waves_of_growing_length() -> None:
    index = torch.tensor([[0, 1, 7], [4, 100, 4000]])
    found = index_encoding(index)
    assert found.shape == (2, 3, 16)
    for position, index_of_one in np.ndenumerate(index.numpy()):
        for wave in range(8):
            length = 4 * 1000 ** (wave / 7)
            angle = 2 * math.pi * index_of_one / length
            assert float(found[position][wave]) == pytest.approx(math.sin(angle), abs=3e-3)
            assert float(found[position][8 + wave]) == pytest.approx(math.cos(angle), abs=3e-3)


def test_moments_are_of_each_layer() -> None:
    layer = torch.tensor([2, 0, 2, 2, 0])
    signal = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    found = _moments(signal, layer, 4)
    for number in range(4):
        own = signal[:, layer == number].numpy()
        if own.shape[1]:
            expected = np.hstack([own.mean(1), np.sqrt(own.var(1) + 1e-6)])
        else:
            expected = np.hstack([np.zeros((3, 4)), np.full((3, 4), 1e-3)])
        np.testing.assert_allclose(found[:, number], expected, rtol=1e-4, atol=1e-5)


def test_the_order_within_a_layer_is_not_read() -> None:
    dense = layout("mlp")
    torch.manual_seed(0)
    module = LayerReadOut(4, 3, 2, 8, 1, 0.0).eval()
    x, edges = torch.randn(2, dense.num_nodes, 4), torch.randn(2, dense.num_edges, 3)
    statistics = torch.randn(2, len(dense.layers), 2)
    before = module(dense, x, edges, statistics)
    hidden = torch.nonzero(dense.node_layer == 1).flatten()
    shuffled = x.clone()
    shuffled[:, hidden] = x[:, hidden.flip(0)]
    torch.testing.assert_close(module(dense, shuffled, edges, statistics), before)
    elsewhere = x.clone()  # two nodes of different layers exchanged
    elsewhere[:, [0, -1]] = x[:, [-1, 0]]
    assert not torch.allclose(module(dense, elsewhere, edges, statistics), before, atol=1e-4)
    other = statistics.clone()
    other[:, 1] += 1
    assert not torch.allclose(module(dense, x, edges, other), before, atol=1e-4)
