"""Options of the equivariant flow."""

from typing import Annotated

from pydantic import Field

from graphwsl.generators.flow.ode import Solver
from graphwsl.generators.settings import Count, GeneratorSettings, NotNegative, Share

Sizes = Annotated[tuple[int, ...], Field(min_length=1)]


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
        behaviour: Weight of what networks answer on training samples, where these are given: how
            far the logarithm of the loss of a network that is made is from that of a training
            network of the same condition, in deviations of those. 0 learns from weights alone.
        behaviour_error: How much the difference of their soft errors counts beside that of their
            losses, where networks are hardly better than chance and losses say little.
        behaviour_inputs: Samples of a step on which these losses are.
        behaviour_networks: Networks of a step that are made for it.
        behaviour_steps: Steps at the end of their way that a gradient goes back through.
        behaviour_start: Share of the training after which answers count.
        behaviour_sizes: Generating factors such as ``{"width": (32, 48)}``: networks of such sizes,
            of which none need be trained, are made as well, in the second half of the time in which
            answers count, and shall lose no more on the samples than training networks do.
        calibration: Networks that are made at the end, so that what is made afterwards varies as
            much as training networks do; 0 leaves it as it comes.
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
    behaviour: NotNegative = 0.0
    behaviour_error: NotNegative = 0.0
    behaviour_inputs: Count = 64
    behaviour_networks: Count = 16
    behaviour_steps: Count = 1
    behaviour_start: Share = 0.6
    behaviour_sizes: dict[str, Sizes] = Field(default_factory=dict)
    calibration: Annotated[int, Field(ge=0, le=10**6)] = 512
