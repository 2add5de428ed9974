"""Learning to predict the stability of every node of a grid from the grid alone.

Importing a name from here imports torch; nothing else in gridstab does.
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from gridstab.datasets.benchmark import BENCHMARK_SETS as BENCHMARK_SETS
    from gridstab.features.feature_set import EDGE_FEATURES as EDGE_FEATURES
    from gridstab.features.feature_set import NODE_FEATURES as NODE_FEATURES
    from gridstab.features.feature_set import Feature as Feature
    from gridstab.features.feature_set import FeatureSet as FeatureSet
    from gridstab.features.feature_set import edge_feature as edge_feature
    from gridstab.features.feature_set import node_feature as node_feature
    from gridstab.learning.baselines import BASELINES as BASELINES
    from gridstab.learning.baselines import Baseline as Baseline
    from gridstab.learning.data import GridDataset as GridDataset
    from gridstab.learning.data import load_grid_dataset as load_grid_dataset
    from gridstab.learning.evaluation import evaluate as evaluate
    from gridstab.learning.evaluation import tune_threshold as tune_threshold
    from gridstab.learning.mirror import flip_signs as flip_signs
    from gridstab.learning.mirror import mirrored as mirrored
    from gridstab.learning.published import DEFAULT_MODEL as DEFAULT_MODEL
    from gridstab.learning.published import PUBLISHED_MODELS as PUBLISHED_MODELS
    from gridstab.learning.published import PublishedModel as PublishedModel
    from gridstab.learning.published import published_model as published_model
    from gridstab.learning.splits import split_ids as split_ids
    from gridstab.learning.tasks import TASKS as TASKS
    from gridstab.learning.tasks import Task as Task
    from gridstab.learning.train import train_model as train_model
    from gridstab.learning.trained import Ensemble as Ensemble
    from gridstab.learning.trained import TrainedModel as TrainedModel
    from gridstab.learning.transfers import evaluate_transfers as evaluate_transfers

# Imported on first use: PyTorch and PyG take seconds to import.
_HOME = {
    "BASELINES": "baselines",
    "BENCHMARK_SETS": "gridstab.datasets.benchmark",
    "Baseline": "baselines",
    "DEFAULT_MODEL": "published",
    "EDGE_FEATURES": "gridstab.features.feature_set",
    "Ensemble": "trained",
    "Feature": "gridstab.features.feature_set",
    "FeatureSet": "gridstab.features.feature_set",
    "GridDataset": "data",
    "NODE_FEATURES": "gridstab.features.feature_set",
    "PUBLISHED_MODELS": "published",
    "PublishedModel": "published",
    "TASKS": "tasks",
    "Task": "tasks",
    "TrainedModel": "trained",
    "edge_feature": "gridstab.features.feature_set",
    "evaluate": "evaluation",
    "evaluate_transfers": "transfers",
    "flip_signs": "mirror",
    "load_grid_dataset": "data",
    "mirrored": "mirror",
    "node_feature": "gridstab.features.feature_set",
    "published_model": "published",
    "split_ids": "splits",
    "train_model": "train",
    "tune_threshold": "evaluation",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
