"""Random streams keyed by their use, so that an epoch draws the same however it is reached."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import numpy as np
import torch

Purpose = Literal["order", "model", "augment"]
_PURPOSES = get_args(Purpose)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's generator of the CPU within a block and put its state back afterwards.

    Build a model in such a block and its initial weights are the same every time:

    >>> with seeded(0):
    ...     first = torch.nn.Linear(2, 1)
    >>> with seeded(0):
    ...     second = torch.nn.Linear(2, 1)
    >>> torch.equal(first.weight, second.weight)
    True

    Args:
        seed: Not negative.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def stream_seed(seed: int, epoch: int, purpose: Purpose, process: int = 0) -> int:
    """The seed of one stream; streams of different keys are independent.

    There is no state to store or to lose: a run that resumes at an epoch draws what it would have
    drawn.

    Args:
        seed: Seed of the training.
        epoch: Counted from 1.
        purpose: ``order`` of graphs, ``model`` (dropout and the like) or ``augment``.
        process: Number of the process, where processes must draw differently.
    """
    key = np.random.SeedSequence([seed, epoch, _PURPOSES.index(purpose), process])
    return int(key.generate_state(1, np.uint64)[0])


def stream(seed: int, epoch: int, purpose: Purpose, process: int = 0) -> torch.Generator:
    """A generator at the start of the stream of :func:`stream_seed`, on the CPU."""
    return torch.Generator().manual_seed(stream_seed(seed, epoch, purpose, process))
