"""Activation functions of zoos, by name."""

from collections.abc import Callable

from torch import nn

from gnncore.registry import Registry
from graphwsl.errors import ZooError

ACTIVATIONS: Registry[Callable[[], nn.Module]] = Registry(
    "activation",
    ZooError,
    {
        "tanh": nn.Tanh,
        "relu": nn.ReLU,
        "sigmoid": nn.Sigmoid,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "leaky_relu": nn.LeakyReLU,
    },
)
"""One line an activation. Each computes every number alone, without parameters; add others by
``@ACTIVATIONS.register("name")``."""
