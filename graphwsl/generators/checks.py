"""What a generator can be learnt from; the rest is refused in one line."""

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.populations.population import Population

LOOKED_AT = 16
"""Training networks, evenly from all, that choose the epoch where no others do."""


def is_measurable(rows: Float[Tensor, "networks entries"]) -> Bool[Tensor, " networks"]:
    """Which networks are finite, and no larger than distances in single precision can be.

    Args:
        rows: Flattened states.
    """
    return rows.norm(dim=1).isfinite()


def require_finite(population: Population) -> None:
    """Refuse networks with weights that are not finite, or too large for distances.

    Args:
        population: The networks.

    Raises:
        GeneratorError: The first one of such weights.
    """
    for checkpoint, state in zip(population.checkpoints, population.states, strict=True):
        if not bool(state.isfinite().all()):
            raise GeneratorError(
                f"weights of {checkpoint.model!r}, epoch {checkpoint.epoch}, are not finite; leave "
                "the network out"
            )
        if not bool(is_measurable(state[None])):
            raise GeneratorError(
                f"weights of {checkpoint.model!r}, epoch {checkpoint.epoch}, reach "
                f"{float(state.abs().max()):.3g}, whose squares single precision does not hold; "
                "leave the network out"
            )


def least_networks(name: str, train: Population, least: int) -> None:
    """Refuse too few networks.

    Args:
        name: Name of the method.
        train: The networks that are learnt from.
        least: How many there must be.

    Raises:
        GeneratorError: There are fewer.
    """
    if len(train) < least:
        raise GeneratorError(
            f"{name!r} learns from at least {least} networks, with others that choose the epoch, "
            f"got {len(train)}; train more"
        )


def parts_of(
    population: Population, valid: Population | None, share: float, seed: int
) -> tuple[Population, Population]:
    """The networks to learn from, and those that choose the epoch.

    Args:
        population: All, or those to learn from alone where ``valid`` is given.
        valid: Those that choose the epoch; None draws them from the population, whole models.
        share: How many are drawn; 0 chooses by the training networks themselves.
        seed: Seed of the draw.

    Raises:
        GeneratorError: There are no networks, or one is of an architecture that is not learnt from.
    """
    advice = "give Population.load(zoo)"
    arguments.instance("population", population, Population, "a Population", advice)
    if valid is not None:
        arguments.instance("valid", valid, Population, "a Population or None", advice)
    if not len(population) or (valid is not None and not len(valid)):
        raise GeneratorError("there are no networks; give at least one")
    if valid is None:
        population, valid = _cut(population, share, seed)
    if {a.digest for a in valid.present} - {a.digest for a in population.present}:
        raise GeneratorError(
            "a network that chooses the epoch has an architecture that is not learnt from; give "
            "valid=, networks of the same architectures"
        )
    return population, valid


def _cut(population: Population, share: float, seed: int) -> tuple[Population, Population]:
    """A share of the models, at least one of every architecture that has several, held out."""
    models: dict[int, list[str]] = {}
    for checkpoint, kind in zip(population.checkpoints, population.kind.tolist(), strict=True):
        models.setdefault(kind, []).append(checkpoint.model)
    generator = np.random.default_rng(seed)
    held_out: set[str] = set()
    for kind in sorted(models):
        names = sorted(set(models[kind]) - held_out)
        count = max(round(share * len(names)), 1) if share and len(names) > 1 else 0
        held_out.update(generator.choice(names, count, replace=False).tolist())
    chosen = [checkpoint.model in held_out for checkpoint in population.checkpoints]
    if not any(chosen):
        # Evenly from all epochs, of which networks in the order of a zoo could be every so many.
        order = sorted(range(len(population)), key=lambda n: population.checkpoints[n].epoch or 0)
        return population, population.select(order[:: -(-len(population) // LOOKED_AT)])
    return population.select([not one for one in chosen]), population.select(chosen)
