"""Every graph once a pass, in an order that the generator alone decides."""

import pytest
import torch
from torch_geometric.data import Batch

from gnncore.errors import TrainingError
from gnncore.training import GraphStore, Loader
from tests.gnncore.training.training_cases import rings

GRAPHS = rings(10)
STORE = GraphStore.from_data_list(GRAPHS)


def order(loader: Loader) -> list[int]:
    return torch.cat(list(loader.items())).tolist()


def test_batches_in_order() -> None:
    loader = Loader(STORE, 4)
    assert [batch.num_graphs for batch in loader] == [4, 4, 2]
    assert len(loader) == 3
    first = next(iter(loader))
    assert torch.equal(first.edge_index, Batch.from_data_list(GRAPHS[:4]).edge_index)


def test_every_pass_shuffles_anew_and_repeats_with_the_seed() -> None:
    loader = Loader(STORE, 4, shuffle=True, generator=torch.Generator().manual_seed(3))
    passes = [order(loader), order(loader)]
    assert passes[0] != passes[1]
    assert all(sorted(p) == list(range(10)) for p in passes)
    again = Loader(STORE, 4, shuffle=True, generator=torch.Generator().manual_seed(3))
    assert [order(again), order(again)] == passes


def test_batches_are_put_together_from_groups() -> None:
    groups = torch.tensor([0, 1, 2, 0, 1, 0, 1, 0, 0, 1])
    generator = torch.Generator().manual_seed(3)
    loader = Loader(STORE, 4, shuffle=True, generator=generator, groups=groups, group_size=2)
    passes = [order(loader), order(loader)]
    assert passes[0] != passes[1]
    for found in passes:
        assert sorted(found) == list(range(10))
        _, lengths = groups[found].unique_consecutive(return_counts=True)
        # 5, 4 and 1 graphs give groups of 2, 2, 1 and 2, 2 and 1.
        assert len(lengths) <= 6
        assert (lengths == 1).sum() <= 2
    assert len(loader) == 3


def test_one_group_is_none() -> None:
    orders = [
        order(Loader(STORE, 4, shuffle=True, generator=generator, groups=groups))
        for groups in (None, torch.ones(10, dtype=torch.int64))
        for generator in [torch.Generator().manual_seed(3)]
    ]
    assert orders[0] == orders[1]


def test_an_empty_store_gives_no_batches() -> None:
    assert list(Loader(STORE.select([]), 4)) == []


def test_batches_of_no_graphs_are_refused() -> None:
    with pytest.raises(TrainingError, match="at least 1, got 0"):
        Loader(STORE, 0)
    with pytest.raises(TrainingError, match="group_size must be at least 1, got 0"):
        Loader(STORE, 4, group_size=0)
