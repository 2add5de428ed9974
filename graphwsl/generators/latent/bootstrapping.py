"""Bootstrapping: fit to the best that was drawn, and draw again; BOOT of SANE (2024).

The published code keeps, after the last round, whichever networks were drawn first. Here the best
are kept, those of earlier rounds among them, so that the worst that is kept never gets worse.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.latent.making import Decode, decoded
from graphwsl.generators.latent.sampler import Latents, Sampler
from graphwsl.generators.latent.selection import Quality, in_order


def bootstrap(
    sampler: Sampler,
    latents: Latents,
    decode: Decode,
    quality: Quality,
    *,
    rounds: int = 5,
    draws: int = 50,
    keep: int = 10,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "kept *latent"]:
    """The latents of the best networks of all rounds, the best first.

    Args:
        sampler: Fitted anew in every round.
        latents: Where it begins: prompts, which are not kept themselves.
        decode: From latents to flattened states.
        quality: Quality of states, such as :func:`~graphwsl.generators.latent.accuracy_of` gives;
            better not on the samples that judge the networks afterwards.
        rounds: How often.
        draws: Networks a round.
        keep: Networks to which the sampler is fitted after it.
        generator: Source of randomness.

    Raises:
        GeneratorError: More networks are to be kept than are drawn, fewer than the sampler needs,
            or the decoder gives no rows.
    """
    for name, value in (("rounds", rounds), ("draws", draws), ("keep", keep)):
        arguments.whole(name, value, 1)
    if not sampler.least <= keep <= draws:
        raise GeneratorError(
            f"of {draws} draws, {keep} cannot be kept for sampler {sampler.name!r}, which needs "
            f"{sampler.least}; keep from {sampler.least} to {draws}"
        )
    kept, known = latents[:0], torch.zeros(0)
    for _ in range(rounds):
        drawn = sampler.fit(kept if len(kept) else latents).draw(draws, generator)
        found = quality(decoded(decode, drawn)).float()
        kept, known = torch.cat([kept, drawn]), torch.cat([known, found])
        chosen = in_order(known)[:keep]
        kept, known = kept[chosen], known[chosen]
    return kept
