"""The coordinates of a flow: a scale a layer, and the principal components of every kind of unit.

Every unit of a kind is written in the components of all of them, each of deviation 1. Standard
Gaussian noise then has the mean and the covariance of a unit's weights, so that it differs from
networks only in how units go together. Scales follow the width:
where networks of several widths are learnt from, the logarithm of a scale is a line in that of the
width, which holds for others too.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.errors import GeneratorError
from graphwsl.generators.flow.plan import INCOMING, OUTGOING, OWN, Flat, FlowPlan

_LEAST = 1e-8
_STEEPEST = 2.0
"""Of scales against widths, either way: more is no law but chance."""
_LARGEST_GAIN = 2.0
_DOUBT = 100
"""Units whose correlation with noise counts as none."""


@dataclass(frozen=True)
class Piece:
    """A part of a plan: units of an orbit, pairs, or the rest.

    Attributes:
        key: Pieces of one key are read alike.
        width: Numbers of a unit, or of a pair.
        count: How many of them there are.
        fan: Number of units that its scale depends on.
        roles: What each number is, see :mod:`graphwsl.generators.flow.plan`.
    """

    key: str
    width: int
    count: int
    fan: int
    roles: tuple[int, ...]

    @property
    def words(self) -> str:
        """What it is, for messages."""
        if self.key.startswith("units"):
            read, own, given = (self.roles.count(one) for one in (INCOMING, OWN, OUTGOING))
            return (
                f"hidden units with {read} weights on inputs, {given} on outputs and {own} "
                "parameters of their own"
            )
        if self.key.startswith("pairs"):
            return f"hidden units with {self.width} weights on each unit before them"
        return f"{self.width} parameters that belong to no group of hidden units"


def pieces_of(plan: FlowPlan, *, by_depth: bool) -> list[Piece]:
    """The pieces of a plan, in the order of its rows.

    Args:
        plan: An architecture.
        by_depth: Whether what lies at several depths is read apart, where all have equally many.
    """
    found = []
    for number, units in enumerate(plan.units):
        count, width = units.entries.shape
        key = f"units {number if by_depth else ''}:{units.kind}"
        found.append(Piece(key, width, count, count, tuple(units.columns.tolist())))
    for number, pairs in enumerate(plan.pairs):
        targets, sources, width = pairs.entries.shape
        key = f"pairs {number if by_depth else ''}:{pairs.kind}"
        found.append(Piece(key, width, targets * sources, sources, (0,) * width))
    fan = len(plan.units[-1].entries) if plan.units else 1
    found.append(Piece(f"rest:{len(plan.rest)}", len(plan.rest), 1, fan, (0,) * len(plan.rest)))
    return [piece for piece in found if piece.width]


class Gaussian(nn.Module):
    """Mean and principal components of the numbers of a kind, on the scale of their layer.

    Args:
        width: How many numbers.

    Attributes:
        mean: Mean of every number.
        to_components: Maps numbers without their mean to components of variance 1.
        from_components: The inverse.
        variance: Variance of every component, before it is brought to 1.
        correlation: Correlation of every component with the noise that it is paired with.
        moment: Mean square of every component in training networks.
        gain: Factor of every component in networks that are made, which else vary less.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.zeros(width))
        self.to_components = nn.Buffer(torch.eye(width))
        self.from_components = nn.Buffer(torch.eye(width))
        self.variance = nn.Buffer(torch.ones(width))
        self.correlation = nn.Buffer(torch.zeros(width))
        self.gain = nn.Buffer(torch.ones(width))
        self.moment = nn.Buffer(torch.ones(width), persistent=False)
        self.offset = nn.Buffer(torch.zeros(3))
        self.slope = nn.Buffer(torch.zeros(3))

    def scale(self, piece: Piece) -> Float[Tensor, " width"]:
        """The scale of every number, in networks of that many units."""
        scales = (self.offset + self.slope * math.log(piece.fan)).exp()
        return scales[list(piece.roles)]

    def gain_of(self, points: Float[Tensor, "units width"]) -> Float[Tensor, " width"]:
        """By what points must be multiplied to vary as much as those of training networks."""
        moment = points.square().mean(0).clamp(min=_LEAST)
        return (self.moment / moment).sqrt().clamp(1 / _LARGEST_GAIN, _LARGEST_GAIN)

    @torch.no_grad()
    def fit(self, pieces: Sequence[Piece], values: Sequence[Tensor]) -> None:
        """Take all from networks.

        Args:
            pieces: This kind in each of several architectures.
            values: Its numbers in their networks, each of shape ``(networks, units, width)``.
        """
        roles = torch.tensor(pieces[0].roles)
        for role in roles.unique().tolist():
            fans = torch.tensor([math.log(piece.fan) for piece in pieces]).double()
            spreads = torch.stack([one[..., roles == role].double().std(correction=0).clamp(
                min=_LEAST).log() for one in values])  # fmt: skip
            slope = -0.5 if role == OUTGOING or pieces[0].key.startswith("pairs") else 0.0
            if len(fans.unique()) > 1:
                centred = fans - fans.mean()
                slope = float((centred * spreads).sum() / centred.square().sum())
                slope = max(-_STEEPEST, min(_STEEPEST, slope))
            self.slope[role] = slope
            self.offset[role] = float(spreads.mean()) - slope * float(fans.mean())
        scaled = [
            v.flatten(0, -2).double() / self.scale(p) for p, v in zip(pieces, values, strict=True)
        ]
        units = torch.cat(scaled)
        mean = units.mean(0)
        centred = units - mean
        covariance = centred.T @ centred / len(units)
        # Towards independent numbers, the more the fewer units there are.
        share = units.shape[1] / (units.shape[1] + len(units))
        covariance = (1 - share) * covariance + share * covariance.diagonal().diag()
        eigenvalues, vectors = torch.linalg.eigh(covariance)
        least = max(float(eigenvalues.max()) * 1e-6, 1e-12)
        variance = eigenvalues.clamp(min=least)
        self.mean.copy_(mean)
        self.variance.copy_(variance)
        self.to_components.copy_(vectors / variance.sqrt())
        self.from_components.copy_((vectors * variance.sqrt()).T)
        self.moment.copy_((centred @ (vectors / variance.sqrt())).square().mean(0))


class Coordinates(nn.Module):
    """Networks in the coordinates of a flow, and its noise.

    Args:
        widths: Numbers of every kind of piece, by key.
        by_depth: See :func:`pieces_of`.
    """

    def __init__(self, widths: dict[str, int], *, by_depth: bool) -> None:
        super().__init__()
        self.by_depth = by_depth
        self.kinds = nn.ModuleDict({key: Gaussian(width) for key, width in widths.items()})
        self._pieces: dict[FlowPlan, list[Piece]] = {}

    def pieces(self, plan: FlowPlan) -> list[Piece]:
        """The pieces of a plan.

        Raises:
            GeneratorError: One of a kind that was not learnt from.
        """
        if plan not in self._pieces:
            found = pieces_of(plan, by_depth=self.by_depth)
            for piece in found:
                if piece.key not in self.kinds:
                    raise GeneratorError(
                        f"the architecture has {piece.words}, as no training network has; choose "
                        "one with as many inputs, outputs and weights a unit, at a depth that is "
                        "known, and with several units in every hidden layer"
                    )
            self._pieces[plan] = found
        return self._pieces[plan]

    def fit(self, networks: Iterable[tuple[FlowPlan, Flat]]) -> None:
        """Take scales, means and covariances from training networks of several architectures."""
        pieces: dict[str, list[Piece]] = {}
        values: dict[str, list[Tensor]] = {}
        for plan, flat in networks:
            for piece, own in zip(self.pieces(plan), self.cut(plan, flat), strict=True):
                pieces.setdefault(piece.key, []).append(piece)
                values.setdefault(piece.key, []).append(own)
        for key, gaussian in self.kinds.items():
            gaussian.fit(pieces[key], values[key])  # type: ignore[operator]

    def into(self, plan: FlowPlan, flat: Flat) -> Flat:
        """Weights in these coordinates."""
        centred = flat / self.scale(plan) - self._each(plan, "mean")
        return self._times(plan, centred, "to_components")

    def out_of(self, plan: FlowPlan, points: Flat) -> Flat:
        """The inverse of :meth:`into`."""
        found = self._times(plan, points, "from_components") + self._each(plan, "mean")
        return found * self.scale(plan)

    def moved(self, plan: FlowPlan, velocities: Flat) -> Flat:
        """How fast weights move where coordinates move so fast."""
        return self._times(plan, velocities, "from_components") * self.scale(plan)

    def scale(self, plan: FlowPlan) -> Float[Tensor, " parameters"]:
        """The scale of every number of a plan."""
        return torch.cat([self._of(piece).scale(piece).repeat(piece.count)
                          for piece in self.pieces(plan)])  # fmt: skip

    def variance(self, plan: FlowPlan) -> Float[Tensor, " parameters"]:
        """Of every component, on the scale of its layer."""
        return self._each(plan, "variance")

    def loudness(self, plan: FlowPlan) -> Float[Tensor, " parameters"]:
        """Deviation of every component, relative to those of its unit: 1 in the mean square."""
        parts = [(own.variance / own.variance.mean()).sqrt().repeat(piece.count)
                 for piece in self.pieces(plan) for own in (self._of(piece),)]  # fmt: skip
        return torch.cat(parts)

    def correlation(self, plan: FlowPlan) -> Float[Tensor, " parameters"]:
        """Of every component with noise."""
        return self._each(plan, "correlation")

    def noise(self, plan: FlowPlan, count: int, generator: torch.Generator | None) -> Flat:
        """Points at time 0, drawn on the CPU."""
        size = sum(piece.count * piece.width for piece in self.pieces(plan))
        drawn = torch.randn(count, size, generator=generator)
        return drawn.to(next(self.buffers()).device)

    @torch.no_grad()
    def fit_correlation(self, plan: FlowPlan, noise: Flat, points: Flat) -> None:
        """Take the correlation of noise and networks that are paired; less where they are few."""
        cut = zip(self.pieces(plan), self.cut(plan, noise), self.cut(plan, points), strict=True)
        for piece, ours, theirs in cut:
            ours, theirs = ours.flatten(0, 1), theirs.flatten(0, 1)
            norms = (ours.norm(dim=0) * theirs.norm(dim=0)).clamp(min=_LEAST)
            found = (ours * theirs).sum(0) / norms * len(ours) / (len(ours) + _DOUBT)
            self._of(piece).correlation.copy_(found.clamp(0.0, 0.99))

    @torch.no_grad()
    def fit_gain(self, made: Iterable[tuple[FlowPlan, Flat]], share: float = 1.0) -> None:
        """Take the factors by which networks that are made vary as much as training networks.

        Args:
            made: Points of networks that were made, before any factor.
            share: How much these count beside what is known from before.
        """
        found: dict[str, list[Tensor]] = {}
        for plan, points in made:
            for piece, own in zip(self.pieces(plan), self.cut(plan, points), strict=True):
                found.setdefault(piece.key, []).append(own.flatten(0, 1))
        for key, values in found.items():
            gaussian = self.kinds[key]
            assert isinstance(gaussian, Gaussian)
            gaussian.gain.lerp_(gaussian.gain_of(torch.cat(values)), share)

    def stretch(self, factor: float) -> None:
        """Let networks that are made vary more by that factor."""
        for gaussian in self.kinds.values():
            assert isinstance(gaussian, Gaussian)
            gaussian.gain.mul_(factor)

    def levelled(self, plan: FlowPlan, points: Flat) -> Flat:
        """Points of networks that were made, multiplied by their factors.

        A gradient is that of points that vary as much as training networks whatever is done to
        them, as in a batch norm: it does not see how much they vary.
        """
        parts = []
        for piece, own in zip(self.pieces(plan), self.cut(plan, points), strict=True):
            gaussian = self._of(piece)
            # A copy, for the factors of the next architecture change before a gradient is taken.
            level = own * gaussian.gain.clone()
            if own.requires_grad:
                here = gaussian.gain_of(own.flatten(0, 1))
                level = level * (here / here.detach())
            parts.append(level.flatten(1))
        return torch.cat(parts, dim=1)

    def importance(self, plan: FlowPlan) -> Float[Tensor, " parameters"]:
        """How much the error of every component counts; the sum is 1.

        A component counts by its variance, and a piece as the root of how many numbers it has, so
        that a few biases are not lost beside thousands of weights.
        """
        parts = []
        for piece in self.pieces(plan):
            own = self._of(piece).variance
            share = math.sqrt(piece.count * piece.width) / piece.count
            parts.append((own / own.sum() * share).repeat(piece.count))
        weights = torch.cat(parts)
        return weights / weights.sum()

    def _times(self, plan: FlowPlan, points: Flat, name: str) -> Flat:
        found = [
            (own @ getattr(self._of(piece), name)).flatten(1)
            for piece, own in zip(self.pieces(plan), self.cut(plan, points), strict=True)
        ]
        return torch.cat(found, dim=1)

    def _each(self, plan: FlowPlan, name: str) -> Float[Tensor, " parameters"]:
        return torch.cat([getattr(self._of(piece), name).repeat(piece.count)
                          for piece in self.pieces(plan)])  # fmt: skip

    def cut(self, plan: FlowPlan, flat: Flat) -> list[Float[Tensor, "networks _ _"]]:
        """Rows of a plan, piece by piece, as views."""
        pieces = self.pieces(plan)
        sizes = [piece.count * piece.width for piece in pieces]
        return [own.unflatten(1, (piece.count, piece.width))
                for own, piece in zip(flat.split(sizes, dim=1), pieces, strict=True)]  # fmt: skip

    def _of(self, piece: Piece) -> Gaussian:
        found = self.kinds[piece.key]
        assert isinstance(found, Gaussian)
        return found


def kinds_of_pieces(plans: Sequence[FlowPlan]) -> tuple[dict[str, int], bool]:
    """Widths of all kinds of pieces by key, and whether these tell depths apart."""
    by_depth = len({(len(plan.units), len(plan.pairs)) for plan in plans}) == 1
    pieces = [piece for plan in plans for piece in pieces_of(plan, by_depth=by_depth)]
    return {piece.key: piece.width for piece in pieces}, by_depth
