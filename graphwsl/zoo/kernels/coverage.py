"""Which networks the compiled loops compute as torch does; all others must take another way."""

from typing import Any

from torch import nn

from graphwsl.zoo.architectures.activations import ACTIVATIONS
from graphwsl.zoo.architectures.layered import LayeredNetwork

_ELEMENTWISE = (
    nn.Identity,
    nn.Dropout,
    *(kind for kind in ACTIVATIONS.values() if isinstance(kind, type)),
)
"""Layers that compute each number alone."""


def covers(module: nn.Module, dimensions: int = 3) -> bool:
    """Whether a network is a chain of layers that the compiled loops compute.

    These are convolutions of square kernels without groups and dilation, pooling by the maximum of
    squares straight after one, linear layers, the activations of zoos, dropout and the global mean;
    every layer with a bias.

    Args:
        module: The network.
        dimensions: Number of dimensions of a sample, 3 for images.
    """
    if type(module) is not LayeredNetwork or any(map(_is_changed, module.modules())):
        return False
    layers = list(module.module_list)
    names = [
        f"module_list.{number}.{kind}"
        for number, layer in enumerate(layers)
        if isinstance(layer, nn.Conv2d | nn.Linear)
        for kind in ("weight", "bias")
    ]
    # Layers that occur twice share their parameters, which then have one name.
    if [name for name, _ in module.named_parameters()] != names:
        return False
    for number, layer in enumerate(layers):
        if not _is_known(layer, layers[number - 1] if number else None, dimensions):
            return False
        dimensions = 1 if isinstance(layer, nn.Flatten) else dimensions
    return dimensions == 1


def _is_known(layer: Any, before: nn.Module | None, dimensions: int) -> bool:
    """Whether the loops compute a layer, given the one before and the dimensions that come in."""
    if getattr(layer, "inplace", False):
        return False
    kind: type[nn.Module] = type(layer)  # a subclass may do anything
    if kind is nn.Conv2d:
        return dimensions == 3 and _is_plain_convolution(layer)
    if kind is nn.MaxPool2d:
        return type(before) is nn.Conv2d and _tiles_squares(layer)
    if kind is nn.AdaptiveAvgPool2d:
        return dimensions == 3 and layer.output_size in (1, (1, 1))
    if kind is nn.Flatten:
        return (layer.start_dim, layer.end_dim) == (1, -1)
    if kind is nn.Linear:
        return dimensions == 1 and layer.bias is not None
    return kind in _ELEMENTWISE


def _is_plain_convolution(layer: Any) -> bool:
    return (
        layer.groups == 1
        and layer.dilation == (1, 1)
        and layer.bias is not None
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and all(len(set(size)) == 1 for size in (layer.kernel_size, layer.stride, layer.padding))
    )


def _tiles_squares(layer: Any) -> bool:
    sizes = (layer.kernel_size, layer.stride)
    return (
        sizes[0] == sizes[1]
        and isinstance(sizes[0], int)
        and layer.padding == 0
        and layer.dilation == 1
        and not layer.ceil_mode
        and not layer.return_indices
    )


def _is_changed(module: nn.Module) -> bool:
    """Whether hooks, parametrisations or another ``forward`` change what a layer does."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    return any(hooks) or hasattr(module, "parametrizations") or "forward" in vars(module)
