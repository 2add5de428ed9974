"""A data set of grids is a data set of PyG."""

import torch
import torch_geometric
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from gnncore.training import as_dataset
from gridstab.learning import load_grid_dataset


def test_it_has_what_pyg_expects() -> None:
    dataset = load_grid_dataset("ds20")[:12]
    assert isinstance(dataset, torch_geometric.data.Dataset)
    assert dataset.num_features == dataset.num_node_features == 1
    assert dataset.num_edge_features == 1
    assert dataset.num_classes == 0
    assert dataset.with_target("troublemaker").num_classes == 2


def test_shuffling_gives_the_same_graphs_in_the_order_that_it_says() -> None:
    dataset = load_grid_dataset("ds20")[:12]
    shuffled, order = dataset.shuffle(return_perm=True)
    ids = torch.tensor(dataset.grid_ids)
    assert sorted(order.tolist()) == list(range(12))
    assert shuffled.grid_ids == ids[order].tolist()
    assert torch.equal(shuffled[3].x, dataset[int(order[3])].x)


def test_a_transform_is_applied_however_a_graph_is_read() -> None:
    def doubled(graph: Data) -> Data:
        graph = graph.clone()
        graph.x = 2 * graph.x
        return graph

    dataset = load_grid_dataset("ds20")[:6]
    plain = as_dataset(dataset).tensors["x"]
    dataset.transform = doubled
    assert torch.equal(dataset[2].x, 2 * plain[40:60])
    assert torch.equal(dataset[1:3][0].x, 2 * plain[20:40])
    assert torch.equal(next(iter(DataLoader(dataset, 6))).x, 2 * plain)
    assert torch.equal(as_dataset(dataset).tensors["x"], 2 * plain)
    assert torch.equal(dataset.get(2).x, plain[40:60])
