"""Tensors that take nothing but their shape from another: constants."""

from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.rules.registry import Call, Result, rule
from graphwsl.neural_graph.values import Value


@rule(
    "empty_like",
    "full_like",
    "new_empty",
    "new_full",
    "new_ones",
    "new_zeros",
    "ones_like",
    "zeros_like",
)
def create(builder: GraphBuilder, call: Call) -> Result:
    """The result depends neither on the inputs nor on the weights: a constant."""
    return Value(call.result)


@rule("rand_like", "randint_like", "randn_like")
def draw(builder: GraphBuilder, call: Call) -> Result:
    """Random numbers in the shape of a tensor, which they do not depend on otherwise."""
    return builder.drawn(call.tensor)
