"""Attention along the weights, which attention updates."""

from typing import Any, ClassVar

from torch import nn

from graphwsl.properties.metanetwork.graph_layers import GraphLayers
from graphwsl.properties.metanetwork.predictor import MetanetworkPredictor


class RelationalTransformerPredictor(MetanetworkPredictor):
    """Relational attention of the core (:class:`gnncore.layers.RelationalTransformerLayer`)."""

    name: ClassVar[str] = "relational_transformer"
    defaults: ClassVar[dict[str, Any]] = {
        **MetanetworkPredictor.defaults,
        "rounds": 2,
        "heads": 4,
        "epochs": 30,
    }

    def _body(self) -> nn.Module:
        options = self.options
        edge_channels = options["edge_channels"]
        return GraphLayers(
            "relational_transformer",
            options["channels"],
            edge_channels,
            options["rounds"],
            heads=options["heads"],
            edge_out_channels=edge_channels,
        )
