"""What a network takes: the generating factors that say it, and an example of it."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from graphwsl.errors import ZooError

INPUT_FACTORS = (
    *("in_channels", "image_size", "image_height", "image_width"),
    *("in_features", "sequence_length", "vocabulary_size", "out_channels"),
)
"""Factors that the data say: square images, other images, rows of features, texts, outputs."""

Scalars = Mapping[str, Any]


def factors_of_sample(shape: tuple[int, ...], vocabulary: int | None) -> dict[str, int]:
    """The factors that say what a sample is.

    Args:
        shape: Shape of one sample: ``(channels, height, width)``, ``(features,)``, or the length of
            a text alone.
        vocabulary: Number of tokens of texts; None for numbers.

    Raises:
        ZooError: Another shape.
    """
    if vocabulary is not None and len(shape) == 1:
        return {"sequence_length": shape[0], "vocabulary_size": vocabulary}
    if vocabulary is None and len(shape) == 3 and shape[1] == shape[2]:
        return {"in_channels": shape[0], "image_size": shape[1]}
    if vocabulary is None and len(shape) == 3:
        return {"in_channels": shape[0], "image_height": shape[1], "image_width": shape[2]}
    if vocabulary is None and len(shape) == 1:
        return {"in_features": shape[0]}
    raise ZooError(
        f"a sample must be an image (channels, height, width), features (features,) or tokens of "
        f"a vocabulary (length,), got one of shape {shape}"
    )


def sample_shape(configuration: Scalars) -> tuple[int, ...] | None:
    """The shape of one sample; None where the configuration does not say it."""
    for names in (
        ("sequence_length",),
        ("in_features",),
        ("in_channels", "image_height", "image_width"),
        ("in_channels", "image_size", "image_size"),
    ):
        sizes = [configuration.get(name) for name in names]
        if all(isinstance(size, int) and not isinstance(size, bool) for size in sizes):
            return tuple(int(size) for size in sizes if size is not None)
    return None


def example_inputs(
    configuration: Scalars, *, device: str | None = None
) -> Shaped[Tensor, "1 *sample"]:
    """One sample, always the same: standard normal numbers, or tokens.

    Args:
        configuration: The generating factors.
        device: Where; on ``meta`` it takes no memory.

    Raises:
        ZooError: The configuration does not say what a sample is.
    """
    shape = sample_shape(configuration)
    if shape is None or min(shape) < 1:
        raise ZooError(
            "the configuration does not say what the network takes: it has no in_channels and "
            "image_size, in_features or sequence_length"
        )
    vocabulary = configuration.get("vocabulary_size")
    if device == "meta":
        dtype = torch.float32 if vocabulary is None else torch.int64
        return torch.empty(1, *shape, device=device, dtype=dtype)
    if math.prod(shape) > 2**30:
        raise ZooError(f"a sample of shape {shape} is larger than 2³⁰ numbers")
    generator = torch.Generator().manual_seed(0)
    if vocabulary is not None:
        return torch.randint(int(vocabulary), (1, *shape), generator=generator, device=device)
    return torch.randn(1, *shape, generator=generator, device=device)
