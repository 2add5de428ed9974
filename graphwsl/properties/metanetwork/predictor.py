"""Predictors that are metanetworks on the neural graph."""

from abc import abstractmethod
from typing import Any, ClassVar

from torch import nn

from graphwsl.populations.dense_layout import DenseLayout
from graphwsl.populations.population import Population
from graphwsl.properties.metanetwork.network import Metanetwork
from graphwsl.properties.network_predictor import NetworkPredictor


class MetanetworkPredictor(NetworkPredictor):
    """A body between an embedding of weights and a read-out by layers, for any architectures.

    Options are those of the training, and

    - ``channels``, ``edge_channels`` of nodes and edges, ``hidden_channels`` of the read-out,
    - ``fan_in_exponent``, see :class:`~graphwsl.properties.metanetwork.inputs.InputEmbedding`,
    - ``dropout`` in the head,
    - ``statistics``: whether the read-out of a layer also holds the statistics of its weights
      (:mod:`graphwsl.populations.layer_statistics`).
    """

    invariant: ClassVar[bool] = True
    mixed: ClassVar[bool] = True
    defaults: ClassVar[dict[str, Any]] = {
        **NetworkPredictor.defaults,
        "channels": 32,
        "edge_channels": 16,
        "hidden_channels": 64,
        "fan_in_exponent": 1.0,
        "dropout": 0.0,
        "statistics": True,
    }

    network: Metanetwork

    @abstractmethod
    def _body(self) -> nn.Module:
        """What lies between embedding and read-out."""

    def _build(self, train: Population | None, state: dict[str, Any]) -> Metanetwork:
        if train is not None:
            layouts = [DenseLayout.of(architecture) for architecture in train.present]
            state["kernel"] = max(layout.largest_kernel for layout in layouts)
        options = self.options
        network = Metanetwork(
            self._body(),
            options["channels"],
            options["edge_channels"],
            options["hidden_channels"],
            self._outputs,
            kernel=int(state["kernel"]),
            fan_in_exponent=float(options["fan_in_exponent"]),
            dropout=float(options["dropout"]),
            statistics=bool(options["statistics"]),
        )
        if train is not None:
            kinds = train.kind.unique().tolist()
            network.fit_scales(
                [(layout, train.rows(kind)) for layout, kind in zip(layouts, kinds, strict=True)]
            )
        return network

    def _know(self, population: Population) -> None:
        self.network.layouts = [
            DenseLayout.of(architecture) for architecture in population.architectures
        ]
