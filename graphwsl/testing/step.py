"""One step of a program, with access to what the graph knows of it, and to nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph.elements import EdgeBlock
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.roles import ParameterRole, RelationKind, RelationRole
from graphwsl.testing.signal import Signal


class FromState:
    """Stands for parameters or buffers; their values are to be read from the graph."""

    def __getitem__(self, index: int) -> "FromState":
        """A part of it, or one of several."""
        return self


@dataclass(frozen=True)
class Step:
    """A call of an operator.

    Attributes:
        graph: The network's graph.
        flat: Its flattened state.
        call: Number of the call, which the graph's blocks, parameters and relations name.
        name: Name of the operator, without namespace and overload.
        operator: The operator.
        args: Its arguments: :class:`Signal`, :class:`FromState`, or geometry such as strides.
    """

    graph: NeuralGraph
    flat: Float[Tensor, " entries"]
    call: int
    name: str
    operator: Callable[..., Any]
    args: tuple[Any, ...]

    def unsupported(self, reason: str) -> UnsupportedModelError:
        """The error to raise where message passing has no answer."""
        return UnsupportedModelError(f"message passing cannot run {self.name}: {reason}")

    @property
    def block(self) -> EdgeBlock:
        """The weights of this call."""
        blocks = [block for block in self.graph.blocks if block.layer == self.call]
        if len(blocks) != 1:
            raise self.unsupported(
                "its weights serve another call" if not blocks else "its weights are computed"
            )
        return blocks[0]

    def weights(self, block: EdgeBlock) -> Float[Tensor, "groups targets sources kernel"]:
        """Values on the edges."""
        return torch.where(block.entries >= 0, self.flat[block.entries.clamp(min=0)], 0.0)

    def parameter(self, role: ParameterRole, nodes: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The parameter that this call gives to each of the nodes."""
        found = [
            parameter
            for parameter in self.graph.node_parameters
            if parameter.call == self.call and parameter.role is role
        ]
        if len(found) != 1 or bool((found[0].tags > 0).any()):
            raise self.unsupported(f"nodes have not one {role} each")
        values = torch.full((self.graph.num_nodes,), torch.nan, dtype=self.flat.dtype)
        values[found[0].nodes] = self.flat[found[0].entries]
        return values[nodes]

    def successors(self, role: RelationRole, nodes: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """The nodes that follow from ``nodes`` by a relation of this call; themselves if none."""
        kind = RelationKind(self.name, role)
        image = torch.arange(self.graph.num_nodes)
        for relation in self.graph.relations:
            if relation.call == self.call and relation.kind == kind:
                image[relation.sources] = relation.targets
        return torch.where(nodes >= 0, image[nodes.clamp(min=0)], -1)

    def pairs(self, first: Signal, second: Signal) -> Int[Tensor, "..."]:
        """The nodes that follow from two by this call; the same node where both are one."""
        of_first, of_second = (
            self._arguments(RelationRole.FIRST),
            self._arguments(RelationRole.SECOND),
        )
        made = {(one, of_second[node]): node for node, one in of_first.items()}
        left, right = torch.broadcast_tensors(first.nodes, second.nodes)
        result = [
            max(a, b) if min(a, b) < 0 or (a == b and (a, b) not in made) else made[a, b]
            for a, b in zip(left.flatten().tolist(), right.flatten().tolist(), strict=True)
        ]
        return torch.tensor(result, dtype=torch.int64).view(left.shape)

    def _arguments(self, role: RelationRole) -> dict[int, int]:
        """For every node that this call makes of two, one of them."""
        arguments: dict[int, int] = {}
        for relation in self.graph.relations:
            if relation.call == self.call and relation.kind == RelationKind(self.name, role):
                pairs = zip(relation.targets.tolist(), relation.sources.tolist(), strict=True)
                arguments.update(pairs)
        return arguments
