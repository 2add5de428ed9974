"""Networks in memory, by architecture: the weights of each as one row of numbers."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnncore.storage import StorageError
from graphwsl import arguments
from graphwsl.errors import GraphwslError, InvalidArgumentError, PredictorError
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.trace import neural_graph
from graphwsl.populations.programs import program_of
from graphwsl.zoo.checkpoint import Checkpoint, Problem, require_checkpoints
from graphwsl.zoo.rows import Failures, RowLayout, by_kind, read_rows, where
from graphwsl.zoo.zoo import Zoo, require_zoo

LAYOUT = (
    "edge_index",
    "edge_entries",
    "edge_kind",
    "edge_tag",
    "fan_in",
    "node_kind",
    "node_layer",
    "node_index",
    "is_input",
    "is_output",
    "node_elements",
    "node_entries",
    "node_shares",
)
"""What of a layout identifies architectures; saved predictors hold hashes of it, in this order."""


@dataclass(frozen=True, eq=False)
class Architecture:
    """What networks of one shape have in common.

    Attributes:
        graph: Neural graph of one of them; its weights do not matter.
        name: As in the zoo, for messages.
    """

    graph: NeuralGraph
    name: str

    @cached_property
    def digest(self) -> str:
        """A hash of the graph without its weights; activation functions do not count."""
        digest = hashlib.sha256()
        graph, layout = self.graph, self.graph.layout
        for name, start in graph.offsets.items():
            digest.update(f"{name} {start} {tuple(graph.state[name].shape)} ".encode())
        for name in LAYOUT:
            digest.update(getattr(layout, name).contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def num_entries(self) -> int:
        """Length of a row: parameters and buffers."""
        return sum(tensor.numel() for tensor in self.graph.state.values())


@dataclass(frozen=True, eq=False)
class Function:
    """What networks do with their weights, activation functions included.

    Attributes:
        module: Does it; its own weights do not matter.
        inputs: Examples of what it takes.
        architecture: Architecture of the networks.
    """

    module: nn.Module
    inputs: Any
    architecture: Architecture

    @classmethod
    def of(cls, module: nn.Module, inputs: Any, name: str) -> "Function":
        """What a network does, which is traced for its architecture.

        Raises:
            UnsupportedModelError: It cannot be traced.
        """
        return cls(module, inputs, Architecture(neural_graph(module, inputs), name))

    @cached_property
    def program(self) -> str:
        """A description that is the same for networks of the same function."""
        return program_of(self.module, self.inputs)

    def is_like(self, other: "Function") -> bool:
        """Whether networks do the same, whatever the examples of their inputs are."""
        return self.architecture.digest == other.architecture.digest and (
            self.program == other.program or program_of(self.module, other.inputs) == other.program
        )


@dataclass(frozen=True, eq=False)
class Population:
    """Checkpoints with their weights, which are read once.

    Attributes:
        checkpoints: All checkpoints, in order.
        architectures: Every architecture that occurs.
        kind: Index of each checkpoint's architecture in that list, shape ``(checkpoints,)``.
        states: The flattened weights of each checkpoint, in its architecture's order.
        functions: Every function that occurs; networks of one architecture may have several.
        function: Index of each checkpoint's function in that list, shape ``(checkpoints,)``.
    """

    checkpoints: list[Checkpoint]
    architectures: list[Architecture]
    kind: Int[Tensor, " checkpoints"]
    states: list[Float[Tensor, " entries"]]
    functions: list[Function]
    function: Int[Tensor, " checkpoints"]

    @classmethod
    def load(cls, zoo: Zoo, checkpoints: Sequence[Checkpoint] | None = None) -> "Population":
        """The weights of these checkpoints, or of all.

        Raises:
            PredictorError: There are no checkpoints.
            ZooError: The zoo has no such checkpoint.
            StorageError: A file of the zoo is damaged.
            UnsupportedModelError: A network cannot be traced.
        """
        population, problems = cls.load_usable(zoo, checkpoints)
        if problems:
            raise PredictorError(f"{problems[0].path}: {problems[0].reason}")
        return population

    @classmethod
    def load_usable(
        cls, zoo: Zoo, checkpoints: Sequence[Checkpoint] | None = None
    ) -> tuple["Population", list[Problem]]:
        """The weights of those of the checkpoints that can be used, and what is wrong with others.

        A file that is damaged where a manifest or a seal says how it was is no matter of one
        network: that is an error.

        Raises:
            PredictorError: There are no checkpoints, or none can be used.
            ZooError: The zoo has no such checkpoint.
            StorageError: A file of the zoo is damaged.
        """
        require_zoo(zoo)
        if checkpoints is not None:
            require_checkpoints(checkpoints)
        checkpoints = list(zoo.checkpoints if checkpoints is None else checkpoints)
        if not checkpoints:
            raise PredictorError("the zoo has no usable checkpoints")
        reader = _Reader(zoo)
        loaded, failures = reader.read(checkpoints)
        for _, error in sorted(failures.items()):
            if isinstance(error, StorageError):
                raise error
        problems = [Problem(where(checkpoints[n]), str(e)) for n, e in sorted(failures.items())]
        if not loaded:
            others = f", and {len(problems) - 1:,} more" if len(problems) > 1 else ""
            raise PredictorError(
                f"no checkpoint can be used; {problems[0].path}: {problems[0].reason}{others}"
            )
        numbers = sorted(loaded)
        programs = list(dict.fromkeys(loaded[number][0] for number in numbers))
        functions = [reader.functions[program] for program in programs]
        architectures = {f.architecture.digest: f.architecture for f in functions}
        digests = list(architectures)
        indices = {
            program: (number, digests.index(function.architecture.digest))
            for number, (program, function) in enumerate(zip(programs, functions, strict=True))
        }
        population = cls(
            checkpoints=[checkpoints[number] for number in numbers],
            architectures=list(architectures.values()),
            kind=torch.tensor([indices[loaded[number][0]][1] for number in numbers]),
            states=[loaded[number][1] for number in numbers],
            functions=functions,
            function=torch.tensor([indices[loaded[number][0]][0] for number in numbers]),
        )
        return population, problems

    @classmethod
    def alike(
        cls,
        checkpoints: list[Checkpoint],
        states: list[Float[Tensor, " entries"]],
        function: Function,
    ) -> "Population":
        """Networks of one function.

        Args:
            checkpoints: What is known of each.
            states: Their flattened weights.
            function: What they all do.
        """
        shared = torch.zeros(len(checkpoints), dtype=torch.int64)
        return cls(checkpoints, [function.architecture], shared, states, [function], shared)

    @classmethod
    def join(cls, parts: Sequence["Population"]) -> "Population":
        """Several populations as one, in order.

        Raises:
            PredictorError: There are none.
        """
        if not parts:
            raise PredictorError("there are no networks; name at least one")
        architectures: dict[str, Architecture] = {}
        functions: list[Function] = []
        kinds, numbers = [], []
        for part in parts:
            known = [architectures.setdefault(a.digest, a) for a in part.architectures]
            digests = list(architectures)
            kinds += [digests.index(known[kind].digest) for kind in part.kind.tolist()]
            numbers += [len(functions) + number for number in part.function.tolist()]
            functions += part.functions
        return cls(
            [checkpoint for part in parts for checkpoint in part.checkpoints],
            list(architectures.values()),
            torch.tensor(kinds),
            [state for part in parts for state in part.states],
            functions,
            torch.tensor(numbers),
        )

    def __len__(self) -> int:
        return len(self.checkpoints)

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(architecture.name for architecture in self.present))
        return f"Population({len(self):,} checkpoints: {names})"

    def select(self, numbers: Iterable[int] | Iterable[bool] | Tensor) -> "Population":
        """Some of the checkpoints, in this order; weights are shared.

        Args:
            numbers: Their numbers, or a truth value for each of all checkpoints.

        Raises:
            InvalidArgumentError: There is no checkpoint of a number, or truth values are more or
                fewer than checkpoints.
        """
        chosen = _chosen(numbers, len(self))
        return replace(
            self,
            checkpoints=[self.checkpoints[n] for n in chosen],
            kind=self.kind[chosen],
            function=self.function[chosen],
            states=[self.states[n] for n in chosen],
        )

    @property
    def content_hash(self) -> str:
        """SHA-256 of all that is known of the networks: checkpoints, functions and weights."""
        digest = hashlib.sha256()
        programs = [function.program for function in self.functions]
        for checkpoint, number, state in zip(
            self.checkpoints, self.function.tolist(), self.states, strict=True
        ):
            known = {**vars(checkpoint), "program": programs[number], "entries": len(state)}
            digest.update(json.dumps(known, sort_keys=True).encode())
            digest.update(state.contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def present(self) -> list[Architecture]:
        """The architectures that its checkpoints have."""
        return [self.architectures[kind] for kind in self.kind.unique().tolist()]

    def rows(self, kind: int) -> Float[Tensor, "networks entries"]:
        """The weights of the networks of one architecture, in order.

        Args:
            kind: Index of the architecture in ``architectures``.

        Raises:
            InvalidArgumentError: There is no such architecture.
        """
        arguments.whole("kind", kind, 0, len(self.architectures) - 1)
        members = (self.kind == kind).nonzero()[:, 0].tolist()
        if not members:
            return torch.zeros(0, self.architectures[kind].num_entries)
        return torch.stack([self.states[n] for n in members])

    def matrix(self, predictor: str) -> Float[Tensor, "checkpoints entries"]:
        """The weights of all networks, if these have one architecture.

        Args:
            predictor: Who asks, for the message.

        Raises:
            PredictorError: There are several architectures.
        """
        self.require_one(predictor)
        return torch.stack(self.states)

    def require_one(self, predictor: str) -> Architecture:
        """The architecture, if there is only one.

        Raises:
            PredictorError: There are several.
        """
        if len(self.present) != 1:
            raise PredictorError(
                f"predictor {predictor!r} needs networks of one architecture, the zoo has "
                f"{len(self.present)}; choose one that reads neural graphs or weight statistics"
            )
        return self.present[0]


def as_population(
    zoo: Zoo | Population, checkpoints: Sequence[Checkpoint] | None = None
) -> Population:
    """The population itself, or the weights of the zoo's checkpoints.

    Raises:
        PredictorError: The population lacks a checkpoint, or has several of its model and epoch.
    """
    if checkpoints is not None:
        require_checkpoints(checkpoints)
    if isinstance(zoo, Population):
        if checkpoints is None:
            return zoo
        return zoo.select(_numbers_of(zoo, checkpoints))
    return Population.load(zoo, checkpoints)


def _numbers_of(population: Population, checkpoints: Sequence[Checkpoint]) -> list[int]:
    """Those of the very checkpoints, or else of the only ones of the same model and epoch."""
    own = {id(checkpoint): n for n, checkpoint in enumerate(population.checkpoints)}
    same: dict[tuple[str, int | None], list[int]] = {}
    for number, checkpoint in enumerate(population.checkpoints):
        same.setdefault((checkpoint.model, checkpoint.epoch), []).append(number)
    numbers = []
    for checkpoint in checkpoints:
        alike = same.get((checkpoint.model, checkpoint.epoch), [])
        if id(checkpoint) not in own and len(alike) != 1:
            many = f"{len(alike)} times" if alike else "not"
            raise PredictorError(
                f"{where(checkpoint)} is {many} in the population; give checkpoints of its own"
            )
        numbers.append(own[id(checkpoint)] if id(checkpoint) in own else alike[0])
    return numbers


def _chosen(numbers: Any, size: int) -> list[int]:
    if not isinstance(numbers, Iterable) or isinstance(numbers, str | bytes | Mapping):
        raise InvalidArgumentError(
            f"networks are chosen by a list of their numbers, got {arguments.described(numbers)}"
        )
    listed = [one.item() if hasattr(one, "item") and one.ndim == 0 else one for one in numbers]
    if listed and all(isinstance(one, bool) for one in listed):
        if len(listed) != size:
            raise InvalidArgumentError(
                f"there must be a truth value for each of {size:,} networks, got {len(listed):,}"
            )
        return [number for number, one in enumerate(listed) if one]
    for one in listed:
        if not isinstance(one, int) or isinstance(one, bool) or not -size <= one < size:
            raise InvalidArgumentError(
                f"networks are chosen by numbers from 0 to {size - 1}, got "
                f"{arguments.described(one)}"
            )
    return listed


class _Reader:
    """Reads checkpoints of a zoo, tracing each function once.

    Attributes:
        functions: By their programs.
    """

    def __init__(self, zoo: Zoo) -> None:
        self.zoo = zoo
        self.functions: dict[str, Function] = {}
        self._architectures: dict[str, Architecture] = {}
        self._refused: dict[str, GraphwslError] = {}

    def read(
        self, checkpoints: Sequence[Checkpoint]
    ) -> tuple[dict[int, tuple[str, Float[Tensor, " entries"]]], Failures]:
        """The programs and flattened weights of checkpoints by number, and why others fail."""
        failures: Failures = {}
        members: dict[str, list[int]] = {}
        layouts: dict[str, RowLayout] = {}
        for numbers in by_kind(self.zoo, checkpoints):
            try:
                program, layout = self._program_of(checkpoints[numbers[0]])
            except GraphwslError as error:
                failures.update(dict.fromkeys(numbers, error))
                continue
            members.setdefault(program, []).extend(numbers)
            layouts.setdefault(program, layout)
        loaded: dict[int, tuple[str, Float[Tensor, " entries"]]] = {}
        for program, numbers in members.items():
            numbers.sort()
            rows, failed = read_rows(self.zoo, [checkpoints[n] for n in numbers], layouts[program])
            failures |= {numbers[index]: error for index, error in failed.items()}
            usable = [index for index in range(len(numbers)) if index not in failed]
            loaded |= {numbers[index]: (program, rows[index]) for index in usable}
        return loaded, failures

    def _program_of(self, checkpoint: Checkpoint) -> tuple[str, RowLayout]:
        module, inputs = self.zoo.module(checkpoint), self.zoo.example_inputs(checkpoint)
        program = program_of(module, inputs)
        if program in self._refused:
            raise self._refused[program]
        try:
            if program not in self.functions:
                name = str(checkpoint.configuration.get("architecture", checkpoint.model))
                function = Function.of(module, inputs, name)
                found = function.architecture
                same = self._architectures.setdefault(found.digest, found)
                self.functions[program] = replace(function, architecture=same)
            return program, RowLayout.of(module)
        except GraphwslError as error:
            self._refused[program] = error
            raise
