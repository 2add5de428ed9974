"""A checkpoint: one network at one epoch of its training, without its weights."""

from dataclasses import dataclass
from typing import Any

from graphwsl import arguments

Scalar = str | int | float | bool | None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A row of a zoo's index.

    Attributes:
        model: The training that it belongs to; all epochs of one training share it, so that data
            sets are split by it.
        epoch: Passes over the training data; 0 is the initialisation. None where nobody knows, of
            networks that are in no zoo.
        configuration: The generating factors, such as ``activation`` or ``learning_rate``.
        metrics: What was measured, such as ``test_accuracy``, as shares and not percentages.
            ``generalisation_gap`` is added where both accuracies are there.
    """

    model: str
    epoch: int | None
    configuration: dict[str, Scalar]
    metrics: dict[str, float]

    def __post_init__(self) -> None:
        known = self.metrics
        if {
            "train_accuracy",
            "test_accuracy",
        } <= known.keys() and "generalisation_gap" not in known:
            gap = known["train_accuracy"] - known["test_accuracy"]
            object.__setattr__(self, "metrics", {**known, "generalisation_gap": gap})

    def __getitem__(self, name: str) -> Any:
        """A metric, a generating factor, or ``epoch``; what predictors can be asked for.

        Raises:
            KeyError: The checkpoint has no property of this name.
        """
        if name == "epoch":
            return self.epoch
        return self.metrics[name] if name in self.metrics else self.configuration[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checkpoint) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.model, self.epoch))


def require_checkpoints(checkpoints: Any) -> None:
    """Refuse what is no list of checkpoints.

    Raises:
        InvalidArgumentError: It is none.
    """
    advice = "give the checkpoints of a zoo"
    arguments.listed("checkpoints", checkpoints, Checkpoint, "a Checkpoint", advice)


@dataclass(frozen=True)
class Problem:
    """What a zoo has but cannot be used: where it is, and why.

    Attributes:
        path: The file or folder relative to the zoo, or the name of the model.
        reason: One line.
    """

    path: str
    reason: str
