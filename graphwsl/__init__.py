"""Neural networks as graphs: their weights, symmetries and populations, and what can be read there.

>>> import graphwsl, torch
>>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
>>> graph = graphwsl.neural_graph(model, torch.zeros(1, 3))
>>> graph.num_nodes, graph.num_weights
(9, 20)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphwsl.neural_graph.graph import NeuralGraph as NeuralGraph
    from graphwsl.neural_graph.trace import neural_graph as neural_graph

__version__ = "0.1.0"

# Imported on first use: torch takes longer to import than `graphwsl --help` may take.
_HOME = {
    "NeuralGraph": "graphwsl.neural_graph.graph",
    "neural_graph": "graphwsl.neural_graph.trace",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'graphwsl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
