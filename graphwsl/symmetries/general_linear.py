"""General linear groups: units between two matrices with nothing else between them.

``B @ A`` stays as it is when A becomes ``G @ A`` and B ``B @ inverse(G)``, for every invertible G:
the group GL(r) of the r units between, of which permutations, scalings and sign flips are a small
part. Low-rank adapters (Hu et al., 2021) are such pairs. Whatever stands between (a function, a sum
with other units, a normalisation, a shared or computed weight) leaves no such group, and what the
graph does not show to be nothing counts as something.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError
from graphwsl.neural_graph.entries import repeated
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.roles import FunctionForm, FunctionKind, ParameterRole
from graphwsl.symmetries.element import weights_of
from graphwsl.symmetries.orbits import Orbit
from graphwsl.symmetries.scalings import Factors

BIAS = FunctionKind("add", FunctionForm.WITH_WEIGHTS)
"""What a bias is among the functions of a unit."""


@dataclass(frozen=True, eq=False)
class GeneralLinear:
    """The group GL(r) of the units between two matrices.

    Attributes:
        graph: The network's graph.
        nodes: The units, shape ``(rank,)``.
        first: Entries of the weights that make them, shape ``(rank, sources, kernel)``.
        second: Entries of the weights that read them, shape ``(targets, rank, kernel)``.
        biases: Entries of their biases, shape ``(rank,)``; empty where there are none.
    """

    graph: NeuralGraph
    nodes: Int[Tensor, " rank"]
    first: Int[Tensor, "rank sources kernel"]
    second: Int[Tensor, "targets rank kernel"]
    biases: Int[Tensor, " biases"]

    def __repr__(self) -> str:
        return f"GL({self.rank})"

    @property
    def rank(self) -> int:
        """How many units there are."""
        return len(self.nodes)

    def random(self, generator: torch.Generator | None = None) -> "LinearElement":
        """An element that is far from singular: two rotations, and factors from 1/2 to 2 between.

        Args:
            generator: Source of randomness.

        Raises:
            InvalidArgumentError: ``generator`` is none.
        """
        arguments.generator("generator", generator)
        drawn = torch.randn(2, self.rank, self.rank, generator=generator, dtype=torch.float64)
        left, right = torch.linalg.qr(drawn).Q
        powers = 2 * torch.rand(self.rank, generator=generator, dtype=torch.float64) - 1
        return self.element(left * 2**powers @ right)

    def element(self, matrix: Float[Tensor, "rank rank"]) -> "LinearElement":
        """The element of an invertible matrix.

        Args:
            matrix: What the units are multiplied with.

        Raises:
            InvalidArgumentError: It is no matrix of the rank, not finite, or singular.
        """
        arguments.instance("matrix", matrix, Tensor, "a torch.Tensor", "give an invertible matrix")
        if matrix.shape != (self.rank, self.rank):
            raise InvalidArgumentError(
                f"matrix must be of shape {(self.rank, self.rank)}, got {tuple(matrix.shape)}"
            )
        matrix = matrix.double()
        is_finite = bool(matrix.isfinite().all())
        if not is_finite or int(torch.linalg.matrix_rank(matrix)) < self.rank:
            raise InvalidArgumentError("matrix must be finite and invertible")
        return LinearElement(self, matrix)


@dataclass(frozen=True, eq=False)
class LinearElement:
    """One element of a general linear group.

    Attributes:
        group: The group.
        factors: What the units are multiplied with, shape ``(rank, rank)``.
    """

    group: GeneralLinear
    factors: Float[Tensor, "rank rank"]

    @property
    def graph(self) -> NeuralGraph:
        """The network's graph."""
        return self.group.graph

    def inverse(self) -> "LinearElement":
        """The element that takes this one back."""
        return LinearElement(self.group, torch.linalg.inv(self.factors))

    def apply(self, state: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The weights that compute the same function with other units between.

        Args:
            state: Weights of the architecture; those of the graph by default.

        Returns:
            All names of the state, tied tensors under each of theirs.
        """
        group = self.group
        graph = self.graph if state is None else self.graph.with_weights(state)
        flat = graph.flat(dtype=graph.weight_dtype)
        moved = flat.clone()
        matrix = self.factors.to(flat)
        back = torch.linalg.inv(self.factors).to(flat)
        moved[group.first] = torch.einsum("ij,jsk->isk", matrix, flat[group.first])
        moved[group.second] = torch.einsum("tik,ij->tjk", flat[group.second], back)
        if len(group.biases):
            moved[group.biases] = matrix @ flat[group.biases]
        return weights_of(graph, moved)


def general_linear_groups(
    graph: NeuralGraph, orbits: list[Orbit], positive: Factors, sign: Factors
) -> list[GeneralLinear]:
    """The general linear groups of a network, in the order of its layers.

    Their units can be permuted and multiplied with any factor each. That excludes weights that are
    other functions of the parameters than common multiples.

    Args:
        graph: The network's graph.
        orbits: Parts that can be permuted.
        positive: Units that any positive factor is allowed for.
        sign: Units that the factor -1 is allowed for.
    """
    is_free = ~_is_more(graph) & _is_scaled(positive) & _is_scaled(sign)
    orbit = torch.arange(graph.num_nodes) + len(orbits)  # each unit alone, unless it is in one
    for number, some in enumerate(orbits):
        if some.nodes.shape[1] == 1:
            orbit[some.nodes[:, 0]] = number
    is_shared, readers = _is_shared(graph), _Readers(graph)
    found = []
    for block in graph.blocks:
        candidates = is_free[block.targets].all(dim=1).nonzero()[:, 0] if block.is_linear else ()
        for group in map(int, candidates):
            nodes = block.targets[group]
            if len(orbit[nodes].unique()) > 1:
                continue
            first, second = block.entries[group], readers.entries(nodes)
            biases = _biases(graph, nodes)
            if second is None or biases is None:
                continue
            entries = torch.cat([first.flatten(), second.flatten(), biases])
            if not bool((entries < 0).any() or is_shared[entries].any()):
                found.append(GeneralLinear(graph, nodes, first, second, biases))
    return found


def _is_more(graph: NeuralGraph) -> Bool[Tensor, " nodes"]:
    """Units that are more than a weighted sum and perhaps a bias."""
    more = torch.zeros(graph.num_nodes, dtype=torch.bool)
    more[graph.pinned] = True
    for function in graph.functions:
        if function.kind != BIAS:
            more[function.nodes] = True
    for relation in graph.relations:
        more[relation.sources] = True
        more[relation.targets] = True
    for parameter in graph.node_parameters:
        if parameter.role is not ParameterRole.BIAS or not parameter.is_linear:
            more[parameter.nodes] = True
    made = torch.zeros(graph.num_nodes, dtype=torch.int64)
    for block in graph.blocks:
        made += torch.bincount(block.targets.flatten(), minlength=graph.num_nodes)
    return more | (made != 1)


def _is_scaled(factors: Factors) -> Bool[Tensor, " nodes"]:
    """Units that have a factor of their own."""
    alone = torch.bincount(factors.classes, minlength=len(factors.allowed)) == 1
    return (factors.allowed & alone)[factors.classes]


def _is_shared(graph: NeuralGraph) -> Bool[Tensor, " entries"]:
    """Entries that are used several times, or that statistics are made of."""
    size = sum(tensor.numel() for tensor in graph.state.values())
    # The last element stands for indices of nothing.
    shared = torch.zeros(size + 1, dtype=torch.bool)
    shared[:-1] = repeated(size, (use.entries for use in graph.uses))
    for rows in graph.bundles:
        shared[rows[rows >= 0]] = True
    return shared


class _Readers:
    """The only weights that read each unit.

    Args:
        graph: The network's graph.
    """

    def __init__(self, graph: NeuralGraph) -> None:
        self.blocks = graph.blocks
        # How often a unit is read, and the last block, group and column that does.
        self.times = torch.zeros(graph.num_nodes, dtype=torch.int64)
        self.places = torch.zeros(graph.num_nodes, 3, dtype=torch.int64)
        for number, block in enumerate(graph.blocks):
            group, column = (block.sources >= 0).nonzero(as_tuple=True)
            nodes = block.sources[group, column]
            self.times += torch.bincount(nodes, minlength=graph.num_nodes)
            place = torch.stack([torch.full_like(group, number), group, column], dim=1)
            self.places[nodes] = place

    def entries(self, nodes: Int[Tensor, " rank"]) -> Int[Tensor, "targets rank kernel"] | None:
        """The entries of the weights that read units; None unless one group reads each once."""
        places = self.places[nodes]
        if bool((self.times[nodes] != 1).any() or (places[:, :2] != places[0, :2]).any()):
            return None
        block, group = self.blocks[int(places[0, 0])], int(places[0, 1])
        return block.entries[group][:, places[:, 2]] if block.is_linear else None


def _biases(graph: NeuralGraph, nodes: Int[Tensor, " rank"]) -> Int[Tensor, " biases"] | None:
    """The entries of the biases of units, in their order; None where some have none or several."""
    uses = [use for use in graph.node_parameters if bool(torch.isin(use.nodes, nodes).any())]
    if not uses:
        return torch.zeros(0, dtype=torch.int64)
    held = torch.cat([use.nodes for use in uses])
    entries = torch.cat([use.entries for use in uses])
    node, place = (held[None] == nodes[:, None]).nonzero(as_tuple=True)
    return entries[place] if torch.equal(node, torch.arange(len(nodes))) else None
