"""Waves on the neural graph: weights have a state of their own, as neurons have."""

from typing import Any, ClassVar

from torch import nn

from graphwsl.properties.metanetwork.graph_layers import GraphLayers
from graphwsl.properties.metanetwork.predictor import MetanetworkPredictor


class DiracBianconiPredictor(MetanetworkPredictor):
    """Dirac–Bianconi steps of the core (:class:`gnncore.layers.DiracBianconiConv`)."""

    name: ClassVar[str] = "dirac_bianconi"
    defaults: ClassVar[dict[str, Any]] = {
        **MetanetworkPredictor.defaults,
        "rounds": 2,
        "num_steps": 4,
    }

    def _body(self) -> nn.Module:
        options = self.options
        return GraphLayers(
            "dirac_bianconi",
            options["channels"],
            options["edge_channels"],
            options["rounds"],
            num_steps=options["num_steps"],
        )
