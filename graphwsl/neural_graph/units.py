"""Units: what a network computes, with all positions, time steps and samples of a thing as one.

A *unit* is a neuron, a channel, an input, or what an operator makes of those. Every element of
every activation belongs to one; the table below knows the kinds of the units and how one follows
from others.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from graphwsl.neural_graph.roles import OwnOperator, RelationKind, RelationRole
from graphwsl.neural_graph.values import mixed

Units = Int[Tensor, "..."]

NOTHING = -1
"""The unit of elements that depend neither on the inputs nor on a parameter (padding, masks)."""


class NodeKind(IntEnum):
    """How a unit comes about."""

    INPUT = 0
    """An element of an input, or one token of a vocabulary."""
    NEURON = 1
    """The sum over weighted units: a neuron, a channel, an embedding's coordinate."""
    SUM = 2
    """The sum of two units (residual connections)."""
    PRODUCT = 3
    """The product of two units (gates, attention)."""
    FUNCTION = 4
    """Another function of one or two units (normalisation, division)."""
    AGGREGATE = 5
    """A function of a set of units whose order does not matter (mean, score)."""
    COMPOSITE = 6
    """Several units that one weight reads, step by step (time steps, concatenated tokens)."""
    CONSTANT = 7
    """A fixed input, such as a position's number, or numbers that are drawn at random."""
    PARAMETER = 8
    """A parameter that serves as an activation (class tokens, queries)."""
    OPAQUE = 9
    """The result of an operator that no rule covers."""


@dataclass(frozen=True)
class Relation:
    """What units are to other units in one call of an operator.

    Attributes:
        kind: What relates them; equal kinds in one call are one relation.
        call: Number of the call.
        results: Units that follow, shape ``(pairs,)``.
        arguments: Units they follow from, shape ``(pairs,)``.
    """

    kind: RelationKind
    call: int
    results: Int[Tensor, " pairs"]
    arguments: Int[Tensor, " pairs"]


@dataclass
class UnitTable:
    """All units of a network, numbered in the order of their making."""

    call: int = 0
    """Number of the operator's call that is at work."""
    inputs: int = 0
    """How many of the first units are elements of the inputs."""
    input_channels: list[Int[Tensor, " members"]] = field(default_factory=list)
    """Elements of the inputs that one weight reads step by step: positions of one channel."""
    relations: list[Relation] = field(default_factory=list)
    _kinds: list[Int[Tensor, " some"]] = field(default_factory=list)
    _calls: list[Int[Tensor, " some"]] = field(default_factory=list)
    _pinned: list[Int[Tensor, " some"]] = field(default_factory=list)
    _colours: list[tuple[Int[Tensor, " some"], Int[Tensor, " some"]]] = field(default_factory=list)
    _composites: dict[bytes, int] = field(default_factory=dict)
    _count: int = 0

    def __len__(self) -> int:
        return self._count

    @property
    def kinds(self) -> Int[Tensor, " units"]:
        """:class:`NodeKind` of every unit."""
        return _joined(self._kinds)

    @property
    def calls(self) -> Int[Tensor, " units"]:
        """Number of the call that made the unit."""
        return _joined(self._calls)

    @property
    def pinned(self) -> Int[Tensor, " some"]:
        """Units that no symmetry may move: inputs, outputs, what opaque operators touch."""
        return _joined(self._pinned).unique()

    @property
    def free(self) -> Bool[Tensor, " units"]:
        """Units that follow, however far, from some that nothing has pinned so far."""
        pinned = torch.zeros(len(self), dtype=torch.bool)
        pinned[self.pinned] = True
        kinds = self.kinds
        free = ((kinds == NodeKind.NEURON) | (kinds == NodeKind.PARAMETER)) & ~pinned
        for relation in self.relations:  # in the order of their making
            free[relation.results[free[relation.arguments]]] = True
            free &= ~pinned
        return free

    @property
    def colours(self) -> Int[Tensor, " units"]:
        """What else distinguishes units; only those of one kind and colour can be exchanged."""
        colours = torch.zeros(len(self), dtype=torch.int64)
        for units, values in self._colours:
            colours[units] = mixed(colours[units] + mixed(values))
        return colours

    def new(self, count: int, kind: NodeKind) -> Int[Tensor, " some"]:
        """``count`` new units."""
        units = torch.arange(self._count, self._count + count)
        self._kinds.append(torch.full((count,), int(kind)))
        self._calls.append(torch.full((count,), self.call))
        self._count += count
        return units

    def pin(self, units: Units) -> None:
        """Pin units, so that no symmetry may move them."""
        self._pinned.append(units.unique())

    def colour(self, units: Int[Tensor, " some"], values: Int[Tensor, " some"]) -> None:
        """Give units colours, which add to those that they have."""
        self._colours.append((units, values))

    def relate(self, kind: RelationKind, results: Units, arguments: Units) -> None:
        """Note that each of ``results`` follows from the unit at its index in ``arguments``."""
        keep = (results != NOTHING) & (arguments != NOTHING)
        pairs = torch.stack([results[keep], arguments[keep]]).unique(dim=1)
        if pairs.shape[1]:
            self.relations.append(Relation(kind, self.call, pairs[0], pairs[1]))

    def function_of(self, operator: str, kind: NodeKind, first: Units, second: Units) -> Units:
        """The unit of an element-wise function of two, the same for the same two.

        Where one of the two is nothing, the other goes on unchanged; so does a unit that is added
        to itself, but not one that is multiplied with itself or divided by itself.
        """
        first, second = torch.broadcast_tensors(first, second)
        dims = sorted({*varying_dims(first), *varying_dims(second)})
        shape, first, second = first.shape, reduced(first, dims), reduced(second, dims)
        result = torch.where(first == NOTHING, second, first)
        both = (first != NOTHING) & (second != NOTHING)
        if kind == NodeKind.SUM:
            both &= first != second
        if bool(both.any()):
            pairs, inverse = torch.stack([first[both], second[both]]).unique(
                dim=1, return_inverse=True
            )
            units = self.new(pairs.shape[1], kind)
            self.relate(RelationKind(operator, RelationRole.FIRST), units, pairs[0])
            self.relate(RelationKind(operator, RelationRole.SECOND), units, pairs[1])
            result[both] = units[inverse]
        return result.expand(shape)

    def image_of(self, relation: RelationKind, kind: NodeKind, units: Units) -> Units:
        """New units, one for each of ``units``, that follow from it alone."""
        shape, units = units.shape, reduced(units, varying_dims(units))
        distinct, inverse = units.unique(return_inverse=True)
        images = self.new(len(distinct), kind)
        images[distinct == NOTHING] = NOTHING
        self.relate(relation, images, distinct)
        return images[inverse].expand(shape)

    def aggregate(
        self,
        operator: str,
        members: Int[Tensor, "sets members"],
        role: RelationRole = RelationRole.MEMBER,
    ) -> Int[Tensor, " sets"]:
        """One unit for every set of units (row), whose order does not matter.

        A set of one is its member.
        """
        members = members.sort(dim=1).values
        sets, inverse = members.unique(dim=0, return_inverse=True)
        results = torch.full((len(sets),), NOTHING)
        members_of = [row[row != NOTHING].unique(return_counts=True) for row in sets]
        # How often a member is there matters only if it is not the same throughout.
        is_even = len(torch.cat([counts for _, counts in members_of]).unique()) < 2
        for i in range(len(sets)):
            distinct, counts = members_of[i]
            if len(distinct) == 1:
                results[i] = distinct[0]
            elif len(distinct):
                results[i] = self.new(1, NodeKind.AGGREGATE)[0]
                for count in counts.unique().tolist():
                    some = distinct[counts == count]
                    kind = RelationKind(operator, role, 0 if is_even else count)
                    self.relate(kind, results[i].expand(len(some)), some)
        return results[inverse]

    def composite(self, members: Int[Tensor, "lists members"]) -> Int[Tensor, " lists"]:
        """One unit for every list of units (row), which are read step by step.

        A list of one is its member; equal lists are one unit throughout the network.
        """
        first = members[:, :1]
        is_constant = ((members == first) | (members == NOTHING)).all(dim=1)
        results = members.max(dim=1).values
        made: dict[int, Int[Tensor, " steps"]] = {}
        for i in torch.nonzero(~is_constant).flatten().tolist():
            results[i] = self._composite(members[i], made)
        # One relation a step, of all units that have it.
        for step in range(max(map(len, made.values()), default=0)):
            having = {unit: steps[step] for unit, steps in made.items() if step < len(steps)}
            self.relations.append(
                Relation(
                    RelationKind(OwnOperator.COMPOSITE, RelationRole.STEP, step),
                    self.call,
                    torch.tensor(list(having)),
                    torch.stack(list(having.values())),
                )
            )
        return results

    def _composite(
        self, members: Int[Tensor, " members"], made: dict[int, Int[Tensor, " steps"]]
    ) -> int:
        members = members[members != NOTHING]
        distinct, inverse = members.unique(return_inverse=True)
        if len(distinct) == 1:
            return int(distinct[0])
        # In the order of the first step, so that lists that differ in length only are one.
        first = torch.full((len(distinct),), len(members)).scatter_reduce(
            0, inverse, torch.arange(len(members)), "amin"
        )
        distinct = distinct[first.argsort()]
        key = distinct.numpy().tobytes()
        if key not in self._composites:
            # Elements of the inputs stay where they are: their channel is an input itself.
            is_input = bool((distinct < self.inputs).all())
            unit = self.new(1, NodeKind.INPUT if is_input else NodeKind.COMPOSITE)
            if is_input:
                self.pin(unit)
                self.input_channels.append(distinct)
            else:
                made[int(unit[0])] = distinct
            self._composites[key] = int(unit[0])
        return self._composites[key]


def varying_dims(tensor: Tensor) -> list[int]:
    """Dimensions along which the elements (units, constants) are not the same."""
    return [
        dim
        for dim, size in enumerate(tensor.shape)
        if size > 1
        and tensor.stride(dim)
        and not bool(torch.eq(tensor, tensor.narrow(dim, 0, 1)).all())
    ]


def reduced(tensor: Tensor, dims: list[int]) -> Tensor:
    """The first index of every dimension other than ``dims``, kept as dimensions of size 1."""
    for dim, size in enumerate(tensor.shape):
        if dim not in dims and size > 1:
            tensor = tensor.narrow(dim, 0, 1)
    return tensor


def occurrences(units: Int[Tensor, "groups elements"]) -> Int[Tensor, "groups elements"]:
    """How often each unit is before in its row: which of its positions each element is."""
    order = units.argsort(dim=1, stable=True)
    ordered = units.gather(1, order)
    indices = torch.arange(units.shape[1]).expand_as(units)
    is_new = torch.ones_like(units, dtype=torch.bool)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = torch.where(is_new, indices, 0).cummax(dim=1).values
    return torch.empty_like(units).scatter_(1, order, indices - starts)


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)
