"""What is predicted of a checkpoint: a metric, its epoch, or a generating factor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import PredictorError
from graphwsl.zoo.checkpoint import Checkpoint, Scalar, require_checkpoints


@dataclass(frozen=True)
class Target:
    """A property of checkpoints, as numbers.

    Attributes:
        name: ``test_accuracy``, ``generalisation_gap``, another metric, ``epoch``, or the name of
            a generating factor.
        classes: The values of a factor that is no number (text, yes or no), in order; None for
            numbers.
    """

    name: str
    classes: tuple[str | bool, ...] | None = None

    @classmethod
    def of(cls, name: str, checkpoints: Sequence[Checkpoint]) -> "Target":
        """The property of this name, with the classes that these checkpoints have.

        Raises:
            PredictorError: A checkpoint lacks the property, its values are of several kinds, or
                they are all the same.
        """
        values = _values(name, checkpoints)
        kinds = {_kind(value) for value in values}
        if len(kinds) > 1:
            raise PredictorError(
                f"{name!r} is {' in some and '.join(sorted(kinds))} in other checkpoints; "
                "choose a property of one kind"
            )
        if len(set(values)) < 2:
            raise PredictorError(
                f"{name!r} is {values[0]!r} in all checkpoints; choose a property that varies"
            )
        if kinds == {"a number"}:
            return cls(name)
        return cls(name, tuple(sorted({_class(value) for value in values}, key=str)))

    @property
    def is_categorical(self) -> bool:
        """Whether classes are predicted instead of a number."""
        return self.classes is not None

    def values(self, checkpoints: Sequence[Checkpoint]) -> Float[Tensor, " checkpoints"]:
        """The property of every checkpoint: the number, or the index of its class.

        Raises:
            PredictorError: A checkpoint lacks it, or has a class that is not known.
        """
        values = _values(self.name, checkpoints)
        if self.classes is None:
            return torch.tensor([self._number(value) for value in values], dtype=torch.float32)
        indices: dict[Scalar, float] = {value: float(n) for n, value in enumerate(self.classes)}
        for value in values:
            if value not in indices:
                known = ", ".join(map(str, self.classes))
                raise PredictorError(f"{self.name!r} is {value!r}, which is none of {known}")
        return torch.tensor([indices[value] for value in values], dtype=torch.float32)

    def _number(self, value: Scalar) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        raise PredictorError(f"{self.name!r} must be a number, got {arguments.described(value)}")


def _values(name: str, checkpoints: Sequence[Checkpoint]) -> list[Scalar]:
    require_checkpoints(checkpoints)
    if not checkpoints:
        raise PredictorError(f"there are no checkpoints that have a {name!r}")
    values = [_value(name, checkpoint) for checkpoint in checkpoints]
    having = [one for one, value in zip(checkpoints, values, strict=True) if value is not None]
    if len(having) < len(checkpoints):
        lacking = next(one for one, value in zip(checkpoints, values, strict=True) if value is None)
        known = ", ".join(one for one in _known(checkpoints[0]) if one != name)
        some = f", {len(having):,} of {len(checkpoints):,} have it" if having else ""
        epochs = {one.epoch for one in having} - {
            one.epoch for one, value in zip(checkpoints, values, strict=True) if value is None
        }
        whole = sorted(epoch for epoch in epochs if epoch is not None)
        advice = f"choose the epochs {whole}, which have it, or" if whole else "choose"
        raise PredictorError(
            f"epoch {lacking.epoch} of model {lacking.model!r} has no {name!r}{some}; {advice} one "
            f"of {known}"
        )
    return [value for value in values if value is not None]


def _value(name: str, checkpoint: Checkpoint) -> Scalar | None:
    """The property of a checkpoint; None where it has none, or no finite one."""
    try:
        value = checkpoint[name]
    except KeyError:
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _known(checkpoint: Checkpoint) -> list[str]:
    factors = {name for name, value in checkpoint.configuration.items() if value is not None}
    return ["epoch", *sorted(checkpoint.metrics), *sorted(factors)]


def _class(value: Scalar) -> str | bool:
    return value if isinstance(value, bool) else str(value)


def _kind(value: Scalar) -> str:
    return "a number" if isinstance(value, int | float) and not isinstance(value, bool) else "text"
