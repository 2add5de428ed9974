"""The whole network: prototypes of all tokens of a network, and the noise in single tokens."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.generators.conditions import Codes
from graphwsl.generators.diffusion import Diffusion
from graphwsl.generators.module import Batch, GeneratorModule, Rows
from graphwsl.generators.recurrent_diffusion.denoiser import Denoiser
from graphwsl.generators.recurrent_diffusion.positions import position_vectors
from graphwsl.generators.recurrent_diffusion.recurrence import RECURRENCES
from graphwsl.generators.recurrent_diffusion.settings import RecurrentDiffusionSettings
from graphwsl.generators.recurrent_diffusion.states import States
from graphwsl.generators.tensor_scales import TensorScales
from graphwsl.populations.population import Architecture
from graphwsl.populations.tokens import Tokenizer

Prototypes = Float[Tensor, "networks tokens prototype"]


class RecurrentDiffusionModule(GeneratorModule):
    """Prototypes by recurrence over positions, state and condition; tokens by diffusion.

    No weights enter the recurrence, as in the published code: a prototype is the same for all
    noise.

    Args:
        settings: Settings of the method.
        width: Numbers of a token.
        scales: Scales of the tensors.
        states: States of networks.
        conditions: Numbers of a network's condition; 0 for none.
    """

    names = ("noise",)

    def __init__(
        self,
        settings: RecurrentDiffusionSettings,
        width: int,
        scales: TensorScales,
        states: States,
        conditions: int,
    ) -> None:
        super().__init__()
        self.settings, self.width = settings, width
        self.scales, self.states = scales, states
        channels = settings.channels
        self.recurrence = RECURRENCES[settings.recurrence](channels, settings.blocks)
        self.denoiser = Denoiser(width, channels, settings.denoiser_channels, settings.kernel)
        self.diffusion = Diffusion.linear(
            settings.noise_steps, settings.first_beta, settings.last_beta
        )
        self.condition = None
        if conditions:
            self.condition = nn.Sequential(
                nn.Linear(conditions, channels), nn.SiLU(), nn.Linear(channels, channels)
            )
        self._tokenizers: dict[str, Tokenizer] = {}

    def tokenizer(self, architecture: Architecture) -> Tokenizer:
        """The tokenizer of an architecture, made once."""
        digest = architecture.digest
        if digest not in self._tokenizers:
            kind = self.settings.tokens
            self._tokenizers[digest] = Tokenizer.of(architecture, kind, self.width)
        return self._tokenizers[digest]

    def prototypes(
        self, tokenizer: Tokenizer, state: Float[Tensor, "networks state"], codes: Codes
    ) -> Prototypes:
        """What the diffusion of every token is conditioned on.

        Args:
            tokenizer: Tokenizer of the architecture.
            state: State of each network.
            codes: Condition of each network.
        """
        positions = tokenizer.layout.positions.to(state.device)
        x = position_vectors(positions, self.settings.channels) + self.states(state)[:, None]
        if self.condition is not None:
            last = self.settings.condition_tokens
            sees = torch.ones(len(positions), 1, device=x.device)
            sees[: 0 if last is None else max(len(positions) - last, 0)] = 0
            x = x + sees * self.condition(codes)[:, None]
        return self.recurrence(x)

    def terms(self, batch: Batch) -> Float[Tensor, "networks terms"]:
        """The mean squared error of the noise in a network's tokens; in training, of some tokens
        that are drawn, of each network equally many."""
        tokenizer = self.tokenizer(batch.architecture)
        rows = self.scales.normalise(batch.rows)
        values = tokenizer.tokens(rows).values
        # The same noise every time in evaluation, lest chance chooses the epoch.
        generator = None if self.training else torch.Generator().manual_seed(0)
        state = self.states.of(rows, batch.numbers)
        prototypes = self.prototypes(tokenizer, state, batch.codes)
        networks, tokens, _ = values.shape
        learnt = tokenizer.tokens(self.scales.is_learnt[None].float()).values.expand_as(values)
        drawn = self.settings.drawn_tokens
        count = max(drawn // networks, 1) if self.training and drawn is not None else tokens
        if count < tokens:
            chosen = torch.rand(networks, tokens).topk(count, dim=1).indices.to(values.device)
            values, prototypes, learnt = (
                some.gather(1, chosen[:, :, None].expand(-1, -1, some.shape[2]))
                for some in (values, prototypes, learnt)
            )
        values, prototypes, learnt = (x.flatten(0, 1) for x in (values, prototypes, learnt))
        noise = torch.randn(values.shape, generator=generator).to(values)
        step = torch.randint(len(self.diffusion), (len(values),), generator=generator)
        noised = self.diffusion.noised(values, noise, step.to(values.device)) * learnt
        found = self.denoiser(noised, step.to(values.device), prototypes)
        errors = ((found - noise) * learnt).square().view(networks, -1).sum(1)
        return (errors / learnt.view(networks, -1).sum(1).clamp(min=1))[:, None]

    @torch.no_grad()
    def draw(
        self, count: int, architecture: Architecture, codes: Codes,
        generator: torch.Generator | None,
    ) -> Rows:  # fmt: skip
        """Flattened states of new networks."""
        tokenizer, settings = self.tokenizer(architecture), self.settings
        learnt = tokenizer.tokens(self.scales.is_learnt[None].float()).values[0]
        state = self.states.draw(count, generator)
        networks = max(settings.tokens_at_once // len(learnt), 1)
        rows = []
        for own_state, own_codes in zip(state.split(networks), codes.split(networks), strict=True):
            prototypes = self.prototypes(tokenizer, own_state, own_codes).flatten(0, 1)
            present = learnt.repeat(len(own_state), 1)
            parts = [
                self._denoised(own, some, generator)
                for own, some in zip(
                    prototypes.split(settings.tokens_at_once),
                    present.split(settings.tokens_at_once),
                    strict=True,
                )
            ]
            values = torch.cat(parts).view(len(own_state), *learnt.shape)
            rows.append(self.scales.restore(tokenizer.rows(values)))
        return torch.cat(rows)

    def _denoised(
        self,
        prototypes: Float[Tensor, "tokens prototype"],
        present: Float[Tensor, "tokens width"],
        generator: torch.Generator | None,
    ) -> Float[Tensor, "tokens width"]:
        """Normalised tokens from noise."""

        def predict(x: Tensor, step: int) -> Tensor:
            steps = torch.full((len(x),), step, device=x.device)
            return self.denoiser(x * present, steps, prototypes)

        start = torch.randn(present.shape, generator=generator).to(present)
        steps = self.settings.sampling_steps
        if steps is None:
            return self.diffusion.ddpm(predict, start, generator)
        return self.diffusion.ddim(predict, start, steps, self.settings.eta, generator)
