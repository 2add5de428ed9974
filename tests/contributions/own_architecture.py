"""An architecture of zoos: a perceptron whose hidden layers narrow by a factor of its own."""

from torch import nn

from graphwsl.zoo import ArchitectureFactors, register_architecture


@register_architecture("own_funnel", factors={"width": int, "narrowing": int})
def funnel(factors: ArchitectureFactors) -> nn.Module:
    width, narrowing = factors.number("width", 8), factors.number("narrowing", 1)
    factors.require("narrowing", narrowing, width % narrowing == 0, f"a divisor of {width}")
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(factors.inputs, width),
        *factors.act(),
        nn.Linear(width, width // narrowing),
        *factors.act(),
        nn.Linear(width // narrowing, factors.classes),
    )
