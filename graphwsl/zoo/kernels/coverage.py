"""Which networks the compiled loops compute as torch does; all others must take another way."""

from typing import Any

from torch import nn

from graphwsl.zoo.architectures.layered import ACTIVATIONS, LayeredNetwork

_ELEMENTWISE = tuple(type(make()) for make in ACTIVATIONS.values())


def covers(module: nn.Module) -> bool:
    """Whether a network is a chain of layers that the compiled loops compute.

    These are convolutions of square kernels without groups and dilation, pooling by the maximum of
    squares straight after one, linear layers, the activations of zoos, dropout and the global mean;
    every layer with a bias.
    """
    if type(module) is not LayeredNetwork or _has_hooks(module):
        return False
    layers = list(module.module_list)
    with_weights = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)]
    if len(set(map(id, module.parameters()))) != 2 * len(with_weights):
        return False  # layers share their parameters, or have none
    flat = False
    for number, layer in enumerate(layers):
        if isinstance(layer, nn.Flatten):
            known = layer.start_dim == 1 and layer.end_dim == -1
            flat = True
        elif isinstance(layer, nn.Conv2d):
            known = not flat and _is_plain(layer)
        elif isinstance(layer, nn.MaxPool2d):
            after = number > 0 and isinstance(layers[number - 1], nn.Conv2d)
            known = after and _is_square(layer)
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            known = not flat and layer.output_size in (1, (1, 1))
        elif isinstance(layer, nn.Linear):
            known = flat and layer.bias is not None
        else:
            known = type(layer) in (*_ELEMENTWISE, nn.Dropout)
        if not known or len(list(layer.children())) or type(layer).__module__[:8] != "torch.nn":
            return False
    return flat


def _is_plain(layer: nn.Conv2d) -> bool:
    pairs = (layer.kernel_size, layer.stride, layer.padding)
    return (
        layer.bias is not None
        and layer.groups == 1
        and set(layer.dilation) == {1}
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and all(len(set(pair)) == 1 for pair in pairs)
    )


def _is_square(layer: nn.MaxPool2d) -> bool:
    size: Any = layer.kernel_size
    return (
        isinstance(size, int)
        and layer.stride == size
        and (layer.padding, layer.dilation) == (0, 1)
        and not layer.ceil_mode
        and not layer.return_indices
    )


def _has_hooks(module: nn.Module) -> bool:
    """Hooks and parametrisations change what a layer does."""
    return any(
        part._forward_hooks or part._forward_pre_hooks or hasattr(part, "parametrizations")
        for part in module.modules()
    )
