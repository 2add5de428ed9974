"""Linear maps between weight spaces that commute with permutations of neurons."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn import MLP

from graphwsl.errors import PredictorError
from graphwsl.neural_graph.roles import ParameterRole
from graphwsl.populations.population import Architecture, Population
from graphwsl.properties.network_predictor import NetworkPredictor
from graphwsl.properties.predictors.flat import require_same


@dataclass(frozen=True)
class Chain:
    """A network as matrices between consecutive layers.

    Attributes:
        weights: For every layer the indices of its weights in a flattened state, shape
            ``(neurons, inputs, positions)``: kernel positions, and positions of a flattened
            feature map, are several weights between the same two neurons.
        biases: The indices of its biases, shape ``(neurons,)``.
    """

    weights: tuple[Int[Tensor, "neurons inputs positions"], ...]
    biases: tuple[Int[Tensor, " neurons"], ...]

    @classmethod
    def of(cls, architecture: Architecture) -> "Chain":
        """The chain of a feed-forward network.

        Raises:
            PredictorError: It is none: branches, groups, normalisation, layers without a bias.
        """
        graph = architecture.graph
        biases = [p for p in graph.node_parameters if p.role is ParameterRole.BIAS]
        is_chain = (
            len(biases) == len(graph.node_parameters) == len(graph.blocks)
            and not graph.relations
            and not graph.opaque
        )
        weights: list[Tensor] = []
        nodes = graph.layout.is_input.nonzero()[:, 0]
        for block, bias in zip(graph.blocks, biases, strict=False):
            sources = block.sources[0]
            each = len(sources) // max(len(nodes), 1)
            order = (sources * (each + 1) + block.tags[0]).argsort()
            expected = nodes.sort().values.repeat_interleave(each)
            is_chain = (
                is_chain
                and len(block.sources) == 1
                and torch.equal(sources[order], expected)
                and torch.equal(bias.nodes, block.targets[0])
                and bool((block.entries >= 0).all())
            )
            if not is_chain:
                break
            entries = block.entries[0][:, order]  # (neurons, inputs * each, kernel)
            weights.append(entries.unflatten(1, (len(nodes), each)).flatten(2))
            nodes = block.targets[0]
            is_chain = is_chain and torch.equal(nodes, nodes.sort().values)
        if not is_chain or not weights:
            raise PredictorError(
                f"predictor 'nfn' reads chains of layers with biases, which {architecture.name!r} "
                "is not; choose a predictor that reads neural graphs"
            )
        return cls(tuple(weights), tuple(bias.entries for bias in biases))


Features = list[tuple[Float[Tensor, "b neurons inputs c"], Float[Tensor, "b neurons c"]]]


class PermutationEquivariant(nn.Module):
    """The linear map of all weights and biases to all weights and biases, layer by layer.

    A weight hears itself, the means over its row and its column, those of the layers that share
    its two neurons, their biases, and the means over every layer.

    Zhou et al., "Permutation Equivariant Neural Functionals", 2023, eq. 4 (NP, where inputs and
    outputs may be permuted too; position embeddings break that).

    Args:
        num_layers: Number of layers.
        in_channels: Channels of a weight.
        out_channels: Channels of the result.
    """

    def __init__(self, num_layers: int, in_channels: int, out_channels: int) -> None:
        super().__init__()

        def maps(inputs: list[int]) -> nn.ModuleList:
            return nn.ModuleList(nn.Linear(n * in_channels, out_channels) for n in inputs)

        inner = [1 if number < num_layers - 1 else 0 for number in range(num_layers)]
        rows = [1 + (2 if number else 0) for number in range(num_layers)]
        columns = [2 + following for following in inner]
        self.itself = maps([1] * num_layers)
        self.by_input = maps(rows)
        self.by_neuron = maps(columns)
        self.overall = maps([2 * num_layers] * num_layers)
        self.bias = maps(columns)
        self.bias_overall = maps([2 * num_layers] * num_layers)

    def forward(self, features: Features) -> Features:
        """The features, mapped equivariantly."""
        over_neurons = [weight.mean(1) for weight, _ in features]  # (b, inputs, c)
        over_inputs = [weight.mean(2) for weight, _ in features]  # (b, neurons, c)
        means = [weight.mean((1, 2)) for weight, _ in features]
        overall = torch.cat([*means, *(bias.mean(1) for _, bias in features)], dim=-1)
        result = []
        for number, (weight, bias) in enumerate(features):
            inputs, neurons = [over_neurons[number]], [over_inputs[number], bias]
            if number > 0:
                inputs += [over_inputs[number - 1], features[number - 1][1]]
            if number < len(features) - 1:
                neurons.append(over_neurons[number + 1])
            of_neurons = torch.cat(neurons, dim=-1)
            new = self.itself[number](weight)
            new = new + self.by_input[number](torch.cat(inputs, dim=-1))[:, None]
            new = new + self.by_neuron[number](of_neurons)[:, :, None]
            new = new + self.overall[number](overall)[:, None, None]
            new_bias = self.bias[number](of_neurons) + self.bias_overall[number](overall)[:, None]
            result.append((new, new_bias))
        return result


class OnChain(nn.Module):
    """A network on the weights of a chain, each layer in units of its own size.

    Args:
        num_layers: Number of layers of the chain.

    Attributes:
        chain: Where weights and biases are in a state; set before the first call.
    """

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.chain: Chain | None = None
        self.weight_scale = nn.Buffer(torch.ones(num_layers))
        self.bias_scale = nn.Buffer(torch.ones(num_layers))

    def fit_scales(self, states: Float[Tensor, "networks entries"]) -> None:
        """Take the root mean square of every layer from the training set."""
        assert self.chain is not None
        for number, (weight, bias) in enumerate(
            zip(self.chain.weights, self.chain.biases, strict=True)
        ):
            for scale, entries in ((self.weight_scale, weight), (self.bias_scale, bias)):
                size = states[:, entries.reshape(-1)].square().mean().sqrt()
                scale[number] = torch.where(size > 1e-6, size, 1.0)


class NFN(OnChain):
    """Equivariant layers, and a perceptron on the means of the last one.

    Args:
        shapes: Neurons, inputs and positions of every layer.
        channels: Channels of the hidden features.
        num_layers: Number of equivariant layers.
        hidden_channels: Width of the perceptron.
        out_channels: Predictions a network.
        dropout: Share of the perceptron's hidden numbers that are dropped in training.
    """

    def __init__(
        self,
        shapes: list[list[int]],
        channels: int,
        num_layers: int,
        hidden_channels: int,
        out_channels: int,
        dropout: float,
    ) -> None:
        super().__init__(len(shapes))
        self.lift = nn.ModuleList(nn.Linear(positions, channels) for *_, positions in shapes)
        self.lift_bias = nn.ModuleList(nn.Linear(1, channels) for _ in shapes)
        # Inputs and outputs have a meaning; hidden neurons have none.
        # Parameters keep the names under which predictors are saved.
        self.input_place = nn.Parameter(0.1 * torch.randn(shapes[0][1], channels))
        self.output_place = nn.Parameter(0.1 * torch.randn(shapes[-1][0], channels))
        self.layers = nn.ModuleList(
            PermutationEquivariant(len(shapes), channels, channels) for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(num_layers))
        self.head = MLP(
            [2 * len(shapes) * channels, hidden_channels, hidden_channels, out_channels],
            act="gelu",
            norm=None,
            dropout=dropout,
        )

    def forward(
        self, states: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks out_channels"]:
        """Predictions for a batch of flattened states."""
        features = self._features(states)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            features = [
                (nn.functional.gelu(norm(weight)), nn.functional.gelu(norm(bias)))
                for weight, bias in layer(features)
            ]
        means = [weight.mean((1, 2)) for weight, _ in features]
        return self.head(torch.cat([*means, *(bias.mean(1) for _, bias in features)], dim=-1))

    def _features(self, states: Float[Tensor, "b entries"]) -> Features:
        assert self.chain is not None
        features = []
        last = len(self.lift) - 1
        for number, (weight, bias) in enumerate(
            zip(self.chain.weights, self.chain.biases, strict=True)
        ):
            values = states[:, weight.reshape(-1)].view(-1, *weight.shape)
            lifted = self.lift[number](torch.asinh(values / self.weight_scale[number]))
            offsets = torch.asinh(states[:, bias, None] / self.bias_scale[number])
            lifted_bias = self.lift_bias[number](offsets)
            if number == 0:
                lifted = lifted + self.input_place
            if number == last:
                lifted = lifted + self.output_place[:, None]
                lifted_bias = lifted_bias + self.output_place
            features.append((lifted, lifted_bias))
        return features


class NFNPredictor(NetworkPredictor):
    """A permutation-equivariant neural functional, for chains of layers of one architecture."""

    name: ClassVar[str] = "nfn"
    invariant: ClassVar[bool] = True
    mixed: ClassVar[bool] = False
    defaults: ClassVar[dict[str, Any]] = {
        **NetworkPredictor.defaults,
        "channels": 16,
        "num_layers": 3,
        "hidden_channels": 64,
        "dropout": 0.0,
    }

    network: OnChain

    def _build(self, train: Population | None, state: dict[str, Any]) -> OnChain:
        if train is not None:
            architecture = train.require_one(self.name)
            chain = Chain.of(architecture)
            state |= {
                "shapes": [list(weight.shape) for weight in chain.weights],
                "digest": architecture.digest,
            }
        network = self._network(state["shapes"])
        if train is not None:
            network.chain = chain
            network.fit_scales(train.matrix(self.name))
        return network

    def _network(self, shapes: list[list[int]]) -> OnChain:
        """The functional for layers of these shapes."""
        options = self.options
        return NFN(
            shapes,
            options["channels"],
            options["num_layers"],
            options["hidden_channels"],
            self._outputs,
            options["dropout"],
        )

    def _know(self, population: Population) -> None:
        require_same(self.name, self._built["digest"], population)
        self.network.chain = Chain.of(population.present[0])
