"""An autoencoder on the neural graph, equivariant under every permutation of units.

A unit's numbers are its incoming weights and its own parameters. The weights are told by
orthonormal codes of their sources (:mod:`graphwsl.representations.codes`), which the latents of
these sources give, depth by depth; units of a depth attend to one another as a set. So what is
read depends on no order of units, and latents change places with them: no alignment, no reference
network, no augmentation, and one model for any architecture whose units follow one another.
"""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.errors import RepresentationError
from graphwsl.populations.population import Population
from graphwsl.populations.unit_entries import LayerType
from graphwsl.representations.autoencoder import Autoencoder, Rows
from graphwsl.representations.codes import orthonormal_codes
from graphwsl.representations.graph_plan import GraphPlan, Reading, Stage
from graphwsl.representations.known import Known
from graphwsl.representations.positions import SinusoidalPositions
from graphwsl.representations.representation import Representation
from graphwsl.representations.settings import Count, RepresentationSettings
from graphwsl.representations.token_autoencoder import errors
from graphwsl.representations.transformer import Transformer

GIVEN = 4096
"""Inputs that have codes of their own; further ones share them."""

Latents = Float[Tensor, "networks tokens latent_channels"]
Values = Float[Tensor, "networks tokens width"]
Signals = Float[Tensor, "networks nodes latent_channels"]


class GraphSettings(RepresentationSettings):
    """Options of the graph autoencoder.

    Attributes:
        channels: Of the transformers.
        blocks: Of attention, in the encoder and in the decoder each.
        heads: Of attention.
        codes: By how many codes at most the sources of a unit are told.
    """

    channels: Count = 128
    blocks: Count = 2
    heads: Count = 4
    codes: Count = 64


class GraphNetwork(Autoencoder):
    """Encoder, codes and decoder.

    Args:
        settings: Of the method.
        width: Numbers of the widest unit.
    """

    settings: GraphSettings

    def __init__(self, settings: GraphSettings, width: int) -> None:
        super().__init__(settings)
        channels, latent = settings.channels, settings.latent_channels
        self.width = width
        self.embed = nn.Linear(width, channels)
        self.encoder = Transformer(channels, settings.blocks, settings.heads)
        self.to_latent = nn.Linear(channels, latent)
        self.from_latent = nn.Linear(latent, channels)
        self.decoder = Transformer(channels, settings.blocks, settings.heads)
        self.to_values = nn.Linear(channels, width)
        self.types = nn.Embedding(len(LayerType), channels)
        self.depth = SinusoidalPositions(channels)
        self.code = nn.Sequential(
            nn.Linear(latent, 4 * latent), nn.GELU(), nn.Linear(4 * latent, settings.codes)
        )
        generator = torch.Generator().manual_seed(0)
        given = torch.randn(GIVEN, latent, generator=generator)
        self.given = nn.Buffer(given, persistent=False)
        self._plans: dict[int, GraphPlan] = {}

    def plan(self, known: Known) -> GraphPlan:
        """The plan of an architecture.

        Raises:
            RepresentationError: Its units are wider than those that were learnt from, or it cannot
                be read depth by depth.
        """
        if id(known) not in self._plans:
            plan = GraphPlan.of(known.architecture)
            width = plan.tokenizer.layout.mask.shape[1]
            if width > self.width:
                raise RepresentationError(
                    f"{known.architecture.name!r} has units of {width:,} numbers, those that were "
                    f"learnt from have {self.width:,} at most"
                )
            self._plans[id(known)] = plan
        return self._plans[id(known)]

    def terms(self, known: Known, rows: Rows) -> Float[Tensor, "networks terms"]:
        """See :class:`Autoencoder`; there is no contrast, since views have equal latents."""
        plan = self.plan(known)
        values = self._values(plan, known, rows)
        rebuilt = self._decoded(plan, self._encoded(plan, self.noisy(values)))
        mask = plan.tokenizer.layout.mask.expand(len(rows), -1, -1)
        structure = errors(rebuilt, values, mask, self.settings.normalise)
        found = known.restore(plan.tokenizer.rows(rebuilt))
        behaviour = self.behaviour(known, found, rows)
        return torch.stack([structure, torch.zeros_like(structure), behaviour], dim=1)

    def encode(self, known: Known, rows: Rows) -> Latents:
        """The latent of every unit; the mean is invariant."""
        plan = self.plan(known)
        return self._encoded(plan, self._values(plan, known, rows))

    def decode(self, known: Known, latents: Latents) -> Rows:
        """Whole networks from the latents of their units."""
        plan = self.plan(known)
        return known.restore(plan.tokenizer.rows(self._decoded(plan, latents)))

    def _values(self, plan: GraphPlan, known: Known, rows: Rows) -> Values:
        return plan.tokenizer.tokens(known.normalise(rows)).values

    def _encoded(self, plan: GraphPlan, values: Values) -> Latents:
        where = self._where(plan)
        signals = self._given(plan, len(values))
        latents = values.new_zeros(*values.shape[:2], self.settings.latent_channels)
        for stage in plan.stages:
            signals = _follow(signals, stage)
            if not len(stage.tokens):
                continue
            own = values[:, stage.tokens]
            for reading in stage.readings:
                own = self._coded(reading, signals, own, back=False)
            own = nn.functional.pad(own, (0, self.width - own.shape[2]))
            found = self.to_latent(self.encoder(self.embed(own) + where[stage.tokens]))
            latents = latents.index_copy(1, stage.tokens, found)
            signals = _told(signals, plan, stage, found)
        return latents

    def _decoded(self, plan: GraphPlan, latents: Latents) -> Values:
        signals = self._given(plan, len(latents))
        x = self.decoder(self.from_latent(latents) + self._where(plan))
        coded = self.to_values(x)[..., : plan.tokenizer.layout.mask.shape[1]]
        values = torch.zeros_like(coded)
        for stage in plan.stages:
            signals = _follow(signals, stage)
            if not len(stage.tokens):
                continue
            own = coded[:, stage.tokens]
            for reading in stage.readings:
                own = self._coded(reading, signals, own, back=True)
            values = values.index_copy(1, stage.tokens, own)
            signals = _told(signals, plan, stage, latents[:, stage.tokens])
        return values

    def _coded(self, reading: Reading, signals: Signals, own: Values, *, back: bool) -> Values:
        """The weights of a reading told by codes in place of sources, or the other way."""
        networks, (groups, targets) = len(own), reading.units.shape
        _, sources, positions = reading.columns.shape
        codes = orthonormal_codes(
            self.code(signals[:, reading.sources]), self.settings.codes
        )  # (networks, groups, sources, codes)
        count = codes.shape[3]
        result = own.clone()
        for group in range(groups):
            units, columns = reading.units[group], reading.columns[group]
            block = own[:, units][:, :, columns.flatten()]
            block = block.view(networks, targets, sources, positions)
            if back:
                found = torch.einsum("nsc,ntcp->ntsp", codes[:, group], block[:, :, :count])
            else:
                found = torch.einsum("nsc,ntsp->ntcp", codes[:, group], block)
                found = nn.functional.pad(found, (0, 0, 0, sources - count))
            result[:, units[:, None], columns.flatten()] = found.flatten(2)
        return result

    def _given(self, plan: GraphPlan, networks: int) -> Signals:
        """Signals of inputs and constants, which are fixed; of all others nothing yet."""
        fixed = self.given[plan.index % GIVEN] * plan.is_given[:, None]
        return fixed.expand(networks, -1, -1)

    def _where(self, plan: GraphPlan) -> Float[Tensor, "tokens channels"]:
        """Layer and type of every token, and the place of those that nothing moves."""
        layout = plan.tokenizer.layout
        places = layout.positions * plan.is_placed[:, None]
        places = torch.stack(
            [torch.zeros_like(places[:, 0]), layout.positions[:, 1], places[:, 2]], dim=1
        )
        return self.depth(places) + self.types(layout.layer_types)


class GraphAutoencoder(Representation):
    """Latents of units from a network on the graph, equivariant under all permutations."""

    name = "graph_autoencoder"
    mixed: ClassVar[bool] = True
    settings: GraphSettings
    published = GraphSettings(
        latent_channels=128,
        channels=512,
        blocks=4,
        heads=8,
        structure=0.5,
        queries=256,
        epochs=100,
        batch_size=32,
        learning_rate=5e-4,
    )
    small = published.replaced(
        latent_channels=32, channels=128, blocks=2, heads=4, structure=1.0, queries=64, epochs=50,
        batch_size=64, learning_rate=2e-3,
    )  # fmt: skip

    def _build(self, train: Population | None, built: dict[str, Any]) -> GraphNetwork:
        if self.settings.contrast:
            raise RepresentationError(
                "views of a network have equal latents in graph_autoencoder; set contrast=0"
            )
        if train is not None:
            plans = [GraphPlan.of(one) for one in train.present]
            built["width"] = max(plan.tokenizer.layout.mask.shape[1] for plan in plans)
        return GraphNetwork(self.settings, int(built["width"]))


def _follow(signals: Signals, stage: Stage) -> Signals:
    """Nodes without numbers of their own have the sum of what they follow from."""
    sources, targets = stage.followers
    if not len(sources):
        return signals
    return signals.index_add(1, targets, signals[:, sources])


def _told(signals: Signals, plan: GraphPlan, stage: Stage, latents: Latents) -> Signals:
    """The latents of units as their signals."""
    nodes = plan.nodes[stage.tokens]
    if not bool((nodes >= 0).all()):
        return signals
    return signals.index_copy(1, nodes, latents)
