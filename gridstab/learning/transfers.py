"""Transfer: models trained on small grids, evaluated on larger ones without training again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from gridstab.errors import InvalidParameterError
from gridstab.learning.evaluation import evaluate
from gridstab.learning.tasks import TASKS, LabelledGraphs, Task

TRANSFERS = (
    ("ds20", "ds20"),
    ("ds100", "ds100"),
    ("ds20", "ds100"),
    ("ds20", "texas"),
    ("ds100", "texas"),
)
"""The published pairs of training and evaluation set, in the order of their tables."""


@runtime_checkable
class Predictor(Protocol):
    """A trained model or a fitted baseline."""

    def predict(self, dataset: LabelledGraphs) -> Tensor:
        """One value a node."""
        ...


@dataclass(frozen=True)
class Transfer:
    """How a model that was trained on one set does on another.

    Attributes:
        trained_on: Name of the training set.
        evaluated_on: Name of the set that it was evaluated on.
        metrics: What :func:`gridstab.learning.evaluation.evaluate` gives.
    """

    trained_on: str
    evaluated_on: str
    metrics: dict[str, float]


def evaluate_transfers(
    models: Mapping[str, Predictor],
    datasets: Mapping[str, LabelledGraphs],
    task: Task = TASKS["snbs"],
    *,
    thresholds: Mapping[str, float] | None = None,
) -> list[Transfer]:
    """Every published transfer for which both model and data set are given.

    Args:
        models: Models by the name of the set that they were trained on.
        datasets: Test sets by name; of Texas all there is.
        task: What the models predict.
        thresholds: For tasks with classes, the threshold of each model by the name of its
            training set, tuned on the validation set of the same name; otherwise the task's.

    Raises:
        InvalidParameterError: A name that is in none of the transfers.
    """
    known = {name for pair in TRANSFERS for name in pair}
    for name in (*models, *datasets):
        if name not in known:
            raise InvalidParameterError(
                f"there are no transfers with {name!r}; the sets are {', '.join(sorted(known))}"
            )
    return [
        Transfer(
            trained_on,
            evaluated_on,
            evaluate(
                models[trained_on].predict(datasets[evaluated_on]),
                datasets[evaluated_on],
                task,
                threshold=(thresholds or {}).get(trained_on),
            ),
        )
        for trained_on, evaluated_on in TRANSFERS
        if trained_on in models and evaluated_on in datasets
    ]
