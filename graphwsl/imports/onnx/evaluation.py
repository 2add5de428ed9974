"""Nodes that need neither weights nor inputs, evaluated by ONNX's own reference."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from onnx import ValueInfoProto, helper
from onnx.reference import ReferenceEvaluator

from graphwsl.errors import UnsupportedModelError
from graphwsl.imports.onnx.graph import Node

# Beside the nodes, not in them: an evaluator cannot be copied, and a network must be.
_EVALUATORS: WeakKeyDictionary[Node, Any] = WeakKeyDictionary()


def evaluate(node: Node, inputs: Sequence[Any]) -> list[np.ndarray]:
    """The outputs of a node on arrays, None for an input that is left out.

    Raises:
        UnsupportedModelError: The reference does not know the operator, or refuses the inputs.
    """
    given = {name: one for name, one in zip(node.inputs, inputs, strict=True) if name}
    try:
        if node not in _EVALUATORS:
            _EVALUATORS[node] = _evaluator(node)
        results = _EVALUATORS[node].run(None, given)
    # It is as wide as the standard, and raises whatever comes up.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UnsupportedModelError(f"{node} cannot be evaluated: {reason}") from error
    return [np.asarray(one) for one in results]


def _evaluator(node: Node) -> Any:
    def untyped(names: tuple[str, ...]) -> list[ValueInfoProto]:
        return [ValueInfoProto(name=name) for name in dict.fromkeys(names) if name]

    graph = helper.make_graph([node.proto], "node", untyped(node.inputs), untyped(node.outputs))
    opsets = [helper.make_opsetid(node.proto.domain, node.version)]
    return ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets))
