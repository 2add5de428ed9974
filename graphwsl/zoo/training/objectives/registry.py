"""The objectives by name."""

from collections.abc import Callable

from gnncore.registry import Registry
from graphwsl.errors import ZooError
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.objectives.contrastive import Contrastive
from graphwsl.zoo.training.objectives.convection import Convection
from graphwsl.zoo.training.objectives.objective import Objective

OBJECTIVES: Registry[Callable[[], Objective]] = Registry(
    "objective", ZooError, {"contrastive": Contrastive, "convection": Convection}
)
"""One line an objective; add others by ``@OBJECTIVES.register("name")``."""


def input_factors(data: DataSet, objective: Scalar) -> dict[str, int]:
    """What an architecture has to know: what a sample is, and how many outputs there are.

    Args:
        data: The samples.
        objective: What networks learn by; None learns the labels.

    Raises:
        ZooError: No such objective.
    """
    outputs = None if objective is None else OBJECTIVES.find(objective)().outputs
    return data.factors if outputs is None else {**data.factors, "out_channels": outputs}
