"""Predictors on the flattened weights: what the order of neurons is allowed to decide."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.nn import MLP

from graphwsl.errors import PredictorError
from graphwsl.populations.population import Population
from graphwsl.properties.network_predictor import NetworkPredictor
from graphwsl.properties.predictor import Arrays, Predictor
from graphwsl.properties.predictors.weight_statistics import columns_of, ridge_arrays, ridge_from
from graphwsl.properties.ridge import Ridge


class FlatRidge(Predictor):
    """Ridge regression on all weights."""

    name: ClassVar[str] = "flat_ridge"
    invariant: ClassVar[bool] = False
    mixed: ClassVar[bool] = False

    ridge: Ridge
    digest: str

    @property
    def num_parameters(self) -> int:
        """Number of weights and biases that were fitted."""
        return int(self.ridge.weight.size + self.ridge.bias.size)

    def _fit(
        self,
        train: Population,
        train_label: Float[Tensor, " networks"],
        valid: Population,
        valid_label: Float[Tensor, " others"],
        progress: bool,
    ) -> None:
        self.digest = train.require_one(self.name).digest
        x, valid_x = (p.matrix(self.name).double().numpy() for p in (train, valid))
        y, valid_y = (columns_of(self, label) for label in (train_label, valid_label))
        self.ridge = Ridge.fit(x, y, valid_x, valid_y)
        self.report = {"penalty": self.ridge.penalty}

    def _predict(self, population: Population) -> Float[Tensor, "networks outputs"]:
        require_same(self.name, self.digest, population)
        x = population.matrix(self.name).double().numpy()
        return torch.from_numpy(self.ridge.predict(x)).float()

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        return ridge_arrays(self.ridge), {"digest": self.digest}

    def _restore(self, arrays: Arrays, state: dict[str, Any]) -> None:
        self.digest = str(state["digest"])
        self.ridge = ridge_from(arrays, self.report)


class FlatNetwork(nn.Module):
    """A perceptron on standardised states.

    Args:
        entries: Length of a state.
        hidden_channels: Width of both hidden layers.
        out_channels: Predictions a network.
        dropout: After each hidden layer.
    """

    def __init__(
        self, entries: int, hidden_channels: int, out_channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.zeros(entries))
        self.scale = nn.Buffer(torch.ones(entries))
        self.mlp = MLP(
            [entries, hidden_channels, hidden_channels, out_channels], act="gelu", dropout=dropout
        )

    def forward(
        self, states: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks out_channels"]:
        """Predictions for a batch of flattened states."""
        return self.mlp(torch.asinh((states - self.mean) / self.scale))


class FlatMLP(NetworkPredictor):
    """A perceptron on all weights."""

    name: ClassVar[str] = "flat_mlp"
    invariant: ClassVar[bool] = False
    mixed: ClassVar[bool] = False
    defaults: ClassVar[dict[str, Any]] = {
        **NetworkPredictor.defaults,
        "hidden_channels": 128,
        "dropout": 0.2,
    }

    network: FlatNetwork

    def _build(self, train: Population | None, state: dict[str, Any]) -> FlatNetwork:
        if train is not None:
            architecture = train.require_one(self.name)
            state |= {"entries": architecture.num_entries, "digest": architecture.digest}
        network = FlatNetwork(
            int(state["entries"]),
            self.options["hidden_channels"],
            self._outputs,
            self.options["dropout"],
        )
        if train is not None:
            states = train.matrix(self.name)
            network.mean.copy_(states.mean(0))
            scale = states.std(0, correction=0)
            network.scale.copy_(torch.where(scale > 0, scale, 1.0))
        return network

    def _know(self, population: Population) -> None:
        require_same(self.name, self._built["digest"], population)


def require_same(predictor: str, digest: str, population: Population) -> None:
    """Check that all networks have the architecture that a predictor was trained on.

    Raises:
        PredictorError: One has another.
    """
    for architecture in population.present:
        if architecture.digest != digest:
            raise PredictorError(
                f"predictor {predictor!r} reads only the architecture it was trained on, "
                f"got another ({architecture.name}); choose one that reads neural graphs"
            )
