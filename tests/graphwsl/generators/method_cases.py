"""Small populations, and settings with which every generator is learnt in a blink."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from graphwsl.generators import GENERATORS, Generator, make
from graphwsl.populations import Population
from tests.graphwsl.properties.property_cases import MLP, SMALL_CNN, MemoryZoo

WIDE_MLP = {**MLP, "width": 6}
TINY: dict[str, dict[str, Any]] = {
    "equivariant_flow": {"channels": 16, "edge_channels": 4, "heads": 2, "rounds": 1, "steps": 2,
                         "validations": 1},
}  # fmt: skip
"""Options of each method besides those of all."""

SHORT: dict[str, Any] = {"epochs": 3, "batch_size": 16, "learning_rate": 3e-3}
KINDS = {"mlp": [MLP], "cnn": [SMALL_CNN], "mixed": [MLP, WIDE_MLP]}
# Adapters are learnt from populations of their own, in tests of their own.
METHODS = tuple(name for name in GENERATORS if name != "prompt_to_lora")


@cache
def population(kind: str) -> Population:
    """Untrained networks, two epochs of each."""
    return Population.load(MemoryZoo(KINDS[kind], 12))


def tiny(name: str, **options: Any) -> Generator:
    """A generator of little capacity that is not fitted."""
    return make(name, **{**SHORT, **TINY.get(name, {}), **options})


@cache
def fitted(name: str, kind: str = "mlp", condition: str | None = None) -> Generator:
    """One that several tests share."""
    return tiny(name).fit(population(kind), condition)


def rows(some: Population) -> Tensor:
    return torch.stack(some.states)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
