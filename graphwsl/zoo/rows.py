"""The weights of many checkpoints as the rows of one matrix.

A row is the flattened state: tensor after tensor in the order of the ``state_dict``, tied ones
once, as :meth:`graphwsl.neural_graph.NeuralGraph.flat` has it. How it is laid out is worked out
once for all networks of one kind; what remains is to read numbers.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnncore.storage import StorageError
from graphwsl.errors import GraphwslError, StateMismatchError, ZooError
from graphwsl.neural_graph.state import State, state_of
from graphwsl.neural_graph.ties import same_values
from graphwsl.zoo.checkpoint import Checkpoint, Problem
from graphwsl.zoo.zoo import Zoo

Failures = dict[int, GraphwslError | StorageError]
"""Why checkpoints cannot be used, by their number in a list."""


@dataclass(frozen=True, eq=False)
class RowLayout:
    """How the state of a network lies in a row.

    Attributes:
        state: The tensors of one network; their values do not matter.
        starts: Where each tensor that has entries of its own starts.
        length: Numbers of a row.
    """

    state: State
    starts: dict[str, int]
    length: int

    @classmethod
    def of(cls, module: nn.Module) -> "RowLayout":
        """The layout of the networks of a module.

        Raises:
            UnsupportedModelError: A parameter has no shape yet, or tensors overlap in memory.
            StateMismatchError: A tensor is complex, which a row of single precision cannot hold.
        """
        state = state_of(module)
        for name, tensor in state.tensors.items():
            if tensor.is_complex():
                raise StateMismatchError(
                    f"{name} is complex, which a row of single precision cannot hold"
                )
        *starts, length = accumulate((t.numel() for t in state.tensors.values()), initial=0)
        return cls(state, dict(zip(state.tensors, starts, strict=True)), length)

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """The tensors that have entries of their own, in the order of a row."""
        return {name: tensor.shape for name, tensor in self.state.tensors.items()}

    def agrees_with(self, other: "RowLayout") -> bool:
        """Whether rows of both mean the same."""
        mine, theirs = self.state, other.state
        return (
            list(self.shapes.items()) == list(other.shapes.items())
            and mine.ties.aliases == theirs.ties.aliases
            and mine.ties.views.keys() == theirs.ties.views.keys()
        )

    def write(self, state: Mapping[str, Any], row: Float[Tensor, " entries"]) -> None:
        """Write a state into a row.

        Raises:
            StateMismatchError: Names, shapes or types are those of another network, or tied
                tensors differ.
        """
        ties = self.state.ties
        known = {*self.starts, *ties.aliases, *ties.views, *self.state.extra}
        missing, unexpected = sorted(known - state.keys()), sorted(state.keys() - known)
        if missing or unexpected:
            raise StateMismatchError(
                f"the state does not belong to this network: it lacks {missing[:3]} and has "
                f"{unexpected[:3]} besides; give the state_dict of the same architecture"
            )
        for name, expected in self.state.tensors.items():
            given = state[name]
            if given.shape != expected.shape or not holds(given.dtype, expected.dtype):
                raise StateMismatchError(
                    f"{name} has shape {tuple(given.shape)} and type {given.dtype}, the network's "
                    f"has {tuple(expected.shape)} and {expected.dtype}"
                )
            start = self.starts[name]
            row[start : start + given.numel()] = given.detach().reshape(-1)
        tied = {name: state[owner].reshape(-1)[at] for name, (owner, at) in ties.views.items()}
        tied |= {name: tied.get(owner, state[owner]) for name, owner in ties.aliases.items()}
        for name, expected in tied.items():
            if not same_values(state[name], expected):
                owner = ties.aliases.get(name) or ties.views[name][0]
                raise StateMismatchError(f"{name} is tied to {owner}, but their values differ")


def holds(stored: torch.dtype, expected: torch.dtype) -> bool:
    """Whether a tensor of one type holds numbers of another as they are.

    Zoos of former versions have the counts of batch norms in floating point.
    """
    counts = not expected.is_floating_point and not expected.is_complex
    return stored == expected or (counts and stored == torch.float32)


@runtime_checkable
class ReadsRows(Protocol):
    """A zoo that knows a shorter way to many checkpoints than one after the other."""

    def kind(self, checkpoint: Checkpoint) -> Hashable:
        """What the architecture of a checkpoint depends on; equal kinds have equal modules."""
        ...

    def read_rows(
        self,
        checkpoints: Sequence[Checkpoint],
        layout: RowLayout,
        rows: Float[Tensor, "checkpoints entries"],
    ) -> Failures:
        """Write the weights of checkpoints of one layout into ``rows``; why others cannot be."""
        ...


def by_kind(zoo: Zoo, checkpoints: Sequence[Checkpoint]) -> list[list[int]]:
    """The numbers of checkpoints whose modules are equal, kind after kind.

    Of a zoo that does not say what its modules depend on, those of one training are of one kind.
    """
    kind = zoo.kind if isinstance(zoo, ReadsRows) else attrgetter("model")
    members: dict[Hashable, list[int]] = {}
    for number, checkpoint in enumerate(checkpoints):
        members.setdefault(kind(checkpoint), []).append(number)
    return list(members.values())


def read_rows(
    zoo: Zoo, checkpoints: Sequence[Checkpoint], layout: RowLayout
) -> tuple[Float[Tensor, "checkpoints entries"], Failures]:
    """The weights of checkpoints of one layout, and why some cannot be used.

    Args:
        zoo: A zoo of any layout on disk, or none.
        checkpoints: Its networks.
        layout: What they share.

    Returns:
        A row a checkpoint, arbitrary for failures; and the failures.
    """
    rows = torch.empty(len(checkpoints), layout.length)
    if isinstance(zoo, ReadsRows):
        failures = zoo.read_rows(checkpoints, layout, rows)
    else:
        failures = read_one_by_one(zoo.weights, checkpoints, layout, rows)
    for number in _not_finite(rows):
        reason = "its weights are not finite in single precision"
        failures.setdefault(number, ZooError(reason))
    return rows, failures


def read_one_by_one(
    weights: Callable[[Checkpoint], dict[str, Tensor]],
    checkpoints: Sequence[Checkpoint],
    layout: RowLayout,
    rows: Float[Tensor, "checkpoints entries"],
) -> Failures:
    """Write the weights of checkpoints into ``rows``, each read by ``weights``."""
    failures: Failures = {}
    for number, checkpoint in enumerate(checkpoints):
        try:
            layout.write(weights(checkpoint), rows[number])
        except (GraphwslError, StorageError) as error:
            failures[number] = error
    return failures


def array(
    zoo: Zoo, checkpoints: Sequence[Checkpoint] | None = None
) -> tuple[Float[Tensor, "usable entries"], list[Checkpoint], list[Problem]]:
    """The weights of checkpoints as one matrix in single precision.

    Args:
        zoo: A zoo of any layout.
        checkpoints: Networks of one shape; all of the zoo by default.

    Returns:
        A row of each checkpoint that can be used, these checkpoints, and what is wrong with the
        others.

    Raises:
        ZooError: There are no checkpoints, or their networks differ in shape.
        UnsupportedModelError: The state of a network cannot be a row.
    """
    chosen = list(zoo.checkpoints if checkpoints is None else checkpoints)
    if not chosen:
        raise ZooError("there are no checkpoints to read; give at least one")
    layout = _common_layout(zoo, chosen)
    rows, failures = read_rows(zoo, chosen, layout)
    problems = [Problem(where(chosen[n]), str(error)) for n, error in sorted(failures.items())]
    if failures:
        usable = [number for number in range(len(chosen)) if number not in failures]
        rows, chosen = rows[usable], [chosen[number] for number in usable]
    return rows, chosen, problems


def where(checkpoint: Checkpoint) -> str:
    """A checkpoint in words."""
    return f"epoch {checkpoint.epoch} of model {checkpoint.model!r}"


def _common_layout(zoo: Zoo, checkpoints: Sequence[Checkpoint]) -> RowLayout:
    first_of_kinds = [checkpoints[numbers[0]] for numbers in by_kind(zoo, checkpoints)]
    layouts = [(first, RowLayout.of(zoo.module(first))) for first in first_of_kinds]
    (known, layout), *others = layouts
    for checkpoint, other in others:
        if not layout.agrees_with(other):
            raise ZooError(
                f"the networks of one array must have one shape, but {known.model!r} has "
                f"{layout.length:,} numbers and {checkpoint.model!r} {other.length:,} "
                f"({_named(known)}, {_named(checkpoint)}); choose checkpoints of one shape, or "
                "load a Population"
            )
    return layout


def _named(checkpoint: Checkpoint) -> str:
    return str(checkpoint.configuration.get("architecture", checkpoint.model))


def _not_finite(rows: Float[Tensor, "checkpoints entries"]) -> list[int]:
    """Rows with a value that is not finite, which their sums show, several times faster."""
    suspects = (~rows.sum(1).isfinite()).nonzero()[:, 0].tolist()
    return [number for number in suspects if not bool(rows[number].isfinite().all())]
