"""The objectives by name."""

from collections.abc import Callable, Mapping

from gnncore.registry import Registry
from graphwsl.errors import ZooError
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.objectives.contrastive import Contrastive
from graphwsl.zoo.training.objectives.convection import Convection
from graphwsl.zoo.training.objectives.objective import Objective

OBJECTIVES: Registry[Callable[[], Objective] | None] = Registry(
    "objective", ZooError, {"labels": None, "contrastive": Contrastive, "convection": Convection}
)
"""One line an objective; ``labels`` is what networks learn without one. Add others by
``@OBJECTIVES.register("name")``."""


def objective_of(factors: Mapping[str, Scalar]) -> Objective | None:
    """What a network learns by; None learns the labels.

    Args:
        factors: Its generating factors.

    Raises:
        ZooError: No such objective.
    """
    make = OBJECTIVES.find(factors.get("objective") or "labels")
    return None if make is None else make()


def input_factors(data: DataSet, factors: Mapping[str, Scalar]) -> dict[str, int]:
    """What an architecture has to know: what a sample is, and how many outputs there are.

    Args:
        data: The samples.
        factors: The generating factors of the network.

    Raises:
        ZooError: No such objective.
    """
    objective = objective_of(factors)
    outputs = None if objective is None else objective.outputs
    return data.factors if outputs is None else {**data.factors, "out_channels": outputs}
