"""Baselines of generators, by name: networks made from training networks without learning."""

from gnncore.registry import Registry
from graphwsl.errors import GeneratorError
from graphwsl.generators.baselines.averages import average, interpolation
from graphwsl.generators.baselines.density import density
from graphwsl.generators.baselines.gaussian import gaussian
from graphwsl.generators.baselines.material import Baseline, Material
from graphwsl.generators.baselines.noise import large_noise, small_noise
from graphwsl.generators.baselines.retrieval import retrieval

BASELINES: Registry[Baseline] = Registry(
    "baseline",
    GeneratorError,
    {
        "small_noise": small_noise,
        "large_noise": large_noise,
        "interpolation": interpolation,
        "average": average,
        "gaussian": gaussian,
        "density": density,
        "retrieval": retrieval,
    },
    more=", or import the module that registers it",
)
"""All baselines by name; add others by :func:`register_baseline`."""

register_baseline = BASELINES.register
"""Decorate a :data:`Baseline`, to be known by a name."""

__all__ = ["BASELINES", "Baseline", "Material", "register_baseline"]
