"""Chains of layers, of which most networks of zoos are made: the published CNNs and perceptrons."""

from collections.abc import Iterable
from itertools import pairwise

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from graphwsl.zoo.architectures.activations import ACTIVATIONS
from graphwsl.zoo.architectures.architecture import SHARED, register_architecture
from graphwsl.zoo.architectures.factors import ArchitectureFactors

_WIDTH = {"width": SHARED["width"]}
_WIDTH_AND_DEPTH = {**_WIDTH, "depth": SHARED["depth"]}


class LayeredNetwork(nn.Module):
    """Layers applied one after the other; parameters are named ``module_list.<index>.weight``.

    These are the names of the published zoos, so their weights load as they are.

    Args:
        layers: Each takes what the one before it gives.
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.module_list = nn.ModuleList(layers)

    def forward(self, x: Shaped[Tensor, "batch *sample"]) -> Float[Tensor, "batch *outputs"]:
        """Logits of a batch."""
        for layer in self.module_list:
            x = layer(x)
        return x


@register_architecture("cnn_s", factors={})
def cnn_s(factors: ArchitectureFactors) -> nn.Module:
    """Three convolutions and two linear layers: 2,464 parameters on 1 × 28 × 28 images.

    The small network of Schürholt et al., "Model Zoos: A Dataset of Diverse Populations of Neural
    Network Models", 2022; pooling comes before the activation. As published, dropout modules,
    which count in the names of the parameters, are there only where the rate is not 0.
    """
    size = factors.number("image_size", 28, least=20)
    rest = ((size - 4) // 2 - 4) // 2 - 1
    return LayeredNetwork(
        [
            nn.Conv2d(factors.number("in_channels", 1), 8, 5),
            nn.MaxPool2d(2),
            *factors.act(always_drop=False),
            nn.Conv2d(8, 6, 5),
            nn.MaxPool2d(2),
            *factors.act(always_drop=False),
            nn.Conv2d(6, 4, 2),
            ACTIVATIONS[factors.activation](),
            nn.Flatten(),
            nn.Linear(4 * rest**2, 20),
            *factors.act(always_drop=False),
            nn.Linear(20, factors.classes),
        ]
    )


@register_architecture("cnn_l", factors={})
def cnn_l(factors: ArchitectureFactors) -> nn.Module:
    """The large network of the same zoos: 10,853 parameters on 3 × 32 × 32 images."""
    rest = factors.number("image_size", 32, least=22)
    channels = (factors.number("in_channels", 3), 16, 32, 15)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers += [nn.Conv2d(inputs, outputs, 3), nn.MaxPool2d(2), *factors.act()]
        rest = (rest - 2) // 2
    return LayeredNetwork(
        [
            *layers,
            nn.Flatten(),
            nn.Linear(15 * rest**2, 20),
            *factors.act(),
            nn.Linear(20, factors.classes),
        ]
    )


@register_architecture("unterthiner", factors=_WIDTH)
def unterthiner(factors: ArchitectureFactors) -> nn.Module:
    """Three strided convolutions of 16 channels and a global mean: 4,970 parameters, 1 channel.

    Unterthiner et al., "Predicting Neural Network Accuracy from Weights", 2020.
    """
    factors.number("image_size", 28, least=15)
    width, channels = factors.number("width", 16), factors.number("in_channels", 1)
    layers: list[nn.Module] = []
    for inputs in (channels, width, width):
        layers += [nn.Conv2d(inputs, width, 3, stride=2), *factors.act()]
    return LayeredNetwork([*layers, *_read_out(width, factors.classes)])


@register_architecture("cnn", factors=_WIDTH_AND_DEPTH)
def cnn(factors: ArchitectureFactors) -> nn.Module:
    """``depth`` padded convolutions of ``width`` channels, pooled down to 4 pixels, global mean."""
    size = factors.number("image_size", 28, least=2)
    width, channels = factors.number("width", 16), factors.number("in_channels", 1)
    layers: list[nn.Module] = []
    for _ in range(factors.number("depth", 3)):
        layers.append(nn.Conv2d(channels, width, 3, padding=1))
        if size >= 8:
            layers.append(nn.MaxPool2d(2))
            size //= 2
        layers += factors.act()
        channels = width
    return LayeredNetwork([*layers, *_read_out(width, factors.classes)])


@register_architecture("mlp", factors=_WIDTH_AND_DEPTH)
def mlp(factors: ArchitectureFactors) -> nn.Module:
    """``depth`` linear layers of ``width`` neurons and one of the outputs."""
    inputs, width = factors.inputs, factors.number("width", 32)
    layers: list[nn.Module] = [nn.Flatten()]
    for _ in range(factors.number("depth", 2)):
        layers += [nn.Linear(inputs, width), *factors.act()]
        inputs = width
    return LayeredNetwork([*layers, nn.Linear(inputs, factors.classes)])


def _read_out(width: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]
