"""What every world has: a base, adapters of many tasks, and how good adapters are at others."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from graphwsl.generators.lora.low_rank import Pairs


@dataclass(frozen=True, eq=False)
class World:
    """Tasks that were trained, and others that were held out.

    Attributes:
        network: The adapted base.
        inputs: Samples without labels.
        train: Adapters of the training tasks, stacked.
        prompts: Texts of the training tasks, a prompt a line.
        trained: Adapters that were trained on the held-out tasks, which no generator sees.
        held_out: Texts of the held-out tasks.
        quality: Accuracy of stacked adapters at held-out tasks: at one, or at one each (None).
    """

    network: nn.Module
    inputs: Tensor
    train: Pairs
    prompts: list[str]
    trained: Pairs
    held_out: list[str]
    quality: Callable[[Pairs, int | None], Tensor]


def cut(pairs: Pairs, start: int, stop: int | None = None) -> Pairs:
    """Some of stacked adapters."""
    return {name: (a[start:stop], b[start:stop]) for name, (a, b) in pairs.items()}
