"""Checks of neural graphs for anyone's tests, among them a slow truth that needs no tracing.

:func:`message_passing` runs a feed-forward network on its graph alone: weights, sources, targets,
biases and running statistics are those of nodes and edges.

>>> import torch
>>> from graphwsl import neural_graph
>>> from graphwsl.testing import assert_exact, message_passing
>>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
>>> graph = neural_graph(model, torch.zeros(1, 3))
>>> assert_exact(graph, model)
>>> x = torch.randn(1, 3)
>>> bool(torch.allclose(message_passing(graph, x)[0], model(x).double(), atol=1e-6))
True
"""

from graphwsl.testing.exactness import assert_exact
from graphwsl.testing.message_passing_oracle import message_passing
from graphwsl.testing.signal import Signal

__all__ = ["Signal", "assert_exact", "message_passing"]
