"""How many threads the operators of a small network are worth: mostly one.

Every operator of torch splits its work among threads and waits for the last of them. On tensors
that a core goes through in microseconds this gains nothing on an idle machine, and beside other
work all threads wait whenever one of them is not running: a training was twenty times as fast with
one thread there. ``python -m benchmarks.training_throughput`` measures both.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from gnncore.training.dataset import Dataset

ENTRIES_FOR_THREADS = 2**20
"""Entries of an activation from which on threads are used: a core takes about a millisecond."""

_ASKED_FOR = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def threads_for(model: nn.Module, dataset: Dataset, batch_size: int) -> Iterator[int]:
    """Run torch's operators on the CPU with as many threads as the network is worth.

    The number follows from the sizes of the network and the data and not from the load, so that
    results stay the same to the last bit. Where ``OMP_NUM_THREADS`` or ``MKL_NUM_THREADS`` is set,
    nothing is changed.

    Args:
        model: The network.
        dataset: What it works on.
        batch_size: Items a pass.

    Yields:
        The number of threads.
    """
    former = torch.get_num_threads()
    few = entries_of(model, dataset, batch_size) < ENTRIES_FOR_THREADS
    chosen = 1 if few and not any(name in os.environ for name in _ASKED_FOR) else former
    torch.set_num_threads(chosen)
    try:
        yield chosen
    finally:
        torch.set_num_threads(former)


def entries_of(model: nn.Module, dataset: Dataset, batch_size: int) -> int:
    """Entries of the widest activation, about: rows of a batch times channels."""
    widths = [max(weight.shape) for weight in model.parameters() if weight.dim() > 1]
    rows = dataset.num_rows * min(batch_size, len(dataset)) // max(len(dataset), 1)
    return rows * max(widths, default=1)
