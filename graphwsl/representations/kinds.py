"""What networks have in common: an architecture and, where behaviour counts, a function.

Networks of one architecture may differ in what they do with their weights, such as in activation
functions. They are read and rebuilt alike, and are run each in its own way.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.populations.population import Architecture, Population
from graphwsl.representations.behaviour import Behaviour
from graphwsl.representations.known import Known


class Kinds:
    """Numbers the kinds of networks as they are met.

    Args:
        know: Prepares an architecture.
        by_function: Whether networks are run, so that those of several functions are of several
            kinds.

    Attributes:
        known: What is known of each kind, by its number.
    """

    def __init__(self, know: Callable[[Architecture], Known], *, by_function: bool) -> None:
        self.known: dict[int, Known] = {}
        self._know, self._by_function = know, by_function
        self._numbers: dict[tuple[str, str], int] = {}

    def of(self, population: Population) -> Int[Tensor, " networks"]:
        """The number of the kind of every network.

        Raises:
            RepresentationError: Networks that are to be run and take several inputs.
        """
        pairs = list(zip(population.kind.tolist(), population.function.tolist(), strict=True))
        found = {pair: self._number(population, *pair) for pair in dict.fromkeys(pairs)}
        return torch.tensor([found[pair] for pair in pairs], dtype=torch.int64)

    def _number(self, population: Population, kind: int, function: int) -> int:
        architecture, does = population.architectures[kind], population.functions[function]
        key = (architecture.digest, does.program if self._by_function else "")
        if key not in self._numbers:
            known = self._know(architecture)
            if self._by_function:
                known = replace(known, behaviour=Behaviour(does))
            self._numbers[key] = len(self._numbers)
            self.known[self._numbers[key]] = known
        return self._numbers[key]
