"""The architectures of zoos, by name; the published ones with the parameter names that they have.

Each is built from a configuration, the generating factors of one network, of which it reads what
it needs: ``activation`` and ``dropout``, ``in_channels``, ``image_size`` and ``out_channels``,
``width`` and ``depth``. Whatever else is in the configuration belongs to the training.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.layered import ACTIVATIONS, LayeredNetwork
from graphwsl.zoo.architectures.resnet import BLOCKS, ResidualNetwork
from graphwsl.zoo.architectures.vit import SmallVisionTransformer, VisionTransformer

FACTORS = (
    *("architecture", "activation", "dropout", "in_channels", "image_size", "out_channels"),
    *("width", "depth", "heads", "patch_size", "head_width"),
)
"""Generating factors that an architecture may read."""

LARGEST = {"depth": 2**10, "image_size": 2**13}
LARGEST_FACTOR = 2**20
MOST_PARAMETERS, LARGEST_ACTIVATION = 2**30, 2**28
"""Numbers of a network, and of what one of its modules takes or gives for one image, at most."""


def build(name: str, configuration: Mapping[str, Any]) -> nn.Module:
    """A network with random weights.

    Args:
        name: ``cnn_s``, ``cnn_l``, ``unterthiner``, ``cnn``, ``mlp``, ``vit``, ``vit_s_16``,
            ``resnet18``, ``resnet34`` or ``resnet50``, or one that was registered.
        configuration: The generating factors.

    Raises:
        ZooError: No such architecture, or a factor outside its range.
    """
    arguments.text("name", name)
    advice = "give the generating factors by name"
    arguments.instance("configuration", configuration, Mapping, "a mapping", advice)
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ZooError(
            f"unknown architecture {name!r}; choose one of {known}, or import the module that "
            "registers it"
        )
    return ARCHITECTURES[name](ArchitectureFactors(name, configuration))


def shapes_of(configuration: Mapping[str, Any]) -> dict[str, torch.Size]:
    """Names and shapes of the parameters and buffers of a network; takes no memory for them.

    Args:
        configuration: The generating factors, ``architecture`` among them.

    Raises:
        ZooError: It cannot be built, or it or its images are larger than what fits a file of
            weights.
    """
    name = str(configuration.get("architecture"))
    try:
        with torch.device("meta"):
            shell = build(name, configuration).eval()
        activation = _largest_activation(shell, configuration)
    except ZooError:
        raise
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ZooError(f"its architecture cannot be built: {reason}") from error
    shapes = {name: tensor.shape for name, tensor in shell.state_dict().items()}
    for what, number, most in (
        ("parameters", sum(shape.numel() for shape in shapes.values()), MOST_PARAMETERS),
        ("numbers in one activation", activation, LARGEST_ACTIVATION),
    ):
        if number > most:
            raise ZooError(f"its architecture {name} has {number:,} {what}, more than {most:,}")
    return shapes


@torch.no_grad()
def _largest_activation(shell: nn.Module, configuration: Mapping[str, Any]) -> int:
    """The most numbers that a module takes or gives for one image; 0 where no image is known."""
    channels, size = (configuration.get(key) for key in ("in_channels", "image_size"))
    if not isinstance(channels, int) or not isinstance(size, int):
        return 0
    image = torch.empty(1, channels, size, size, device="meta")
    sizes = [image.numel()]

    def note(module: nn.Module, inputs: object, output: object) -> None:
        sizes.append(output.numel() if isinstance(output, Tensor) else 0)

    for module in shell.modules():
        module.register_forward_hook(note)
    if sizes[0] <= LARGEST_ACTIVATION:
        shell(image)
    return max(sizes)


class ArchitectureFactors:
    """Reads a configuration, with defaults and bounds.

    Args:
        name: Of the architecture, for messages.
        configuration: The generating factors.
    """

    def __init__(self, name: str, configuration: Mapping[str, Any]) -> None:
        self.name, self.configuration = name, configuration

    def number(self, key: str, default: int, least: int = 1) -> int:
        """A whole factor, such as ``width``.

        Raises:
            ZooError: It is no whole number, or outside its range.
        """
        value = self.configuration.get(key)
        value = default if value is None else value
        most = LARGEST.get(key, LARGEST_FACTOR)
        whole = isinstance(value, int) and not isinstance(value, bool)
        self.require(key, value, whole and value >= least, f"at least {least}")
        self.require(key, value, value <= most, f"at most {most:,}")
        return int(value)

    def require(self, key: str, value: object, holds: bool, what: str) -> None:
        """Nothing, if the value of a factor is right.

        Args:
            key: Its name.
            value: Its value.
            holds: Whether it is right.
            what: What it must be, for the message.

        Raises:
            ZooError: It is not.
        """
        if not holds:
            raise ZooError(f"{key} of {self.name} must be {what}, got {_short(value)}")

    @property
    def classes(self) -> int:
        """Outputs of the network."""
        return self.number("out_channels", 10)

    @property
    def activation(self) -> str:
        """Name of the activation, one of :data:`graphwsl.zoo.architectures.layered.ACTIVATIONS`."""
        name = self.configuration.get("activation") or "tanh"
        self.require(
            "activation", name, str(name) in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}"
        )
        return str(name)

    @property
    def dropout(self) -> float:
        """Share of values that is dropped in training."""
        rate = self.configuration.get("dropout") or 0.0
        right = isinstance(rate, int | float) and 0 <= rate < 1
        self.require("dropout", rate, right, "at least 0 and below 1")
        return float(rate)

    def act(self, *, always_drop: bool = True) -> list[nn.Module]:
        """The activation, and the dropout after it.

        Args:
            always_drop: Whether there is a module for dropout where the rate is 0 too.
        """
        rate = self.dropout
        dropout = [nn.Dropout(rate)] if always_drop or rate else []
        return [ACTIVATIONS[self.activation](), *dropout]


def _short(value: object) -> str:
    text = str(value) if isinstance(value, float) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _cnn_s(factors: ArchitectureFactors) -> nn.Module:
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


def _cnn_l(factors: ArchitectureFactors) -> nn.Module:
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


def _unterthiner(factors: ArchitectureFactors) -> nn.Module:
    """Three strided convolutions of 16 channels and a global mean: 4,970 parameters, 1 channel.

    Unterthiner et al., "Predicting Neural Network Accuracy from Weights", 2020.
    """
    factors.number("image_size", 28, least=15)
    width, channels = factors.number("width", 16), factors.number("in_channels", 1)
    layers: list[nn.Module] = []
    for inputs in (channels, width, width):
        layers += [nn.Conv2d(inputs, width, 3, stride=2), *factors.act()]
    return LayeredNetwork([*layers, *_read_out(width, factors.classes)])


def _cnn(factors: ArchitectureFactors) -> nn.Module:
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


def _mlp(factors: ArchitectureFactors) -> nn.Module:
    """``depth`` linear layers of ``width`` neurons and one of the classes."""
    size, width = factors.number("image_size", 28), factors.number("width", 32)
    inputs = factors.number("in_channels", 1) * size**2
    layers: list[nn.Module] = [nn.Flatten()]
    for _ in range(factors.number("depth", 2)):
        layers += [nn.Linear(inputs, width), *factors.act()]
        inputs = width
    return LayeredNetwork([*layers, nn.Linear(inputs, factors.classes)])


def _vit(factors: ArchitectureFactors) -> nn.Module:
    """A small vision transformer; ``heads`` and ``patch_size`` are factors too."""
    size, width = factors.number("image_size", 28), factors.number("width", 32)
    patch, heads = factors.number("patch_size", 7), factors.number("heads", 2)
    factors.require("patch_size", patch, size % patch == 0, f"a divisor of the image size {size}")
    factors.require("heads", heads, width % heads == 0, f"a divisor of the width {width}")
    return VisionTransformer(
        factors.number("in_channels", 1),
        size,
        patch,
        factors.classes,
        width=width,
        depth=factors.number("depth", 2),
        heads=heads,
        activation=factors.activation,
        dropout=factors.dropout,
    )


def _resnet(factors: ArchitectureFactors) -> nn.Module:
    """A residual network of the phase-transition zoos; ``width`` is that of its first stage."""
    return ResidualNetwork(
        factors.name,
        width=factors.number("width", 64),
        in_channels=factors.number("in_channels", 3),
        out_channels=factors.classes,
    )


def _vit_s_16(factors: ArchitectureFactors) -> nn.Module:
    """ViT-S/16; ``head_width`` gives its head a hidden layer."""
    return SmallVisionTransformer(
        in_channels=factors.number("in_channels", 3),
        out_channels=factors.number("out_channels", 1000),
        head_width=factors.number("head_width", 0, least=0) or None,
        dropout=factors.dropout,
        image_size=factors.number("image_size", 224, least=16),
        depth=factors.number("depth", 12),
    )


def _read_out(width: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


Architecture = Callable[[ArchitectureFactors], nn.Module]

ARCHITECTURES: dict[str, Architecture] = {
    "cnn_s": _cnn_s,
    "cnn_l": _cnn_l,
    "unterthiner": _unterthiner,
    "cnn": _cnn,
    "mlp": _mlp,
    "vit": _vit,
    "vit_s_16": _vit_s_16,
    **dict.fromkeys(BLOCKS, _resnet),
}
"""One line an architecture."""


def register_architecture(name: str) -> Callable[[Architecture], Architecture]:
    """Decorate a function that builds a network from its factors, to be known by a name.

    >>> @register_architecture("perceptron")
    ... def perceptron(factors: ArchitectureFactors) -> nn.Module:
    ...     inputs = factors.number("in_channels", 1) * factors.number("image_size", 28) ** 2
    ...     return nn.Sequential(nn.Flatten(), nn.Linear(inputs, factors.classes))

    The module in which it is registered can be named to ``graphwsl … --import``.

    Raises:
        ZooError: The name is taken.
    """

    def register(make: Architecture) -> Architecture:
        former = ARCHITECTURES.get(name)
        if former is not None and (former.__module__, former.__qualname__) != (
            make.__module__,
            make.__qualname__,
        ):
            raise ZooError(f"there is an architecture {name!r} already; choose another name")
        ARCHITECTURES[name] = make
        return make

    return register
