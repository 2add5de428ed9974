"""What went wrong with a network: questions, trees over loss landscapes, labels, advice.

>>> from graphwsl.diagnosis import MDTree, evaluate, published_table  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.diagnosis.diagnoser import Diagnoser as Diagnoser
    from graphwsl.diagnosis.diagnoser import diagnose as diagnose
    from graphwsl.diagnosis.evaluation import evaluate as evaluate
    from graphwsl.diagnosis.labels import Axes as Axes
    from graphwsl.diagnosis.labels import failure_labels as failure_labels
    from graphwsl.diagnosis.labels import mean_over_seeds as mean_over_seeds
    from graphwsl.diagnosis.labels import room_for_improvement as room_for_improvement
    from graphwsl.diagnosis.md_tree import MDTree as MDTree
    from graphwsl.diagnosis.published import published_file as published_file
    from graphwsl.diagnosis.published import published_table as published_table
    from graphwsl.diagnosis.soft_tree import SoftTree as SoftTree
    from graphwsl.diagnosis.table import read_table as read_table

# Imported on first use: scikit-learn takes seconds to import.
_HOME = {
    "Axes": "labels",
    "Diagnoser": "diagnoser",
    "MDTree": "md_tree",
    "SoftTree": "soft_tree",
    "diagnose": "diagnoser",
    "evaluate": "evaluation",
    "failure_labels": "labels",
    "mean_over_seeds": "labels",
    "published_file": "published",
    "published_table": "published",
    "read_table": "table",
    "room_for_improvement": "labels",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
