"""How far a signal carries: the label of a node is what the nodes exactly k edges away say.

Nodes show 1 or -1 at random, as two colours, and the label of a node is the mean over all nodes at
distance k. Nearer and farther nodes say nothing about it: a model that does not see k edges far has
an R² of 0 on unseen graphs, as has one that sees them and cannot tell them from the others. Nothing
marks the nodes that matter, so attention needs to know distances.

All distances have the same graphs and the same colours. On a ring the label is the Chebyshev
polynomial of degree k of the averaging over neighbours, applied to the colours: a linear function
that a wave computes, and one that many layers of averaging have to build from differences of large
numbers. The ring transfer of Di Giovanni et al. (2023, arXiv 2302.02941) asks the same of one
marked node of a graph; here every node of every graph is a question.
"""

from collections.abc import Callable

import networkx as nx
import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.csgraph import shortest_path
from torch import Tensor
from torch_geometric.data import Data

from benchmarks.graph_tasks.task import GraphTask, Split
from gnncore.metrics import r2
from gnncore.training import GraphStore, RegressionObjective

DISTANCES = (2, 4, 6, 8, 12)
GRAPHS: dict[Split, int] = {"train": 400, "valid": 50, "test": 100}
NODES = (36, 48)
"""Nodes of a graph, from here to there."""
FARTHEST = NODES[0] // 2
"""The smallest ring has nodes so many edges apart, and none farther."""


def _ring(nodes: int, rng: np.random.Generator) -> nx.Graph:
    return nx.cycle_graph(nodes)


def _tree(nodes: int, rng: np.random.Generator) -> nx.Graph:
    return nx.random_labeled_tree(nodes, seed=int(rng.integers(2**31)))


SHAPES: dict[str, Callable[[int, np.random.Generator], nx.Graph]] = {"ring": _ring, "tree": _tree}
"""Graphs by name: rings, and trees drawn evenly from all that there are."""


def signal_task(shape: str, distance: int, graphs: dict[Split, int], *, seed: int) -> GraphTask:
    """The task for one distance.

    Args:
        shape: A key of :data:`SHAPES`.
        distance: Edges between a node and those that its label depends on, from 1 to
            :data:`FARTHEST`. Nodes that have none so far away have no label.
        graphs: Graphs of each split.
        seed: Of the graphs; each split has a stream of its own, so that it does not depend on the
            size of the others.
    """
    stores: dict[Split, GraphStore] = {
        split: GraphStore.from_data_list(
            [
                _graph(shape, distance, np.random.default_rng([seed, number, k]))
                for k in range(count)
            ]
        )
        for number, (split, count) in enumerate(graphs.items())
    }
    return GraphTask(
        name=f"{shape}-{distance}",
        measure="R²",
        stores=stores,
        objective=RegressionObjective(select_by="r2"),
        score=explained,
        larger_is_better=True,
        pooling=None,
        out_channels=1,
        baseline=0.0,
        facts={
            "graphs": {split: len(store) for split, store in stores.items()},
            "all training graphs": graphs["train"],
            "shape": shape,
            "distance": distance,
        },
    )


def explained(prediction: Tensor, test: GraphStore) -> float:
    """R² over the nodes that have a label."""
    asked = test.tensors["y_mask"]
    return r2(prediction[asked], test.tensors["y"][asked])


def _graph(shape: str, distance: int, rng: np.random.Generator) -> Data:
    nodes = int(rng.integers(NODES[0], NODES[1] + 1))
    order = rng.permutation(nodes)  # so that the numbers of nodes say nothing
    edges = order[np.array(SHAPES[shape](nodes, rng).edges).T]
    edge_index = np.concatenate([edges, edges[::-1]], axis=1)
    says = rng.choice([-1.0, 1.0], size=nodes)
    adjacency = np.zeros((nodes, nodes))
    adjacency[tuple(edge_index)] = 1
    shell = shortest_path(adjacency, directed=False, unweighted=True) == distance
    sizes = shell.sum(axis=1)
    return Data(
        x=_column(says),
        edge_index=torch.from_numpy(edge_index),
        edge_attr=torch.ones(edge_index.shape[1], 1),
        y=_column(shell @ says / np.maximum(sizes, 1)),
        y_mask=_column(sizes).bool(),
    )


def _column(values: np.ndarray) -> Float[Tensor, "nodes 1"]:
    return torch.from_numpy(np.asarray(values, np.float32))[:, None]
