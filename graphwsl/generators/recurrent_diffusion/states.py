"""What tells networks of one architecture apart, the permutation state, and how it is drawn.

Weights of networks that were trained independently are in no common order, so that a token alone
does not say which network it is of. The published state is the number of the training network,
which is looked up again to sample, so that samples are of networks that were learnt. With
coordinates in place of numbers, states are drawn that no training network has; without a state, the
networks must be in order themselves.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from graphwsl.generators.components import PrincipalComponents
from graphwsl.generators.latent.registry import make_sampler

Rows = Float[Tensor, "networks entries"]
State = Float[Tensor, "networks state"]
Vectors = Float[Tensor, "networks channels"]


class States(nn.Module, ABC):
    """States of training networks, and of new ones; a module that makes vectors of them."""

    @abstractmethod
    def of(self, rows: Rows, numbers: Int[Tensor, " networks"]) -> State:
        """The states of networks.

        Args:
            rows: Normalised.
            numbers: Which training network each is, -1 for others.
        """

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator | None) -> State:
        """The states of networks that are sampled.

        Args:
            count: How many.
            generator: Source of randomness.
        """

    @abstractmethod
    def forward(self, state: State) -> Vectors:
        """What is added to the vector of every token."""


class NumberStates(States):
    """The number of the training network, as published: sampling looks one up.

    Args:
        networks: Number of training networks.
        channels: Channels of the vectors.
        spread: Deviation of initial vectors; 0 for equal ones, as published.
    """

    def __init__(self, networks: int, channels: int, spread: float) -> None:
        super().__init__()
        self.vectors = nn.Embedding(networks, channels)
        if spread:
            nn.init.normal_(self.vectors.weight, std=spread)
        else:
            nn.init.constant_(self.vectors.weight, 1 / channels)

    def of(self, rows: Rows, numbers: Int[Tensor, " networks"]) -> State:
        """The number itself."""
        del rows
        return numbers[:, None].float()

    def draw(self, count: int, generator: torch.Generator | None) -> State:
        """Numbers of training networks."""
        drawn = torch.randint(self.vectors.num_embeddings, (count,), generator=generator)
        return drawn[:, None].float()

    def forward(self, state: State) -> Vectors:
        """The vector of each number."""
        return self.vectors(state[:, 0].round().long())


class CoordinateStates(States):
    """Coordinates of the network in few principal components, with noise in training.

    Args:
        components: Components of the normalised training networks.
        networks: Number of training networks.
        channels: Channels of the vectors.
        noise: Deviation of the noise that is added to a coordinate in training.
        sampler: Name of the latent sampler that draws coordinates.

    Attributes:
        known: Coordinates of the training networks, with deviation 1 in every dimension, shape
            ``(networks, components)``.
    """

    known: Tensor

    def __init__(
        self,
        components: PrincipalComponents,
        networks: int,
        channels: int,
        noise: float,
        sampler: str,
    ) -> None:
        super().__init__()
        self.components, self.noise, self.sampler = components, noise, sampler
        size = len(components.deviation)
        self.register_buffer("known", torch.zeros(networks, size))
        self.layers = nn.Sequential(
            nn.Linear(size, channels), nn.SiLU(), nn.Linear(channels, channels)
        )

    @classmethod
    def fit(
        cls, rows: Rows, size: int, channels: int, noise: float, sampler: str
    ) -> "CoordinateStates":
        """The coordinates of normalised training networks."""
        components = PrincipalComponents.fit(rows, size)
        made = cls(components, len(rows), channels, noise, sampler)
        made.known = made.eval().of(rows, torch.arange(len(rows)))
        return made

    def of(self, rows: Rows, numbers: Int[Tensor, " networks"]) -> State:
        """Coordinates; others in every step of a training."""
        del numbers
        # What does not vary has no coordinate.
        deviation = self.components.deviation.clamp(min=1e-12)
        found = self.components.scores(rows) / deviation
        return found + self.noise * torch.randn_like(found) if self.training else found

    def draw(self, count: int, generator: torch.Generator | None) -> State:
        """Coordinates near those of training networks."""
        together = {"together": "network"} if self.sampler == "kernel_density" else {}
        sampler = make_sampler(self.sampler, **together)
        return sampler.fit(self.known.cpu()).draw(count, generator)

    def forward(self, state: State) -> Vectors:
        """The vector of coordinates."""
        return self.layers(state)


class NoStates(States):
    """Nothing tells networks apart but the noise that each token begins with.

    Args:
        channels: Channels of the vectors.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def of(self, rows: Rows, numbers: Int[Tensor, " networks"]) -> State:
        """An empty state for each network."""
        del numbers
        return rows.new_zeros(len(rows), 0)

    def draw(self, count: int, generator: torch.Generator | None) -> State:
        """An empty state for each network."""
        del generator
        return torch.zeros(count, 0)

    def forward(self, state: State) -> Vectors:
        """Zeros, so that nothing is added."""
        return state.new_zeros(len(state), self.channels)
