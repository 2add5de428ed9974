"""Small populations, and settings with which every method is learnt in a blink."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from graphwsl.populations import Population
from graphwsl.representations import REPRESENTATIONS, Representation, make
from tests.graphwsl.properties.property_cases import MLP, SMALL_CNN, MemoryZoo

WIDE_MLP = {**MLP, "width": 6}
TINY: dict[str, dict[str, Any]] = {
    name: {"channels": 16, "blocks": 1, "heads": 2, "latent_channels": 5, "epochs": 2,
           "batch_size": 16, "learning_rate": 1e-2}
    for name in REPRESENTATIONS
}  # fmt: skip
TINY["hyper_representation"]["views"] = 20
TINY["behavioural"]["queries"] = 6
TINY["graph_autoencoder"] |= {"structure": 1.0, "learning_rate": 3e-3}
for _name in ("sane", "multi_zoo"):
    TINY[_name] |= {"window": 6, "halo": 1}
KINDS = {"mlp": [MLP], "cnn": [SMALL_CNN], "mixed": [MLP, WIDE_MLP]}


@dataclass(frozen=True, eq=False)
class Parts:
    """Untrained networks in three parts, and samples that they take."""

    train: Population
    valid: Population
    test: Population
    inputs: Tensor


@cache
def parts(kind: str) -> Parts:
    population = Population.load(MemoryZoo(KINDS[kind], 14))
    samples = population.functions[0].inputs
    inputs = torch.rand(10, *samples.shape[1:], generator=torch.Generator().manual_seed(0))
    train, valid, test = (
        population.select(range(*some)) for some in ((0, 16), (16, 22), (22, len(population)))
    )
    return Parts(train, valid, test, inputs)


def tiny(name: str, **options: Any) -> Representation:
    """A representation of little capacity that is not fitted."""
    return make(name, **{**TINY[name], **options})


def fit(made: Representation, kind: str, **options: Any) -> Representation:
    """The same, fitted to the networks of a kind."""
    own = parts(kind)
    inputs = own.inputs if made.settings.structure < 1 else None
    return made.fit(own.train, own.valid, inputs=inputs, **options)


@cache
def fitted(name: str, kind: str = "mlp") -> Representation:
    """One that several tests share."""
    return fit(tiny(name), kind)
