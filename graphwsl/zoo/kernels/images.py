"""Picks images out of a data set, so that those of a batch lie innermost."""

from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.errors import ZooError
from graphwsl.zoo.kernels.arguments import require_floats
from graphwsl.zoo.kernels.emit import LANES, Emitter


def take_images(
    images: Float[Tensor, "samples *shape"], indices: Int[Tensor, "models batch"]
) -> Float[Tensor, "models *shape batch"]:
    """``images[indices]`` with the batch moved to the end, written once.

    Args:
        images: The data set.
        indices: Numbers of images; the batch is a multiple of 8.

    Raises:
        ZooError: Another batch, numbers of images that do not exist, or other numbers than those of
            single precision on the CPU.
    """
    if images.requires_grad and torch.is_grad_enabled():
        return images[indices].movedim(1, -1).contiguous()  # the loops below have no gradient
    require_floats(images)
    if indices.shape[1] % LANES:
        raise ZooError(f"the batch must be a multiple of {LANES}, got {indices.shape[1]}")
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < len(images):
        raise ZooError(
            f"images are numbered from 0 to {len(images) - 1}, got {int(indices.min())} to "
            f"{int(indices.max())}"
        )
    images = images.contiguous()
    models, batch = indices.shape
    shape = images.shape[1:]
    taken = images.new_empty(models, *shape, batch)
    kernel = _take_kernel(shape.numel(), batch)
    indices = indices.contiguous()  # a copy must live until the loops have read it
    kernel(models, indices.data_ptr(), images.data_ptr(), taken.data_ptr())
    return taken


@cache
def _take_kernel(size: int, batch: int) -> Callable[..., None]:
    e = Emitter("niff")
    models, indices, images, taken = e.function.args
    with e.loops(models, batch // LANES) as outer:
        m, n = outer.indices
        numbers = e.at(indices, (m, batch), (n, LANES))
        rows = [e.at(images, (e.integer(numbers, lane), size)) for lane in range(LANES)]
        target = e.at(taken, (m, size * batch), (n, LANES))
        with e.loops(size) as inner:
            (pixel,) = inner.indices
            e.store(e.gather(rows, pixel), e.at(target, (pixel, batch)))
    return e.compile()
