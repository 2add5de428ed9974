"""Choosing: the best known networks before sampling, the best of what was drawn after it."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.latent.sampler import Latents
from graphwsl.generators.made import population_of
from graphwsl.populations.evaluation import evaluate
from graphwsl.populations.population import Function, Population

Quality = Callable[[Float[Tensor, "networks entries"]], Float[Tensor, " networks"]]
"""How good networks are, the more the better; NaN is worse than all."""


def best(
    latents: Latents, quality: Float[Tensor, " qualities"], share: float = 0.3
) -> Float[Tensor, "kept *latent"]:
    """The latents of the best networks, as the suffix 30 of published samplers means.

    Args:
        latents: Latent vectors of known networks.
        quality: Quality of each, such as its accuracy.
        share: How many are kept, at least one network.

    Raises:
        GeneratorError: A share outside (0, 1], or not one quality a network.
    """
    if not 0 < share <= 1:
        raise GeneratorError(f"share must be above 0 and at most 1, got {share}")
    if len(quality) != len(latents):
        raise GeneratorError(
            f"there must be a quality a network, got {len(quality)} for {len(latents)} latents"
        )
    return latents[in_order(quality)[: max(1, round(share * len(latents)))]]


def in_order(quality: Float[Tensor, " networks"]) -> Int[Tensor, " networks"]:
    """Indices of networks, the best first; equal ones in their order, NaN last."""
    return quality.nan_to_num(-torch.inf, torch.inf, -torch.inf).argsort(
        descending=True, stable=True
    )


def accuracy_of(function: Function, inputs: Any, labels: Int[Tensor, " samples"]) -> Quality:
    """Accuracy on validation samples as the quality of flattened states.

    Args:
        function: What the networks do.
        inputs: As :func:`graphwsl.populations.evaluate` takes them.
        labels: The class of each sample.
    """

    def quality(rows: Float[Tensor, "networks entries"]) -> Float[Tensor, " networks"]:
        return evaluate(population_of(rows, function, "validated"), inputs, labels).accuracy

    return quality


def subsample(
    population: Population, inputs: Any, labels: Int[Tensor, " samples"], keep: int = 10
) -> Population:
    """The networks that do best on validation samples, the best first: SUB of SANE (2024).

    Args:
        population: What a sampler made; 50 networks in the paper.
        inputs: As :func:`graphwsl.populations.evaluate` takes them.
        labels: The class of each sample.
        keep: How many.

    Raises:
        GeneratorError: There are fewer.
        PredictorError: The networks cannot take the inputs.
    """
    arguments.whole("keep", keep, 1)
    if keep > len(population):
        raise GeneratorError(f"cannot keep {keep} of {len(population)} networks; draw more")
    accuracy = evaluate(population, inputs, labels).accuracy
    return population.select(in_order(accuracy)[:keep].tolist())
