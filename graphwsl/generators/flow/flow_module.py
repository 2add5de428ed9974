"""Flow matching on networks: what is trained, the velocity, and the way from noise to networks."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import huber_loss

from graphwsl.errors import GeneratorError
from graphwsl.generators.conditions import Codes
from graphwsl.generators.flow.answers import Answers, Measures
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

_GAIN_SHARE = 0.02
"""How much the networks of a step count in what is known of how networks that are made vary."""


class FlowModule(GeneratorModule):
    """A velocity: that of a Gaussian of the same covariance, and what a metanetwork adds to it.

    Args:
        settings: Settings of the method.
        widths: Numbers of every kind of piece of an architecture, by key.
        by_depth: Whether kinds tell depths apart.
        conditions: Numbers of a condition.
        relative: How orbits are told where they lie, see
            :func:`graphwsl.generators.flow.network.places`.
    """

    names: ClassVar[tuple[str, ...]] = ("flow", "behaviour")

    def __init__(
        self,
        settings: FlowSettings,
        widths: dict[str, int],
        *,
        by_depth: bool,
        conditions: int,
        relative: bool,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.coordinates = Coordinates(widths, by_depth=by_depth)
        self.network = VelocityNetwork(settings, widths, conditions, relative=relative)
        self._plans: dict[str, FlowPlan] = {}
        self.answers: Answers | None = None
        self.warm_up = 0
        self.until_imagined = 0
        self.seen = nn.Buffer(torch.zeros((), dtype=torch.int64))

    @property
    def answers_count(self) -> bool:
        """Whether so many networks were seen that answers count."""
        return int(self.seen) > self.warm_up

    @property
    def imagined_count(self) -> bool:
        """Whether so many networks were seen that sizes that are imagined count, too."""
        return int(self.seen) > self.until_imagined

    @property
    def select_by(self) -> str:
        """``behaviour`` where there are samples: the error of the velocity rises long before what
        networks answer is at its best."""
        return "loss" if self.answers is None else "behaviour"

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
        a Gaussian alone, and each component counts as :meth:`Coordinates.importance` says. Where
        there are samples, also how far networks that are made are from these in their losses."""
        plan = self.plan(batch.architecture)
        points = self.coordinates.into(plan, plan.read(batch.rows))
        # In evaluation the same draws every time, lest chance chooses the epoch.
        generator = None if self.training else torch.Generator().manual_seed(0)
        draws = [self._errors(plan, points, batch.codes, generator)
                 for _ in range(1 if self.training else self.settings.validations)]  # fmt: skip
        flow = torch.stack(draws).mean(0)
        behaviour = torch.zeros_like(flow)
        if self.answers is not None:
            found = self._behaviour(self.answers, batch, generator)
            behaviour = self.settings.behaviour * found
        return torch.stack([flow, behaviour], dim=1)

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
        generator: torch.Generator | None, factor: float = 1.0,
    ) -> Rows:  # fmt: skip
        """Flattened states of new networks, whose deviations are multiplied by a factor."""
        plan = self.plan(architecture)
        return self.networks_at(plan, factor * self.drawn(plan, count, codes, generator))

    def networks_at(self, plan: FlowPlan, points: Flat) -> Rows:
        """Flattened states of networks that were made, which vary as much as training networks."""
        return plan.write(self.coordinates.out_of(plan, self.coordinates.levelled(plan, points)))

    def drawn(
        self, plan: FlowPlan, count: int, codes: Codes, generator: torch.Generator | None,
        differentiated: int | None = None,
    ) -> Flat:  # fmt: skip
        """Where noise ends.

        Points are divided by the deviation that a Gaussian has at their time, which solves its part
        of the equation; the steps are left with what the network adds.

        Args:
            plan: The architecture.
            count: How many networks.
            codes: Their conditions.
            generator: Draws noise.
            differentiated: Steps at the end that have a gradient; None for all.
        """
        settings = self.settings
        correlation = self.coordinates.correlation(plan)
        strength = (1 - correlation.square()).sqrt()

        def speed(points: Flat, time: Tensor) -> Flat:
            found = self.network(plan, self.coordinates, points, time, codes)
            return found * strength / gaussian_deviation(time, correlation).square()

        noise = self.coordinates.noise(plan, count, generator)
        return integrate(speed, noise, settings.steps, settings.solver, differentiated)

    @torch.no_grad()
    def begin(self, networks: list[tuple[Architecture, Tensor]], seed: int) -> None:
        """Take scales, covariances and the correlation with noise from rows of networks.

        Raises:
            GeneratorError: All networks are the same.
        """
        _require_spread(networks)
        plans = [self.plan(architecture) for architecture, _ in networks]
        flats = [plan.read(rows) for plan, (_, rows) in zip(plans, networks, strict=True)]
        self.coordinates.fit(zip(plans, flats, strict=True))
        generator = torch.Generator().manual_seed(seed)
        for plan, flat in zip(plans, flats, strict=True):
            points = self.coordinates.into(plan, flat[:256])
            noise = self.coordinates.noise(plan, len(points), generator)
            points = self._paired(plan, noise, points)
            self.coordinates.fit_correlation(plan, noise, points)

    @torch.no_grad()
    def calibrate(
        self,
        networks: Iterable[tuple[Architecture, Codes]],
        generator: torch.Generator,
    ) -> None:
        """Let networks that are made vary as much as training networks.

        Args:
            networks: Architectures, and conditions of networks to be made of each.
            generator: Draws noise.
        """
        plans = [(self.plan(architecture), codes) for architecture, codes in networks]
        self.coordinates.fit_gain(
            (plan, self.drawn(plan, len(codes), codes, generator)) for plan, codes in plans
        )

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

    def _behaviour(
        self, answers: Answers, batch: Batch, generator: torch.Generator | None
    ) -> Float[Tensor, " networks"]:
        """How far networks that are made are from training networks of the same condition: the
        difference of the logarithms of their losses on the same samples, in deviations, and of
        their soft errors.

        A gradient goes through the last steps alone; Clark, Vicol, Swersky, Fleet, "Directly
        fine-tuning diffusion models on differentiable rewards" (2024).
        """
        settings, count = self.settings, len(batch.rows)
        none = torch.zeros(count, device=batch.rows.device)
        if self.training:
            self.seen.add_(count)
            if not self.answers_count:
                return none
        some = min(count, settings.behaviour_networks)
        codes = batch.codes[:some]
        chosen = answers.chosen(settings.behaviour_inputs, drawn=self.training)
        with torch.no_grad():
            wanted = answers.measures(batch.rows[:some], batch.architecture, chosen)
        own = self._measures(answers, batch.architecture, codes, chosen, generator)
        errors = _huber(answers.difference(own, wanted))
        if answers.imagined and (self.imagined_count or not self.training):
            # Of such networks none says how good they can be: they shall not be worse.
            sizes = answers.imagined
            if self.training:
                sizes = [sizes[int(torch.randint(len(sizes), ()))]]
            for size in sizes:
                own = self._measures(answers, size, codes, chosen, generator)
                worse = _huber(answers.difference(own, wanted).clamp_min(0))
                errors = errors + worse / len(sizes)
        weighted = errors[:, 0] + settings.behaviour_error * errors[:, 1]
        # Their mean over all networks is that over the ones that were made.
        return torch.cat([weighted * (count / some), none[some:]])

    def _measures(
        self,
        answers: Answers,
        architecture: Architecture,
        codes: Codes,
        chosen: Tensor,
        generator: torch.Generator | None,
    ) -> Measures:
        """How wrong new networks are."""
        plan, last = self.plan(architecture), self.settings.behaviour_steps
        points = self.drawn(plan, len(codes), codes, generator, last)
        if self.training and architecture not in answers.imagined:
            self.coordinates.fit_gain([(plan, points.detach())], _GAIN_SHARE)
        return answers.measures(self.networks_at(plan, points), architecture, chosen)

    def _paired(self, plan: FlowPlan, noise: Flat, points: Flat) -> Flat:
        """Points that are permuted to lie close to noise, where components count as they vary."""
        root = self.coordinates.variance(plan).sqrt()
        return paired(plan, noise * root, points * root, self.settings.sweeps) / root


def _require_spread(networks: list[tuple[Architecture, Tensor]]) -> None:
    """Refuse networks that differ in nothing, which noise cannot be led to."""
    several = [(architecture, rows) for architecture, rows in networks if len(rows) > 1]
    if several and all(bool((rows == rows[0]).all()) for _, rows in several):
        architecture, rows = several[0]
        raise GeneratorError(
            f"all {len(rows)} training networks {architecture.name!r} are the same, and there is "
            "no spread to learn from; give networks of several trainings"
        )


def _huber(errors: Measures) -> Measures:
    """Half the square of small errors, and large ones less a half."""
    return huber_loss(errors, torch.zeros_like(errors), reduction="none")


def _times(count: int, generator: torch.Generator | None) -> Float[Tensor, " networks"]:
    """Times of a batch, spread evenly over a logit-normal distribution: close to noise, and close
    to networks, there is little to learn (Esser et al., 2024)."""
    uniform = torch.rand(count, generator=generator)
    order = torch.randperm(count, generator=generator)
    quantiles = ((order + uniform) / count).clamp(1e-4, 1 - 1e-4)
    return torch.special.ndtri(quantiles).sigmoid()
