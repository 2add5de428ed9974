"""Flow matching on networks: what is trained, the velocity, and the way from noise to networks."""

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import GeneratorError
from graphwsl.generators.conditions import Codes
from graphwsl.generators.flow.coordinates import Coordinates
from graphwsl.generators.flow.network import VelocityNetwork
from graphwsl.generators.flow.ode import (
    gaussian_deviation,
    gaussian_slope,
    integrate,
    interpolated,
)
from graphwsl.generators.flow.pairing import paired
from graphwsl.generators.flow.plan import Flat, FlowPlan
from graphwsl.generators.flow.settings import FlowSettings
from graphwsl.generators.module import Batch, GeneratorModule, Rows
from graphwsl.populations.population import Architecture


class FlowModule(GeneratorModule):
    """A velocity: that of a Gaussian of the same covariance, and what a metanetwork adds to it.

    Args:
        settings: Settings of the method.
        widths: Numbers of every kind of piece of an architecture, by key.
        by_depth: Whether kinds tell depths apart.
        conditions: Numbers of a condition.
    """

    def __init__(
        self, settings: FlowSettings, widths: dict[str, int], *, by_depth: bool, conditions: int
    ) -> None:
        super().__init__()
        self.settings = settings
        self.coordinates = Coordinates(widths, by_depth=by_depth)
        self.network = VelocityNetwork(settings, widths, conditions)
        self._plans: dict[str, FlowPlan] = {}

    def plan(self, architecture: Architecture) -> FlowPlan:
        """The plan of an architecture, made once.

        Raises:
            GeneratorError: It has parts that no flow reads, or that no training network has.
        """
        digest = architecture.digest
        if digest not in self._plans:
            plan = FlowPlan.of(architecture)
            self.coordinates.pieces(plan)
            self._plans[digest] = plan
        return self._plans[digest]

    def terms(self, batch: Batch) -> Float[Tensor, "networks terms"]:
        """The squared error of what the network adds, on lines from noise to networks; 1 is that of
        a Gaussian alone, and each component counts as :meth:`Coordinates.importance` says."""
        plan = self.plan(batch.architecture)
        points = self.coordinates.into(plan, plan.read(batch.rows))
        if self.training:
            return self._errors(plan, points, batch.codes, None)[:, None]
        # The same draws every time, lest chance chooses the epoch.
        generator = torch.Generator().manual_seed(0)
        draws = [self._errors(plan, points, batch.codes, generator)
                 for _ in range(self.settings.validations)]  # fmt: skip
        return torch.stack(draws).mean(0)[:, None]

    def velocity(
        self, plan: FlowPlan, points: Flat, time: Float[Tensor, " networks"], codes: Codes
    ) -> Flat:
        """How fast points move, in the coordinates of the flow."""
        correlation = self.coordinates.correlation(plan)
        deviation = gaussian_deviation(time, correlation)
        found = self.network(plan, self.coordinates, points / deviation, time, codes)
        found = found * (1 - correlation.square()).sqrt() / deviation
        return found + gaussian_slope(time, correlation) * points

    def velocity_of_rows(
        self, rows: Rows, time: Float[Tensor, " networks"], architecture: Architecture, codes: Codes
    ) -> Rows:
        """How fast flattened states move; running statistics do not.

        Raises:
            GeneratorError: Not one row, time and condition for each network.
        """
        plan = self.plan(architecture)
        if (
            rows.ndim != 2
            or rows.shape[1] != architecture.num_entries
            or (not len(rows) == len(time) == len(codes))
        ):
            raise GeneratorError(
                f"networks {architecture.name!r} have {architecture.num_entries:,} numbers each, "
                f"and a time and condition; got {tuple(rows.shape)} at {tuple(time.shape)} times"
            )
        points = self.coordinates.into(plan, plan.read(rows))
        moved = self.coordinates.moved(plan, self.velocity(plan, points, time, codes))
        return plan.write(moved, neutral=False)

    def draw(
        self, count: int, architecture: Architecture, codes: Codes,
        generator: torch.Generator | None,
    ) -> Rows:  # fmt: skip
        """Flattened states of new networks.

        Points are divided by the deviation that a Gaussian has at their time, which solves its part
        of the equation; the steps are left with what the network adds.
        """
        plan, settings = self.plan(architecture), self.settings
        correlation = self.coordinates.correlation(plan)
        strength = (1 - correlation.square()).sqrt()

        def speed(points: Flat, time: Tensor) -> Flat:
            found = self.network(plan, self.coordinates, points, time, codes)
            return found * strength / gaussian_deviation(time, correlation).square()

        noise = self.coordinates.noise(plan, count, generator)
        points = integrate(speed, noise, settings.steps, settings.solver)
        return plan.write(self.coordinates.out_of(plan, points))

    @torch.no_grad()
    def begin(self, networks: list[tuple[Architecture, Tensor]], seed: int) -> None:
        """Take scales, covariances and the correlation with noise from rows of networks."""
        plans = [self.plan(architecture) for architecture, _ in networks]
        flats = [plan.read(rows) for plan, (_, rows) in zip(plans, networks, strict=True)]
        self.coordinates.fit(zip(plans, flats, strict=True))
        generator = torch.Generator().manual_seed(seed)
        for plan, flat in zip(plans, flats, strict=True):
            points = self.coordinates.into(plan, flat[:256])
            noise = self.coordinates.noise(plan, len(points), generator)
            points = self._paired(plan, noise, points)
            self.coordinates.fit_correlation(plan, noise, points)

    def _errors(
        self, plan: FlowPlan, points: Flat, codes: Codes, generator: torch.Generator | None
    ) -> Float[Tensor, " networks"]:
        """Errors at one draw of noise and time.

        On the line, noise and network give what they have in common with the point, which a
        Gaussian explains, and the rest, of variance 1 at all times, which the network learns.
        """
        count = len(points)
        noise = self.coordinates.noise(plan, count, generator)
        time = _times(count, generator).to(points.device)
        ends = self._paired(plan, noise, points)
        correlation = self.coordinates.correlation(plan)
        deviation = gaussian_deviation(time, correlation)
        between = interpolated(noise, ends, time)
        rest = ends - noise - gaussian_slope(time, correlation) * between
        rest = rest * deviation / (1 - correlation.square()).sqrt()
        found = self.network(plan, self.coordinates, between / deviation, time, codes)
        return (found - rest).square() @ self.coordinates.importance(plan).to(rest)

    def _paired(self, plan: FlowPlan, noise: Flat, points: Flat) -> Flat:
        """Points that are permuted to lie close to noise, where components count as they vary."""
        root = self.coordinates.variance(plan).sqrt()
        return paired(plan, noise * root, points * root, self.settings.sweeps) / root


def _times(count: int, generator: torch.Generator | None) -> Float[Tensor, " networks"]:
    """Times of a batch, spread evenly over a logit-normal distribution: close to noise, and close
    to networks, there is little to learn (Esser et al., 2024)."""
    uniform = torch.rand(count, generator=generator)
    order = torch.randperm(count, generator=generator)
    quantiles = ((order + uniform) / count).clamp(1e-4, 1 - 1e-4)
    return torch.special.ndtri(quantiles).sigmoid()
