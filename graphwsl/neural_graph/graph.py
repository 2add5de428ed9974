"""The neural graph: nodes for neurons and channels, an edge for every weight."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import StateMismatchError
from graphwsl.neural_graph.coverage import Coverage, coverage
from graphwsl.neural_graph.elements import (
    EdgeBlock,
    NodeFunction,
    NodeParameter,
    NodeRelation,
    OpaqueOperator,
)
from graphwsl.neural_graph.ties import same_values
from graphwsl.neural_graph.units import NodeKind

if TYPE_CHECKING:
    from torch_geometric.data import Data, HeteroData

    from graphwsl.neural_graph.data import GraphLayout
    from graphwsl.neural_graph.program import Program


@dataclass(frozen=True)
class NeuralGraph:
    """A network as a graph, exactly: from every entry of its state to a node or an edge, and back.

    Attributes:
        state: Parameters and persistent buffers by name, tied ones once, as they were given.
        aliases: Further names of tied tensors.
        views: Tensors that share the memory of another: its name, and the index in it of each
            element. They have no entries of their own.
        extra_state: What else the network's ``state_dict`` holds, by name (``get_extra_state``).
        parameters: Which names are parameters.
        offsets: Where each tensor starts in the flattened state.
        kinds: :class:`NodeKind` of every node, shape ``(nodes,)``.
        calls: Number of the operator's call that makes the node, shape ``(nodes,)``.
        colours: What else distinguishes nodes, shape ``(nodes,)``.
        pinned: Nodes that every symmetry leaves fixed, shape ``(pinned,)``.
        inputs: Node of every element of the inputs, in their shapes; -1 where nothing reads it.
        outputs: Nodes that the network returns, shape ``(outputs,)``.
        blocks: Weights.
        node_parameters: Parameters of nodes.
        relations: Edges without parameters.
        functions: Functions that are applied to nodes without making new ones, in the order of the
            program.
        opaque: Operators that no rule covers.
        bundles: Entries that statistics of weights are made of; what moves one of a row moves the
            row as a whole, and no factor passes through. Shape ``(rows, entries)`` each.
        program: The traced program, which :mod:`graphwsl.testing` and the symmetries run.
        looked_at: The modules in which the network looked at numbers that depend on its inputs (by
            ``if``, ``.item()``, ``nonzero()`` …), each once: the graph is that of the branches,
            loops and indices which the example took.

    The graph owns its numbers: tensors of the network, and of what it gives, are copies.
    """

    state: dict[str, Tensor]
    aliases: dict[str, str]
    views: dict[str, tuple[str, Int[Tensor, "..."]]]
    extra_state: dict[str, Any]
    parameters: frozenset[str]
    offsets: dict[str, int]
    kinds: Int[Tensor, " nodes"]
    calls: Int[Tensor, " nodes"]
    colours: Int[Tensor, " nodes"]
    pinned: Int[Tensor, " pinned"]
    inputs: tuple[Int[Tensor, "..."], ...]
    outputs: Int[Tensor, " outputs"]
    blocks: tuple[EdgeBlock, ...]
    node_parameters: tuple[NodeParameter, ...]
    relations: tuple[NodeRelation, ...]
    functions: tuple[NodeFunction, ...]
    opaque: tuple[OpaqueOperator, ...]
    bundles: tuple[Int[Tensor, "rows entries"], ...]
    program: "Program"
    looked_at: tuple[str, ...] = ()

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.kinds)

    @property
    def num_parameters(self) -> int:
        """Number of parameter entries, tied ones once."""
        return sum(self.state[name].numel() for name in self.parameters)

    @property
    def num_weights(self) -> int:
        """Number of weights: kernel entries on edges."""
        return sum(int((block.entries >= 0).sum()) for block in self.blocks)

    @property
    def uses(self) -> tuple[EdgeBlock | NodeParameter, ...]:
        """Everything that holds entries of the state."""
        return (*self.blocks, *self.node_parameters)

    @cached_property
    def is_output(self) -> Bool[Tensor, " nodes"]:
        """Whether the network returns the node."""
        mask = torch.zeros(self.num_nodes, dtype=torch.bool)
        mask[self.outputs] = True
        return mask

    @cached_property
    def layout(self) -> "GraphLayout":
        """Nodes and edges as PyTorch Geometric wants them, without the weights."""
        from graphwsl.neural_graph.data import layout_of

        return layout_of(
            self.kinds,
            self.calls,
            is_output=self.is_output,
            blocks=self.blocks,
            node_parameters=self.node_parameters,
            relations=self.relations,
        )

    @property
    def weight_dtype(self) -> torch.dtype:
        """The narrowest type that holds the weights of all types exactly."""
        wide = [
            # Numbers of eight bits promote to nothing.
            torch.float32 if tensor.dtype.itemsize == 1 else tensor.dtype
            for tensor in self.state.values()
            if is_weights(tensor)
        ]
        return reduce(torch.promote_types, wide, wide[0] if wide else torch.get_default_dtype())

    def flat(
        self, state: Mapping[str, Any] | None = None, *, dtype: torch.dtype | None = None
    ) -> Shaped[Tensor, " entries"]:
        """The state (or another one of the same architecture) as one vector.

        Args:
            state: Weights; those of the graph by default.
            dtype: Data type of the vector: double precision by default, complex if a weight is.
                Integers beyond what it holds are rounded; they are no weights.

        Raises:
            InvalidArgumentError: ``state`` is no mapping, ``dtype`` no type of tensors.
            StateMismatchError: Names or shapes differ, or weights are complex and ``dtype`` is not.
        """
        kinds = (torch.dtype, type(None))
        arguments.instance("dtype", dtype, kinds, "a torch.dtype", "give torch.float32")
        state = self.state if state is None else self._checked(state)
        is_complex = self.weight_dtype.is_complex
        if dtype is None:
            dtype = torch.complex128 if is_complex else torch.float64
        if is_complex and not dtype.is_complex:
            raise StateMismatchError(f"the weights are complex, and {dtype} has no imaginary part")
        parts = [state[name].reshape(-1).to(dtype) for name in self.offsets]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=dtype)

    def to_state_dict(self) -> dict[str, Any]:
        """The state of the network, bitwise, tied tensors under all their names, as copies."""
        return self.completed({name: tensor.clone() for name, tensor in self.state.items()})

    def completed(self, weights: Mapping[str, Tensor]) -> dict[str, Any]:
        """Weights by the names of ``state``, and all else that the network's ``state_dict`` holds.

        Tied tensors get all their names, views of others what those now hold.
        """
        state: dict[str, Any] = dict(weights)
        for name, (owner, indices) in self.views.items():
            state[name] = weights[owner].reshape(-1)[indices]
        state.update({name: state[first] for name, first in self.aliases.items()})
        return {**state, **self.extra_state}

    def with_weights(self, state: Mapping[str, Any]) -> "NeuralGraph":
        """The same architecture with a copy of other weights; all else is shared.

        Raises:
            InvalidArgumentError: ``state`` is no mapping.
            StateMismatchError: Names or shapes differ, or tied tensors do.
        """
        weights = {name: tensor.clone() for name, tensor in self._checked(state).items()}
        extra = {name: state[name] for name in self.extra_state if name in state}
        graph = replace(self, state=weights, extra_state=extra)
        for name in ("is_output", "layout"):  # they do not depend on the weights
            if name in self.__dict__:
                graph.__dict__[name] = self.__dict__[name]
        return graph

    def coverage(self) -> Coverage:
        """Where every entry of the state is."""
        return coverage(
            self.state, self.parameters, self.offsets, self.uses, self.opaque, self.looked_at
        )

    def to_data(self, state: Mapping[str, Any] | None = None) -> "Data":
        """The graph as PyTorch Geometric's :class:`Data`, for learning.

        All kernels are padded to the largest, which is much where a network has few large ones:
        :meth:`to_hetero_data` pads nothing.

        Args:
            state: Weights of the same architecture; those of the graph by default.
        """
        from graphwsl.neural_graph.data import to_data

        return to_data(self.layout, self._features(state))

    def to_hetero_data(self, state: Mapping[str, Any] | None = None) -> "HeteroData":
        """The graph as PyTorch Geometric's :class:`HeteroData`: kernels of a shape together.

        Nodes are of the type ``unit``. Edges are of the type ``weight`` or ``weight_3x3`` by the
        shape of their kernels (``edge_attr``, shape ``(edges, kernel)``), or, without weights, of
        the kind of relation.

        Args:
            state: Weights of the same architecture; those of the graph by default.
        """
        from graphwsl.neural_graph.data import to_hetero_data

        return to_hetero_data(self.layout, self._features(state))

    def _features(self, state: Mapping[str, Any] | None) -> Shaped[Tensor, " entries"]:
        """The flattened state in the type of features, which is complex if a weight is."""
        kind = torch.get_default_dtype()
        return self.flat(state, dtype=kind.to_complex() if self.weight_dtype.is_complex else kind)

    def _checked(self, state: Mapping[str, Any]) -> dict[str, Tensor]:
        arguments.state(state)
        tensors = self.completed(self.state)
        missing, unexpected = (
            sorted(tensors.keys() - state.keys()),
            sorted(map(str, state.keys() - tensors.keys())),
        )
        if missing or unexpected:
            raise StateMismatchError(
                f"the state does not belong to this network: it lacks {missing[:3]} and has "
                f"{unexpected[:3]} besides; give the state_dict of the same architecture"
            )
        for name in (*self.state, *self.views, *self.aliases):
            expected, given = tensors[name], state[name]
            if not isinstance(given, Tensor):
                raise StateMismatchError(
                    f"{name} must be a tensor, got {arguments.described(given)}; give the "
                    "state_dict of the same architecture"
                )
            if given.shape != expected.shape or given.dtype != expected.dtype:
                raise StateMismatchError(
                    f"{name} has shape {tuple(given.shape)} and type {given.dtype}, the network's "
                    f"has {tuple(expected.shape)} and {expected.dtype}"
                )
        checked = {name: state[name].detach() for name in self.state}
        tied = self.completed(checked)
        for name in (*self.views, *self.aliases):
            if not same_values(state[name], tied[name]):
                owner = self.aliases.get(name) or self.views[name][0]
                raise StateMismatchError(f"{name} is tied to {owner}, but their values differ")
        return checked

    def __repr__(self) -> str:
        kinds = ", ".join(
            f"{int((self.kinds == kind).sum())} {kind.name.lower()}"
            for kind in NodeKind
            if bool((self.kinds == kind).any())
        )
        return (
            f"NeuralGraph({self.num_nodes} nodes: {kinds}; {self.num_weights} weights in "
            f"{len(self.blocks)} blocks; {self.num_parameters} parameters)"
        )


def is_weights(tensor: Tensor) -> bool:
    """Whether a tensor holds weights; integers such as tables of indices steer the network."""
    return tensor.is_floating_point() or tensor.is_complex()
