"""Samplers in latent space: new networks from the latents of known ones and a decoder.

They know nothing of representations: latents are a matrix, or a sequence of tokens a network, and a
decoder is a function from latents to flattened states.

>>> from graphwsl.generators.latent import generate, make_sampler  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.generators.latent.batch_norm import condition_batch_norm as condition_batch_norm
    from graphwsl.generators.latent.bootstrapping import bootstrap as bootstrap
    from graphwsl.generators.latent.gaussian_prior import GaussianPrior as GaussianPrior
    from graphwsl.generators.latent.kernel_density import KernelDensity as KernelDensity
    from graphwsl.generators.latent.making import Decode as Decode
    from graphwsl.generators.latent.making import generate as generate
    from graphwsl.generators.latent.neighbourhood import Neighbourhood as Neighbourhood
    from graphwsl.generators.latent.published_kde import PublishedKDE as PublishedKDE
    from graphwsl.generators.latent.registry import SAMPLERS as SAMPLERS
    from graphwsl.generators.latent.registry import make_sampler as make_sampler
    from graphwsl.generators.latent.registry import register_sampler as register_sampler
    from graphwsl.generators.latent.sampler import Sampler as Sampler
    from graphwsl.generators.latent.selection import accuracy_of as accuracy_of
    from graphwsl.generators.latent.selection import best as best
    from graphwsl.generators.latent.selection import subsample as subsample
    from graphwsl.generators.latent.uniform import Uniform as Uniform

# Imported on first use: torch takes seconds to import.
_HOME = {
    "SAMPLERS": "registry",
    "Decode": "making",
    "GaussianPrior": "gaussian_prior",
    "KernelDensity": "kernel_density",
    "Neighbourhood": "neighbourhood",
    "PublishedKDE": "published_kde",
    "Sampler": "sampler",
    "Uniform": "uniform",
    "accuracy_of": "selection",
    "best": "selection",
    "bootstrap": "bootstrapping",
    "condition_batch_norm": "batch_norm",
    "generate": "making",
    "make_sampler": "registry",
    "register_sampler": "registry",
    "subsample": "selection",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
