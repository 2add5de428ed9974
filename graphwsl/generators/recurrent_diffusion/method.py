"""Recurrent diffusion: prototypes of all tokens of a network at once, and diffusion of each token.

K. Wang et al., "Recurrent Diffusion for Large-Scale Parameter Generation" (RPG), 2025. A network is
cut into tokens; a recurrent model turns where each token is, and which network it is of, into
prototypes, and a small diffusion model makes each token by its prototype alone. ``state`` says what
stands for "which network": see :mod:`graphwsl.generators.recurrent_diffusion.states`.

Other than in the published code, running statistics are made as all else is, whole numbers are not
those of the first network, attention sees whole sequences, and the condition reaches all tokens.
"""

from typing import Any, ClassVar

import torch

from gnncore.training import TensorStore
from graphwsl.generators.components import PrincipalComponents
from graphwsl.generators.conditions import Codes
from graphwsl.generators.frames import Frame
from graphwsl.generators.generator import Generator
from graphwsl.generators.module import Rows
from graphwsl.generators.recurrent_diffusion.network import RecurrentDiffusionModule
from graphwsl.generators.recurrent_diffusion.settings import RecurrentDiffusionSettings
from graphwsl.generators.recurrent_diffusion.states import (
    CoordinateStates,
    NoStates,
    NumberStates,
    States,
)
from graphwsl.generators.tensor_scales import TensorScales
from graphwsl.populations.population import Architecture, Population
from graphwsl.populations.tokens import Tokenizer

JUDGED = 8
"""Training networks that choose the epoch where no other network has a number."""


class RecurrentDiffusion(Generator):
    """Tokens by diffusion, each by a prototype that a recurrent model makes for it."""

    name = "recurrent_diffusion"
    makes_statistics: ClassVar[bool] = True
    settings: RecurrentDiffusionSettings
    published = RecurrentDiffusionSettings(
        width=8192, recurrence="mamba", channels=8192, blocks=2, drawn_tokens=512,
        epochs=12_800, batch_size=8, learning_rate=3e-5, warm_up=0.0, clip_norm=None,
        held_out=0.0, tokens_at_once=16,
    )  # fmt: skip
    small = published.replaced(
        width=64, recurrence="lstm", channels=64, state_spread=0.5,
        denoiser_channels=(1, 16, 32, 16, 1), noise_steps=200, last_beta=0.1, drawn_tokens=128,
        sampling_steps=60, eta=1.0, epochs=600, batch_size=8, learning_rate=2e-3, clip_norm=1.0,
        tokens_at_once=4096,
    )  # fmt: skip

    def _build(self, train: Population | None, built: dict[str, Any]) -> RecurrentDiffusionModule:
        settings = self.settings
        if train is None:
            scales = TensorScales(int(built["tensors"]), int(built["whole"]))
            states = self._states(None, built)
        else:
            rows, architecture = torch.stack(train.states), train.present[0]
            scales = TensorScales.fit(rows, architecture)
            layout = Tokenizer.of(architecture, settings.tokens, settings.width).layout
            built |= {
                "networks": len(rows),
                "entries": rows.shape[1],
                "width": layout.mask.shape[1],
                "tensors": len(scales.sizes),
                "whole": len(scales.counts),
            }
            states = self._states(scales.normalise(rows), built)
        return RecurrentDiffusionModule(
            settings, int(built["width"]), scales, states, self.conditions.channels
        )

    def _states(self, rows: Rows | None, built: dict[str, Any]) -> States:
        """The states of normalised training networks, or (without) those to be loaded."""
        settings, networks = self.settings, int(built["networks"])
        if settings.state == "number":
            return NumberStates(networks, settings.channels, settings.state_spread)
        if settings.state == "none":
            return NoStates(settings.channels)
        more = (settings.channels, settings.coordinate_noise, settings.sampler)
        if rows is None:
            empty = PrincipalComponents(int(built["coordinates"]), int(built["entries"]))
            return CoordinateStates(empty, networks, *more)
        states = CoordinateStates.fit(rows, settings.coordinates, *more)
        built["coordinates"] = states.known.shape[1]
        return states

    def _draw(
        self,
        count: int,
        architecture: Architecture,
        codes: Codes,
        generator: torch.Generator | None,
    ) -> Rows:
        module = self._fitted()
        assert isinstance(module, RecurrentDiffusionModule)
        return module.draw(count, architecture, codes, generator)

    def _prepared(self, population: Population, *, learnt: bool) -> Population:
        if learnt:
            self._frame, population = Frame.of(population, self.settings.align)
            return population
        return self._frame.aligned(population)

    def _store(self, population: Population, *, learnt: bool) -> TensorStore:
        store = super()._store(population, learnt=learnt)
        if self.settings.state != "number":
            return store
        if learnt:
            self._judged = store.select(range(min(JUDGED, len(population))))
            return store
        return self._judged
