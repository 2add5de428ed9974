"""Networks told apart by what they answer to learnt inputs."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch_geometric.nn import MLP

from gnncore.training import RaggedRows
from graphwsl.errors import PredictorError
from graphwsl.populations.population import Function, Population
from graphwsl.properties.network_predictor import NetworkPredictor, by_kind


class Respondent(nn.Module):
    """Networks of one function, run with many weights at once.

    Args:
        function: What they do.

    Raises:
        PredictorError: They do not take one tensor of numbers.
    """

    def __init__(self, function: Function) -> None:
        super().__init__()
        inputs = function.inputs
        if isinstance(inputs, Sequence) and len(inputs) == 1:
            inputs = inputs[0]
        if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
            raise PredictorError(
                f"predictor 'probing' learns inputs, but those of {function.architecture.name!r} "
                "are not one tensor of numbers; choose a predictor that reads weights alone"
            )
        self.shape = tuple(inputs.shape[1:])
        # In a list, so that the weights of the example are no parameters of the predictor.
        self._module = [function.module]
        graph = function.architecture.graph
        self._tensors = {
            name: (start, graph.state[name].shape)
            for name, start in graph.offsets.items()
            if graph.state[name].is_floating_point()
        }

    def forward(
        self, states: Float[Tensor, "networks entries"], probes: Float[Tensor, "probes ..."]
    ) -> Float[Tensor, "networks responses"]:
        """The outputs of every network, those of all probes one after the other."""
        module = self._module[0]
        weights = {
            name: states[:, start : start + shape.numel()].view(len(states), *shape)
            for name, (start, shape) in self._tensors.items()
        }
        outputs = vmap(lambda state: functional_call(module, state, (probes,)))(weights)
        if not isinstance(outputs, Tensor):
            raise PredictorError(
                "predictor 'probing' needs networks with one tensor as output, got "
                f"{type(outputs).__name__}"
            )
        return outputs.flatten(1)


class Probing(nn.Module):
    r"""Learnt inputs :math:`u_k`, the networks' outputs at them, and a perceptron on top.

    .. math::
        u_k = G z_k, \qquad \hat y(\theta) = \mathrm{MLP}\bigl(
            \operatorname{asinh} f_\theta(u_1), \dots, \operatorname{asinh} f_\theta(u_K) \bigr)

    The generator G is linear, in several layers: that keeps the probes simpler than free ones,
    which overfit.

    Args:
        shape: Shape of one input.
        responses: Outputs of a network for one input.
        probes: Number K of inputs.
        latent_channels: Length of :math:`z_k`.
        hidden_channels: Width of the perceptron.
        out_channels: Predictions a network.
        dropout: Share of the perceptron's hidden numbers that are dropped in training.

    Attributes:
        respondents: The functions that :meth:`forward` knows, by number.
    """

    def __init__(
        self,
        shape: Sequence[int],
        responses: int,
        probes: int,
        latent_channels: int,
        hidden_channels: int,
        out_channels: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.respondents: Sequence[Respondent] = ()
        self.latent = nn.Parameter(torch.randn(probes, latent_channels))
        size = int(torch.Size(self.shape).numel())
        self.generator = nn.Sequential(
            nn.Linear(latent_channels, hidden_channels, bias=False),
            nn.Linear(hidden_channels, size),
        )
        with torch.no_grad():
            scale = self.generator(self.latent).std()
            self.generator[1].weight /= scale
        self.head = MLP(
            [probes * responses, hidden_channels, hidden_channels, out_channels],
            act="gelu",
            norm="layer_norm",
            norm_kwargs={"mode": "node"},
            dropout=dropout,
        )

    @property
    def probes(self) -> Float[Tensor, "probes ..."]:
        """The inputs on which networks are probed."""
        probes: Tensor = self.generator(self.latent)
        return probes.unflatten(1, self.shape)

    def forward(
        self, states: RaggedRows, kind: Int[Tensor, " networks"]
    ) -> Float[Tensor, "networks out_channels"]:
        """Predictions for a batch.

        Args:
            states: The flattened state of every network.
            kind: Number of every network's function.
        """
        probes = self.probes

        def respond(number: int, group: Tensor) -> Tensor:
            responses: Tensor = self.respondents[number](group, probes)
            return responses

        prediction: Tensor = self.head(by_kind(states, kind, respond).asinh())
        return prediction


class ProbingPredictor(NetworkPredictor):
    """Runs the networks instead of reading them: a yardstick for those that see weights alone.

    After Kahana et al., "Deep Linear Probe Generators for Weight Space Learning", 2025; outputs do
    not change under any symmetry, so neither do predictions. All networks must take inputs of one
    shape and give as many outputs.

    Options are those of the training, and ``probes``, ``latent_channels``, ``hidden_channels``,
    ``dropout`` of :class:`Probing`.
    """

    name: ClassVar[str] = "probing"
    invariant: ClassVar[bool] = True
    mixed: ClassVar[bool] = True
    runs: ClassVar[bool] = True
    defaults: ClassVar[dict[str, Any]] = {
        **NetworkPredictor.defaults,
        "probes": 32,
        "latent_channels": 16,
        "hidden_channels": 128,
        "dropout": 0.0,
    }

    network: Probing

    def _build(self, train: Population | None, state: dict[str, Any]) -> Probing:
        if train is not None:
            respondent = Respondent(train.functions[int(train.function[0])])
            example = train.states[0][None]
            state["shape"] = list(respondent.shape)
            state["responses"] = respondent(example, torch.zeros(1, *respondent.shape)).shape[1]
        options = self.options
        return Probing(
            state["shape"],
            int(state["responses"]),
            int(options["probes"]),
            int(options["latent_channels"]),
            int(options["hidden_channels"]),
            self._outputs,
            float(options["dropout"]),
        )

    def _know(self, population: Population) -> None:
        self.network.respondents = [Respondent(function) for function in population.functions]
        for respondent in self.network.respondents:
            if respondent.shape != self.network.shape:
                raise PredictorError(
                    f"predictor 'probing' was trained on networks with inputs of shape "
                    f"{self.network.shape}, got one for {respondent.shape}"
                )

    def _kind(self, population: Population) -> Int[Tensor, " networks"]:
        return population.function
