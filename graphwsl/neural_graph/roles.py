"""What parameters are to nodes, nodes to one another, and what functions are applied to them.

Operators are named as ATen names them, without namespace and overload (``native_layer_norm``, or
``div.floor`` where a keyword makes another function of one), or by :class:`OwnOperator`. All else
that is to be known of a parameter, a relation or a function is a member of an enumeration, never a
part of a name.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class ParameterRole(StrEnum):
    """What a parameter is to its node; the columns of ``x`` in this order."""

    BIAS = "bias"
    SCALE = "scale"
    MEAN = "mean"
    """A running mean."""
    VARIANCE = "variance"
    """A running variance."""
    ACTIVATION = "activation"
    """The node's own value."""
    OTHER = "other"


class OwnOperator(StrEnum):
    """Operations of rules that ATen has no name for."""

    CONCATENATED = "concatenated"
    """Constants that are concatenated with units."""
    CHANGES = "changes"
    """A function of parameters that is used as an activation."""
    COMPOSITE = "composite"
    """Several units that one weight reads, one after the other."""
    MATRIX_PRODUCT = "mm"
    """The product of two activations, or of one and constants, whichever operator makes it."""
    MOVE = "move"
    """Positions of a unit that are left out, repeated or put in another order."""
    ROUNDED = "rounded"
    """A cast to integers, truth values or floats below 16 bits."""
    STATISTIC = "statistic"
    """A statistic of weights as a parameter of units."""


class RelationRole(StrEnum):
    """What the sources of a relation are to its targets."""

    IMAGE = "image"
    """The target is a function of the source alone."""
    CONSTANT = "constant"
    """The target is a function of the source and of constants that differ between sources."""
    FIRST = "first"
    """The first argument of a function of two."""
    SECOND = "second"
    """The second argument of a function of two."""
    MEMBER = "member"
    """One of a set, whose order does not matter."""
    STEP = "step"
    """One of a list of units that are read one after the other."""
    SHARED = "shared"
    """One of the units that share a parameter, which belongs to the target."""
    GROUP = "group"
    """One of the units that a group of weights reads; the target is the group."""
    PART = "part"
    """The target is made from the source in a way that carries no value: its group, or an operator
    that nothing is known of."""


ARGUMENTS = (RelationRole.FIRST, RelationRole.SECOND)
"""Roles of the arguments of a function of two."""


@dataclass(frozen=True)
class RelationKind:
    """What relates nodes in one call of an operator.

    Attributes:
        operator: Name of the operator.
        role: What the sources are to the targets.
        number: For a :attr:`RelationRole.STEP` its number in the list, from 0; for a member how
            often it is in the set, or 0 where all members are in it equally often; else 0.
    """

    operator: str
    role: RelationRole
    number: int = 0

    @property
    def edge_kind(self) -> "EdgeKind":
        """What edges of this relation are counted as."""
        return _EDGE_KINDS.get(self.operator, EdgeKind.FUNCTION)


class FunctionForm(StrEnum):
    """Which operands a function of one unit has apart from the unit, and what it returns."""

    PLAIN = "plain"
    WITH_WEIGHTS = "with weights"
    """The unit first, then parameters: ``x - bias``."""
    WITH_CONSTANT = "with constant"
    """The unit first, then a constant, or constants elsewhere in the same operation."""
    OF_WEIGHTS = "of weights"
    """Parameters first, then the unit: ``bias - x``."""
    OF_CONSTANT = "of constant"
    """A constant first, then the unit: ``1 / x``."""
    INDICES = "indices"
    """The indices at which the result was found, together with the result."""


@dataclass(frozen=True)
class FunctionKind:
    """A function that is applied to units without making new ones.

    Attributes:
        operator: Name of the operator.
        form: Which operands it has apart from the unit.
    """

    operator: str
    form: FunctionForm = FunctionForm.PLAIN


class EdgeKind(IntEnum):
    """What ``edge_kind`` counts: weights, then relations by the operator that makes them."""

    WEIGHT = 0
    ADD = 1
    MUL = 2
    MM = 3
    COMPOSITE = 4
    FUNCTION = 5

    @property
    def label(self) -> str:
        """How the type of edges begins in :class:`torch_geometric.data.HeteroData`."""
        return self.name.lower()


_EDGE_KINDS = {
    "add": EdgeKind.ADD,
    "addbmm": EdgeKind.ADD,
    "addcdiv": EdgeKind.ADD,
    "addcmul": EdgeKind.ADD,
    "addmm": EdgeKind.ADD,
    "addmv": EdgeKind.ADD,
    "addr": EdgeKind.ADD,
    "mul": EdgeKind.MUL,
    OwnOperator.MATRIX_PRODUCT: EdgeKind.MM,
    OwnOperator.COMPOSITE: EdgeKind.COMPOSITE,
}
