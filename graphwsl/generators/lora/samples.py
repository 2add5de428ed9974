"""Samples without labels, on which answers of adapted networks are compared."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError

Samples = Tensor | Mapping[str, Tensor]
"""Those that all tasks share, or those of each task, by its text."""


def require_samples(samples: Any) -> None:
    """Refuse what are no samples.

    Args:
        samples: What was given.

    Raises:
        GeneratorError: No tensors, none at all, or of several shapes.
    """
    advice = "give unlabelled samples, or a mapping with those of each text"
    arguments.instance("inputs", samples, (Tensor, Mapping), "a torch.Tensor", advice)
    every = [samples] if isinstance(samples, Tensor) else list(samples.values())
    for one in every:
        arguments.instance("inputs", one, Tensor, "a torch.Tensor", advice)
    if not every or not all(one.ndim and len(one) for one in every):
        raise GeneratorError("there are no inputs; give at least one sample")
    shapes = {tuple(one.shape) for one in every}
    if len(shapes) > 1:
        raise GeneratorError(
            f"inputs of all tasks must be of one shape, got {', '.join(map(str, sorted(shapes)))}"
        )


def require_samples_of(samples: Samples, texts: Iterable[str]) -> None:
    """Refuse samples among which there are none of a task.

    Args:
        samples: Shared ones are those of every task.
        texts: Texts of the tasks.

    Raises:
        GeneratorError: There are none of one.
    """
    for text in texts if isinstance(samples, Mapping) else ():
        if text not in samples:
            raise GeneratorError(
                f"inputs have no samples of the task {arguments.described(text)}; give them by "
                'checkpoint["prompts"]'
            )


def digest(samples: Samples | None) -> str:
    """What samples are known again by.

    Args:
        samples: None for no samples.
    """
    if samples is None:
        parts: list[bytes] = []
    elif isinstance(samples, Tensor):
        parts = _known(samples)
    else:
        parts = [part for text in sorted(samples)
                 for part in (text.encode(errors="surrogatepass"), *_known(samples[text]))]  # fmt: skip
    # How long each part is says where it ends.
    parts = [b"%d " % len(part) + part for part in parts]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _known(samples: Tensor) -> list[bytes]:
    numbers = samples.detach().cpu().contiguous().flatten().view(torch.uint8)
    return [f"{tuple(samples.shape)} {samples.dtype}".encode(), numbers.numpy().tobytes()]
