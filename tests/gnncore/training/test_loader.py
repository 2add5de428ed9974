"""Every graph once a pass, in an order that the generator alone decides."""

import pytest
import torch
from torch_geometric.data import Batch
from training_cases import rings

from gnncore.errors import TrainingError
from gnncore.training import GraphStore, Loader

GRAPHS = rings(10)
STORE = GraphStore.from_data_list(GRAPHS)


def order(loader: Loader) -> list[int]:
    return torch.cat(list(loader.graphs())).tolist()


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


def test_an_empty_store_gives_no_batches() -> None:
    assert list(Loader(STORE.select([]), 4)) == []


def test_batches_of_no_graphs_are_refused() -> None:
    with pytest.raises(TrainingError, match="at least 1, got 0"):
        Loader(STORE, 0)
