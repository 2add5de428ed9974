"""Options of recurrent diffusion."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graphwsl.generators.frames import Alignment
from graphwsl.generators.settings import Count, GeneratorSettings, NotNegative


class RecurrentDiffusionSettings(GeneratorSettings):
    """Options of recurrent diffusion besides those of all methods.

    Attributes:
        tokens: ``tensors``, chunks of every tensor, as published; ``dense`` or ``sparse``, see
            :class:`graphwsl.populations.Tokenizer`.
        width: Numbers of a token; None as many as the unit with the most has.
        recurrence: ``mamba`` (needs transformers), ``lstm``, ``transformer``, or ``none``, the
            ablation in which nothing goes from token to token.
        channels: Channels of a prototype, a multiple of 4.
        blocks: Layers of the recurrence.
        state: What tells training networks apart. ``number``: which one it is, as published;
            samples look one up. Held-out networks have none, so training networks choose the epoch
            all the same. ``coordinates``: those of the network in few principal components,
            so that samples have states of their own. ``none``: nothing.
        state_spread: Deviation of the initial vectors of numbers; 0 for equal ones, as published.
        coordinates: Principal components, at most.
        coordinate_noise: Deviation of the noise on coordinates in training, in deviations of each.
        sampler: How coordinates are drawn: ``kernel_density`` of whole networks, with the bandwidth
            that is likeliest for those held out, ``neighbourhood``, ``uniform`` or
            ``gaussian_prior``, see :mod:`graphwsl.generators.latent`.
        align: ``none``, as published; ``reference`` or ``barycentre``, see
            :data:`graphwsl.generators.frames.Alignment`.
        denoiser_channels: Signals between convolutions, from 1 to 1; the same read backwards.
        kernel: Numbers that a convolution sees, odd.
        noise_steps: Steps of the diffusion.
        first_beta: Share of noise in the first step.
        last_beta: Share of noise in the last step.
        drawn_tokens: Tokens that the denoiser learns from in a step; None for all.
        condition_tokens: How many of the last tokens see the condition (8 in the publication); None
            for all.
        sampling_steps: Steps of DDIM; None samples all steps of DDPM, as published.
        eta: Noise of DDIM, as a share of that of DDPM, from 0 to 1.
        tokens_at_once: Tokens that are denoised together, which bounds the memory of sampling.
    """

    tokens: Literal["tensors", "dense", "sparse"] = "tensors"
    width: Count | None = None
    recurrence: Literal["mamba", "lstm", "transformer", "none"] = "lstm"
    channels: Annotated[int, Field(ge=4, le=10**6, multiple_of=4)] = 64
    blocks: Count = 2
    state: Literal["number", "coordinates", "none"] = "number"
    state_spread: NotNegative = 0.0
    coordinates: Count = 8
    coordinate_noise: NotNegative = 0.1
    sampler: Literal["kernel_density", "neighbourhood", "uniform", "gaussian_prior"] = (
        "kernel_density"
    )
    align: Alignment = "none"
    denoiser_channels: tuple[Count, ...] = (1, 32, 64, 128, 64, 32, 1)
    kernel: Annotated[int, Field(ge=1, le=999)] = 7
    noise_steps: Count = 1000
    first_beta: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    last_beta: Annotated[float, Field(gt=0, lt=1)] = 0.02
    drawn_tokens: Count | None = None
    condition_tokens: Count | None = None
    sampling_steps: Count | None = None
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    tokens_at_once: Count = 4096

    @model_validator(mode="after")
    def _fits(self) -> "RecurrentDiffusionSettings":
        channels = self.denoiser_channels
        if len(channels) < 3 or channels[0] != 1 or channels != channels[::-1]:
            raise ValueError(
                "denoiser_channels must go from 1 to 1 and be the same read backwards, such as "
                f"(1, 16, 32, 16, 1), got {channels}"
            )
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, got {self.kernel}")
        if self.sampling_steps is not None and self.sampling_steps > self.noise_steps:
            raise ValueError(
                f"sampling_steps must be at most noise_steps, {self.noise_steps}, got "
                f"{self.sampling_steps}"
            )
        return self
