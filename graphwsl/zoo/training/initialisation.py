"""How networks begin: the initialisations of the published zoos."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from gnncore.registry import Registry
from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.training.streams import drawing_from, stream

PUBLISHED_BIAS = 0.01

INITIALISATIONS: Registry[Callable[[Tensor], Tensor] | None] = Registry(
    "initialisation",
    ZooError,
    {
        "uniform": nn.init.uniform_,
        "normal": nn.init.normal_,
        "kaiming_uniform": nn.init.kaiming_uniform_,
        "kaiming_normal": nn.init.kaiming_normal_,
        "xavier_uniform": nn.init.xavier_uniform_,
        "xavier_normal": nn.init.xavier_normal_,
        "default": None,
    },
)
"""What fills the weights of linear layers and convolutions; all but ``default``, which is torch's
own, set their biases to 0.01. ``uniform`` is on [0, 1) and ``normal`` of unit variance, as in the
published zoos, which is far from what trains best. Others fill a tensor in place; add them by
``@INITIALISATIONS.register("name")``."""


def initialised(configuration: Mapping[str, Any]) -> nn.Module:
    """The network of a configuration at epoch 0, drawn from the stream of its seed.

    Args:
        configuration: The generating factors: ``architecture``, ``seed`` and ``initialisation``,
            and those of the architecture.

    Raises:
        ZooError: No such architecture or initialisation, or a factor outside its range.
    """
    fill = INITIALISATIONS.find(configuration["initialisation"])
    with drawing_from(stream(configuration["seed"], "initialisation")):
        module = build(configuration["architecture"], configuration)
        for layer in module.modules():
            if fill is not None and isinstance(layer, nn.Linear | nn.Conv2d):
                fill(layer.weight.data)
                if layer.bias is not None:
                    nn.init.constant_(layer.bias.data, PUBLISHED_BIAS)
    return module
