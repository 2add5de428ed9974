"""Graph neural networks from specifications.

>>> from gnncore.models import GraphModel, ModelSpecification
>>> specification = ModelSpecification(
...     in_channels=1, layer="tag", layer_options={"K": 4}, hidden_channels=25, num_layers=7
... )
>>> GraphModel(specification).num_parameters
19076
"""

from gnncore.models.graph_model import GraphModel
from gnncore.models.specification import (
    Head,
    LaplacianEncoding,
    ModelSpecification,
    RandomWalkEncoding,
)

__all__ = [
    "GraphModel",
    "Head",
    "LaplacianEncoding",
    "ModelSpecification",
    "RandomWalkEncoding",
]
