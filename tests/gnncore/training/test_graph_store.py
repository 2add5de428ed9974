"""The store against PyG's own collation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from gnncore.errors import TrainingError
from gnncore.storage import load_tensors, save_tensors
from gnncore.training import GraphStore
from tests.gnncore.training.training_cases import rings


def odd_graphs(count: int, seed: int) -> list[Data]:
    """Graphs with attributes of every level and type, some without nodes or edges."""
    generator = torch.Generator().manual_seed(seed)
    graphs = []
    for number in range(count):
        nodes = int(torch.randint(0, 5, (), generator=generator))
        edges = int(torch.randint(0, 7, (), generator=generator)) if nodes else 0
        graphs.append(
            Data(
                x=torch.randn(nodes, 3, generator=generator),
                edge_index=torch.randint(max(nodes, 1), (2, edges), generator=generator),
                edge_attr=torch.randn(edges, 2, generator=generator, dtype=torch.float64),
                y=torch.randn(nodes, generator=generator),
                y_mask=torch.rand(nodes, generator=generator) < 0.5,
                partner_index=torch.randint(max(nodes, 1), (nodes,), generator=generator),
                grid_id=number,
                total=torch.tensor(float(number)),
                measures=torch.randn(1, 4, generator=generator),
            )
        )
    return graphs


def assert_same(ours: Data, theirs: Data) -> None:
    found, wanted = ours.to_dict(), theirs.to_dict()
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        if isinstance(value, torch.Tensor):
            assert found[key].dtype == value.dtype, key
            assert torch.equal(found[key], value), key
        else:
            assert found[key] == value, key


@given(seed=st.integers(0, 10**6), chosen=st.lists(st.integers(0, 7), min_size=1, max_size=12))
def test_a_batch_is_that_of_pyg(seed: int, chosen: list[int]) -> None:
    graphs = odd_graphs(8, seed)
    ours = GraphStore.from_data_list(graphs).batch(chosen)
    theirs = Batch.from_data_list([graphs[i] for i in chosen])
    assert_same(ours, theirs)
    assert ours.num_graphs == theirs.num_graphs
    assert ours.num_nodes == theirs.num_nodes
    for mine, other in zip(ours.to_data_list(), theirs.to_data_list(), strict=True):
        assert_same(mine, other)


@given(seed=st.integers(0, 10**6))
def test_graphs_come_out_as_they_went_in(seed: int) -> None:
    graphs = odd_graphs(5, seed)
    store = GraphStore.from_data_list(graphs)
    assert len(store) == len(list(store)) == 5
    assert_same(Batch.from_data_list(list(store)), Batch.from_data_list(graphs))
    assert_same(store[-1], store[4])
    with pytest.raises(IndexError, match="graph 5 of a store of 5"):
        store[5]


def test_a_selection_is_a_store_of_its_own() -> None:
    graphs = odd_graphs(8, seed=3)
    store = GraphStore.from_data_list(graphs)
    chosen = store.select([6, 1, 1])
    assert len(chosen) == 3
    assert_same(chosen.whole(), Batch.from_data_list([graphs[i] for i in (6, 1, 1)]))
    assert_same(chosen.select(torch.tensor([1])).whole(), Batch.from_data_list([graphs[1]]))
    assert len(store.select([])) == 0
    chosen.tensors["x"].fill_(9.0)
    assert not bool((store.tensors["x"] == 9.0).any())


def test_nodes_without_features_are_counted() -> None:
    graphs = [Data(edge_index=torch.tensor([[0], [1]]), num_nodes=n) for n in (2, 4)]
    store = GraphStore.from_data_list(graphs)
    assert_same(store.batch([1, 0]), Batch.from_data_list([graphs[1], graphs[0]]))
    assert store[1].num_nodes == 4
    assert store.num_nodes == 6


def test_arrays_go_to_a_file_and_back(tmp_path) -> None:
    store = GraphStore.from_data_list(odd_graphs(6, seed=5))
    save_tensors(tmp_path / "store.safetensors", store.to_arrays())
    again = GraphStore.from_arrays(load_tensors(tmp_path / "store.safetensors"))
    assert_same(again.whole(), store.whole())
    assert again.content_hash == store.content_hash
    assert store.select([1, 0]).content_hash != store.select([0, 1]).content_hash


def damaged(name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    return GraphStore.from_data_list(rings(2)).to_arrays() | {name: value}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "needs 'pointer.node'"),
        (damaged("pointer.node", np.array([0.0, 1.0])), "needs 'pointer.node'"),
        (damaged("pointer.edge", np.array([0, 9, 3])), "does not rise"),
        (damaged("pointer.edge", np.array([0, 3])), "does not rise"),
        (damaged("node.x", np.zeros((1, 1))), "needs .* rows, one a node"),
        (damaged("x", np.zeros((1, 1))), "'x' names no level"),
        (damaged("graph.deep_index", np.array([0, 99])), "names nodes that its graph does not"),
        (damaged("graph.deep_index", np.array([0, -1])), "names nodes that its graph does not"),
    ],
)
def test_foreign_arrays_are_refused(arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        GraphStore.from_arrays(arrays)


@pytest.mark.parametrize(
    ("graphs", "message"),
    [
        ([], "at least one graph"),
        ([Data(x=torch.ones(2, 1)), Data(y=torch.ones(2))], "'x' is not in all|'y' is not in all"),
        ([Data(x=torch.ones(2, 1), name="a")], "'name' is a str.*exclude_keys"),
        ([Data(x=torch.ones(2, 1), y=torch.ones(3))], "'y' has 3 rows in graph 0.*2 nodes"),
        ([Data(x=torch.ones(2, 1), batch=torch.zeros(2))], "'batch' belongs to batches"),
    ],
)
def test_graphs_that_do_not_fit_are_refused(graphs: list[Data], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        GraphStore.from_data_list(graphs)


def test_names_can_be_left_out() -> None:
    store = GraphStore.from_data_list([Data(x=torch.ones(2, 1), name="a")], exclude_keys=["name"])
    assert list(store.tensors) == ["x"]


@pytest.mark.parametrize("chosen", [[], [3], [-1], torch.tensor([0, 7])])
def test_numbers_of_no_graph_are_refused(chosen) -> None:
    with pytest.raises(TrainingError):
        GraphStore.from_data_list(rings(3)).batch(chosen)
