"""Embeddings: a layer whose inputs are the tokens of a vocabulary."""

from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.rules.registry import Call, Result, opaque, rule
from graphwsl.neural_graph.units import NodeKind
from graphwsl.neural_graph.values import Value

BAGS = ("_embedding_bag", "_embedding_bag_forward_only")

EMBEDDINGS = frozenset({"embedding", *BAGS})
"""Operators whose weights are tables."""


@rule("embedding")
def embedding(builder: GraphBuilder, call: Call) -> Result:
    """The coordinates are units; every token (or constant position) is a fixed one.

    The whole table is mapped, whichever tokens the example holds.
    """
    table, numbers = call.args[:2]
    if not (table.is_weights and table.entries):
        return opaque(builder, call)
    coordinates = _coordinates(builder, table, numbers)
    return Value(call.result).with_units(coordinates.view(*(1,) * numbers.tensor.ndim, -1))


@rule(*BAGS)
def embedding_bag(builder: GraphBuilder, call: Call) -> Result:
    """The sum, mean or maximum of the rows of a bag keeps the units of the coordinates."""
    table, numbers, _, _, mode = call.args[:5]
    if not (table.is_weights and table.entries):
        return opaque(builder, call)
    # Weights and borders of the bags are the same for all coordinates.
    builder.fix(*(one for one in call.values if one is not table and one is not numbers))
    coordinates = _coordinates(builder, table, numbers)
    builder.applied(("sum", "mean", "amax")[mode], coordinates)
    return call.also(builder, Value(call.tensor).with_units(coordinates[None]))


def _coordinates(
    builder: GraphBuilder, table: Value, numbers: Value
) -> Int[Tensor, " coordinates"]:
    kind = NodeKind.CONSTANT if numbers.is_constant else NodeKind.INPUT
    builder.fix(numbers)
    tokens = builder.units.new(table.tensor.shape[0], kind)
    builder.units.pin(tokens)
    assert table.entries is not None
    blocks = tuple(one.t()[None, :, :, None] for one in table.entries)
    changes = None if table.changes is None else table.changes.t()[None, :, :, None]
    return builder.neurons(blocks, tokens[None], changes=changes)[0]
