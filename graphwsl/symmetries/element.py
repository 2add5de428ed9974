"""One element of a network's symmetry group, and what it does to the weights."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError
from graphwsl.neural_graph.elements import EdgeBlock, NodeParameter
from graphwsl.neural_graph.graph import NeuralGraph, is_weights
from graphwsl.neural_graph.roles import ParameterRole
from graphwsl.symmetries.scalings import NORMALISERS

PART = 2**20
"""Entries that are moved at once, which bounds the memory beside the weights."""


@dataclass(frozen=True)
class GroupElement:
    """Factors for the nodes, then a permutation of them.

    Attributes:
        graph: The network's graph.
        image: Where each node goes, shape ``(nodes,)``.
        factors: What each node is multiplied with before, shape ``(nodes,)``.
    """

    graph: NeuralGraph
    image: Int[Tensor, " nodes"]
    factors: Float[Tensor, " nodes"]

    @staticmethod
    def identity(graph: NeuralGraph) -> "GroupElement":
        """The element that changes nothing.

        Raises:
            InvalidArgumentError: ``graph`` is no neural graph.
        """
        require_graph(graph)
        return GroupElement(
            graph,
            torch.arange(graph.num_nodes),
            torch.ones(graph.num_nodes, dtype=torch.float64),
        )

    def then(self, other: "GroupElement") -> "GroupElement":
        """This element first, then the other.

        Raises:
            InvalidArgumentError: The other is none, or of a graph of another size.
        """
        advice = "give another element of the group of this network"
        arguments.instance("other", other, GroupElement, "a GroupElement", advice)
        if len(other.image) != len(self.image):
            raise InvalidArgumentError(
                f"other permutes {len(other.image)} nodes, this element {len(self.image)}; {advice}"
            )
        return GroupElement(
            self.graph, other.image[self.image], self.factors * other.factors[self.image]
        )

    def inverse(self) -> "GroupElement":
        """The element that takes this one back."""
        back = self.image.argsort()
        return GroupElement(self.graph, back, 1 / self.factors[back])

    def apply(self, state: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The weights that compute the same function with the nodes permuted.

        Args:
            state: Weights of the architecture; those of the graph by default.

        Returns:
            All names of the state, tied tensors under each of theirs.
        """
        graph = self.graph if state is None else self.graph.with_weights(state)
        flat = graph.flat(dtype=graph.weight_dtype)
        moved = flat.clone()
        for use in graph.uses:
            for source, target, factor in moves(use, self.image, self.factors):
                moved[target] = (flat[source] * factor).to(flat.dtype)
        return weights_of(graph, moved)


def weights_of(graph: NeuralGraph, flat: Float[Tensor, " entries"]) -> dict[str, Any]:
    """The state that a flattened one stands for; what is no weight is as in the graph.

    Args:
        graph: The network's graph.
        flat: Flattened state.

    Returns:
        All names of the state, tied tensors under each of theirs.
    """
    weights = {}
    for name, tensor in graph.state.items():
        start = graph.offsets[name]
        part = flat[start : start + tensor.numel()].view(tensor.shape)
        # A copy, so that no tensor keeps the memory of all.
        is_moved = is_weights(tensor)
        weights[name] = part.to(tensor.dtype, copy=True) if is_moved else tensor.clone()
    return graph.completed(weights)


def require_graph(graph: Any) -> None:
    """Refuse what is no neural graph."""
    advice = "give graphwsl.neural_graph(model, example_inputs)"
    arguments.instance("graph", graph, NeuralGraph, "a NeuralGraph", advice)


def moves(
    use: EdgeBlock | NodeParameter, image: Int[Tensor, " nodes"], factors: Float[Tensor, " nodes"]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """For entries of a use, the entries that take their values, and the values' factors.

    Nothing where nothing changes; else all entries, in parts of at most a million or one target.
    """
    ends = [use.nodes] if isinstance(use, NodeParameter) else [use.targets, use.sources]
    nodes = torch.cat([some.flatten() for some in ends])
    nodes = nodes[nodes >= 0]
    is_scaled = bool((factors[nodes] != 1).any())
    if not is_scaled and torch.equal(image[nodes], nodes):
        return
    if isinstance(use, NodeParameter):
        yield _node_moves(use, image, factors)
        return
    groups, count, width, kernel = use.entries.shape
    # Which group and row each target, and which column each position of a source, goes to.
    rows_of = index_lookup(use.targets.reshape(1, -1), torch.zeros_like(use.targets).reshape(1, -1))
    target = rows_of(_moved(use.targets.reshape(1, -1), image), 0)[0]
    group, target = target // count, target % count
    find = index_lookup(use.sources, use.tags)
    source = find(_moved(use.sources, image), group.view(groups, count)[:, 0])
    rows = torch.arange(groups * count)
    for some in rows.split(max(PART // max(width * kernel, 1), 1)):
        own = some // count
        entries = use.entries[own, some % count]
        values = use.entries[group[some, None], target[some, None], source[own]]
        factor = torch.ones((), dtype=torch.float64)
        if is_scaled:
            known = torch.where(use.sources >= 0, factors[use.sources.clamp(min=0)], 1.0)[own]
            factor = factors[use.targets.reshape(-1)[some]][:, None] / known
            factor = factor[..., None].expand(entries.shape)
        keep = (entries >= 0) & (values >= 0)
        if bool(keep.all()):
            yield entries.flatten(), values.flatten(), factor.flatten() if is_scaled else factor
        else:
            yield entries[keep], values[keep], factor[keep] if is_scaled else factor


def _moved(nodes: Int[Tensor, "groups nodes"], image: Int[Tensor, " nodes"]) -> Tensor:
    return torch.where(nodes >= 0, image[nodes.clamp(min=0)], -1)


def index_lookup(
    nodes: Int[Tensor, "groups nodes"], tags: Int[Tensor, "groups nodes"]
) -> Callable[[Tensor, Tensor | int], Tensor]:
    """Where nodes are in a group, as a function.

    Args:
        nodes: Nodes of each group.
        tags: Which of its positions each is of its node.

    Returns:
        A function from nodes at those tags, shape ``(..., groups, nodes)``, and the group to look
        in, shape ``(..., groups)``, to their indices in that group, in the shape of the nodes.
    """
    base = int(nodes.max()) + 2
    span = int(tags.max()) + 1

    def code(groups: Tensor, some: Tensor) -> Tensor:
        return ((groups[..., None] * base) + some + 1) * span + tags

    own = torch.arange(nodes.shape[0])
    order = code(own, nodes).flatten().argsort()
    ordered = code(own, nodes).flatten()[order]

    def find(some: Tensor, group: Tensor | int) -> Tensor:
        groups = own * 0 + group if isinstance(group, int) else group
        index = torch.searchsorted(ordered, code(groups, some).contiguous())
        return order[index] % nodes.shape[1]

    return find


def _node_moves(
    use: NodeParameter, image: Int[Tensor, " nodes"], factors: Float[Tensor, " nodes"]
) -> tuple[Tensor, Tensor, Tensor]:
    find = index_lookup(use.nodes[None], use.tags[None])
    target = find(image[use.nodes][None], 0)[0]
    factor = torch.ones(len(use.nodes), dtype=torch.float64)
    return use.entries, use.entries[target], factors[use.nodes] if follows_factor(use) else factor


def follows_factor(use: NodeParameter) -> bool:
    """Whether parameters of nodes are multiplied with what the nodes are."""
    if use.role is ParameterRole.SCALE:
        return use.operator in NORMALISERS
    return use.role in (ParameterRole.BIAS, ParameterRole.ACTIVATION)
