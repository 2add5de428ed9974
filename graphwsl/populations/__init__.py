"""What all learners on weights share: populations of networks, their splits, targets and layouts.

>>> from graphwsl.populations import Population, split_models  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.populations.datasets import dataset as dataset
    from graphwsl.populations.dense_layout import DenseLayout as DenseLayout
    from graphwsl.populations.evaluation import Evaluation as Evaluation
    from graphwsl.populations.evaluation import evaluate as evaluate
    from graphwsl.populations.hub_models import HubNetworks as HubNetworks
    from graphwsl.populations.hub_models import hub_networks as hub_networks
    from graphwsl.populations.layer_statistics import LayerStatistics as LayerStatistics
    from graphwsl.populations.normalisation import LayerNormaliser as LayerNormaliser
    from graphwsl.populations.population import Architecture as Architecture
    from graphwsl.populations.population import Function as Function
    from graphwsl.populations.population import Population as Population
    from graphwsl.populations.splits import Split as Split
    from graphwsl.populations.splits import split_models as split_models
    from graphwsl.populations.symmetric_views import ViewBank as ViewBank
    from graphwsl.populations.symmetric_views import views as views
    from graphwsl.populations.targets import Target as Target
    from graphwsl.populations.token_windows import TokenWindows as TokenWindows
    from graphwsl.populations.tokens import TokenBatch as TokenBatch
    from graphwsl.populations.tokens import Tokenizer as Tokenizer
    from graphwsl.populations.tokens import Tokens as Tokens
    from graphwsl.populations.tokens import tokenize as tokenize
    from graphwsl.populations.unflattening import states_of as states_of
    from graphwsl.populations.unflattening import unflat as unflat
    from graphwsl.populations.unit_entries import LayerType as LayerType

# Imported on first use: torch takes seconds to import.
_HOME = {
    "Architecture": "population",
    "DenseLayout": "dense_layout",
    "Evaluation": "evaluation",
    "Function": "population",
    "HubNetworks": "hub_models",
    "LayerNormaliser": "normalisation",
    "LayerStatistics": "layer_statistics",
    "LayerType": "unit_entries",
    "Population": "population",
    "Split": "splits",
    "Target": "targets",
    "TokenBatch": "tokens",
    "TokenWindows": "token_windows",
    "Tokenizer": "tokens",
    "Tokens": "tokens",
    "ViewBank": "symmetric_views",
    "dataset": "datasets",
    "evaluate": "evaluation",
    "hub_networks": "hub_models",
    "split_models": "splits",
    "states_of": "unflattening",
    "tokenize": "tokens",
    "unflat": "unflattening",
    "views": "symmetric_views",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
