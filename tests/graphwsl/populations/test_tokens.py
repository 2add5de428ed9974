"""Tokens hold every number of a network once, and give it back bitwise, for every family."""

import pytest
import torch
from torch import nn

from graphwsl.errors import GraphwslError, StateMismatchError
from graphwsl.neural_graph import neural_graph
from graphwsl.populations import LayerType, TokenBatch, Tokenizer, TokenWindows, tokenize
from graphwsl.populations.population import Architecture
from graphwsl.populations.tokens import Kind
from graphwsl.zoo.architectures.registry import build
from tests.graphwsl.network_families import FAMILIES, symmetries_of


def architecture(name: str) -> Architecture:
    return Architecture(symmetries_of(name).graph, name)


def bits(architecture: Architecture, networks: int = 2) -> torch.Tensor:
    """Any bits: payloads of not-a-number, signs of zeros, numbers too small to be normal."""
    generator = torch.Generator().manual_seed(0)
    shape = (networks, architecture.num_entries)
    drawn = torch.randint(-(2**31), 2**31, shape, generator=generator, dtype=torch.int32)
    drawn[0, 0] = -(2**31)  # negative zero
    drawn[-1, -1] = 0x7F812345  # signalling
    return drawn.view(torch.float32)


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_come_back_bitwise(name: str) -> None:
    family = architecture(name)
    rows = bits(family)
    kinds: tuple[Kind, ...] = ("sparse", "dense", "tensors")
    for kind in kinds:
        for width in (None, 1, 7) if kind != "tensors" else (7,):
            tokens = tokenize(rows, family, kind, width)
            assert torch.equal(tokens.rows().view(torch.int32), rows.view(torch.int32))
            entries = tokens.tokenizer.layout.entries[tokens.mask]
            assert torch.equal(entries.sort().values, torch.arange(family.num_entries))
            assert not bool(tokens.values[:, ~tokens.mask].view(torch.int32).any())
            assert bool(tokens.mask.any(dim=1).all())
            assert width is None or tokens.values.shape[2] == width


@pytest.mark.parametrize("name", FAMILIES)
def test_a_sparse_token_is_a_unit(name: str) -> None:
    """All incoming weights of a unit, and the parameters at it, unless another has them too."""
    family = architecture(name)
    layout = Tokenizer.of(family).layout
    token = torch.empty(family.num_entries, dtype=torch.int64)
    token[layout.entries[layout.mask]] = torch.nonzero(layout.mask)[:, 0]
    times = torch.zeros(family.num_entries)
    for use in family.graph.uses:
        times.index_add_(
            0, use.entries[use.entries >= 0], torch.ones(int((use.entries >= 0).sum()))
        )
    for block in family.graph.blocks:
        for entries, node in zip(
            block.entries.flatten(0, 1).flatten(1), block.targets.flatten().tolist(), strict=True
        ):
            entries = entries[entries >= 0]
            own = token[entries[times[entries] == 1]]
            assert bool((layout.nodes[own] == node).all())
    assert len(layout.nodes.unique_consecutive()) == len(set(layout.nodes.tolist()) - {-1}) + int(
        bool((layout.nodes == -1).any())
    )


def test_tokens_of_tensors_are_chunks_of_each() -> None:
    """As ``numpy.split`` cuts them, tensor after tensor."""
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 5))
    graph = neural_graph(network.eval(), torch.zeros(1, 3))
    layout = Tokenizer.of(Architecture(graph, "small"), "tensors", 4).layout
    expected, start = [], 0
    for number, tensor in enumerate(network.state_dict().values()):
        for index, chunk in enumerate(torch.arange(start, start + tensor.numel()).split(4)):
            expected.append((chunk.tolist(), number, index))
        start += tensor.numel()
    found = [
        (own[own >= 0].tolist(), int(layer), int(index))
        for own, (_, layer, index) in zip(layout.entries, layout.positions, strict=True)
    ]
    assert found == expected


@pytest.mark.parametrize("kind", ["sparse", "dense", "tensors"])
def test_positions_are_indices_in_the_sequence_of_the_layer_and_within_it(kind: Kind) -> None:
    for name in ("residual", "llama", "lstm stacked"):
        layout = Tokenizer.of(architecture(name), kind, 5).layout
        sequence, layer, index = layout.positions.T
        assert torch.equal(sequence, torch.arange(len(sequence)))
        assert layer[0] == 0
        assert set(layer.diff().tolist()) <= {0, 1}
        for number in range(int(layer.max()) + 1):
            own = index[layer == number]
            assert torch.equal(own, torch.arange(len(own)))


def test_the_published_small_network_has_the_published_tokens() -> None:
    """48 tokens of width 201 (Schürholt et al., 2024): the incoming weights and the bias."""
    model = build("cnn_s", {"activation": "tanh"}).eval()
    family = Architecture(neural_graph(model, torch.zeros(1, 1, 28, 28)), "cnn_s")
    rows = family.graph.flat(dtype=torch.float32)[None]
    tokens = tokenize(rows, family)
    assert tokens.values.shape == (1, 48, 201)
    assert tokens.positions[:, 1].bincount().tolist() == [8, 6, 4, 20, 10]
    state = list(family.graph.state.values())
    row = torch.cat([state[2][3].flatten(), state[3][3:4]])
    assert torch.equal(tokens.values[0, 8 + 3], row)
    assert tokens.mask.sum(dim=1)[::10].tolist() == [26, 201, 37, 37, 21]
    assert set(tokens.layer_types.tolist()) == {LayerType.CONVOLUTION, LayerType.LINEAR}
    dense = tokenize(rows, family, "dense", 100)
    assert dense.positions[:, 1].bincount().tolist() == [3, 13, 1, 8, 3]
    assert torch.equal(dense.values[0, 0], rows[0, :100])
    assert dense.mask.sum(dim=1)[:3].tolist() == [100, 100, 8]


def test_a_normalisation_belongs_to_what_it_normalises() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))
    family = Architecture(neural_graph(model.eval(), torch.zeros(1, 2, 8, 8)), "cnn")
    rows = torch.arange(float(family.num_entries))[None]
    names = {
        name: rows[0, start : start + family.graph.state[name].numel()]
        for name, start in family.graph.offsets.items()
    }
    tokens = tokenize(rows, family)
    own = tokens.values[0, 2][tokens.mask[2]]
    norm = [names[f"1.{name}"][2] for name in ("weight", "bias", "running_mean", "running_var")]
    assert own[:19].tolist() == [*names["0.weight"].view(4, 18)[2].tolist(), names["0.bias"][2]]
    assert sorted(own[19:].tolist()) == sorted(float(one) for one in norm)
    assert tokens.layer_types[-1] == LayerType.OTHER  # the counter of batches
    assert tokens.nodes[-1] == -1


def test_the_sum_of_a_residual_network_has_its_own_normalisation() -> None:
    layout = Tokenizer.of(architecture("encoder layer")).layout
    types = set(layout.layer_types.tolist())
    assert types == {LayerType.LINEAR, LayerType.NORMALISATION}


def test_architectures_in_one_batch() -> None:
    parts, rows = [], []
    for name, count in (("mlp", 2), ("residual", 1), ("lstm", 3)):
        family = architecture(name)
        rows.append(bits(family, count))
        parts.append(tokenize(rows[-1], family))
    batch = TokenBatch.of(parts)
    assert len(batch) == 6
    for part, own in zip(batch.split(), rows, strict=True):
        assert torch.equal(part.rows().view(torch.int32), own.view(torch.int32))
    assert int(batch.mask.sum()) == sum(own.numel() for own in rows)
    assert torch.equal(batch.mask.any(dim=2), batch.layer_types != LayerType.PADDING)
    assert not bool(batch.positions[batch.layer_types == LayerType.PADDING].any())
    doubled = batch.split(torch.ones_like(batch.values))
    assert bool((doubled[1].rows() == 1).all())


@pytest.mark.parametrize(("size", "halo"), [(1, 0), (4, 0), (4, 3), (5, 9), (40, 2)])
def test_windows_are_joined_again(size: int, halo: int) -> None:
    family = architecture("mlp")
    tokens = tokenize(torch.randn(3, family.num_entries), family)
    windows = TokenWindows.successive(14, size, halo)
    seen = windows.of(tokens.values)
    assert seen.shape == (3, -(-14 // size), size + 2 * halo, tokens.values.shape[2])
    assert torch.equal(windows.join(seen), tokens.values)
    # The halo holds the neighbours.
    sequence = windows.of(tokens.positions[None, :, :1] + 1)[0, :, :, 0]
    for window, start in zip(sequence.tolist(), range(0, 14, size), strict=True):
        wanted = [index + 1 for index in range(start - halo, start + size + halo)]
        assert window == [index if 1 <= index <= 14 else 0 for index in wanted]


def test_random_windows_start_anywhere() -> None:
    windows = TokenWindows.random(14, 4, 500, torch.Generator().manual_seed(0))
    assert set(windows.index[:, 0].tolist()) == set(range(11))
    assert bool((windows.index.diff(dim=1) == 1).all())
    some = torch.randn(500, 14, 2)
    assert torch.equal(windows.of_each(some)[7], some[7, windows.index[7]])
    short = TokenWindows.random(3, 4, 2)
    assert short.index.tolist() == [[0, 1, 2, -1]] * 2
    assert short.of_each(some[:2, :3])[0, 3].tolist() == [0, 0]


def test_mistakes_are_told() -> None:
    family = architecture("mlp")
    rows = torch.zeros(1, family.num_entries)
    with pytest.raises(StateMismatchError, match=r"the rows have 3 numbers, .* has 82"):
        tokenize(torch.zeros(1, 3), family)
    with pytest.raises(GraphwslError, match="width must be from 1 to"):
        tokenize(rows, family, width=0)
    with pytest.raises(StateMismatchError, match=r"the values have \(2, 3\)"):
        tokenize(rows, family).with_values(torch.zeros(1, 2, 3))
    with pytest.raises(StateMismatchError, match=r"the values have \(2, 3\)"):
        Tokenizer.of(family).rows(torch.zeros(1, 2, 3))
    with pytest.raises(GraphwslError, match="parts must not be empty"):
        TokenBatch.of([])
    batch = TokenBatch.of([tokenize(rows, family)])
    with pytest.raises(StateMismatchError, match="the batch is of"):
        batch.split(batch.values[:0])
    with pytest.raises(GraphwslError, match="windows of 0 tokens"):
        TokenWindows.successive(3, 0)
