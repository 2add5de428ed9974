"""What a model is made of: a frozen specification, from code, JSON or a TOML file."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, JsonValue, model_validator

from gnncore.configuration import Configuration
from gnncore.layers.registry import with_edge_dim

Activation = Literal[
    "identity", "relu", "leaky_relu", "prelu", "elu", "selu",
    "gelu", "silu", "mish", "softplus", "tanh", "sigmoid",
]  # fmt: skip
Normalisation = Literal[
    "identity", "batch_norm", "layer_norm", "instance_norm",
    "graph_norm", "pair_norm", "graph_size_norm", "mean_subtraction_norm",
]  # fmt: skip

Channels = Annotated[int, Field(ge=1, le=2**16)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Options = dict[str, JsonValue]

Value = TypeVar("Value")


class Head(Configuration):
    """A multilayer perceptron from the last channels to ``out_channels``; linear by default.

    Attributes:
        hidden: Channels of its hidden layers.
        activation: After every hidden layer.
        dropout: Probability of dropout after every hidden layer; without one, on what comes in.
    """

    hidden: tuple[Channels, ...] = ()
    activation: Activation = "relu"
    dropout: Probability = 0.0


class RandomWalkEncoding(Configuration):
    """Probabilities that a random walk is back at its node after 1 to ``steps`` steps.

    Attributes:
        kind: ``random_walk``.
        steps: Length of the longest walk.
    """

    kind: Literal["random_walk"] = "random_walk"
    steps: Annotated[int, Field(ge=1, le=1024)]

    @property
    def channels(self) -> int:
        """Channels that the encoding adds to ``x``."""
        return self.steps


class LaplacianEncoding(Configuration):
    """The slowest ``channels`` oscillations of every connected component.

    Attributes:
        kind: ``laplacian``.
        channels: Number of eigenvectors, and of channels that the encoding adds to ``x``.
        signs: ``canonical``, ``random`` (while training) or ``invariant`` (magnitudes only); see
            :func:`gnncore.layers.encodings.laplacian_encoding`.
    """

    kind: Literal["laplacian"] = "laplacian"
    channels: Annotated[int, Field(ge=1, le=1024)]
    signs: Literal["canonical", "random", "invariant"] = "canonical"


Encoding = Annotated[RandomWalkEncoding | LaplacianEncoding, Field(discriminator="kind")]


@dataclass(frozen=True)
class BlockSpecification:
    """One layer of a model and what follows it, with every list of the model resolved."""

    layer: str
    layer_options: Options
    in_channels: int
    out_channels: int
    normalisation: str
    normalisation_options: Options
    activation: str
    dropout: float
    edge_dropout: float


class ModelSpecification(Configuration):
    """Everything that defines a graph neural network, short of its weights.

    The model reads, from its input to its output::

        x ← [x, encoding];  x, e ← encoder(x, e)
        num_layers times:  x, e ← layer(x, e);  normalisation, activation, dropout;  skip
        jumping knowledge;  pooling;  head;  output

    Where a list is allowed, it has one entry a layer; a single value stands for all of them.

    Attributes:
        in_channels: Features of a node.
        edge_channels: Features of an edge; 0 leaves ``edge_attr`` unused. PyG's word for it,
            ``edge_dim``, is understood too.
        out_channels: Predictions for a node, or for a graph where ``pooling`` is set.
        layer: Name of the layer, a key of :data:`gnncore.layers.LAYERS`.
        layer_options: Options of the layer, or a list of them.
        hidden_channels: Channels of the nodes after each layer, or a list of them.
        num_layers: Number of layers; the length of ``hidden_channels`` where that is a list.
        normalisation: PyG's normalisation after each layer, or a list; None for none.
        normalisation_options: Options of the normalisation, as ``{"mode": "node"}``.
        activation: After the normalisation, or a list.
        dropout: Probability of dropout after the activation, or a list.
        edge_dropout: The same for ``edge_attr`` after each layer, or a list.
        skip: ``residual`` adds what went into a layer, ``concatenate`` puts it before what comes
            out, ``input`` takes x ← W [x_input, x] + b with one W and b for all layers (and
            another for the edges where the encoder embeds them), x_input being the features.
        jumping: ``concatenate`` hands the results of all layers to the head, not only the last.
        encoder: ``linear`` embeds x and e before the layers, ``node_linear`` only x.
        hidden_edge_channels: Channels of the embedded edges; None for as many as the nodes'.
        encoding: Positional encoding that is appended to x; None for none.
        head: The perceptron at the end, or ``identity`` for none.
        output: ``sigmoid`` keeps predictions between 0 and 1.
        pooling: Aggregation of a graph's nodes before the head; None predicts for nodes.

    Raises:
        SpecificationError: An unknown key or name, a value outside its range, or values that do
            not fit each other. Layers check their options when the model is built.
    """

    file_title = "model file"

    in_channels: Channels
    edge_channels: Annotated[int, Field(ge=0, le=2**16)] = 0
    out_channels: Channels = 1
    layer: Annotated[str, Field(min_length=1)]
    layer_options: Options | tuple[Options, ...] = Field(default_factory=dict)
    hidden_channels: Channels | tuple[Channels, ...]
    num_layers: Annotated[int, Field(ge=1, le=4096)]
    normalisation: Normalisation | tuple[Normalisation, ...] | None = None
    normalisation_options: Options = Field(default_factory=dict)
    activation: Activation | tuple[Activation, ...] = "relu"
    dropout: Probability | tuple[Probability, ...] = 0.0
    edge_dropout: Probability | tuple[Probability, ...] = 0.0
    skip: Literal["residual", "input", "concatenate"] | None = None
    jumping: Literal["concatenate"] | None = None
    encoder: Literal["linear", "node_linear"] | None = None
    hidden_edge_channels: Channels | None = None
    encoding: Encoding | None = None
    head: Head | Literal["identity"] = Head()
    output: Literal["identity", "sigmoid"] = "identity"
    pooling: Literal["mean", "sum", "max"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _understand_edge_dim(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("edge_dim"), int):
            return values
        rest = {name: value for name, value in values.items() if name != "edge_dim"}
        channels = with_edge_dim(rest.get("edge_channels", 0), values["edge_dim"])
        return {**rest, "edge_channels": channels}

    @model_validator(mode="before")
    @classmethod
    def _count_layers(cls, values: Any) -> Any:
        if isinstance(values, dict) and "num_layers" not in values:
            widths = values.get("hidden_channels")
            if isinstance(widths, list | tuple):
                return {**values, "num_layers": len(widths)}
        return values

    @model_validator(mode="after")
    def _fits(self) -> "ModelSpecification":
        for name in _PER_LAYER:
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != self.num_layers:
                raise ValueError(
                    f"{name} must have one entry a layer ({self.num_layers}), got {len(value)}"
                )
        widths = self._per_layer(self.hidden_channels)
        if self.skip == "input" and len(set(widths)) > 1:
            raise ValueError(
                f"skip 'input' shares one matrix between all layers, so hidden_channels must be "
                f"equal, got {list(widths)}"
            )
        if self.skip == "residual":
            for number, block in enumerate(self.blocks):
                if block.in_channels != block.out_channels:
                    raise ValueError(
                        f"skip 'residual' adds what goes into a layer, but layer {number} has "
                        f"{block.in_channels} channels in and {block.out_channels} out; "
                        "set encoder to 'linear' or make hidden_channels equal"
                    )
        if self.hidden_edge_channels is not None and not self.embeds_edges:
            raise ValueError(
                f"hidden_edge_channels {self.hidden_edge_channels} needs edge_channels and "
                "encoder 'linear'"
            )
        if self.head == "identity" and self.head_channels != self.out_channels:
            raise ValueError(
                f"head 'identity' hands on {self.head_channels} channels, but out_channels is "
                f"{self.out_channels}"
            )
        return self

    @property
    def feature_channels(self) -> int:
        """Channels of ``x`` together with its encoding."""
        return self.in_channels + (self.encoding.channels if self.encoding else 0)

    @property
    def embeds_edges(self) -> bool:
        """Whether the encoder embeds ``edge_attr``."""
        return self.encoder == "linear" and self.edge_channels > 0

    @property
    def embedded_edge_channels(self) -> int:
        """Channels of the edges that go into the first layer."""
        if not self.embeds_edges:
            return self.edge_channels
        return self.hidden_edge_channels or self._per_layer(self.hidden_channels)[0]

    @property
    def blocks(self) -> tuple[BlockSpecification, ...]:
        """Every layer with its own channels and options."""
        widths = self._per_layer(self.hidden_channels)
        channels = widths[0] if self.encoder else self.feature_channels
        blocks = []
        for number, width in enumerate(widths):
            blocks.append(
                BlockSpecification(
                    layer=self.layer,
                    layer_options=self._per_layer(self.layer_options)[number],
                    in_channels=channels,
                    out_channels=width,
                    normalisation=self._per_layer(self.normalisation or "identity")[number],
                    normalisation_options=self.normalisation_options,
                    activation=self._per_layer(self.activation)[number],
                    dropout=self._per_layer(self.dropout)[number],
                    edge_dropout=self._per_layer(self.edge_dropout)[number],
                )
            )
            channels = self._after_skip(blocks[-1])
        return tuple(blocks)

    @property
    def head_channels(self) -> int:
        """Channels that the head gets."""
        results = [self._after_skip(block) for block in self.blocks]
        return sum(results) if self.jumping else results[-1]

    def _after_skip(self, block: BlockSpecification) -> int:
        joined = block.in_channels if self.skip == "concatenate" else 0
        return joined + block.out_channels

    def _per_layer(self, value: Value | tuple[Value, ...]) -> tuple[Value, ...]:
        return value if isinstance(value, tuple) else (value,) * self.num_layers


_PER_LAYER = (
    "hidden_channels", "layer_options", "normalisation", "activation", "dropout", "edge_dropout",
)  # fmt: skip
