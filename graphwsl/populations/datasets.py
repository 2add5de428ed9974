"""Populations as PyTorch data sets: rows, graphs or tokens of networks, with targets, by number."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from graphwsl.errors import PredictorError
from graphwsl.populations.population import Architecture, Population, as_population
from graphwsl.populations.targets import Target
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.zoo import Zoo

Kind = Literal["rows", "graphs", "tokens"]


@runtime_checkable
class TokensLike(Protocol):
    """What a tokeniser gives for networks of one architecture."""

    @property
    def values(self) -> Float[Tensor, "networks tokens width"]:
        """The numbers of all tokens."""
        ...

    @property
    def mask(self) -> Bool[Tensor, "tokens width"]:
        """Which entries of the tokens hold numbers; the others are padding."""
        ...

    @property
    def positions(self) -> Int[Tensor, "tokens 3"]:
        """Where in the networks they come from."""
        ...


Tokenise = Callable[[Float[Tensor, "networks entries"], Architecture], TokensLike]


class NetworkDataset(Dataset[Any]):
    """Networks by number, for any ``DataLoader``; make one with :func:`dataset`.

    Attributes:
        population: The networks.
        targets: What each network is given with.
        y: Their values, shape ``(networks, targets)``.
    """

    def __init__(self, population: Population, targets: Sequence[Target]) -> None:
        self.population, self.targets = population, tuple(targets)
        checkpoints = population.checkpoints
        values = [target.values(checkpoints) for target in self.targets]
        self.y = torch.stack(values, 1) if values else torch.empty(len(checkpoints), 0)

    def __len__(self) -> int:
        return len(self.population)


class Rows(NetworkDataset):
    """Items are ``(row, y)`` of shapes ``(entries,)`` and ``(targets,)``; of one architecture."""

    def __init__(self, population: Population, targets: Sequence[Target]) -> None:
        super().__init__(population, targets)
        self.rows = population.matrix("rows")

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return self.rows[number], self.y[number]


class Graphs(NetworkDataset):
    """Items are ``Data`` of PyTorch Geometric, with ``y`` of shape ``(1, targets)``.

    They are for the ``DataLoader`` of PyTorch Geometric; architectures may differ.
    """

    def __getitem__(self, number: int) -> Any:
        from graphwsl.populations.unflattening import unflat

        architecture = self.population.architectures[int(self.population.kind[number])]
        state = unflat(self.population.states[number], architecture)
        data = architecture.graph.to_data(state)
        data.y = self.y[number][None]
        return data


class Tokens(NetworkDataset):
    """Items are ``(values, y)`` of shapes ``(tokens, width)`` and ``(targets,)``.

    All networks of one architecture share :attr:`mask` and :attr:`positions`.

    Args:
        population: Networks of one architecture.
        targets: What each network is given with.
        tokenise: Makes tokens of rows and their architecture, such as
            :func:`graphwsl.populations.tokenize`.
    """

    def __init__(
        self, population: Population, targets: Sequence[Target], tokenise: Tokenise
    ) -> None:
        super().__init__(population, targets)
        self.architecture = population.require_one("tokens")
        self.tokenise = tokenise

    @cached_property
    def tokens(self) -> TokensLike:
        """The tokens of all networks, made when they are first asked for."""
        return self.tokenise(torch.stack(self.population.states), self.architecture)

    @property
    def mask(self) -> Bool[Tensor, "tokens width"]:
        """Which entries of the tokens hold numbers; the others are padding."""
        return self.tokens.mask

    @property
    def positions(self) -> Int[Tensor, "tokens 3"]:
        """Where in the networks the tokens come from."""
        return self.tokens.positions

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return self.tokens.values[number], self.y[number]


def dataset(
    networks: Zoo | Population,
    kind: Kind,
    targets: Sequence[str | Target] = (),
    *,
    checkpoints: Sequence[Checkpoint] | None = None,
    tokenise: Tokenise | None = None,
) -> Rows | Graphs | Tokens:
    """Networks with targets as a map-style data set of PyTorch.

    Args:
        networks: A zoo, or a population in memory.
        kind: ``rows``, ``graphs`` or ``tokens``.
        targets: Names of metrics, generating factors or ``epoch``; a :class:`Target` keeps the
            classes that it was made with, as validation and test parts need it.
        checkpoints: Some of the networks, such as a part of a split; all by default.
        tokenise: Makes tokens of rows and an architecture; by default
            :func:`graphwsl.populations.tokenize`.

    Raises:
        PredictorError: No such kind, a target that a network lacks, or several architectures for
            rows or tokens.
        ZooError: The zoo has no such checkpoint.
        StorageError: A file of the zoo is damaged.
    """
    if kind not in ("rows", "graphs", "tokens"):
        raise PredictorError(f"kind must be 'rows', 'graphs' or 'tokens', got {kind!r}")
    population = as_population(networks, checkpoints)
    known = [
        target if isinstance(target, Target) else Target.of(target, population.checkpoints)
        for target in targets
    ]
    if kind == "rows":
        return Rows(population, known)
    if kind == "graphs":
        return Graphs(population, known)
    if tokenise is None:
        from graphwsl import populations

        tokenise = getattr(populations, "tokenize", None)
    if tokenise is None:
        raise PredictorError("tokens need a tokeniser: give tokenise=, of rows and an architecture")
    return Tokens(population, known, tokenise)
