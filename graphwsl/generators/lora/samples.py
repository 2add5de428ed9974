"""Samples without labels, on which answers of adapted networks are compared."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.lora.module import run_adapted
from graphwsl.generators.lora.networks import pairs_of
from graphwsl.populations.population import Population

Samples = Tensor | Mapping[str, Tensor]
"""Those that all tasks share, or those of each task, by its text."""


def require_samples(samples: Any) -> None:
    """Refuse what are no samples.

    Args:
        samples: What was given.

    Raises:
        GeneratorError: No tensors, none at all, of several shapes or dtypes, or not finite; or a
            mapping by something else than texts.
    """
    advice = "give unlabelled samples, or a mapping with those of each text"
    arguments.instance("inputs", samples, (Tensor, Mapping), "a torch.Tensor", advice)
    for text in () if isinstance(samples, Tensor) else samples:
        if not isinstance(text, str):
            raise GeneratorError(
                f"inputs of a task are given by its text, got {arguments.described(text)}; give "
                'them by checkpoint["prompts"]'
            )
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
    dtypes = sorted({str(one.dtype) for one in every})
    if len(dtypes) > 1:
        raise GeneratorError(f"inputs of all tasks must be of one dtype, got {', '.join(dtypes)}")
    if not all(bool(one.isfinite().all()) for one in every):
        raise GeneratorError("inputs have numbers that are not finite; leave those samples out")


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


def require_taken(samples: Samples, population: Population) -> None:
    """Refuse samples that networks do not take, by what they answer to a few of them.

    Args:
        samples: Those of all tasks.
        population: Adapted networks of one base.

    Raises:
        GeneratorError: They are of another shape or dtype, or beyond an embedding.
    """
    every = [samples] if isinstance(samples, Tensor) else list(samples.values())
    some = torch.cat([_outermost(one.detach()) for one in every])
    module = population.functions[0].module
    pairs = pairs_of(population.states[0][None], population.architectures[0])
    try:
        with torch.no_grad():
            run_adapted(module, module.state_dict(), pairs, some).log_softmax(-1)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise GeneratorError(
            f"the networks do not take inputs of shape {tuple(some.shape[1:])} and {some.dtype}: "
            f"{reason}; give samples such as they learnt from"
        ) from error


def _outermost(samples: Tensor) -> Tensor:
    """The samples with the smallest and the largest number, as tokens have a range."""
    rows = samples.flatten(1) if samples.ndim > 1 else samples[:, None]
    if not rows.shape[1] or rows.is_complex() or rows.dtype == torch.bool:
        return samples[:2]
    return samples[torch.stack([rows.amin(1).argmin(), rows.amax(1).argmax()])]


def without_gradients(samples: Samples) -> Samples:
    """The same samples, through which nothing is learnt.

    Args:
        samples: They may come from what has gradients.
    """
    if isinstance(samples, Tensor):
        return samples.detach()
    return {text: own.detach() for text, own in samples.items()}


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
        parts = []
        for text in sorted(samples):
            parts += [text.encode(errors="surrogatepass"), *_known(samples[text])]
    # How long each part is says where it ends.
    parts = [b"%d " % len(part) + part for part in parts]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _known(samples: Tensor) -> list[bytes]:
    numbers = samples.detach().cpu().contiguous().flatten().view(torch.uint8)
    return [f"{tuple(samples.shape)} {samples.dtype}".encode(), numbers.numpy().tobytes()]
