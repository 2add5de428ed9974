"""What weights tell: accuracy, generalisation gap, epoch and generating factors of a network.

>>> from graphwsl.properties import PREDICTORS, make_predictor, split_models  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.properties.evaluation import evaluate as evaluate
    from graphwsl.properties.population import Population as Population
    from graphwsl.properties.predictor import Predictor as Predictor
    from graphwsl.properties.predictors import PREDICTORS as PREDICTORS
    from graphwsl.properties.predictors import load_predictor as load_predictor
    from graphwsl.properties.predictors import make_predictor as make_predictor
    from graphwsl.properties.predictors import register_predictor as register_predictor
    from graphwsl.properties.splits import Split as Split
    from graphwsl.properties.splits import split_models as split_models
    from graphwsl.properties.targets import Target as Target
    from graphwsl.properties.train import train_predictor as train_predictor

# Imported on first use: torch and scikit-learn take seconds to import.
_HOME = {
    "PREDICTORS": "predictors",
    "Population": "population",
    "Predictor": "predictor",
    "Split": "splits",
    "Target": "targets",
    "evaluate": "evaluation",
    "load_predictor": "predictors",
    "make_predictor": "predictors",
    "register_predictor": "predictors",
    "split_models": "splits",
    "train_predictor": "train",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
