"""Networks of one architecture and shape, evaluated together.

Networks that are a chain of layers run through compiled loops with the batch innermost; all
others, such as transformers and networks with batch norm, through ``torch.func.vmap``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from graphwsl.errors import ZooError
from graphwsl.zoo.kernels.convolution import BATCH_MULTIPLE, convolution, linear
from graphwsl.zoo.kernels.coverage import covers
from graphwsl.zoo.kernels.images import take_images
from graphwsl.zoo.kernels.tanh import tanh

Drop = Callable[[Tensor], Tensor]
"""Dropout of a tensor whose first dimension is the network."""


class BatchedNetworks(ABC):
    """Computes the outputs of many networks at once; their weights are given, not kept.

    Args:
        module: Any one of the networks.

    Attributes:
        names: Names of the parameters, in the order in which they are given.
        buffer_names: Names of the buffers, such as the running statistics of batch norms.
        mixes_samples: Whether what comes out for a sample depends on the others of its batch in
            training, as with batch norm.
    """

    batch_multiple = 1
    """The number of samples of a batch must be a multiple of this."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.names = [name for name, _ in module.named_parameters()]
        self.buffer_names = [name for name, _ in module.named_buffers()]
        self.mixes_samples = False

    @staticmethod
    def of(module: nn.Module, dimensions: int = 3) -> "BatchedNetworks":
        """The fastest way to compute networks of the architecture of ``module``.

        Args:
            module: Any one of the networks.
            dimensions: Number of dimensions of a sample, 3 for images.
        """
        if covers(module, dimensions):
            return LayeredNetworks(module, dimensions)
        return MappedNetworks(module)

    @abstractmethod
    def images(
        self,
        images: Shaped[Tensor, "samples *sample"],
        indices: Int[Tensor, "models batch"],
    ) -> Tensor:
        """Every network's own samples, in the form that :meth:`logits` takes."""

    @abstractmethod
    def shared_images(self, images: Shaped[Tensor, "batch *sample"], models: int) -> Tensor:
        """The same samples for every network, kept once."""

    @abstractmethod
    def logits(
        self,
        parameters: Sequence[Tensor],
        x: Tensor,
        drop: Drop | None = None,
        *,
        buffers: Sequence[Tensor] = (),
        training: bool = False,
    ) -> Float[Tensor, "models classes batch *positions"]:
        """The logits of all networks.

        Args:
            parameters: Parameters in the order of :attr:`names`, each of all networks. Shape
                ``(models, ...)``.
            x: What :meth:`images` or :meth:`shared_images` gave.
            drop: Dropout; None for evaluation.
            buffers: Buffers in the order of :attr:`buffer_names`, each of all networks.
            training: Whether batch norms take the statistics of the batch, and update those in
                ``buffers`` in place.

        Raises:
            ZooError: Buffers are missing.
        """

    def keep_statistics(self, frozen: Callable[[str], bool]) -> None:
        """Let batch norms whose statistics are all frozen use them in training too.

        Args:
            frozen: Tells it of the name of a buffer.
        """
        del frozen


class LayeredNetworks(BatchedNetworks):
    """Chains of convolutions, maxima, activations, dropout and linear layers.

    The loops know convolutions of square kernels with biases, without groups or dilation, each
    followed at most by a maximum over squares that tile its output; see
    :func:`graphwsl.zoo.kernels.coverage.covers`.

    Raises:
        ZooError: The network has another layer, or is no chain.
    """

    batch_multiple = BATCH_MULTIPLE

    def __init__(self, module: nn.Module, dimensions: int = 3) -> None:
        if not covers(module, dimensions):
            raise ZooError(
                f"{type(module).__name__} has layers that the compiled loops do not know; take "
                "BatchedNetworks.of, which finds what computes it"
            )
        super().__init__(module)

    def images(
        self,
        images: Float[Tensor, "samples *sample"],
        indices: Int[Tensor, "models batch"],
    ) -> Float[Tensor, "models *sample batch"]:
        """See :class:`BatchedNetworks`."""
        return take_images(images, indices)

    def shared_images(
        self, images: Float[Tensor, "batch *sample"], models: int
    ) -> Float[Tensor, "models *sample batch"]:
        """See :class:`BatchedNetworks`."""
        images = images.movedim(0, -1).contiguous()
        return images.expand(models, *images.shape)

    def logits(
        self,
        parameters: Sequence[Tensor],
        x: Tensor,
        drop: Drop | None = None,
        *,
        buffers: Sequence[Tensor] = (),
        training: bool = False,
    ) -> Float[Tensor, "models classes batch"]:
        """See :class:`BatchedNetworks`."""
        del buffers, training
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
            else:  # of each number alone
                x = layer(x)
        return x


class MappedNetworks(BatchedNetworks):
    """Any architecture that ``torch.func.vmap`` can map over; without dropout.

    Batch norms have running statistics of their own for every network. All other modules are in
    evaluation mode in training too.

    Raises:
        ZooError: The network drops, or normalises by what no network has of its own.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module.eval())
        self._norms = dict(_batch_norms(module))
        self.mixes_samples = bool(self._norms)
        if any(isinstance(layer, nn.Dropout) and layer.p for layer in module.modules()):
            raise ZooError(
                f"dropout of {type(module).__name__} must be 0: only chains of layers can drop, "
                "each network from its own stream"
            )
        # A parameter may have several names, and a module that occurs twice must be filled once.
        owned = {id(p): n for n, p in (*module.named_parameters(), *module.named_buffers())}
        self._uses = [
            (f"{path}.{key}" if path else key, owned[id(tensor)])
            for path, part in module.named_modules()
            for own in (part.named_parameters(recurse=False), part.named_buffers(recurse=False))
            for key, tensor in own
        ]

    def keep_statistics(self, frozen: Callable[[str], bool]) -> None:
        """See :class:`BatchedNetworks`."""
        self._norms = {
            path: norm
            for path, norm in self._norms.items()
            if not all(frozen(f"{path}.{name}".lstrip(".")) for name, _ in norm.named_buffers())
        }

    def images(
        self,
        images: Shaped[Tensor, "samples *sample"],
        indices: Int[Tensor, "models batch"],
    ) -> Shaped[Tensor, "models batch *sample"]:
        """See :class:`BatchedNetworks`."""
        return images[indices]

    def shared_images(
        self, images: Shaped[Tensor, "batch *sample"], models: int
    ) -> Shaped[Tensor, "models batch *sample"]:
        """See :class:`BatchedNetworks`."""
        return images.expand(models, *images.shape)

    def logits(
        self,
        parameters: Sequence[Tensor],
        x: Tensor,
        drop: Drop | None = None,
        *,
        buffers: Sequence[Tensor] = (),
        training: bool = False,
    ) -> Float[Tensor, "models classes batch *positions"]:
        """See :class:`BatchedNetworks`."""
        del drop
        if len(buffers) != len(self.buffer_names):
            raise ZooError(
                f"{type(self.module).__name__} has buffers such as {self.buffer_names[0]!r}, of "
                f"which every network needs its own: give {len(self.buffer_names)}, not "
                f"{len(buffers)}"
            )
        for norm in self._norms.values():
            norm.train(training)

        def one(own: tuple[Tensor, ...], kept: tuple[Tensor, ...], images: Tensor) -> Tensor:
            names = (*self.names, *self.buffer_names)
            named = dict(zip(names, (*own, *kept), strict=True))
            state = {use: named[name] for use, name in self._uses}
            output: Tensor = torch.func.functional_call(
                self.module, state, (images,), tie_weights=False
            )
            return output

        try:
            # vmap knows no fused attention.
            with sdpa_kernel(SDPBackend.MATH):
                outputs = torch.func.vmap(one)(tuple(parameters), tuple(buffers), x)
        except ValueError as error:
            if "more than 1 value per channel" in str(error):
                raise ZooError(
                    "batch norm cannot learn from a single sample; choose a batch_size that "
                    "leaves more than one for the last step of an epoch"
                ) from error
            raise
        finally:
            self.module.eval()
        return outputs.movedim(-1, 1)


def _batch_norms(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for path, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            if not part.track_running_stats or part.momentum is None:
                raise ZooError(
                    f"batch norm {path!r} must have running statistics with a momentum; networks "
                    "of a population are evaluated with those"
                )
            yield path, part
        elif isinstance(part, nn.modules.batchnorm._NormBase) and part.track_running_stats:
            raise ZooError(
                f"{type(part).__name__} {path!r} must have no running statistics: only those of "
                "batch norms are updated in populations"
            )


def _first(size: Any) -> int:
    return int(size[0])


def _size(pool: Any) -> int:
    return int(pool.kernel_size)


def _is_pool(layers: list[nn.Module]) -> bool:
    return bool(layers) and isinstance(layers[0], nn.MaxPool2d)
