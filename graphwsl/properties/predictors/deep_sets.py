"""Deep sets: every weight on its own, and means over layers."""

from typing import ClassVar

from torch import Tensor, nn

from graphwsl.populations.dense_layout import DenseLayout
from graphwsl.properties.metanetwork.network import Signals
from graphwsl.properties.metanetwork.predictor import MetanetworkPredictor


class DeepSets(nn.Module):
    """No messages: nodes and edges reach the read-out as they are embedded."""

    def forward(self, layout: DenseLayout, x: Tensor, edges: Tensor) -> Signals:
        """The signals as they came in: nothing is exchanged."""
        return x, edges


class DeepSetsPredictor(MetanetworkPredictor):
    """What can be learnt from the weights of each layer as a set.

    Zaheer et al., "Deep Sets", 2017. Weights differ by layer and index, but which weights
    meet in a neuron is lost.
    """

    name: ClassVar[str] = "deep_sets"

    def _body(self) -> nn.Module:
        return DeepSets()
