"""What is learnt about every node: its stability, its survivability, whether it makes trouble."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gnncore.registry import Registry
from gnncore.training import GraphStore
from gnncore.training.objectives import ClassificationObjective, Objective, RegressionObjective
from gridstab.dynamics.result import SURVIVABILITY_BOUND
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.learning.landscape_objective import LandscapeObjective

BETA = 2.0
"""Weight of recall against precision in the published F score of troublemakers."""

Kind = Literal["share", "amount", "class", "image"]
Target = Literal["snbs", "survivability", "max_frequency_deviation", "troublemaker", "landscape"]
Output = Literal["identity", "sigmoid"]


@runtime_checkable
class LabelledGraphs(Protocol):
    """What tasks, baselines and evaluation ask of a data set; every ``GridDataset`` is one."""

    @property
    def store(self) -> GraphStore:
        """All graphs, with ``x``, ``y`` and, where known, ``y_mask`` and ``n_samples``."""
        ...


@dataclass(frozen=True)
class Task:
    """A target, and how it is trained for and judged.

    Attributes:
        name: Name of the task.
        target: The label of the data set.
        kind: ``share`` of trajectories (between 0 and 1, with binomial noise), ``amount`` (any
            number), ``class`` (0 or 1) or ``image`` (a share a pixel).
        threshold: Predictions above it call a node a troublemaker; None where there are no
            classes. Predictions of a class are logits, so that 0 stands for even odds.
        title: What tables call it.
    """

    name: str
    target: Target
    kind: Kind
    threshold: float | None
    title: str

    @property
    def output(self) -> Output:
        """Output of a model for this task: shares lie between 0 and 1, the rest is free."""
        return "sigmoid" if self.kind in ("share", "image") else "identity"

    @property
    def has_classes(self) -> bool:
        """Whether nodes are told apart into troublemakers and others."""
        return self.threshold is not None

    @property
    def has_intervals(self) -> bool:
        """Whether intervals on predictions are defined: of numbers, not of classes or images."""
        return self.kind in ("share", "amount")

    def is_positive(self, label: Float[Tensor, " nodes"]) -> Bool[Tensor, " nodes"]:
        """Which nodes are troublemakers, by their labels.

        Raises:
            InvalidParameterError: A task without classes.
        """
        if self.kind == "class":
            return label > 0
        return label > self.require_threshold()

    def require_threshold(self, given: float | None = None) -> float:
        """The given threshold, or else the task's own.

        Raises:
            InvalidParameterError: A task without classes.
        """
        if self.threshold is None:
            raise InvalidParameterError(
                f"task {self.name!r} tells no classes apart, so it has no threshold; choose "
                "'troublemaker' or 'max_frequency_deviation'"
            )
        return self.threshold if given is None else given

    def objective(self, train: LabelledGraphs) -> Objective:
        """The loss and the metric of selection.

        Squared error for shares and amounts, selected by R². For a class, cross entropy in which
        every troublemaker weighs others / troublemakers of the training set, as in the published
        studies, selected by F2. For images see :class:`LandscapeObjective`.

        Args:
            train: The training set.

        Raises:
            DatasetError: A training set without examples of both classes.
        """
        if self.kind == "image":
            return LandscapeObjective()
        if self.kind != "class":
            return RegressionObjective()
        return ClassificationObjective(pos_weight=positive_weight(train), beta=BETA)


TASKS: Registry[Task] = Registry(
    "task",
    InvalidParameterError,
    {
        task.name: task
        for task in (
            Task("snbs", "snbs", "share", None, "single-node basin stability"),
            Task("survivability", "survivability", "share", None, "survivability"),
            Task("troublemaker", "troublemaker", "class", 0.0, "troublemakers, by classification"),
            Task(
                "max_frequency_deviation",
                "max_frequency_deviation",
                "amount",
                SURVIVABILITY_BOUND,
                "troublemakers, by the largest frequency deviation",
            ),
            Task("landscape", "landscape", "image", None, "stability landscapes"),
        )
    },
)
"""The tasks of the published studies by name.

Perturbations of up to 15 rad/s drive almost every node beyond 15 rad/s once enough of them are
drawn, and then all nodes are troublemakers. The names of the published files suggest labels from
the weakest perturbations only, but no source states the rule; tasks with classes need such labels.
"""


def get_task(name: str) -> Task:
    """The task of that name.

    Raises:
        InvalidParameterError: There is none.
    """
    return TASKS.find(name)


def positive_weight(train: LabelledGraphs) -> float:
    """Others / troublemakers among the nodes of a training set whose label counts.

    Raises:
        DatasetError: It has no troublemakers, or nothing else.
    """
    tensors = train.store.tensors
    label = tensors["y"]
    positive = (label > 0)[tensors.get("y_mask", torch.ones_like(label, dtype=torch.bool))]
    troublemakers, nodes = int(positive.sum()), positive.numel()
    if not 0 < troublemakers < nodes:
        raise DatasetError(
            f"{troublemakers} of {nodes} training nodes are troublemakers; "
            "a classifier needs examples of both kinds"
        )
    return (nodes - troublemakers) / troublemakers
