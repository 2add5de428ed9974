"""Networks in memory, by architecture: the weights of each as one row of numbers."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.errors import GraphwslError, PredictorError
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.trace import neural_graph
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.zoo import Zoo


@dataclass(frozen=True, eq=False)
class Architecture:
    """What networks of one shape have in common.

    Attributes:
        graph: Neural graph of one of them; its weights are of no account.
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
        for value in vars(layout).values():
            if isinstance(value, Tensor):
                digest.update(value.contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def num_entries(self) -> int:
        """Length of a row: parameters and buffers."""
        return sum(tensor.numel() for tensor in self.graph.state.values())


@dataclass(frozen=True, eq=False)
class Population:
    """Checkpoints with their weights, which are read once.

    Attributes:
        checkpoints: In order.
        architectures: Every architecture that occurs.
        kind: Place of each checkpoint's architecture in that list, shape ``(checkpoints,)``.
        states: The flattened weights of each checkpoint, in its architecture's order.
    """

    checkpoints: list[Checkpoint]
    architectures: list[Architecture]
    kind: Int[Tensor, " checkpoints"]
    states: list[Float[Tensor, " entries"]]

    @classmethod
    def load(cls, zoo: Zoo, checkpoints: Sequence[Checkpoint] | None = None) -> "Population":
        """The weights of these checkpoints, or of all.

        Raises:
            PredictorError: There are no checkpoints.
            ZooError: The zoo has no such checkpoint.
            StorageError: A file of the zoo is damaged.
            UnsupportedModelError: A network cannot be traced.
        """
        checkpoints = list(zoo.checkpoints if checkpoints is None else checkpoints)
        if not checkpoints:
            raise PredictorError("the zoo has no usable checkpoints")
        architectures: dict[str, Architecture] = {}
        by_program: dict[str, Architecture] = {}
        by_model: dict[str, Architecture] = {}
        kinds, states = [], []
        for checkpoint in checkpoints:
            if checkpoint.model not in by_model:
                module = zoo.module(checkpoint)
                inputs = zoo.example_inputs(checkpoint)
                program = f"{module} {tuple(inputs.shape)}"
                if program not in by_program:
                    name = str(checkpoint.configuration.get("architecture", checkpoint.model))
                    found = Architecture(neural_graph(module, inputs), name)
                    by_program[program] = architectures.setdefault(found.digest, found)
                by_model[checkpoint.model] = by_program[program]
            architecture = by_model[checkpoint.model]
            states.append(_flat(architecture, zoo, checkpoint))
            kinds.append(list(architectures).index(architecture.digest))
        return cls(checkpoints, list(architectures.values()), torch.tensor(kinds), states)

    @classmethod
    def join(cls, parts: Sequence["Population"]) -> "Population":
        """Several populations as one, in order.

        Raises:
            PredictorError: There are none.
        """
        if not parts:
            raise PredictorError("there are no networks; name at least one")
        architectures: dict[str, Architecture] = {}
        kinds = []
        for part in parts:
            known = [architectures.setdefault(a.digest, a) for a in part.architectures]
            place = list(architectures)
            kinds += [place.index(known[kind].digest) for kind in part.kind.tolist()]
        return cls(
            [checkpoint for part in parts for checkpoint in part.checkpoints],
            list(architectures.values()),
            torch.tensor(kinds),
            [state for part in parts for state in part.states],
        )

    def __len__(self) -> int:
        return len(self.checkpoints)

    def select(self, numbers: Sequence[int]) -> "Population":
        """Some of the checkpoints, in this order; weights are shared."""
        return replace(
            self,
            checkpoints=[self.checkpoints[n] for n in numbers],
            kind=self.kind[list(numbers)],
            states=[self.states[n] for n in numbers],
        )

    @property
    def present(self) -> list[Architecture]:
        """The architectures that its checkpoints have."""
        return [self.architectures[kind] for kind in self.kind.unique().tolist()]

    def rows(self, kind: int) -> Float[Tensor, "networks entries"]:
        """The weights of the networks of one architecture, in order."""
        members = (self.kind == kind).nonzero()[:, 0].tolist()
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
    """The population itself, or the weights of the zoo's checkpoints."""
    if isinstance(zoo, Population):
        if checkpoints is None:
            return zoo
        places = {(c.model, c.epoch): n for n, c in enumerate(zoo.checkpoints)}
        return zoo.select([places[c.model, c.epoch] for c in checkpoints])
    return Population.load(zoo, checkpoints)


def _flat(architecture: Architecture, zoo: Zoo, checkpoint: Checkpoint) -> Float[Tensor, " n"]:
    try:
        return architecture.graph.flat(zoo.weights(checkpoint)).float()
    except GraphwslError as error:
        raise PredictorError(
            f"epoch {checkpoint.epoch} of model {checkpoint.model!r}: {error}"
        ) from error
