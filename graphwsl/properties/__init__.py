"""What weights tell: accuracy, generalisation gap, epoch and generating factors of a network.

>>> from graphwsl.properties import PREDICTORS, make_predictor, train_predictor  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.properties.evaluation import evaluate as evaluate
    from graphwsl.properties.linear_probe_results import LinearProbe as LinearProbe
    from graphwsl.properties.linear_probe_results import LinearProbes as LinearProbes
    from graphwsl.properties.linear_probing import linear_probes as linear_probes
    from graphwsl.properties.predictor import Predictor as Predictor
    from graphwsl.properties.predictors import PREDICTORS as PREDICTORS
    from graphwsl.properties.predictors import load_predictor as load_predictor
    from graphwsl.properties.predictors import make_predictor as make_predictor
    from graphwsl.properties.predictors import register_predictor as register_predictor
    from graphwsl.properties.train import train_predictor as train_predictor

# Imported on first use: torch and scikit-learn take seconds to import.
_HOME = {
    "PREDICTORS": "predictors",
    "LinearProbe": "linear_probe_results",
    "LinearProbes": "linear_probe_results",
    "Predictor": "predictor",
    "evaluate": "evaluation",
    "linear_probes": "linear_probing",
    "load_predictor": "predictors",
    "make_predictor": "predictors",
    "register_predictor": "predictors",
    "train_predictor": "train",
}

__all__ = list(_HOME)

_MOVED = {
    "Population": "graphwsl.populations.population",
    "Split": "graphwsl.populations.splits",
    "Target": "graphwsl.populations.targets",
    "split_models": "graphwsl.populations.splits",
}


__getattr__, __dir__ = lazy(__name__, _HOME, _MOVED)
