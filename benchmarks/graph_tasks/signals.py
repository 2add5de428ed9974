"""How far a signal carries: the label of a node is what another node, k edges away, says.

A ring of 2k to 3k nodes, each of which shows one of five classes at random. One node is marked as
the source and one as the target, k edges apart; the target is to name the class of the source. It
is the ring transfer of Di Giovanni et al. (2023, arXiv 2302.02941) with two differences: the other
nodes are not silent but say something else, which must be kept apart from the signal on its way,
and one way around the ring may be longer than the other. Chance is one fifth.
"""

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from benchmarks.graph_tasks.task import GraphTask, Split
from gnncore.training import ClassificationObjective, GraphStore

CLASSES = 5
DISTANCES = (2, 4, 8, 16, 32)
GRAPHS: dict[Split, int] = {"train": 2000, "valid": 400, "test": 1000}

SOURCE, TARGET = 0, 1
"""Columns of ``x`` that mark the two nodes; the classes follow."""


def signal_task(distance: int, graphs: dict[Split, int], *, seed: int) -> GraphTask:
    """The task for one distance.

    Args:
        distance: Edges between source and target, at least 1.
        graphs: Graphs of each split.
        seed: Of the graphs; each split has a stream of its own, so that it does not depend on the
            size of the others.
    """
    stores: dict[Split, GraphStore] = {
        split: GraphStore.from_data_list(
            [_ring(distance, np.random.default_rng([seed, number, k])) for k in range(count)]
        )
        for number, (split, count) in enumerate(graphs.items())
    }
    return GraphTask(
        name=f"signal-{distance}",
        measure="accuracy",
        stores=stores,
        # A class that no target of a few validation graphs names has no other metric.
        objective=ClassificationObjective(select_by="loss"),
        score=accuracy,
        larger_is_better=True,
        pooling=None,
        out_channels=CLASSES,
        baseline=1 / CLASSES,
        facts={
            "graphs": {split: len(store) for split, store in stores.items()},
            "all training graphs": graphs["train"],
            "distance": distance,
        },
    )


def accuracy(prediction: Tensor, test: GraphStore) -> float:
    """Share of the targets whose largest prediction is the class of their source."""
    asked = test.tensors["y_mask"][:, 0]
    named = prediction[asked].argmax(1) == test.tensors["y"][asked].argmax(1)
    return float(named.double().mean())


def reaching(name: str, distance: int) -> dict[str, int | dict[str, int]]:
    """What makes a model of :data:`benchmarks.graph_tasks.contestants.CONTESTANTS` see so far.

    Layers that pass one edge a layer are as many as the distance; a Dirac–Bianconi signal takes two
    steps an edge and has two layers of as many steps; attention sees everything.
    """
    if name == "GPS":
        return {}
    if name == "DBGNN":
        return {"layer_options": {"num_steps": max(distance, 2)}}
    return {"num_layers": max(distance, 2)}


def _ring(distance: int, rng: np.random.Generator) -> Data:
    nodes = int(rng.integers(max(2 * distance, 3), 3 * distance + 1 if distance > 1 else 4))
    order = rng.permutation(nodes)  # so that the numbers of nodes say nothing
    here, there = order, np.roll(order, -1)
    edge_index = np.stack([np.r_[here, there], np.r_[there, here]])
    says = rng.integers(CLASSES, size=nodes)
    source, target = order[0], order[distance]
    x = np.zeros((nodes, 2 + CLASSES), np.float32)
    x[source, SOURCE] = x[target, TARGET] = 1
    x[np.arange(nodes), 2 + says] = 1
    y = np.zeros((nodes, CLASSES), np.float32)
    y[target, says[source]] = 1
    asked = np.zeros((nodes, CLASSES), bool)
    asked[target] = True
    return Data(
        x=torch.from_numpy(x),
        edge_index=torch.from_numpy(edge_index),
        edge_attr=torch.ones(edge_index.shape[1], 1),
        y=torch.from_numpy(y),
        y_mask=torch.from_numpy(asked),
    )
