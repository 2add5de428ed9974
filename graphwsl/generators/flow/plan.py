"""How a flow reads an architecture: units that can be permuted, pairs of units, and the rest.

Every parameter belongs to at most two parts of orbits (:mod:`graphwsl.symmetries.orbits`): a weight
on an input or a bias to one, a weight between hidden units to two, a bias of an output to none.
What belongs to one part is a vector for every unit of the orbit, with inputs, outputs and kernels
in a fixed order; what belongs to two is a block with a row and a column for every unit. A
permutation of an orbit permutes its units, and rows or columns of its blocks, and nothing else.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.alignment.weight_matching import parameter_mask
from graphwsl.errors import GeneratorError
from graphwsl.neural_graph.elements import EdgeBlock
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.populations.population import Architecture
from graphwsl.symmetries import symmetries
from graphwsl.symmetries.orbits import Orbit

Flat = Float[Tensor, "networks parameters"]
INCOMING, OWN, OUTGOING = range(3)
"""What a number of a unit is: a weight on what is fixed, a parameter, a weight of what is fixed."""


@dataclass(frozen=True, eq=False)
class Units:
    """The units of an orbit.

    Attributes:
        entries: Indices of their numbers in a flattened state, shape ``(units, width)``.
        columns: What each number is: INCOMING, OWN or OUTGOING, shape ``(width,)``.
    """

    entries: Int[Tensor, "units width"]
    columns: Int[Tensor, " width"]

    @property
    def kind(self) -> str:
        """Units of one kind, whatever their number, are read alike."""
        return "-".join(str(int((self.columns == one).sum())) for one in (INCOMING, OWN, OUTGOING))


@dataclass(frozen=True, eq=False)
class Pairs:
    """Weights of units on other units.

    Attributes:
        entries: Indices in a flattened state, shape ``(targets, sources, width)``, where a width
            above one stands for kernels and positions.
        targets: Number of the orbit that they make.
        sources: Number of the orbit that they read.
    """

    entries: Int[Tensor, "targets sources width"]
    targets: int
    sources: int

    @property
    def kind(self) -> str:
        """Pairs of one kind are read alike."""
        return str(self.entries.shape[2])


@dataclass(frozen=True, eq=False)
class Parts:
    """Networks of one architecture, as a flow reads them.

    Attributes:
        units: The units of every orbit, each of shape ``(networks, units, width)``.
        pairs: Each of shape ``(networks, targets, sources, width)``.
        rest: What nothing moves, shape ``(networks, rest)``.
    """

    units: list[Float[Tensor, "networks _ _"]]
    pairs: list[Float[Tensor, "networks _ _ _"]]
    rest: Float[Tensor, "networks rest"]

    def flat(self) -> Flat:
        """One row a network, part after part."""
        return torch.cat([*(u.flatten(1) for u in self.units),
                          *(p.flatten(1) for p in self.pairs), self.rest], dim=1)  # fmt: skip


@dataclass(frozen=True, eq=False)
class FlowPlan:
    """An architecture, part by part.

    Attributes:
        units: The orbits, in the order in which they follow one another.
        pairs: Blocks between them.
        rest: Indices of the parameters that nothing moves, shape ``(rest,)``.
        neutral: A state whose parameters are 0, and whose running statistics do nothing.
    """

    units: tuple[Units, ...]
    pairs: tuple[Pairs, ...]
    rest: Int[Tensor, " rest"]
    neutral: Float[Tensor, " entries"]

    @classmethod
    def of(cls, architecture: Architecture) -> "FlowPlan":
        """The plan of an architecture.

        Raises:
            GeneratorError: Orbits within orbits, such as coordinates of attention heads.
        """
        graph = architecture.graph
        orbits = sorted(symmetries(graph).orbits, key=lambda orbit: int(orbit.nodes.min()))
        orbit_of, part_of, column_of = _located(orbits, graph.num_nodes, architecture.name)
        groups = _grouped(graph, orbit_of, part_of, column_of)
        of_units: list[list[tuple[int, Tensor]]] = [[] for _ in orbits]
        of_pairs: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
        rest = [torch.zeros(0, dtype=torch.int64)]
        for (target, source, role), (entries, parts, others) in groups:
            if target < 0 and source < 0:
                rest.append(entries)
            elif target < 0 or source < 0 or (target == source and torch.equal(parts, others)):
                owner, own = (source, others) if target < 0 else (target, parts)
                of_units[owner].append((role, _ordered(entries, own, len(orbits[owner].nodes))))
            else:
                shape = len(orbits[target].nodes), len(orbits[source].nodes)
                flat = parts * shape[1] + others
                of_pairs[target, source].append(
                    _ordered(entries, flat, shape[0] * shape[1]).view(shape)
                )
        units = tuple(
            Units(
                torch.stack([column for _, column in sorted(own, key=lambda one: one[0])], dim=1)
                if own else torch.zeros(len(orbit.nodes), 0, dtype=torch.int64),
                torch.tensor(sorted(role for role, _ in own), dtype=torch.int64),
            )
            for own, orbit in zip(of_units, orbits, strict=True)
        )  # fmt: skip
        pairs = tuple(
            Pairs(torch.stack(blocks, dim=2), *ends) for ends, blocks in sorted(of_pairs.items())
        )
        neutral = torch.zeros(architecture.num_entries)
        for name, start in graph.offsets.items():
            if name.endswith("running_var"):
                neutral[start : start + graph.state[name].numel()] = 1.0
        plan = cls(units, pairs, torch.cat(rest).sort().values, neutral)
        if len(plan.order) != int(parameter_mask(graph).sum()) or (
            len(plan.order.unique()) != len(plan.order)
        ):
            raise GeneratorError(
                f"{architecture.name!r} has weights that no unit and no pair of units holds alone; "
                "choose aligned_flow"
            )
        return plan

    @cached_property
    def order(self) -> Int[Tensor, " parameters"]:
        """Index in a flattened state of every number of a row of parts."""
        return torch.cat([*(u.entries.flatten() for u in self.units),
                          *(p.entries.flatten() for p in self.pairs), self.rest])  # fmt: skip

    def split(self, flat: Flat) -> Parts:
        """The parts of networks, as views."""
        shapes = [*(u.entries.shape for u in self.units), *(p.entries.shape for p in self.pairs),
                  self.rest.shape]  # fmt: skip
        found = [
            part.unflatten(1, shape)
            for part, shape in zip(
                flat.split([shape.numel() for shape in shapes], dim=1), shapes, strict=True
            )
        ]
        count = len(self.units)
        return Parts(found[:count], found[count:-1], found[-1])

    def read(self, rows: Float[Tensor, "networks entries"]) -> Flat:
        """Rows of parts from flattened states."""
        return rows.index_select(1, self.order.to(rows.device))

    def write(self, flat: Flat, *, neutral: bool = True) -> Float[Tensor, "networks entries"]:
        """Flattened states from rows of parts.

        Args:
            flat: The parts.
            neutral: Whether running statistics do nothing; else they are 0.
        """
        rows = self.neutral.to(flat) if neutral else torch.zeros_like(self.neutral).to(flat)
        rows = rows.repeat(len(flat), 1)
        return rows.index_copy(1, self.order.to(flat.device), flat)


def _located(
    orbits: list[Orbit], num_nodes: int, name: str
) -> tuple[Int[Tensor, " nodes"], Int[Tensor, " nodes"], Int[Tensor, " nodes"]]:
    """Orbit, part and column of every node; -1 of those that nothing moves."""
    orbit_of, part_of, column_of = (torch.full((num_nodes,), -1) for _ in range(3))
    for number, orbit in enumerate(orbits):
        nodes = orbit.nodes
        if bool((orbit_of[nodes] >= 0).any()):
            raise GeneratorError(
                f"{name!r} has units within units that can be permuted, such as coordinates of "
                "attention heads; choose aligned_flow"
            )
        orbit_of[nodes] = number
        part_of[nodes] = torch.arange(len(nodes))[:, None].expand_as(nodes)
        column_of[nodes] = torch.arange(nodes.shape[1]).expand_as(nodes)
    return orbit_of, part_of, column_of


def _grouped(
    graph: NeuralGraph, orbit_of: Tensor, part_of: Tensor, column_of: Tensor
) -> list[tuple[tuple[int, int, int], tuple[Tensor, Tensor, Tensor]]]:
    """Parameters that permutations send to one another, with the parts that they belong to.

    What they have in common is where they are used, and how the nodes there stand to their orbits.
    """
    is_free = parameter_mask(graph)
    found = []
    for use in graph.uses:
        targets, sources, tags, kernels, entries = _ends(use)
        kept = (entries >= 0) & is_free[entries.clamp(min=0)]
        # The use of an entry that comes first decides, wherever else it is used.
        first = torch.full((len(is_free),), len(entries))
        first.scatter_reduce_(0, entries[kept], kept.nonzero()[:, 0], "amin")
        kept &= first[entries.clamp(min=0)] == torch.arange(len(entries))
        is_free = is_free.index_fill(0, entries[kept], False)
        if not bool(kept.any()):
            continue
        targets, sources, tags, kernels, entries = (
            one[kept] for one in (targets, sources, tags, kernels, entries)
        )
        keys = torch.stack([
            orbit_of[targets], _of(orbit_of, sources),
            torch.where(orbit_of[targets] < 0, targets, column_of[targets]),
            torch.where(_of(orbit_of, sources) < 0, sources, _of(column_of, sources)),
            tags, kernels,
        ], dim=1)  # fmt: skip
        distinct, which = keys.unique(dim=0, return_inverse=True)
        order = which.argsort(stable=True)
        ends = which.bincount(minlength=len(distinct)).cumsum(0).tolist()
        for key, start, end in zip(distinct.tolist(), [0, *ends], ends, strict=False):
            own = order[start:end]
            is_edge = isinstance(use, EdgeBlock)
            role = OWN if not is_edge else OUTGOING if key[0] < 0 else INCOMING
            parts = part_of[targets[own]], _of(part_of, sources[own])
            found.append(((key[0], key[1], role), (entries[own], *parts)))
    return found


def _ends(use: object) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Target, source (-1 for none), tag, position of the kernel and entry of every use of one."""
    if isinstance(use, EdgeBlock):
        shape = use.entries.shape
        expanded = (
            use.targets[:, :, None, None], use.sources[:, None, :, None],
            use.tags[:, None, :, None], torch.arange(shape[3]).view(1, 1, 1, -1),
        )  # fmt: skip
        targets, sources, tags, kernels = (one.expand(shape).flatten() for one in expanded)
        entries = torch.where(sources < 0, -1, use.entries.flatten())
        return targets, sources, tags, kernels, entries
    nodes, tags, entries = use.nodes, use.tags, use.entries  # type: ignore[attr-defined]
    return nodes, torch.full_like(nodes, -1), tags, torch.zeros_like(nodes), entries


def _of(values: Tensor, nodes: Tensor) -> Tensor:
    """Values of nodes, -1 of no node."""
    return torch.where(nodes < 0, -1, values[nodes.clamp(min=0)])


def _ordered(entries: Tensor, places: Tensor, count: int) -> Tensor:
    """Entries in the order of their places, of which each must be there once."""
    if len(places) != count or len(places.unique()) != count:
        raise GeneratorError(
            "the network shares weights among its units, or leaves some out; choose aligned_flow"
        )
    return entries[places.argsort()]
