"""The velocity of a flow: a graph metanetwork on units and pairs of units.

Signals of units follow from their own numbers, signals of pairs from the weights between two units.
In every round pairs listen to both of their units; units listen to one another along pairs, both
ways, as activations run along weights, and to all units by attention. Nothing depends on an order
of units, so that a permutation of them permutes the velocity.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.generators.flow.coordinates import Coordinates, Piece
from graphwsl.generators.flow.plan import Flat, FlowPlan
from graphwsl.generators.flow.settings import FlowSettings

FREQUENCIES = 16
PLACES = 64
"""Units of an orbit that can be told apart where the flow is not equivariant."""

Units = Float[Tensor, "networks units channels"]
PairSignal = Float[Tensor, "networks _ _ edge_channels"]
Link = tuple[slice, slice]
"""Where the targets and the sources of a block of pairs are among all units."""


class VelocityNetwork(nn.Module):
    """The part of the velocity that no Gaussian explains.

    Args:
        settings: Sizes.
        widths: Numbers of every kind of piece, by key.
        conditions: Numbers of a condition.
        relative: Whether orbits are told where they lie so that places of deeper networks are
            close to known ones, see :func:`places`.
    """

    def __init__(
        self,
        settings: FlowSettings,
        widths: dict[str, int],
        conditions: int,
        *,
        relative: bool,
    ) -> None:
        super().__init__()
        self.relative = relative
        channels, edge = settings.channels, settings.edge_channels
        self.settings = settings
        sizes = {key: edge if key.startswith("pairs") else channels for key in widths}
        self.into = nn.ModuleDict({k: nn.Linear(w, sizes[k]) for k, w in widths.items()})
        self.out = nn.ModuleDict({k: _silent(sizes[k], w) for k, w in widths.items()})
        self.out_norm = nn.ModuleDict({k: nn.LayerNorm(sizes[k]) for k in widths})
        self.where = nn.Linear(4, channels)
        self.where_pairs = nn.Linear(4, edge)
        self.rest = nn.Parameter(torch.zeros(channels))
        self.time = nn.Sequential(
            nn.Linear(2 * FREQUENCIES + conditions, channels),
            nn.SiLU(),
            nn.Linear(channels, channels),
        )
        self.rounds = nn.ModuleList(Round(settings) for _ in range(settings.rounds))
        self.places = None if settings.equivariant else nn.Embedding(PLACES, channels)

    def forward(
        self,
        plan: FlowPlan,
        coordinates: Coordinates,
        points: Flat,
        time: Float[Tensor, " networks"],
        codes: Float[Tensor, "networks conditions"],
    ) -> Flat:
        """Numbers of variance 1 in all components.

        Args:
            plan: The architecture.
            coordinates: Those that the points are in.
            points: Points of variance 1 in all components.
            time: Time of every network.
            codes: Condition of every network.
        """
        pieces = coordinates.pieces(plan)
        # Components are read as large as they vary, so that the largest are heard first.
        heard = points * coordinates.loudness(plan)
        given = dict(zip(pieces, coordinates.cut(plan, heard), strict=True))
        context = self.time(torch.cat([_waves(time), codes], dim=1))
        x, starts = self._units(plan, pieces, given)
        links, pairs, where = [], [], places(plan, relative=self.relative).to(points.device)
        of_pairs = [piece for piece in pieces if piece.key.startswith("pairs")]
        for ends, piece in zip(plan.pairs, of_pairs, strict=True):
            target, source = (
                slice(starts[n], starts[n] + len(plan.units[n].entries))
                for n in (ends.targets, ends.sources)
            )
            links.append((target, source))
            signal = self.into[piece.key](given[piece]).unflatten(1, ends.entries.shape[:2])
            pairs.append(signal + self.where_pairs(where[ends.targets]))
        for one in self.rounds:
            x, pairs = one(x, pairs, links, context)
        found, of_units = [], iter(range(len(plan.units)))
        signals = iter(pairs)
        for piece in pieces:
            if piece.key.startswith("pairs"):
                signal = next(signals).flatten(1, 2)
            elif piece.key.startswith("rest"):
                signal = x[:, -1:]
            else:
                number = next(n for n in of_units if plan.units[n].entries.shape[1])
                signal = x[:, starts[number] : starts[number] + piece.count]
            found.append(self.out[piece.key](self.out_norm[piece.key](signal)).flatten(1))
        return torch.cat(found, dim=1)

    def _units(
        self, plan: FlowPlan, pieces: Sequence[Piece], given: dict[Piece, Tensor]
    ) -> tuple[Units, list[int]]:
        """Signals of all units, orbit after orbit, and of the rest; where each orbit starts."""
        networks = len(next(iter(given.values())))
        own = iter(piece for piece in pieces if piece.key.startswith("units"))
        where = self.where(places(plan, relative=self.relative).to(self.rest.device))
        parts, starts, start = [], [], 0
        for number, units in enumerate(plan.units):
            count, width = units.entries.shape
            signal = where[number].expand(networks, count, -1)
            if width:
                piece = next(own)
                signal = signal + self.into[piece.key](given[piece])
            if self.places is not None:
                signal = signal + self.places(torch.arange(count, device=signal.device) % PLACES)
            parts.append(signal)
            starts.append(start)
            start += count
        rest = self.rest.expand(networks, 1, -1)
        for piece in pieces:
            if piece.key.startswith("rest"):
                rest = rest + self.into[piece.key](given[piece])
        return torch.cat([*parts, rest], dim=1), starts


class Round(nn.Module):
    r"""Pairs listen to their units, units to units along pairs and by attention.

    A weight is large where what its source gives is what its target looks for, so that pairs hear
    inner products of both.

    With :math:`h = \mathrm{LN}(x)`, scaled and shifted by time and condition, and a head for each
    channel c of the pairs:

    .. math::
        e_{ts} &\leftarrow e_{ts} + W \mathrm{GELU}(A h_t + B h_s + C \, \mathrm{LN}(e_{ts}))
            + \bigl[g_c \langle (Q h_t)_c, (K h_s)_c \rangle\bigr]_c \\
        x_t &\leftarrow x_t + \mathrm{Attention}(h)_t + U \Bigl[
            \tfrac{1}{\sqrt{S}} \sum_s (D e_{ts})_c (V h_s)_c \Bigr]_c
            + \text{the same from targets to sources} \\
        x_t &\leftarrow x_t + \mathrm{MLP}(\mathrm{LN}(x_t))

    Args:
        settings: Sizes.
    """

    def __init__(self, settings: FlowSettings) -> None:
        super().__init__()
        channels, edge = settings.channels, settings.edge_channels
        self.heads, self.edge = settings.heads, edge
        self.unit_norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.second_norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.edge_norm = nn.LayerNorm(edge)
        self.modulate = _silent(channels, 6 * channels)
        self.modulate_pairs = _silent(channels, 2 * edge)
        self.of_target = nn.Linear(channels, 2 * channels + 2 * edge, bias=False)
        self.of_source = nn.Linear(channels, 2 * channels + 2 * edge, bias=False)
        self.from_pair = nn.Linear(edge, 2 * edge)
        self.to_pair = nn.Linear(2 * edge, edge)
        self.gain = nn.Parameter(torch.full((edge,), 0.1))
        self.weigh = nn.Linear(edge, edge)
        self.mix = nn.Linear(channels, 3 * channels, bias=False)
        self.join = nn.Linear(3 * channels, channels)
        self.network = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels)
        )
        self.dropout = nn.Dropout(settings.dropout)

    def forward(
        self, x: Units, pairs: list[PairSignal], links: list[Link], context: Tensor
    ) -> tuple[Units, list[PairSignal]]:
        """The next signals."""
        context = functional.silu(context)
        modulation = self.modulate(context)[:, None].chunk(6, dim=2)
        shift, scale, gate, second_shift, second_scale, second_gate = modulation
        h = self.unit_norm(x) * (1 + scale) + shift
        offset = self.modulate_pairs(context)[:, None, None]
        sizes = [x.shape[2], x.shape[2], 2 * self.edge]
        into = [torch.zeros_like(x)], [torch.zeros_like(x)]
        updated = []
        for signal, (target, source) in zip(pairs, links, strict=True):
            query, backward, to_target = self.of_target(h[:, target]).split(sizes, dim=2)
            key, forward, to_source = self.of_source(h[:, source]).split(sizes, dim=2)
            hidden = self.from_pair(self.edge_norm(signal)) + offset
            hidden = hidden + to_target[:, :, None] + to_source[:, None]
            signal = signal + self.dropout(self.to_pair(functional.gelu(hidden)))
            signal = signal + self.gain * self._agreement(query, key)
            updated.append(signal)
            weight = self.weigh(signal).permute(0, 3, 1, 2)
            into[0].append(self._sent(weight, forward, target, x))
            into[1].append(self._sent(weight.mT, backward, source, x))
        messages = torch.cat([self._attended(h), *(sum(one[1:], one[0]) for one in into)], dim=2)
        x = x + (1 + gate) * self.dropout(self.join(messages))
        h = self.second_norm(x) * (1 + second_scale) + second_shift
        return x + (1 + second_gate) * self.dropout(self.network(h)), updated

    def _agreement(self, query: Tensor, key: Tensor) -> PairSignal:
        """Inner products of both units of every pair, a channel for each head."""
        ours, theirs = (one.unflatten(2, (self.edge, -1)).transpose(1, 2) for one in (query, key))
        return (ours @ theirs.mT / math.sqrt(ours.shape[3])).permute(0, 2, 3, 1)

    def _sent(self, weight: Tensor, values: Tensor, place: slice, like: Units) -> Units:
        """What units get along pairs, in the rows of these units among all."""
        heads = values.unflatten(2, (self.edge, -1)).transpose(1, 2)
        sums = (weight @ heads) / math.sqrt(values.shape[1])  # (networks, edge, units, channels)
        sums = sums.transpose(1, 2).flatten(2)
        return functional.pad(sums, (0, 0, place.start, like.shape[1] - place.stop))

    def _attended(self, h: Units) -> Units:
        parts = self.mix(h).chunk(3, dim=2)
        query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        found = functional.scaled_dot_product_attention(query, key, value)
        return found.transpose(1, 2).flatten(2)


def _silent(inputs: int, outputs: int) -> nn.Linear:
    """A linear map that gives zeros at first."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _waves(time: Float[Tensor, " networks"]) -> Float[Tensor, "networks waves"]:
    """Sines and cosines of time, of a half to 2⁶ cycles."""
    exponents = torch.linspace(-1, 6, FREQUENCIES, device=time.device)
    angles = 2 * math.pi * time[:, None] * 2.0**exponents
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def places(plan: FlowPlan, *, relative: bool) -> Float[Tensor, "orbits 4"]:
    """Of every orbit: how far it is from both ends, how many there are, how large it is.

    Args:
        plan: The architecture.
        relative: Whether distances are said by their inverses and the number of orbits is left
            out. Networks that are deeper than all that were learnt from then have no place that is
            far from all known ones.
    """
    count = len(plan.units)
    rows = []
    for n, units in enumerate(plan.units):
        size = math.log2(len(units.entries)) / 4 - 1
        ends = [1 / (1 + n), 1 / (count - n), 0.0]
        rows.append([*(ends if relative else [n / 4, (count - 1 - n) / 4, count / 4]), size])
    return torch.tensor(rows).view(count, 4)
