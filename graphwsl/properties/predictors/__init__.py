"""Predictors by name, from statistics of weights to networks on the neural graph."""

from pathlib import Path
from typing import Any

from gnncore.registry import Registry
from graphwsl import arguments
from graphwsl.errors import PredictorError
from graphwsl.properties.predictor import Predictor, SavedPredictor
from graphwsl.properties.predictors.deep_sets import DeepSetsPredictor
from graphwsl.properties.predictors.dirac_bianconi import DiracBianconiPredictor
from graphwsl.properties.predictors.flat import FlatMLP, FlatRidge
from graphwsl.properties.predictors.forward_propagation import ForwardPropagationPredictor
from graphwsl.properties.predictors.message_passing import MessagePassingPredictor
from graphwsl.properties.predictors.nfn import NFNPredictor
from graphwsl.properties.predictors.probing import ProbingPredictor
from graphwsl.properties.predictors.relational_transformer import RelationalTransformerPredictor
from graphwsl.properties.predictors.stacked import StackedPredictor
from graphwsl.properties.predictors.weight_statistics import (
    WeightStatisticsBoosting,
    WeightStatisticsRidge,
)

PREDICTORS: Registry[type[Predictor]] = Registry(
    "predictor",
    PredictorError,
    {
        predictor.name: predictor
        for predictor in (
            WeightStatisticsRidge,
            WeightStatisticsBoosting,
            FlatRidge,
            FlatMLP,
            DeepSetsPredictor,
            NFNPredictor,
            MessagePassingPredictor,
            ForwardPropagationPredictor,
            RelationalTransformerPredictor,
            DiracBianconiPredictor,
            ProbingPredictor,
            StackedPredictor,
        )
    },
    more=", or import the module that registers it",
)
"""All predictors by name; add others by :func:`register_predictor`."""


def register_predictor(predictor: type[Predictor]) -> type[Predictor]:
    """Decorate a predictor, to be known by its ``name``.

    The module in which it is registered can be named to ``graphwsl … --import``.

    Raises:
        PredictorError: The name is taken.
    """
    return PREDICTORS.register(predictor.name)(predictor)


def make_predictor(name: str, **options: Any) -> Predictor:
    """A predictor that is not fitted yet.

    Args:
        name: One of :data:`PREDICTORS`.
        **options: What it takes in place of its ``defaults``.

    Raises:
        PredictorError: An unknown name or option.
    """
    arguments.text("name", name)
    return PREDICTORS.find(name)(**options)


def load_predictor(folder: str | Path) -> Predictor:
    """The predictor that :meth:`Predictor.save` wrote into a folder.

    Raises:
        PredictorError: There is none, or one of another version.
        StorageError: A file is damaged.
    """
    return load_saved(SavedPredictor.read(arguments.as_path("folder", folder)))


def load_saved(saved: SavedPredictor) -> Predictor:
    """The predictor that files hold.

    Raises:
        PredictorError: It is of no kind that is known, or not whole.
    """
    options = saved.config.get("options")
    predictor = make_predictor(
        str(saved.config.get("predictor")), **(options if isinstance(options, dict) else {})
    )
    predictor.restore(saved.config, saved.arrays)
    return predictor
