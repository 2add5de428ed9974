"""What a graph task is: three stores of graphs, a loss, and a number that says how good."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from gnncore.training import GraphStore
from gnncore.training.objectives import Objective

Split = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class GraphTask:
    """A task with its data.

    Attributes:
        name: Of the task.
        measure: What ``score`` is called.
        stores: Graphs by split: ``x``, ``edge_index``, ``edge_attr``, ``y``.
        objective: Loss and metric of selection.
        score: From predictions and the test store.
        larger_is_better: Whether a larger score is better.
        pooling: How graphs get one prediction; None where nodes have their own.
        out_channels: Columns of ``y``.
        baseline: Score of predicting the mean of the training labels.
        facts: What tables say about the data.
    """

    name: str
    measure: str
    stores: dict[Split, GraphStore]
    objective: Objective
    score: Callable[[Tensor, GraphStore], float]
    larger_is_better: bool
    pooling: Literal["mean", "max"] | None
    out_channels: int
    baseline: float
    facts: dict[str, Any]

    @property
    def in_channels(self) -> int:
        """Columns of ``x``."""
        return int(self.stores["train"].tensors["x"].shape[1])

    @property
    def edge_channels(self) -> int:
        """Columns of ``edge_attr``."""
        return int(self.stores["train"].tensors["edge_attr"].shape[1])
