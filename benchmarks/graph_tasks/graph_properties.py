"""Distances in random graphs: tasks whose labels are exact and need the whole graph.

Three of the tasks of Corso et al. (2020, arXiv 2004.05718), one at a time as Gravina et al. (2023,
"Anti-Symmetric DGN", arXiv 2210.09789) have them: the distance of every node from a marked one
(``sssp``), the largest distance from every node (``eccentricity``), and the largest of all
(``diameter``). Distances count edges, within the component of a node; from other components they
are 0. Nodes see whether they are marked, and a random number. Labels are divided by the largest
of the training set, as in the first study, and the score is log10 of the mean squared error.
"""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.sparse.csgraph import shortest_path
from torch import Tensor
from torch_geometric.data import Data

from benchmarks.graph_tasks.random_graphs import random_adjacency
from benchmarks.graph_tasks.task import GraphTask, Split
from gnncore.metrics import mse
from gnncore.training import GraphStore, RegressionObjective

PROPERTIES = ("sssp", "eccentricity", "diameter")
"""Names of the tasks."""

PUBLISHED_GRAPHS: dict[Split, int] = {"train": 5120, "valid": 640, "test": 1280}
"""Graphs of each split in both studies."""


def distances(adjacency: Bool[np.ndarray, "nodes nodes"]) -> Float[np.ndarray, "nodes nodes"]:
    """Edges on the shortest path between any two nodes; 0 where there is none."""
    found = shortest_path(adjacency.astype(float), directed=False, unweighted=True)
    return np.where(np.isfinite(found), found, 0.0)


def make_tasks(
    nodes: tuple[int, int], graphs: dict[Split, int], *, seed: int
) -> dict[str, GraphTask]:
    """The tasks, on the same graphs.

    Args:
        nodes: Smallest and largest number of nodes; both studies have both 15 to 24 and 25 to 34.
        graphs: Graphs of each split.
        seed: Of the graphs; each split has a stream of its own, so that it does not depend on the
            size of the others.
    """
    made = {
        split: [_graph(nodes, np.random.default_rng([seed, number, k])) for k in range(count)]
        for number, (split, count) in enumerate(graphs.items())
    }
    return {name: _task(name, nodes, made) for name in PROPERTIES}


def _graph(nodes: tuple[int, int], rng: np.random.Generator) -> Data:
    adjacency = random_adjacency(int(rng.integers(nodes[0], nodes[1] + 1)), rng)
    between = distances(adjacency)
    marked = int(rng.integers(len(adjacency)))
    is_marked = np.arange(len(adjacency)) == marked
    edge_index = torch.from_numpy(np.stack(np.nonzero(adjacency)))
    return Data(
        x=_tensor(np.stack([is_marked, rng.random(len(adjacency))], axis=1)),
        edge_index=edge_index,
        edge_attr=torch.ones(edge_index.shape[1], 1),
        sssp=_tensor(between[marked]),
        eccentricity=_tensor(between.max(axis=1)),
        diameter=_tensor(between.max(keepdims=True)[0]),
    )


def _task(name: str, nodes: tuple[int, int], made: dict[Split, list[Data]]) -> GraphTask:
    scale = max(float(graph[name].max()) for graph in made["train"])
    stores: dict[Split, GraphStore] = {
        split: GraphStore.from_data_list(
            [
                Data(
                    x=graph.x,
                    edge_index=graph.edge_index,
                    edge_attr=graph.edge_attr,
                    y=graph[name] / scale,
                )
                for graph in graphs
            ]
        )
        for split, graphs in made.items()
    }
    target = stores["test"].tensors["y"]
    mean = stores["train"].tensors["y"].mean().expand_as(target)
    return GraphTask(
        name=name,
        measure="log10 MSE",
        stores=stores,
        objective=RegressionObjective(select_by="mse"),
        score=_log_mse,
        larger_is_better=False,
        pooling="max" if name == "diameter" else None,
        out_channels=1,
        baseline=math.log10(mse(mean, target)),
        facts={
            "graphs": {split: len(graphs) for split, graphs in made.items()},
            "all training graphs": PUBLISHED_GRAPHS["train"],
            "nodes": list(nodes),
            "largest": scale,
        },
    )


def _log_mse(prediction: Tensor, test: GraphStore) -> float:
    return math.log10(mse(prediction.reshape(-1), test.tensors["y"]))


def _tensor(values: np.ndarray) -> Float[Tensor, "..."]:
    return torch.from_numpy(np.asarray(values, np.float32))
