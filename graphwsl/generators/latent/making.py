"""From latents to networks."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import GeneratorError
from graphwsl.generators.latent.registry import make_sampler
from graphwsl.generators.latent.sampler import Latents, Sampler
from graphwsl.generators.made import population_of
from graphwsl.populations.population import Function, Population

PART = 256
"""Networks that are decoded at once."""


Decode = Callable[[Latents], Float[Tensor, "networks entries"]]
"""A decoder: the flattened states that latents stand for."""


def generate(
    sampler: Sampler | str,
    latents: Latents,
    decode: Decode,
    function: Function,
    *,
    count: int = 50,
    seed: int = 0,
    **options: Any,
) -> Population:
    """Networks drawn near known ones in latent space.

    Args:
        sampler: Or its name, such as ``kernel_density``.
        latents: Latent vectors of known networks: a row, or a sequence of tokens, a network.
        decode: From latents to flattened states.
        function: What the networks do, such as ``population.functions[0]``.
        count: How many.
        seed: Seed of the draws.
        **options: Options of a sampler that is given by name.

    Returns:
        Networks that are named by sampler and number.

    Raises:
        GeneratorError: No such sampler or option, latents that it cannot be fitted to, or states
            of another architecture.
    """
    if isinstance(sampler, str):
        sampler = make_sampler(sampler, **options)
    elif options:
        given = ", ".join(options)
        raise GeneratorError(f"a sampler that is made already takes no options, got {given}")
    drawn = sampler.fit(latents).draw(count, torch.Generator().manual_seed(seed))
    return population_of(decoded(decode, drawn), function, sampler.name)


@torch.no_grad()
def decoded(decode: Decode, latents: Latents) -> Float[Tensor, "networks entries"]:
    """The states of latents, a few networks at once.

    Raises:
        GeneratorError: The decoder does not give a row a network.
    """
    parts = []
    for some in latents.split(PART):
        rows = decode(some)
        if not isinstance(rows, Tensor) or rows.ndim != 2 or len(rows) != len(some):
            shape = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
            raise GeneratorError(
                f"a decoder must give a row of numbers a network, for {len(some)} latents it gave "
                f"{shape}"
            )
        parts.append(rows.detach().float().cpu())
    return torch.cat(parts)
