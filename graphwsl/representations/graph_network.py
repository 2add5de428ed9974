"""The network of the graph autoencoder: codes of sources, maps of layers, attention among units.

Units are read depth by depth. The weights of a unit on units before it are told by orthonormal
codes of these (:mod:`graphwsl.representations.codes`), which their latents give; the decoder, which
has the latents, finds the same codes. Nothing depends on an order of units.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.errors import RepresentationError
from graphwsl.populations.unit_entries import LayerType
from graphwsl.representations.autoencoder import Autoencoder, Rows
from graphwsl.representations.codes import orthonormal_codes
from graphwsl.representations.graph_plan import GraphPlan, Reading, Stage
from graphwsl.representations.graph_settings import GraphSettings
from graphwsl.representations.known import Known
from graphwsl.representations.layer_maps import Kind, LayerMaps, numbers_of
from graphwsl.representations.positions import SinusoidalPositions
from graphwsl.representations.transformer import Transformer
from graphwsl.representations.weight_errors import errors

PROBES = 512
"""Random inputs by which it is estimated how alike units respond."""

Latents = Float[Tensor, "networks tokens latent_channels"]
Values = Float[Tensor, "networks tokens width"]
Signals = Float[Tensor, "networks nodes latent_channels"]


class GraphNetwork(Autoencoder):
    """Encoder, codes and decoder.

    Args:
        settings: Settings of the method.
        width: Numbers of the widest unit.
        kinds: Kinds of layers that are learnt from.
    """

    settings: GraphSettings

    def __init__(self, settings: GraphSettings, width: int, kinds: list[Kind]) -> None:
        super().__init__(settings)
        channels, latent = settings.channels, settings.latent_channels
        self.width = width
        self.maps = LayerMaps(kinds, width, latent)
        self.embed = nn.Linear(latent, channels)
        self.encoder = Transformer(channels, settings.blocks, settings.heads)
        self.to_latent = nn.Linear(channels, latent)
        self.from_latent = nn.Linear(latent, channels)
        self.decoder = Transformer(channels, settings.blocks, settings.heads)
        self.to_values = nn.Linear(channels, width)
        for last in (self.to_latent, self.to_values):  # the maps alone at first
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.types = nn.Embedding(len(LayerType), channels)
        self.depth = SinusoidalPositions(channels)
        generator = torch.Generator().manual_seed(0)
        probes = torch.randn(latent, PROBES, generator=generator) / latent**0.5
        self.probes = nn.Buffer(probes, persistent=False)
        self._plans: dict[str, GraphPlan] = {}
        self._maps_of: dict[int, Int[Tensor, " tokens"]] = {}

    def plan(self, known: Known) -> GraphPlan:
        """The plan of an architecture.

        Raises:
            RepresentationError: Its units are wider than those that were learnt from, or it cannot
                be read depth by depth.
        """
        digest = known.architecture.digest
        if digest not in self._plans:
            plan = GraphPlan.of(known.architecture)
            width = plan.tokenizer.layout.mask.shape[1]
            if width > self.width:
                raise RepresentationError(
                    f"{known.architecture.name!r} has units of {width:,} numbers, those that were "
                    f"learnt from have {self.width:,} at most"
                )
            self._plans[digest] = plan
        return self._plans[digest]

    def begin(self, known: Sequence[Known], rows: Sequence[Rows], inputs: Tensor | None) -> None:
        """See :class:`Autoencoder`; depth by depth, for codes follow from latents before them."""
        plan = self.plan(known[0])
        values = self._values(plan, known[0], torch.cat([*rows]))
        slopes: list[Values] = []
        if inputs is not None and known[0].behaviour is not None:
            drawn = [
                one.behaviour.slopes(some, inputs)
                for one, some in zip(known, rows, strict=True)
                if one.behaviour is not None
            ]
            slopes = [
                plan.tokenizer.tokens(torch.cat(some) * known[0].deviation).values
                for some in zip(*drawn, strict=True)
            ]
        with torch.no_grad():
            signals = self._nothing(plan, values)
            numbers = self._numbers(plan)
            for stage in plan.stages:
                signals = _follow(signals, stage)
                if not len(stage.tokens):
                    continue
                own = self._own(stage, signals, values)
                steep = [self._own(stage, signals, some) for some in slopes]
                found = own.new_zeros(*own.shape[:2], signals.shape[2])
                for number, units in _by_map(numbers[stage.tokens]):
                    self.maps.begin(number, own[:, units], [some[:, units] for some in steep])
                    found[:, units] = self.maps.encode(number, own[:, units])
                signals = self._told(signals, plan, stage, found)

    def terms(self, known: Known, rows: Rows) -> Float[Tensor, "networks terms"]:
        """See :class:`Autoencoder`; there is no contrast, since views have equal latents."""
        plan = self.plan(known)
        values = self._values(plan, known, rows)
        rebuilt = self._decoded(plan, self._encoded(plan, self.noisy(values)))
        mask = plan.tokenizer.layout.mask.to(rows.device).expand(len(rows), -1, -1)
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
        where, signals = self._where(plan), self._nothing(plan, values)
        numbers = self._numbers(plan)
        latents = values.new_zeros(*values.shape[:2], self.settings.latent_channels)
        for stage in plan.stages:
            signals = _follow(signals, stage)
            if not len(stage.tokens):
                continue
            own = self._own(stage, signals, values)
            found = own.new_zeros(*own.shape[:2], latents.shape[2])
            for number, units in _by_map(numbers[stage.tokens]):
                found[:, units] = self.maps.encode(number, own[:, units])
            found = found + self.to_latent(self.encoder(self.embed(found) + where[stage.tokens]))
            latents[:, stage.tokens] = found
            signals = self._told(signals, plan, stage, found)
        return latents

    def _own(
        self, stage: Stage, signals: Signals, values: Values
    ) -> Float[Tensor, "networks units widest"]:
        """The numbers of a stage's units, told by codes of what they read."""
        own = values[:, stage.tokens]
        for reading in stage.readings:
            own = self._coded(reading, signals, own, back=False)
        return functional.pad(own, (0, self.width - own.shape[2]))

    def _decoded(self, plan: GraphPlan, latents: Latents) -> Values:
        signals, layout = self._nothing(plan, latents), plan.tokenizer.layout
        coded = self.to_values(self.decoder(self.from_latent(latents) + self._where(plan)))
        for number, tokens in _by_map(numbers_of(self.maps, layout)):
            coded[:, tokens] += self.maps.decode(number, latents[:, tokens])
        values = coded.new_zeros(*coded.shape[:2], layout.mask.shape[1])
        for stage in plan.stages:
            signals = _follow(signals, stage)
            own = coded[:, stage.tokens, : values.shape[2]]
            for reading in stage.readings:
                own = self._coded(reading, signals, own, back=True)
            values[:, stage.tokens] = own
            signals = self._told(signals, plan, stage, latents[:, stage.tokens])
        return values

    def _coded(self, reading: Reading, signals: Signals, own: Values, *, back: bool) -> Values:
        """The weights of a reading told by codes in place of sources, or the other way."""
        networks, (groups, targets) = len(own), reading.units.shape
        _, sources, positions = reading.columns.shape
        # Latents are weights in the metric of what is read, so that these products are like
        # responses to random inputs.
        responses = (signals[:, reading.sources] @ self.probes).relu()
        codes = orthonormal_codes(responses, self.settings.codes)
        # (networks, groups, sources, codes)
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
                found = functional.pad(found, (0, 0, 0, sources - count))
            result[:, units[:, None], columns.flatten()] = found.flatten(2)
        return result

    def _told(self, signals: Signals, plan: GraphPlan, stage: Stage, latents: Latents) -> Signals:
        """The latents of units, and what all units of their layer have in common, as signals."""
        nodes = plan.nodes[stage.tokens].to(signals.device)
        if not len(nodes) or not bool((nodes >= 0).all()):
            return signals
        numbers = self._numbers(plan)[stage.tokens]
        return signals.index_copy(1, nodes, latents + self.maps.common[numbers])

    def _numbers(self, plan: GraphPlan) -> Int[Tensor, " tokens"]:
        """The map of every token."""
        if id(plan) not in self._maps_of:  # plans stay as long as the module does
            self._maps_of[id(plan)] = numbers_of(self.maps, plan.tokenizer.layout)
        return self._maps_of[id(plan)]

    def _nothing(self, plan: GraphPlan, some: Tensor) -> Signals:
        """Signals of nodes of which nothing is known yet."""
        return some.new_zeros(len(some), plan.num_nodes, self.settings.latent_channels)

    def _where(self, plan: GraphPlan) -> Float[Tensor, "tokens channels"]:
        """Layer and type of every token, and the position of those that nothing moves."""
        layout, device = plan.tokenizer.layout, self.types.weight.device
        fixed = layout.positions * plan.is_fixed[:, None]
        fixed = torch.stack(
            [torch.zeros_like(fixed[:, 0]), layout.positions[:, 1], fixed[:, 2]], dim=1
        )
        return self.depth(fixed.to(device)) + self.types(layout.layer_types.to(device))


def _by_map(numbers: Int[Tensor, " tokens"]) -> list[tuple[int, Int[Tensor, " some"]]]:
    """Tokens by the map that they have."""
    return [(n, (numbers == n).nonzero()[:, 0]) for n in numbers.unique().tolist()]


def _follow(signals: Signals, stage: Stage) -> Signals:
    """Nodes without numbers of their own have the sum of what they follow from."""
    sources, targets = (some.to(signals.device) for some in stage.followers)
    if not len(sources):
        return signals
    return signals.index_add(1, targets, signals[:, sources])
