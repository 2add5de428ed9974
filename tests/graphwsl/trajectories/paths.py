"""Paths of which everything is known, and trainings that were once made."""

from functools import cache

import torch
from torch import Tensor

from graphwsl.zoo.data import load_images
from graphwsl.zoo.training.chunk import Training, train_chunk

MLP = {"architecture": "mlp", "width": 8, "depth": 1, "learning_rate": 3e-3}


def brownian(steps: int, entries: int, seed: int) -> Tensor:
    """A random walk of independent steps from a random beginning."""
    generator = torch.Generator().manual_seed(seed)
    begin = torch.randn(entries, generator=generator)
    moves = torch.randn(steps, entries, generator=generator)
    return torch.cat([begin[None], begin + moves.cumsum(0)])


@cache
def trainings(count: int = 4, epochs: int = 24) -> Tensor:
    """The weights of trainings from different seeds at every epoch from 0."""
    made = train_chunk(
        [{**MLP, "seed": seed} for seed in range(count)],
        load_images("digits"),
        epochs=epochs,
        batch_size=64,
        kept=range(epochs + 1),
    )
    return torch.cat([values.flatten(2) for values in made.weights.values()], 2)


@cache
def shifted(count: int, at: int, epochs: int = 8) -> Tensor:
    """Trainings whose digits turn into their negatives after an epoch; never for ``epochs``."""
    data, other = load_images("digits"), load_images("digits_inverted")
    seeds = range(1000 * (at + 1), 1000 * (at + 1) + count)
    training = Training([{**MLP, "seed": seed} for seed in seeds], data, 64)
    path = []
    for epoch in range(epochs + 1):
        if epoch:
            training.train_epoch(epoch)
        path.append(torch.cat([values.flatten(1) for values in training.weights.values()], 1))
        if epoch == at:
            training.data = other
    return torch.stack(path, 1)


LAYERS = (520, 90)
"""Entries of the two layers of :data:`MLP`."""
