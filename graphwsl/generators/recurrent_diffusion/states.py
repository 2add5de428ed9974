"""What tells networks of one architecture apart: the permutation state, and where new ones are from.

Weights of networks that were trained independently are in no common order, so that a token alone
does not say which network it is of. The published state is the number of the training network, which
is looked up again to sample, so that samples are of networks that were learnt. With coordinates in
place of numbers, states are drawn that no training network has; without a state, the networks must
be in order themselves.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

State = Float[Tensor, "networks state"]
Vectors = Float[Tensor, "networks channels"]


class States(nn.Module, ABC):
    """States of training networks, and of new ones; a module that makes vectors of them."""

    @abstractmethod
    def of(self, number: Int[Tensor, " networks"]) -> State:
        """The states of training networks, by their number."""

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator | None) -> State:
        """The states of networks that are sampled."""

    @abstractmethod
    def forward(self, state: State) -> Vectors:
        """What is added to the vector of every token."""


class NumberStates(States):
    """The number of the training network, as published: sampling looks one up.

    Args:
        networks: That are learnt from.
        channels: Of the vectors.
        spread: Deviation of initial vectors; 0 for equal ones, as published.
    """

    def __init__(self, networks: int, channels: int, spread: float) -> None:
        super().__init__()
        self.vectors = nn.Embedding(networks, channels)
        if spread:
            nn.init.normal_(self.vectors.weight, std=spread)
        else:
            nn.init.constant_(self.vectors.weight, 1 / channels)

    def of(self, number: Int[Tensor, " networks"]) -> State:
        """The number itself."""
        return number[:, None].float()

    def draw(self, count: int, generator: torch.Generator | None) -> State:
        """Numbers of training networks."""
        return self.of(torch.randint(self.vectors.num_embeddings, (count,), generator=generator))

    def forward(self, state: State) -> Vectors:
        """The vector of each number."""
        return self.vectors(state[:, 0].round().long())


class CoordinateStates(States):
    """Coordinates of the aligned network in few principal components, with noise in training.

    Args:
        coordinates: Of the training networks, with deviation 1 in every dimension.
        channels: Of the vectors.
        noise: Deviation of the noise that is added to a coordinate in training.
        spread: Deviation of the noise that is added to a training network's coordinates to sample;
            None draws from a normal distribution that knows none of them.
    """

    coordinates: Tensor

    def __init__(
        self,
        coordinates: Float[Tensor, "networks state"],
        channels: int,
        noise: float,
        spread: float | None,
    ) -> None:
        super().__init__()
        self.register_buffer("coordinates", coordinates)
        self.noise, self.spread = noise, spread
        self.layers = nn.Sequential(
            nn.Linear(coordinates.shape[1], channels), nn.SiLU(), nn.Linear(channels, channels)
        )

    def of(self, number: Int[Tensor, " networks"]) -> State:
        """The coordinates of training networks; others in every step of a training."""
        found = self.coordinates[number]
        return found + self.noise * torch.randn_like(found) if self.training else found

    def draw(self, count: int, generator: torch.Generator | None) -> State:
        """Coordinates that no training network has."""
        networks, dimensions = self.coordinates.shape
        drawn = torch.randn(count, dimensions, generator=generator)
        if self.spread is None:
            return drawn
        chosen = torch.randint(networks, (count,), generator=generator)
        return self.coordinates.cpu()[chosen] + self.spread * drawn

    def forward(self, state: State) -> Vectors:
        """The vector of coordinates."""
        return self.layers(state)


class NoStates(States):
    """Nothing tells networks apart but the noise that each token begins with.

    Args:
        channels: Of the vectors.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def of(self, number: Int[Tensor, " networks"]) -> State:
        """Nothing."""
        return torch.zeros(len(number), 0, device=number.device)

    def draw(self, count: int, generator: torch.Generator | None) -> State:
        """Nothing."""
        del generator
        return torch.zeros(count, 0)

    def forward(self, state: State) -> Vectors:
        """Zeros."""
        return state.new_zeros(len(state), self.channels)
