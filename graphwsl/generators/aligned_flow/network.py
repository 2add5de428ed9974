"""The velocity as a perceptron, and what it moves: networks, or their principal components."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.generators.aligned_flow.settings import AlignedFlowSettings
from graphwsl.generators.components import PrincipalComponents
from graphwsl.generators.conditions import Codes
from graphwsl.generators.flow.ode import integrate, interpolated
from graphwsl.generators.module import Batch, GeneratorModule, Rows
from graphwsl.generators.tensor_scales import TensorScales

Points = Float[Tensor, "networks dimensions"]


class Velocity(nn.Module):
    """A perceptron of points, time and condition, as published; zero at first.

    Args:
        dimensions: Numbers of a point.
        conditions: Numbers of a condition.
        settings: Sizes and dropout.
    """

    def __init__(self, dimensions: int, conditions: int, settings: AlignedFlowSettings) -> None:
        super().__init__()
        channels, hidden, dropout = settings.time_channels, settings.hidden, settings.dropout
        self.time = nn.Sequential(nn.Linear(1, channels), nn.GELU(), nn.Linear(channels, channels))
        self.layers = nn.Sequential(
            *_hidden(dimensions + channels + conditions, hidden, dropout),
            *_hidden(hidden, hidden // 2, dropout),
            *_hidden(hidden // 2, hidden, 0.0),
            nn.Linear(hidden, dimensions),
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, points: Points, time: Float[Tensor, " networks"], codes: Codes) -> Points:
        """How fast points move."""
        return self.layers(torch.cat([points, self.time(time[:, None]), codes], dim=1))


class AlignedFlowModule(GeneratorModule):
    """A flow from noise to networks in a frame.

    Args:
        settings: Settings of the method.
        entries: Length of a flattened state.
        scales: Scales of tensors; None leaves numbers as they are.
        components: Principal components that points are coordinates in; None for all parameters.
        parameters: How many entries are parameters.
        conditions: Numbers of a condition.

    Attributes:
        is_parameter: Which entries are parameters, shape ``(entries,)``.
        others: What all else is in samples, until batch norms are conditioned: means over the
            training networks, shape ``(entries,)``.
    """

    is_parameter: Tensor
    others: Tensor

    def __init__(
        self,
        settings: AlignedFlowSettings,
        entries: int,
        scales: TensorScales | None,
        components: PrincipalComponents | None,
        parameters: int,
        conditions: int,
    ) -> None:
        super().__init__()
        self.settings, self.scales, self.components = settings, scales, components
        self.dimensions = parameters if components is None else len(components.deviation)
        self.velocity = Velocity(self.dimensions, conditions, settings)
        self.register_buffer("is_parameter", torch.ones(entries, dtype=torch.bool))
        self.register_buffer("others", torch.zeros(entries))

    def points(self, rows: Rows) -> Points:
        """The points of networks in the frame.

        Args:
            rows: Flattened states.
        """
        rows = rows if self.scales is None else self.scales.normalise(rows)
        points = rows[:, self.is_parameter]
        if self.components is None:
            return points
        scores = self.components.scores(points)
        return scores / self._deviation if self.settings.whiten else scores

    def rows(self, points: Points) -> Rows:
        """The networks at points.

        Args:
            points: As :meth:`points` gives them.
        """
        if self.components is not None:
            scores = points * self._deviation if self.settings.whiten else points
            points = self.components.rows(scores)
        rows = self.others.repeat(len(points), 1)
        if self.scales is None:
            rows[:, self.is_parameter] = points
            return rows
        whole = torch.zeros_like(rows)
        whole[:, self.is_parameter] = points
        return torch.where(self.is_parameter, self.scales.restore(whole), rows)

    def terms(self, batch: Batch) -> Float[Tensor, "networks terms"]:
        """The mean squared error of the velocity on lines from noise to networks."""
        points = self.points(batch.rows)
        if self.training:
            return self._errors(points, batch.codes, None)[:, None]
        # The same draws every time, lest chance chooses the epoch.
        generator = torch.Generator().manual_seed(0)
        draws = [self._errors(points, batch.codes, generator)
                 for _ in range(self.settings.validations)]  # fmt: skip
        return torch.stack(draws).mean(0)[:, None]

    def draw(self, codes: Codes, generator: torch.Generator | None) -> Rows:
        """Flattened states of new networks, one for each condition."""
        settings = self.settings
        noise = torch.randn(len(codes), self.dimensions, generator=generator)
        points = integrate(
            lambda points, time: self.velocity(points, time, codes),
            settings.source_deviation * noise,
            settings.steps,
            settings.solver,
        )
        return self.rows(points)

    def _errors(
        self, points: Points, codes: Codes, generator: torch.Generator | None
    ) -> Float[Tensor, " networks"]:
        noise, spread = (
            deviation * torch.randn(points.shape, generator=generator).to(points)
            for deviation in (self.settings.source_deviation, self.settings.path_deviation)
        )
        time = torch.rand(len(points), generator=generator).to(points)
        found = self.velocity(interpolated(noise, points, time) + spread, time, codes)
        return (found - (points - noise)).square().mean(dim=1)

    @property
    def _deviation(self) -> Float[Tensor, " components"]:
        assert self.components is not None
        # What does not vary has no coordinate.
        return self.components.deviation.clamp(min=1e-12)


def _hidden(before: int, after: int, dropout: float) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Linear(before, after), nn.LayerNorm(after), nn.GELU()]
    return [*layers, nn.Dropout(dropout)] if dropout else layers
