"""One element of a network's symmetry group, and what it does to the weights."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.neural_graph.graph import EdgeBlock, NeuralGraph, NodeParameter
from graphwsl.symmetries.scalings import NORMALISERS


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
        """The element that changes nothing."""
        return GroupElement(
            graph,
            torch.arange(graph.num_nodes),
            torch.ones(graph.num_nodes, dtype=torch.float64),
        )

    def then(self, other: "GroupElement") -> "GroupElement":
        """This element first, then the other."""
        return GroupElement(
            self.graph, other.image[self.image], self.factors * other.factors[self.image]
        )

    def inverse(self) -> "GroupElement":
        """The element that takes this one back."""
        back = self.image.argsort()
        return GroupElement(self.graph, back, 1 / self.factors[back])

    def apply(self, state: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The weights that compute the same function with the nodes at their new places.

        Args:
            state: Weights of the architecture; those of the graph by default.

        Returns:
            All names of the state, tied tensors under each of theirs.
        """
        graph = self.graph if state is None else self.graph.with_weights(state)
        flat = graph.flat()
        moved = flat.clone()
        for use in graph.uses:
            for source, target, factor in moves(use, self.image, self.factors):
                moved[target] = flat[source] * factor
        state = graph.to_state_dict()
        for name, start in graph.offsets.items():
            tensor = graph.state[name]
            part = moved[start : start + tensor.numel()].view(tensor.shape)
            state[name] = part.to(tensor.dtype)
        for name, first in graph.aliases.items():
            state[name] = state[first]
        return state


def moves(
    use: EdgeBlock | NodeParameter, image: Int[Tensor, " nodes"], factors: Float[Tensor, " nodes"]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """For every entry of a use, the entry that takes its value, and the value's factor."""
    if isinstance(use, NodeParameter):
        yield _node_moves(use, image, factors)
        return
    groups, count, width, _ = use.entries.shape
    # Which group and place each target, and each place of a source, goes to.
    places = _lookup(use.targets.reshape(1, -1), torch.zeros_like(use.targets).reshape(1, -1))
    target = places(_moved(use.targets.reshape(1, -1), image), 0).view(groups, count)
    group, target = target // count, target % count
    tags = use.tags
    find = _lookup(use.sources, tags)
    source = find(_moved(use.sources, image), group[:, 0]).view(groups, width)
    real = use.sources[:, None, :, None] >= -1
    values = use.entries[group[:, :, None], target[:, :, None], source[:, None, :]]
    known = torch.where(use.sources >= 0, factors[use.sources.clamp(min=0)], 1.0)
    factor = (factors[use.targets][:, :, None] / known[:, None, :])[..., None]
    keep = (use.entries >= 0) & (values >= 0) & real
    yield use.entries[keep], values[keep], factor.expand(use.entries.shape)[keep]


def _moved(nodes: Int[Tensor, "groups places"], image: Int[Tensor, " nodes"]) -> Tensor:
    return torch.where(nodes >= 0, image[nodes.clamp(min=0)], -1)


def _lookup(
    nodes: Int[Tensor, "groups places"], tags: Int[Tensor, "groups places"]
) -> Callable[[Tensor, Tensor | int], Tensor]:
    """A function from (nodes at the tags of their places, group) to places in that group."""
    base = int(nodes.max()) + 2
    span = int(tags.max()) + 1

    def code(groups: Tensor, some: Tensor) -> Tensor:
        return ((groups[:, None] * base) + some + 1) * span + tags

    own = torch.arange(nodes.shape[0])
    order = code(own, nodes).flatten().argsort()
    ordered = code(own, nodes).flatten()[order]

    def find(some: Tensor, group: Tensor | int) -> Tensor:
        groups = own * 0 + group if isinstance(group, int) else group
        place = torch.searchsorted(ordered, code(groups, some).flatten())
        return order[place] % nodes.shape[1]

    return find


def _node_moves(
    use: NodeParameter, image: Int[Tensor, " nodes"], factors: Float[Tensor, " nodes"]
) -> tuple[Tensor, Tensor, Tensor]:
    find = _lookup(use.nodes[None], use.tags[None])
    target = find(image[use.nodes][None], 0)
    is_scaled = use.role in ("bias", "activation") or (
        use.role == "scale" and use.operator in NORMALISERS
    )
    factor = factors[use.nodes] if is_scaled else torch.ones(len(use.nodes), dtype=torch.float64)
    return use.entries, use.entries[target], factor
