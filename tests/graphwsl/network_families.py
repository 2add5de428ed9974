"""Small networks of every family, with example inputs: the zoo that the graphs are tested on."""

import math
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

from graphwsl.neural_graph import NeuralGraph, neural_graph
from graphwsl.symmetries import Symmetries, symmetries

Sequential = nn.Sequential
Build = Callable[[], nn.Module]


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """In evaluation mode, with random weights and statistics: none is 0 or 1 by default."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point() or "mask" in name:
                continue
            drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            if name.endswith("running_var"):
                drawn = drawn.abs() + 0.5
            elif tensor.ndim > 1:
                drawn /= math.sqrt(max(tensor[0].numel(), 1))
            tensor.copy_(drawn.to(tensor.dtype))
    return model.eval()


class Wired(nn.Module):
    """Modules by name, wired by a function of them and the inputs."""

    def __init__(self, wiring: Callable[..., Any], **modules: Any) -> None:
        super().__init__()
        self.wiring = wiring
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *inputs: Tensor) -> Any:
        return self.wiring(self, *inputs)


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape))


def residual() -> nn.Module:
    def wiring(m: Any, x: Tensor) -> Tensor:
        x = m.stem(x)
        return m.head((x + m.branch(x)).relu().mean((2, 3)))

    return Wired(
        wiring,
        stem=nn.Conv2d(2, 4, 3, padding=1),
        branch=Sequential(
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 5, 3, padding=1),
            nn.BatchNorm2d(5),
            nn.ReLU(),
            nn.Conv2d(5, 4, 1),
        ),
        head=nn.Linear(4, 3),
    )


def dense_net() -> nn.Module:
    def wiring(m: Any, x: Tensor) -> Tensor:
        first = m.first(x)
        second = m.second(torch.cat([x, first], 1).relu())
        return m.head(torch.cat([x, first, second], 1).amax((2, 3)))

    return Wired(
        wiring,
        first=nn.Conv2d(2, 3, 3, padding=1),
        second=nn.Conv2d(5, 4, 3, padding=1),
        head=nn.Linear(9, 3),
    )


def squeeze_excitation() -> nn.Module:
    def wiring(m: Any, x: Tensor) -> Tensor:
        x = m.stem(x)
        return m.head((x * m.gate(x)).mean((2, 3)))

    gate = Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 3, 1), nn.ReLU(), nn.Conv2d(3, 6, 1), nn.Sigmoid()
    )
    return Wired(wiring, stem=nn.Conv2d(2, 6, 3), gate=gate, head=nn.Linear(6, 2))


def depthwise_separable() -> nn.Module:
    return Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Hardswish(),
        nn.Conv2d(4, 4, 3, groups=4, stride=2),
        nn.BatchNorm2d(4),
        nn.ReLU6(),
        nn.Conv2d(4, 5, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 2),
    )


class CausalAttention(nn.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, heads: int, key_heads: int, head_dim: int, rotary: bool) -> None:
        super().__init__()
        self.heads, self.key_heads, self.rotary = heads, key_heads, rotary
        width = heads * head_dim
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, key_heads * head_dim)
        self.value = nn.Linear(width, key_heads * head_dim)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        def heads(y: Tensor, count: int) -> Tensor:
            return y.unflatten(-1, (count, -1)).transpose(1, 2)

        q, k = heads(self.query(x), self.heads), heads(self.key(x), self.key_heads)
        v = heads(self.value(x), self.key_heads)
        if self.rotary:
            q, k = self._rotated(q), self._rotated(k)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.out(y.transpose(1, 2).flatten(2))

    @staticmethod
    def _rotated(x: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        rates = 10.0 ** -torch.arange(half, dtype=x.dtype)
        angles = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] * rates
        cos, sin = (torch.cat([f(angles)] * 2, -1) for f in (torch.cos, torch.sin))
        return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class Llama(nn.Module):
    """Embedding, RMS norm, rotary grouped-query attention, SwiGLU, tied head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 8)
        self.norm = nn.RMSNorm(8)
        self.attention = CausalAttention(4, 2, 2, rotary=True)
        self.gate, self.up = nn.Linear(8, 5, bias=False), nn.Linear(8, 5, bias=False)
        self.down = nn.Linear(5, 8, bias=False)
        self.head = nn.Linear(8, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = x + self.attention(self.norm(x))
        x = x + self.down(functional.silu(self.gate(x)) * self.up(x))
        return self.head(x)


class VisionTransformer(nn.Module):
    """Patches, class token, positions."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, stride=4)
        self.token = parameter(1, 1, 8)
        self.positions = parameter(1, 5, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 6, batch_first=True, norm_first=True)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.layer(x))[:, 0])


class BiasedAttention(nn.Module):
    """Scores plus a learned table of relative positions, one column a head (Swin)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(6, 18), nn.Linear(6, 6)
        self.table = parameter(7, 3)
        offset = torch.arange(4)[:, None] - torch.arange(4)[None] + 3
        self.register_buffer("offset", offset)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 3, 2)).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) + self.table[self.offset].permute(2, 0, 1)
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Alibi(nn.Module):
    """Scores minus a distance times a constant of the head."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(6, 18), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 3, 2)).permute(2, 0, 3, 1, 4)
        positions = torch.arange(x.shape[1], dtype=x.dtype)
        slopes = torch.tensor([0.5, 0.25, 0.125], dtype=x.dtype)
        bias = -(positions[:, None] - positions).abs() * slopes[:, None, None]
        scores = q @ k.transpose(-1, -2) + bias
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Mixer(nn.Module):
    """MLP-Mixer: one layer over tokens, one over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 5)
        self.norms = nn.ModuleList([nn.LayerNorm(5), nn.LayerNorm(5)])
        self.tokens = Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 4))
        self.channels = Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 5))
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        x = x + self.tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(self.norms[1](x))
        return self.head(x.mean(1))


class LowRank(nn.Module):
    """A frozen layer plus a low-rank pair (LoRA)."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(4, 6)
        self.a, self.b = parameter(2, 4), parameter(6, 2)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.base(x) + 0.5 * (x @ self.a.T @ self.b.T)))


def recurrent(kind: str, **options: Any) -> Build:
    def build() -> nn.Module:
        cell = getattr(nn, kind)(3, 4, batch_first=True, **options)
        width = options.get("proj_size") or 4
        width *= 1 + bool(options.get("bidirectional"))
        return Wired(lambda m, x: m.head(m.cell(x)[0][:, -1]), cell=cell, head=nn.Linear(width, 2))

    return build


def pruned() -> nn.Module:
    model = Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    prune.random_unstructured(model[0], "weight", 0.5)
    return model


def tied_autoencoder() -> nn.Module:
    return Wired(
        lambda m, x: functional.linear(m.encoder(x).tanh(), m.encoder.weight.T),
        encoder=nn.Linear(6, 4),
    )


def attention(**options: Any) -> Build:
    def build() -> nn.Module:
        layer = nn.MultiheadAttention(6, 3, batch_first=True, **options)
        return Wired(
            lambda m, x, *more: m.layer(x, *(more or (x, x)), need_weights=False)[0], layer=layer
        )

    return build


def convolutions(dims: int, transposed: bool = False, **options: Any) -> Build:
    kind = getattr(nn, f"Conv{'Transpose' if transposed else ''}{dims}d")
    return lambda: Sequential(
        kind(2, 4, 3, **options),
        nn.ReLU(),
        kind(4, 4, 2, **options),
        nn.Flatten(),
        nn.LazyLinear(2),
    )


def normalised(norm: nn.Module) -> Build:
    return lambda: Sequential(
        nn.Conv2d(2, 4, 3), norm, nn.ReLU(), nn.Conv2d(4, 3, 1), nn.Flatten(), nn.LazyLinear(2)
    )


def after_convolution(*middle: nn.Module) -> Build:
    return lambda: Sequential(nn.Conv2d(2, 4, 3), *middle, nn.Flatten(), nn.LazyLinear(2))


def rearranged(function: Callable[[Tensor], Tensor]) -> Build:
    """A convolution, a rearrangement of its channels, and a layer on what results."""
    return lambda: Wired(
        lambda m, x: m.head(function(m.first(x)).flatten(1)),
        first=nn.Conv2d(2, 4, 1),
        head=nn.LazyLinear(2),
    )


IMAGE = (torch.zeros(1, 2, 8, 8),)
VECTOR = (torch.zeros(1, 4),)
SEQUENCE = (torch.zeros(1, 4, 3),)
PAIR = (torch.zeros(1, 2, 3),)
TOKENS = (torch.zeros(1, 4, 6),)
WORDS = (torch.tensor([[1, 2, 3, 5]]),)

FAMILIES: dict[str, tuple[Build, tuple[Tensor, ...]]] = {
    "linear": (lambda: nn.Linear(4, 3), VECTOR),
    "mlp": (
        lambda: Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)),
        VECTOR,
    ),
    "conv1d": (convolutions(1), (torch.zeros(1, 2, 9),)),
    "conv2d": (convolutions(2), IMAGE),
    "conv3d": (convolutions(3), (torch.zeros(1, 2, 4, 5, 5),)),
    "groups": (convolutions(2, groups=2), IMAGE),
    "dilation": (convolutions(2, dilation=2, padding=1), IMAGE),
    "transposed": (convolutions(2, transposed=True, stride=2), IMAGE),
    "transposed groups": (convolutions(1, transposed=True, groups=2), (torch.zeros(1, 2, 5),)),
    "depthwise": (depthwise_separable, (torch.zeros(1, 3, 8, 8),)),
    "batch norm": (normalised(nn.BatchNorm2d(4)), IMAGE),
    "group norm": (normalised(nn.GroupNorm(2, 4)), IMAGE),
    "instance norm": (normalised(nn.InstanceNorm2d(4, affine=True)), IMAGE),
    "instance norm statistics": (
        normalised(nn.InstanceNorm2d(4, affine=True, track_running_stats=True)),
        IMAGE,
    ),
    "layer norm": (
        lambda: Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 2)),
        VECTOR,
    ),
    "rms norm": (
        lambda: Sequential(nn.Linear(4, 5), nn.RMSNorm(5), nn.SiLU(), nn.Linear(5, 2)),
        VECTOR,
    ),
    "weight norm": (
        lambda: Sequential(
            parametrizations.weight_norm(nn.Linear(4, 5)), nn.ReLU(), nn.Linear(5, 2)
        ),
        VECTOR,
    ),
    "spectral norm": (
        lambda: Sequential(
            parametrizations.spectral_norm(nn.Linear(4, 5)), nn.ReLU(), nn.Linear(5, 2)
        ),
        VECTOR,
    ),
    "spectral norm of a convolution": (
        lambda: Sequential(
            parametrizations.spectral_norm(nn.Conv2d(2, 4, 3)),
            nn.LeakyReLU(),
            parametrizations.spectral_norm(nn.Conv2d(4, 3, 2)),
            nn.Flatten(),
            nn.LazyLinear(2),
        ),
        IMAGE,
    ),
    "max pool": (after_convolution(nn.ReLU(), nn.MaxPool2d(2)), IMAGE),
    "average pool": (after_convolution(nn.AvgPool2d(2, padding=1)), IMAGE),
    "adaptive pool": (after_convolution(nn.AdaptiveMaxPool2d(2)), IMAGE),
    "lp pool": (after_convolution(nn.LPPool2d(2, 2)), IMAGE),
    "upsample": (after_convolution(nn.Upsample(scale_factor=2, mode="bilinear")), IMAGE),
    "prelu": (after_convolution(nn.PReLU(4)), IMAGE),
    "prelu of one slope": (after_convolution(nn.PReLU()), IMAGE),
    "residual": (residual, IMAGE),
    "dense net": (dense_net, IMAGE),
    "squeeze excitation": (squeeze_excitation, IMAGE),
    "channel shuffle": (
        lambda: Sequential(
            nn.Conv2d(2, 6, 1),
            nn.ChannelShuffle(3),
            nn.Conv2d(6, 6, 3, groups=3),
            nn.Flatten(),
            nn.LazyLinear(2),
        ),
        IMAGE,
    ),
    "embedding": (
        lambda: Sequential(nn.Embedding(7, 5), nn.Flatten(), nn.Linear(20, 2)),
        WORDS,
    ),
    "embedding bag": (lambda: Sequential(nn.EmbeddingBag(7, 5), nn.Linear(5, 2)), WORDS),
    "rnn": (recurrent("RNN"), SEQUENCE),
    "gru": (recurrent("GRU", num_layers=2), PAIR),
    "lstm": (recurrent("LSTM"), SEQUENCE),
    "lstm stacked": (recurrent("LSTM", num_layers=2, bidirectional=True), PAIR),
    "lstm projected": (recurrent("LSTM", proj_size=3), SEQUENCE),
    "gru bidirectional": (recurrent("GRU", bidirectional=True), PAIR),
    "attention": (attention(), TOKENS),
    "attention separate": (
        attention(kdim=4, vdim=5),
        (torch.zeros(1, 4, 6), torch.zeros(1, 3, 4), torch.zeros(1, 3, 5)),
    ),
    "encoder layer": (lambda: nn.TransformerEncoderLayer(6, 3, 5, batch_first=True), TOKENS),
    "decoder layer": (
        lambda: nn.TransformerDecoderLayer(6, 2, 5, batch_first=True),
        (torch.zeros(1, 4, 6), torch.zeros(1, 3, 6)),
    ),
    "grouped query": (
        lambda: Sequential(nn.Linear(3, 8), CausalAttention(4, 2, 2, False), nn.Linear(8, 2)),
        SEQUENCE,
    ),
    "rotary": (
        lambda: Sequential(nn.Linear(3, 8), CausalAttention(2, 2, 4, True), nn.Linear(8, 2)),
        SEQUENCE,
    ),
    "llama": (Llama, WORDS),
    "relative positions": (BiasedAttention, TOKENS),
    "alibi": (Alibi, TOKENS),
    "vision transformer": (VisionTransformer, (torch.zeros(1, 1, 8, 8),)),
    "mixer": (Mixer, SEQUENCE),
    "tied": (tied_autoencoder, (torch.zeros(1, 6),)),
    "low rank": (LowRank, VECTOR),
    "pruned": (pruned, VECTOR),
    "glu": (
        lambda: Sequential(nn.Linear(4, 6), nn.GLU(), nn.Linear(3, 2)),
        VECTOR,
    ),
    "chunk": (rearranged(lambda x: torch.cat(x.chunk(2, 1)[::-1], 1)), IMAGE),
    "stack": (rearranged(lambda x: torch.stack([x, x.relu()], 2)), IMAGE),
    "expand": (rearranged(lambda x: x[:, :, None].expand(-1, -1, 2, -1, -1)), IMAGE),
    "slice": (rearranged(lambda x: x[:, 1:3, ::2, 1:]), IMAGE),
    "pad": (rearranged(lambda x: functional.pad(x, (1, 1, 0, 2))), IMAGE),
    "reflect": (rearranged(lambda x: functional.pad(x, (1, 1, 1, 2), mode="reflect")), IMAGE),
    "unfold": (rearranged(lambda x: functional.unfold(x, 3, stride=2)), IMAGE),
    "shuffle": (rearranged(lambda x: functional.pixel_shuffle(x, 2)), IMAGE),
    "roll": (rearranged(lambda x: x.roll((1, 2), (1, 3)).permute(0, 2, 3, 1)), IMAGE),
}


def network(name: str, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A randomised network of a family and inputs for it."""
    build, inputs = FAMILIES[name]
    torch.manual_seed(0)
    model = build()
    inputs = tuple(one.to(dtype) if one.is_floating_point() else one for one in inputs)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the LSTM with projections, which kernel it takes
        model.eval().to(dtype)(*inputs)  # lazy layers find their size
    return randomised(model), inputs


@cache
def graph_of(name: str, dtype: torch.dtype = torch.float64) -> NeuralGraph:
    """Of a randomised network of a family, of which no operator is unknown."""
    return neural_graph(*network(name, dtype), unknown="raise")


@cache
def symmetries_of(name: str, dtype: torch.dtype = torch.float64) -> Symmetries:
    """Of a randomised network of a family; worked out once for all tests."""
    return symmetries(graph_of(name, dtype))
