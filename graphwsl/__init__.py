"""Neural networks as graphs: their weights, symmetries and populations, and what can be read there.

>>> import graphwsl, torch
>>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
>>> graph = graphwsl.neural_graph(model, torch.zeros(1, 3))
>>> graph.num_nodes, graph.num_weights
(9, 20)
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy
from gnncore.moved import moved
from graphwsl._moved import MODULES, NAMES

if TYPE_CHECKING:
    from graphwsl.neural_graph.graph import NeuralGraph as NeuralGraph
    from graphwsl.neural_graph.trace import neural_graph as neural_graph

__version__ = "0.1.0"

# Imported on first use: torch takes longer to import than `graphwsl --help` may take.
_HOME = {"NeuralGraph": "neural_graph.graph"}

__all__ = ["NeuralGraph", "__version__", "neural_graph"]


__getattr__, __dir__ = lazy(__name__, _HOME)
moved(MODULES, NAMES)
