"""Samplers by name."""

from typing import Any

from gnncore.registry import Registry
from graphwsl.errors import GeneratorError
from graphwsl.generators.latent.gaussian_prior import GaussianPrior
from graphwsl.generators.latent.kernel_density import KernelDensity
from graphwsl.generators.latent.neighbourhood import Neighbourhood
from graphwsl.generators.latent.published_kde import PublishedKDE
from graphwsl.generators.latent.sampler import Sampler
from graphwsl.generators.latent.uniform import Uniform

SAMPLERS: Registry[type[Sampler]] = Registry(
    "sampler",
    GeneratorError,
    {
        sampler.name: sampler
        for sampler in (Uniform, Neighbourhood, KernelDensity, PublishedKDE, GaussianPrior)
    },
    more=", or import the module that registers it",
)
"""All samplers by name; add others by :func:`register_sampler`."""


def register_sampler(sampler: type[Sampler]) -> type[Sampler]:
    """Decorate a sampler, to be known by its ``name``.

    Raises:
        GeneratorError: The name is taken.
    """
    return SAMPLERS.register(sampler.name)(sampler)


def make_sampler(name: str, **options: Any) -> Sampler:
    """A sampler by name.

    Args:
        name: Among :data:`SAMPLERS`.
        **options: Its own.

    Raises:
        GeneratorError: There is no such sampler or option, or a value outside its range.
    """
    sampler = SAMPLERS.find(name)
    try:
        return sampler(**options)
    except TypeError as error:
        raise GeneratorError(f"sampler {name!r} cannot take {options!r}: {error}") from error
