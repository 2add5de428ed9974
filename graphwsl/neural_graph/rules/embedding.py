"""Embeddings: a layer whose inputs are the tokens of a vocabulary."""

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.rules.registry import Call, Result, rule
from graphwsl.neural_graph.units import NodeKind
from graphwsl.neural_graph.values import Value


@rule("embedding")
def embedding(builder: GraphBuilder, call: Call) -> Result:
    """The coordinates are units; every token (or constant position) is a fixed one.

    The whole table is mapped, whichever tokens the example holds.
    """
    table, numbers = call.args[:2]
    if not (table.is_weights and table.entries):
        return Value(call.result).with_units(builder.hide(*call.values))
    kind = NodeKind.CONSTANT if numbers.is_constant else NodeKind.INPUT
    tokens = builder.units.new(table.tensor.shape[0], kind)
    builder.units.pin(tokens)
    blocks = tuple(one.t()[None, :, :, None] for one in table.entries)
    targets = builder.neurons(blocks, tokens[None])
    return Value(call.result).with_units(targets.view(*(1,) * numbers.tensor.ndim, -1))
