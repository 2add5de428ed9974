"""Random streams of a training, keyed by its seed, so that nothing else changes its numbers.

A network draws the same whatever trains beside it, in whatever order, after however many
interruptions: there is no state to keep.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import numpy as np
import torch

Purpose = Literal[
    "initialisation", "subset", "order", "dropout", "label_noise", "views", "weight_noise"
]
_PURPOSES = get_args(Purpose)


def stream(seed: int, purpose: Purpose, epoch: int = 0) -> torch.Generator:
    """A generator at the start of one stream; streams of different keys are independent.

    Args:
        seed: Seed of the network, not negative.
        purpose: ``initialisation`` of weights, ``subset`` of the training data, ``order`` of the
            data in an epoch, ``dropout`` in an epoch, ``label_noise`` of the training data,
            ``views`` of images in an epoch, or ``weight_noise`` in an epoch of variational dropout.
        epoch: Counted from 1; 0 where epochs play no role.
    """
    key = np.random.SeedSequence([seed, _PURPOSES.index(purpose), epoch])
    return torch.Generator().manual_seed(int(key.generate_state(1, np.uint64)[0]))


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Let everything that draws from torch's global generator draw from this one instead."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.set_state(generator.get_state())
        yield
