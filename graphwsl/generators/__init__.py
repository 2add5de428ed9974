"""Networks that are made instead of trained, and how they are judged: generators, the scorecard.

>>> from graphwsl.generators import load, make, scorecard  # doctest: +SKIP
>>> samples = make("equivariant_flow").fit(train).sample(100)  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.generators.aligned_zoo import AlignedZoo as AlignedZoo
    from graphwsl.generators.baselines import BASELINES as BASELINES
    from graphwsl.generators.baselines import Material as Material
    from graphwsl.generators.baselines import register_baseline as register_baseline
    from graphwsl.generators.card import Scorecard as Scorecard
    from graphwsl.generators.copying import three_sample_test as three_sample_test
    from graphwsl.generators.data_sets import DataSets as DataSets
    from graphwsl.generators.generator import Generator as Generator
    from graphwsl.generators.registry import GENERATORS as GENERATORS
    from graphwsl.generators.registry import load as load
    from graphwsl.generators.registry import make as make
    from graphwsl.generators.score import Score as Score
    from graphwsl.generators.scoring import scorecard as scorecard
    from graphwsl.generators.settings import GeneratorSettings as GeneratorSettings
    from graphwsl.generators.tuning import Tuner as Tuner

# Imported on first use: torch takes seconds to import.
_HOME = {
    "BASELINES": "baselines",
    "GENERATORS": "registry",
    "AlignedZoo": "aligned_zoo",
    "DataSets": "data_sets",
    "Generator": "generator",
    "GeneratorSettings": "settings",
    "Material": "baselines",
    "Score": "score",
    "Scorecard": "card",
    "Tuner": "tuning",
    "load": "registry",
    "make": "registry",
    "register_baseline": "baselines",
    "scorecard": "scoring",
    "three_sample_test": "copying",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
