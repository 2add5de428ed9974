"""The shared core: layers, models, training and storage for graph neural networks.

>>> import gnncore
>>> gnncore.layers.make_layer("gcn2", 16, 16).in_channels
16
"""

from gnncore.lazy import lazy

__all__: list[str] = []

__getattr__, __dir__ = lazy(__name__, {})
