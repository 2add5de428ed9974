"""Options of the flow on aligned networks."""

from typing import Annotated, Literal

from pydantic import Field

from graphwsl.generators.flow.ode import Solver
from graphwsl.generators.frames import Alignment
from graphwsl.generators.settings import Count, GeneratorSettings, NotNegative, Positive, Share


class AlignedFlowSettings(GeneratorSettings):
    """Options of the flow on aligned networks besides those of all methods.

    Attributes:
        align: ``reference``, as published, ``barycentre``, or ``none``, see
            :data:`graphwsl.generators.frames.Alignment`.
        normalise: ``none``, as published, or ``tensor``: every tensor to mean 0 and deviation 1.
        components: Principal components in which the flow is, at most; None for all numbers. With
            as many as there are networks less one, samples are affine combinations of them.
        whiten: Whether components have deviation 1, all of them.
        hidden: Channels of the velocity's hidden layers; the middle one has half of them.
        time_channels: Channels of the time.
        dropout: Dropout after the first two hidden layers.
        source_deviation: Deviation of the noise that networks begin as.
        path_deviation: Deviation of the noise on the lines from there to networks, in training.
        validations: Draws of noise and time for every held-out network.
        steps: Steps from noise to a network.
        solver: ``rk4``, as published, ``heun`` or ``euler``, see
            :func:`graphwsl.generators.flow.ode.integrate`.
    """

    align: Alignment = "reference"
    normalise: Literal["none", "tensor"] = "none"
    components: Count | None = 99
    whiten: bool = False
    hidden: Annotated[int, Field(ge=2, le=10**6, multiple_of=2)] = 512
    time_channels: Count = 64
    dropout: Share = 0.1
    source_deviation: Positive = 0.01
    path_deviation: NotNegative = 1e-3
    validations: Count = 4
    steps: Count = 99
    solver: Solver = "rk4"
