"""What costs nothing, beside which generated adapters are judged.

A generator that does not do better than the trained adapter of the nearest prompts has learnt
nothing that a look-up does not know; one that does as well on random words does not read them.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import GeneratorError
from graphwsl.generators.lora.low_rank import Pairs
from graphwsl.generators.lora.prompts import HASHED, encode_prompts, pooled

NEIGHBOURS = 5
"""Nearest adapters that a soup averages."""

REFERENCES = {
    "best_single": "best of all training adapters",
    "retrieval": "adapter of the nearest prompts",
    "soup": "mean of the five nearest",
    "mean_adapter": "mean adapter",
    "training_adapters": "training adapters, mean accuracy",
}
"""What each of :func:`references` is called in tables."""

Quality = Callable[[Pairs, int], Float[Tensor, " networks"]]
"""How good stacked adapters are at a held-out task, which is given by its number."""


def references(
    pairs: Pairs,
    prompts: Sequence[str],
    held_out: Sequence[str],
    quality: Quality,
    channels: int = 128,
    words: int = 32,
    encoder: str = HASHED,
) -> dict[str, Float[Tensor, " tasks"]]:
    """Quality of what costs nothing, at every held-out task.

    Args:
        pairs: Adapters of the training tasks, stacked.
        prompts: Texts of the training tasks, a prompt a line.
        held_out: Texts of the held-out tasks.
        quality: Measures adapters.
        channels: As :func:`~graphwsl.generators.lora.encode_prompts` has it.
        words: As there.
        encoder: As there.

    Returns:
        By name: ``retrieval``, the adapter of the nearest prompts; ``soup``, the mean of the five
        nearest; ``mean_adapter``, the mean of all; ``training_adapters``, the mean quality of all;
        ``best_single``, the best of all, which only the answers tell.

    Raises:
        GeneratorError: Not one text for each adapter, or no held-out task.
    """
    count = len(next(iter(pairs.values()))[0])
    if len(prompts) != count or not held_out:
        raise GeneratorError(
            f"there must be a text for each of {count} adapters and a held-out task, got "
            f"{len(prompts)} and {len(held_out)}"
        )
    known, asked = (
        torch.stack(
            [pooled(encode_prompts(t.splitlines(), words, channels, encoder)) for t in texts]
        )
        for texts in (prompts, held_out)
    )
    nearest = (asked @ known.T).argsort(dim=1, descending=True, stable=True)
    average = mean_of(pairs, torch.arange(count))
    found: dict[str, list[Tensor]] = {
        name: [] for name in
        ("retrieval", "soup", "mean_adapter", "training_adapters", "best_single")
    }  # fmt: skip
    for task, order in enumerate(nearest):
        every = quality(pairs, task)
        soup = mean_of(pairs, order[:NEIGHBOURS])
        made = {n: tuple(torch.cat(both) for both in zip(soup[n], average[n], strict=True))
                for n in pairs}  # fmt: skip
        of_soup, of_mean = quality(made, task)  # type: ignore[arg-type]
        found["retrieval"].append(every[order[0]])
        found["soup"].append(of_soup)
        found["mean_adapter"].append(of_mean)
        found["training_adapters"].append(every.mean())
        found["best_single"].append(every.max())
    return {name: torch.stack(values) for name, values in found.items()}


def mean_of(pairs: Pairs, members: Tensor) -> Pairs:
    """The mean of some adapters, as a stack of one.

    Args:
        pairs: Stacked.
        members: Their numbers.
    """
    return {n: (a[members].mean(0, keepdim=True), b[members].mean(0, keepdim=True))
            for n, (a, b) in pairs.items()}  # fmt: skip
