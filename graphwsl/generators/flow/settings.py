"""Options of the equivariant flow."""

from typing import Annotated

from pydantic import Field

from graphwsl.generators.flow.ode import Solver
from graphwsl.generators.settings import Count, GeneratorSettings, Share


class FlowSettings(GeneratorSettings):
    """Options of the equivariant flow besides those of all methods.

    Attributes:
        channels: Channels of a unit; a multiple of ``heads`` and of ``edge_channels``.
        edge_channels: Channels of a pair of units; each carries a message of its own.
        rounds: Rounds of messages and attention.
        heads: Heads of attention.
        dropout: Share of the numbers of an update that are dropped in training.
        sweeps: How often all orbits are assigned where a network is paired with its noise; 0 pairs
            them as they come.
        equivariant: Whether units are told apart by nothing but their weights; False gives each a
            learnt place besides, which an order of units must then mean something by.
        validations: Draws of noise and time for every held-out network.
        steps: Steps from noise to a network.
        solver: ``euler``, ``adams``, ``heun`` or ``rk4``, see
            :func:`graphwsl.generators.flow.ode.integrate`.
    """

    channels: Count = 128
    edge_channels: Count = 16
    rounds: Count = 3
    heads: Count = 4
    dropout: Share = 0.0
    sweeps: Annotated[int, Field(ge=0, le=100)] = 2
    equivariant: bool = True
    validations: Count = 1
    steps: Count = 4
    solver: Solver = "adams"
