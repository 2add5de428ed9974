"""Rules: what an operator makes of units and weights; one function each, in one registry."""

from graphwsl.neural_graph.rules import (
    convolution,
    creation,
    elementwise,
    embedding,
    index,
    matrix_product,
    normalisation,
    positions,
    reduction,
)
from graphwsl.neural_graph.rules.registry import RULES, Call, rule

__all__ = [
    "RULES",
    "Call",
    "convolution",
    "creation",
    "elementwise",
    "embedding",
    "index",
    "matrix_product",
    "normalisation",
    "positions",
    "reduction",
    "rule",
]
