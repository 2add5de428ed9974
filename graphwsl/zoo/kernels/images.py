"""Picks images out of a data set, so that those of a batch lie innermost."""

from collections.abc import Callable
from functools import cache

from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.zoo.kernels.emit import LANES, Emitter


def take_images(
    images: Float[Tensor, "samples *shape"], indices: Int[Tensor, "models batch"]
) -> Float[Tensor, "models *shape batch"]:
    """``images[indices]`` with the batch moved to the end, written once.

    Args:
        images: Contiguous.
        indices: Numbers of images; the batch is a multiple of 8.
    """
    models, batch = indices.shape
    shape = images.shape[1:]
    taken = images.new_empty(models, *shape, batch)
    kernel = _take_kernel(shape.numel(), batch)
    kernel(models, indices.contiguous().data_ptr(), images.data_ptr(), taken.data_ptr())
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
