"""What the readers of published zoos share: a list of checkpoints, and weights one at a time."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.errors import GraphwslError, StateMismatchError, ZooError
from graphwsl.zoo import measurements
from graphwsl.zoo.architectures.registry import FACTORS, build, shapes_of
from graphwsl.zoo.checkpoint import Checkpoint, Problem, Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.inputs import example_inputs
from graphwsl.zoo.rows import Failures, RowLayout, array, read_one_by_one

METRICS_OF_TRAINING = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


class ForeignZoo(ABC):
    """A published zoo; it is listed without its weights, which stay on the disk.

    Whatever is wrong with a model becomes a problem with its location and reason, and the others
    remain usable. What a look at the list cannot show (values that are not finite, shapes of
    another architecture, a hostile pickle) is found by :meth:`weights`, or for all at once by
    :meth:`verify`.

    Args:
        checkpoints: What was found, in any order.
        problems: What was found to be unusable.
    """

    def __init__(self, checkpoints: Iterable[Checkpoint], problems: Iterable[Problem]) -> None:
        self._problems = dict.fromkeys(problems)  # a set that keeps its order
        self._home: Path | None = None
        self._shapes: dict[object, dict[str, torch.Size]] = {}
        self._checkpoints: list[Checkpoint] = []
        for checkpoint in sorted(checkpoints, key=lambda c: (c.model, c.epoch)):
            reason = self._unusable(checkpoint)
            if reason is None:
                self._checkpoints.append(checkpoint)
            else:
                self._add_problem(*reason)

    @property
    def checkpoints(self) -> Sequence[Checkpoint]:
        """Every usable checkpoint, ordered by model and epoch."""
        return self._checkpoints

    @property
    def problems(self) -> Sequence[Problem]:
        """What was left out, with the reason, as far as it is known by now."""
        return list(self._problems)

    def weights(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """The state of a checkpoint, with the names and shapes of :meth:`module`; only now read.

        Raises:
            ZooError: No such checkpoint, or its file is damaged, unsafe, of other shapes than its
                architecture, or holds values that are not finite; added to :attr:`problems`.
        """
        location = self._location(checkpoint)
        try:
            state = self._read(checkpoint)
            self._require_fit(checkpoint, state)
        except GraphwslError as error:
            self._add_problem(location, str(error))
            raise ZooError(f"{location!r} is unusable: {error}") from error
        return state

    def module(self, checkpoint: Checkpoint) -> nn.Module:
        """The architecture of a checkpoint, in evaluation mode, with arbitrary weights."""
        return build(str(checkpoint.configuration["architecture"]), checkpoint.configuration).eval()

    def example_inputs(self, checkpoint: Checkpoint) -> Tensor:
        """See :class:`graphwsl.zoo.Zoo`."""
        return example_inputs(checkpoint.configuration)

    def images(self) -> DataSet:
        """See :class:`graphwsl.zoo.Zoo`; published zoos come without their data.

        Raises:
            ZooError: Always.
        """
        raise ZooError(
            "a published zoo holds no data; load what it was trained on yourself, standardised as "
            "its authors did"
        )

    def array(
        self, checkpoints: Sequence[Checkpoint] | None = None
    ) -> tuple[Float[Tensor, "usable entries"], list[Checkpoint]]:
        """The weights of checkpoints of one shape as one matrix, and these checkpoints.

        What cannot be used is left out and added to :attr:`problems`. See
        :func:`graphwsl.zoo.rows.array`.
        """
        rows, usable, _ = array(self, checkpoints)  # problems are noted where weights are read
        return rows, usable

    def kind(self, checkpoint: Checkpoint) -> tuple[Scalar, ...]:
        """See :class:`graphwsl.zoo.rows.ReadsRows`."""
        return tuple(map(checkpoint.configuration.get, FACTORS))

    def read_rows(
        self,
        checkpoints: Sequence[Checkpoint],
        layout: RowLayout,
        rows: Float[Tensor, "checkpoints entries"],
    ) -> Failures:
        """See :class:`graphwsl.zoo.rows.ReadsRows`."""
        failures = read_one_by_one(self.weights, checkpoints, layout, rows)
        for number, error in failures.items():
            if isinstance(error, StateMismatchError):  # all others are noted by :meth:`weights`
                self._add_problem(self._location(checkpoints[number]), str(error))
        return failures

    def add_metric(self, name: str, values: measurements.Measured) -> None:
        """See :func:`graphwsl.populations.metrics.add`.

        Raises:
            ZooError: The zoo was not opened from a folder, or as there.
        """
        if self._home is None:
            raise ZooError(f"a {type(self).__name__} without a folder cannot keep {name!r}")
        measurements.add(self._home, name, values, self._checkpoints)
        self._take_measurements(self._home)

    def _take_measurements(self, home: Path) -> None:
        self._home = home
        found = measurements.with_measurements(home, self._checkpoints)
        self._checkpoints, problems = found
        for problem in problems:
            self._add_problem(problem.path, problem.reason)

    def verify(self) -> Sequence[Problem]:
        """Read all weights once, and move what is bad from the checkpoints to the problems.

        Returns:
            All problems.
        """
        good = []
        for checkpoint in self._checkpoints:
            try:
                self.weights(checkpoint)
            except ZooError:
                continue
            good.append(checkpoint)
        self._checkpoints = good
        return list(self._problems)

    @abstractmethod
    def _location(self, checkpoint: Checkpoint) -> str:
        """Where it is, relative to the zoo; a ZooError where it is not."""

    @abstractmethod
    def _read(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """Its state as it is stored."""

    def _add_problem(self, path: str, reason: str) -> None:
        self._problems[Problem(path, reason)] = None

    def _unusable(self, checkpoint: Checkpoint) -> tuple[str, str] | None:
        for name in METRICS_OF_TRAINING:
            value = checkpoint.metrics.get(name, 0.0)
            if not math.isfinite(value):
                return self._location(checkpoint), f"{name} is {value}; its training diverged"
        try:
            self._shapes_of(checkpoint.configuration)
        except ZooError as error:
            return checkpoint.model, str(error)
        return None

    def _shapes_of(self, configuration: Mapping[str, Any]) -> dict[str, torch.Size]:
        key = tuple(configuration.get(name) for name in FACTORS)
        if key not in self._shapes:
            self._shapes[key] = shapes_of(configuration)
        return self._shapes[key]

    def _require_fit(self, checkpoint: Checkpoint, state: Mapping[str, Tensor]) -> None:
        shapes = self._shapes_of(checkpoint.configuration)
        architecture = checkpoint.configuration["architecture"]
        for name in [*shapes, *state]:
            if name not in state or name not in shapes:
                lacks = "lacks" if name not in state else "has besides"
                raise ZooError(f"it {lacks} {name!r} of architecture {architecture}")
            if state[name].shape != shapes[name]:
                raise ZooError(
                    f"{name!r} has shape {list(state[name].shape)}, "
                    f"architecture {architecture} has {list(shapes[name])}"
                )
            if not state[name].isfinite().all():
                raise ZooError(f"{name!r} holds values that are not finite")
