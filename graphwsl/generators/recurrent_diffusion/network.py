"""The whole network: prototypes of all tokens of a network, and the noise in single tokens."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from graphwsl.generators.diffusion import Diffusion
from graphwsl.generators.recurrent_diffusion.denoiser import Denoiser
from graphwsl.generators.recurrent_diffusion.states import States

Values = Float[Tensor, "networks tokens width"]
Vectors = Float[Tensor, "networks tokens channels"]


class RecurrentDiffusionNetwork(nn.Module):
    """Prototypes by recurrence over positions, state and condition; tokens by diffusion.

    No weights enter the recurrence, as in the published code: a prototype is the same for all
    noise.

    Args:
        positions: Vector of every token.
        mask: Where a token has a number; the rest is padding.
        states: States of networks.
        recurrence: Maps vectors of tokens to prototypes.
        denoiser: Noise in tokens.
        diffusion: Schedule of the noise.
        condition: Numbers of a network's condition; 0 for none.
        last: How many of the last tokens see the condition; None for all.
        drawn: Tokens of a batch that the denoiser learns from in a step; None for all.
    """

    positions: Tensor
    mask: Tensor

    def __init__(
        self,
        positions: Float[Tensor, "tokens channels"],
        mask: Bool[Tensor, "tokens width"],
        states: States,
        recurrence: nn.Module,
        denoiser: Denoiser,
        diffusion: Diffusion,
        condition: int = 0,
        last: int | None = None,
        drawn: int | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("positions", positions, persistent=False)
        self.register_buffer("mask", mask, persistent=False)
        self.states, self.recurrence, self.denoiser = states, recurrence, denoiser
        self.diffusion, self.drawn = diffusion, drawn
        channels = positions.shape[1]
        self.condition = (
            nn.Sequential(nn.Linear(condition, channels), nn.SiLU(), nn.Linear(channels, channels))
            if condition
            else None
        )
        self.first = 0 if last is None else max(len(positions) - last, 0)

    def prototypes(
        self,
        state: Float[Tensor, "networks state"],
        condition: Float[Tensor, "networks conditions"],
    ) -> Vectors:
        """What the diffusion of every token is conditioned on.

        Args:
            state: Of each network.
            condition: Numbers of each network's condition.
        """
        x = self.positions + self.states(state)[:, None]
        if self.condition is not None:
            shift = self.condition(condition)[:, None].expand_as(x).clone()
            shift[:, : self.first] = 0
            x = x + shift
        return self.recurrence(x)

    def forward(
        self,
        values: Values,
        number: Int[Tensor, " networks"],
        condition: Float[Tensor, "networks conditions"],
    ) -> Float[Tensor, "tokens 2"]:
        """Squared errors of the noise, summed over the numbers of a token, and how many there are.

        In training, of tokens of any of the networks that are drawn; else of all, with noise that
        is always the same.

        Args:
            values: Normalised tokens, 0 in the padding.
            number: Of each training network.
            condition: Numbers of each network's condition.
        """
        tokens = values.flatten(0, 1)
        generator = None if self.training else torch.Generator().manual_seed(0)
        prototypes = self.prototypes(self.states.of(number), condition).flatten(0, 1)
        mask = self.mask.repeat(len(values), 1)
        if self.training and self.drawn is not None and self.drawn < len(tokens):
            chosen = torch.randperm(len(tokens))[: self.drawn].to(tokens.device)
            tokens, prototypes, mask = tokens[chosen], prototypes[chosen], mask[chosen]
        noise = torch.randn(tokens.shape, generator=generator).to(tokens)
        step = torch.randint(len(self.diffusion), (len(tokens),), generator=generator)
        noised = self.diffusion.noised(tokens, noise, step) * mask
        error = (self.denoiser(noised, step.to(tokens.device), prototypes) - noise) * mask
        return torch.stack([error.square().sum(1), mask.sum(1).to(error)], dim=1)

    @torch.no_grad()
    def sample(
        self,
        state: Float[Tensor, "networks state"],
        condition: Float[Tensor, "networks conditions"],
        *,
        steps: int | None,
        eta: float,
        at_once: int,
        generator: torch.Generator | None = None,
    ) -> Values:
        """Normalised tokens of networks.

        Args:
            state: Of each network.
            condition: Numbers of each network's condition.
            steps: Of DDIM; None for all steps of DDPM.
            eta: Deviation of the fresh noise of DDIM, over that of DDPM.
            at_once: Tokens that are denoised together, which bounds the memory.
            generator: Source of randomness.
        """
        prototypes = self.prototypes(state, condition).flatten(0, 1)
        mask = self.mask.repeat(len(state), 1)
        parts = []
        for own, present in zip(prototypes.split(at_once), mask.split(at_once), strict=True):
            start = torch.randn(present.shape, generator=generator).to(own)

            def predict(x: Tensor, step: int, own: Tensor = own, present: Tensor = present) -> Tensor:
                steps = torch.full((len(x),), step, device=x.device)
                return self.denoiser(x * present, steps, own)

            if steps is None:
                parts.append(self.diffusion.ddpm(predict, start, generator))
            else:
                parts.append(self.diffusion.ddim(predict, start, steps, eta, generator))
        return torch.cat(parts).view(len(state), *self.mask.shape)
