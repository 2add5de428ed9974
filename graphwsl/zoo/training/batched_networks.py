"""Networks of one architecture and shape, evaluated together.

Networks that are a chain of layers run through compiled loops with the batch innermost; all
others, such as transformers, through ``torch.func.vmap``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.layered import LayeredNetwork
from graphwsl.zoo.kernels.convolution import BATCH_MULTIPLE, convolution, linear
from graphwsl.zoo.kernels.images import take_images
from graphwsl.zoo.kernels.tanh import tanh

Drop = Callable[[Tensor], Tensor]
"""Dropout of a tensor whose first dimension is the network."""


class BatchedNetworks(ABC):
    """Computes the logits of many networks at once; their weights are given, not kept.

    Args:
        module: Any one of the networks.
    """

    batch_multiple = 1
    """The number of images of a batch must be a multiple of this."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.names = [name for name, _ in module.named_parameters()]

    @staticmethod
    def of(module: nn.Module) -> "BatchedNetworks":
        """The fastest population that covers the architecture of ``module``."""
        if isinstance(module, LayeredNetwork):
            return LayeredNetworks(module)
        return MappedNetworks(module)

    @abstractmethod
    def images(
        self,
        images: Float[Tensor, "samples channels height width"],
        indices: Int[Tensor, "models batch"],
    ) -> Tensor:
        """Every network's own images, in the form that :meth:`logits` takes."""

    @abstractmethod
    def shared_images(
        self, images: Float[Tensor, "batch channels height width"], models: int
    ) -> Tensor:
        """The same images for every network, kept once."""

    @abstractmethod
    def logits(
        self, parameters: Sequence[Tensor], x: Tensor, drop: Drop | None = None
    ) -> Float[Tensor, "models classes batch"]:
        """The logits of all networks.

        Args:
            parameters: In the order of :attr:`names`, each of all networks. Shape
                ``(models, ...)``.
            x: What :meth:`images` or :meth:`shared_images` gave.
            drop: Dropout; None for evaluation.
        """


class LayeredNetworks(BatchedNetworks):
    """Chains of convolutions, maxima, activations, dropout and linear layers."""

    batch_multiple = BATCH_MULTIPLE

    def images(
        self,
        images: Float[Tensor, "samples channels height width"],
        indices: Int[Tensor, "models batch"],
    ) -> Float[Tensor, "models channels height width batch"]:
        """See :class:`BatchedNetworks`."""
        return take_images(images, indices)

    def shared_images(
        self, images: Float[Tensor, "batch channels height width"], models: int
    ) -> Float[Tensor, "models channels height width batch"]:
        """See :class:`BatchedNetworks`."""
        return images.permute(1, 2, 3, 0).contiguous().expand(models, -1, -1, -1, -1)

    def logits(
        self, parameters: Sequence[Tensor], x: Tensor, drop: Drop | None = None
    ) -> Float[Tensor, "models classes batch"]:
        """See :class:`BatchedNetworks`."""
        rest = iter(parameters)
        layers = list(self.module.get_submodule("module_list").children())
        while layers:
            layer = layers.pop(0)
            if isinstance(layer, nn.Conv2d):
                pool = _size(layers.pop(0)) if _is_pool(layers) else 1
                padding, stride = _first(layer.padding), _first(layer.stride)
                x = functional.pad(x, (0, 0, *[padding] * 4)) if padding else x
                x = convolution(x, next(rest), next(rest), stride=stride, pool=pool)
            elif isinstance(layer, nn.Linear):
                x = linear(x, next(rest), next(rest))
            elif isinstance(layer, nn.Tanh):
                x = tanh(x)
            elif isinstance(layer, nn.AdaptiveAvgPool2d):
                x = x.mean((2, 3), keepdim=True)
            elif isinstance(layer, nn.Flatten):
                x = x.flatten(1, -2)
            elif isinstance(layer, nn.Dropout):
                x = x if drop is None else drop(x)
            else:
                x = layer(x)
        return x


class MappedNetworks(BatchedNetworks):
    """Any architecture that ``torch.func.vmap`` can map over; without dropout."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module.eval())
        buffers = [name for name, _ in module.named_buffers()]
        if buffers:
            raise ZooError(
                f"{type(module).__name__} cannot be trained in a population: it has running "
                f"statistics such as {buffers[0]!r}, which the networks would share"
            )
        if any(isinstance(layer, nn.Dropout) and layer.p for layer in module.modules()):
            raise ZooError(
                f"dropout of {type(module).__name__} must be 0: only chains of layers can drop, "
                "each network from its own stream"
            )

    def images(
        self,
        images: Float[Tensor, "samples channels height width"],
        indices: Int[Tensor, "models batch"],
    ) -> Float[Tensor, "models batch channels height width"]:
        """See :class:`BatchedNetworks`."""
        return images[indices]

    def shared_images(
        self, images: Float[Tensor, "batch channels height width"], models: int
    ) -> Float[Tensor, "models batch channels height width"]:
        """See :class:`BatchedNetworks`."""
        return images.expand(models, -1, -1, -1, -1)

    def logits(
        self, parameters: Sequence[Tensor], x: Tensor, drop: Drop | None = None
    ) -> Float[Tensor, "models classes batch"]:
        """See :class:`BatchedNetworks`."""
        del drop

        def one(own: tuple[Tensor, ...], images: Tensor) -> Tensor:
            named = dict(zip(self.names, own, strict=True))
            return torch.func.functional_call(self.module, named, (images,))

        # vmap knows no fused attention.
        with sdpa_kernel(SDPBackend.MATH):
            return torch.func.vmap(one)(tuple(parameters), x).transpose(1, 2)


def _first(size: Any) -> int:
    return int(size[0])


def _size(pool: Any) -> int:
    return int(pool.kernel_size)


def _is_pool(layers: list[nn.Module]) -> bool:
    return bool(layers) and isinstance(layers[0], nn.MaxPool2d)
