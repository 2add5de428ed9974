"""Owners of entries, worked out by hand, and their cutting into tokens against a slow loop."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from graphwsl.errors import GraphwslError
from graphwsl.neural_graph import neural_graph
from graphwsl.populations import LayerType, TokenWindows
from graphwsl.populations.dense_tokens import dense_layout
from graphwsl.populations.sparse_tokens import sparse_layout, widest
from graphwsl.populations.token_layout import TokenLayout
from graphwsl.populations.unit_entries import UnitEntries


def entries_of_network() -> tuple[UnitEntries, int]:
    """Weights 0–5, biases 6–7, scale 8–9, shift 10–11, means 12–13, variances 14–15, counter 16."""
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval()
    graph = neural_graph(module, torch.randn(4, 3))
    return UnitEntries.of(graph), graph.num_nodes


def test_a_unit_owns_its_row_its_bias_and_its_normalisation() -> None:
    owned, num_nodes = entries_of_network()
    by_unit = {
        int(unit): set(owned.entries[owned.units == unit].tolist()) for unit in owned.units.unique()
    }
    assert by_unit.pop(-1) == {16}
    assert sorted(by_unit.values(), key=min) == [
        {0, 1, 2, 6, 8, 10, 12, 14},
        {3, 4, 5, 7, 9, 11, 13, 15},
    ]
    assert owned.entries.sort().values.tolist() == list(range(17))
    types = dict(zip(owned.entries.tolist(), owned.types.tolist(), strict=True))
    assert [types[entry] for entry in range(6)] == [LayerType.LINEAR] * 6
    assert [types[entry] for entry in range(8, 16)] == [LayerType.NORMALISATION] * 8
    assert types[16] == LayerType.OTHER
    assert owned.layers.tolist() == [0] * 16 + [1]
    assert widest(owned, num_nodes) == 8


def test_sparse_and_dense_tokens_of_the_same_network() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval()
    graph = neural_graph(module, torch.randn(4, 3))
    sparse, dense = sparse_layout(graph), dense_layout(graph, 5)
    assert sparse.mask.sum(1).tolist() == [8, 8, 1]
    assert dense.entries.tolist() == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
        [10, 11, 12, 13, 14],
        [15, -1, -1, -1, -1],
        [16, -1, -1, -1, -1],
    ]
    assert dense.nodes.tolist() == [-1] * 5
    assert dense.layer_types.tolist() == [LayerType.LINEAR] * 4 + [LayerType.OTHER]
    assert dense.positions.tolist() == [[0, 0, 0], [1, 0, 1], [2, 0, 2], [3, 0, 3], [4, 1, 0]]
    assert sparse.num_entries == dense.num_entries == 17


def slow_cut(
    owned: UnitEntries, groups: list[int], width: int
) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """Entry after entry: rows of tokens, their positions, and their types."""
    tokens: list[list[int]] = []
    positions: list[list[int]] = []
    types: list[int] = []
    for number, entry in enumerate(owned.entries.tolist()):
        is_new = number == 0 or groups[number] != groups[number - 1]
        if is_new or len(tokens[-1]) == width:
            layer = int(owned.layers[number])
            before = positions[-1] if positions else [-1, -1, -1]
            within = before[2] + 1 if before[1] == layer else 0
            types.append(int(owned.types[number]) if is_new else types[-1])
            tokens.append([])
            positions.append([before[0] + 1, layer, within])
        tokens[-1].append(entry)
    return [token + [-1] * (width - len(token)) for token in tokens], positions, types


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 7), st.booleans()), min_size=1, max_size=6),
       st.integers(1, 4), st.integers(0, 99))  # fmt: skip
def test_groups_are_cut_as_by_a_loop(drawn: list[tuple[int, bool]], width: int, seed: int) -> None:
    sizes = torch.tensor([size for size, _ in drawn])
    starts_layer = torch.tensor([number > 0 and new for number, (_, new) in enumerate(drawn)])
    groups = torch.arange(len(drawn)).repeat_interleave(sizes)
    generator = torch.Generator().manual_seed(seed)
    count = len(groups)
    owned = UnitEntries(
        entries=torch.randperm(count, generator=generator),
        units=10 + groups,
        layers=starts_layer.long().cumsum(0)[groups],
        types=torch.randint(1, 7, (count,), generator=generator),
    )
    found = TokenLayout.cut(owned, groups, width, owned.units)
    tokens, positions, types = slow_cut(owned, groups.tolist(), width)
    assert found.entries.tolist() == tokens
    assert found.positions.tolist() == positions
    assert found.layer_types.tolist() == types
    assert torch.equal(found.mask, found.entries != -1)
    assert found.num_entries == count
    owner = dict(zip(owned.entries.tolist(), owned.units.tolist(), strict=True))
    assert found.nodes.tolist() == [owner[token[0]] for token in tokens]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9), st.integers(1, 5), st.integers(0, 3))
def test_windows_are_those_of_slices(num_tokens: int, size: int, halo: int) -> None:
    windows = TokenWindows.successive(num_tokens, size, halo)
    starts = range(0, num_tokens, size)
    expected = [
        [n if 0 <= n < num_tokens else -1 for n in range(start - halo, start + size + halo)]
        for start in starts
    ]
    assert windows.index.tolist() == expected
    some = torch.arange(1.0, 2 * num_tokens * 3 + 1).view(2, num_tokens, 3)
    if num_tokens:
        padded = torch.cat([some, torch.zeros(2, 1, 3)], dim=1)  # -1 reads the zeros
        assert torch.equal(windows.of(some), padded[:, windows.index])
        assert torch.equal(windows.join(windows.of(some)), some)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 99))
def test_a_random_window_of_each_network_is_its_own(num_tokens: int, size: int, seed: int) -> None:
    windows = TokenWindows.random(num_tokens, size, 4, torch.Generator().manual_seed(seed))
    some = torch.arange(1.0, 4 * num_tokens + 1).view(4, num_tokens)
    for network, (index, found) in enumerate(
        zip(windows.index.tolist(), windows.of_each(some).tolist(), strict=True)
    ):
        assert [n for n in index if n >= 0] == list(
            range(index[0], index[0] + min(size, num_tokens))
        )
        assert found == [float(some[network, n]) if n >= 0 else 0.0 for n in index]


@pytest.mark.parametrize(("size", "halo"), [(0, 0), (-1, 2), (3, -1)])
def test_windows_without_tokens_are_refused(size: int, halo: int) -> None:
    with pytest.raises(GraphwslError, match=f"windows of {size} tokens with a halo of {halo}"):
        TokenWindows.successive(9, size, halo)
