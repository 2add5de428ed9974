"""Every operator that PyTorch has: with a rule, element by element, or without any symmetry."""

from typing import Any

import pytest
import torch
from torch import Tensor

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.roles import FunctionKind, ParameterRole
from graphwsl.neural_graph.rules import RULES
from graphwsl.neural_graph.rules.registry import Call, is_pointwise
from graphwsl.neural_graph.trace import _ruled
from graphwsl.neural_graph.units import NodeKind
from graphwsl.neural_graph.values import Value
from graphwsl.symmetries.scalings import ODD, POSITIVELY_HOMOGENEOUS


def name_of(operator: Any) -> str:
    return operator._schema.name.split("::")[-1].rstrip("_")


def operators() -> list[Any]:
    packets = [getattr(torch.ops.aten, name) for name in dir(torch.ops.aten)]
    return [
        getattr(packet, overload)
        for packet in packets
        if hasattr(packet, "overloads")
        for overload in packet.overloads()
    ]


WITHOUT_A_RULE = [one for one in operators() if name_of(one) not in RULES and not is_pointwise(one)]
POINTWISE = [
    one for one in operators()
    if is_pointwise(one) and name_of(one) not in RULES and not one._schema.is_mutable
]  # fmt: skip


def called(operator: Any, *, strict: bool = False) -> tuple[GraphBuilder, Tensor, Tensor]:
    """What is written down of a call with neurons and with weights, whatever it computes."""
    builder = GraphBuilder(operator=name_of(operator), strict=strict)
    units = builder.units.new(4, NodeKind.NEURON)
    entries = torch.arange(4)
    values = (Value(torch.ones(4), units), Value(torch.ones(4), entries=(entries,)))
    builder.attach(ParameterRole.BIAS, builder.units.new(4, NodeKind.NEURON), values[1])
    call = Call(operator, name_of(operator), values, {}, (torch.ones(4), torch.ones(4)))
    results = _ruled(builder, call, "", strict)
    assert isinstance(results, tuple)
    for one in results:
        assert torch.isin(one.known_units, builder.units.pinned).all()
    builder.settle(4)
    return builder, units, entries


def test_operators_without_a_rule_give_no_symmetry() -> None:
    """What they read stays where it was: neurons, and the nodes at entries of weights."""
    assert len(WITHOUT_A_RULE) > 1000
    for operator in WITHOUT_A_RULE:
        builder, units, entries = called(operator)
        pinned = builder.units.pinned
        assert torch.isin(units, pinned).all(), operator
        assert all(torch.isin(use.units, pinned).all() for use in builder.parameters), operator
        ((name, listed),) = builder.opaque
        assert (name, listed.tolist()) == (name_of(operator), entries.tolist())
        with pytest.raises(UnsupportedModelError, match="no rule for the operator"):
            called(operator, strict=True)


def test_pointwise_operators_work_element_by_element() -> None:
    """PyTorch's word is taken for it that they do; here it is kept to it."""
    torch.manual_seed(0)
    order = torch.randperm(5)
    tried = set()
    for operator in POINTWISE:
        tensors = [a for a in operator._schema.arguments if str(a.type) == "Tensor"]
        for drawn in (torch.rand(3, 5, dtype=torch.float64), torch.randint(1, 9, (3, 5))):
            arguments = [drawn.roll(i) for i in range(len(tensors))]
            try:
                plain = operator(*arguments)
                moved = operator(*(one[:, order] for one in arguments))
            except (RuntimeError, NotImplementedError):
                continue  # it wants other arguments
            pairs = zip(plain, moved, strict=True) if isinstance(plain, tuple) else [(plain, moved)]
            for one, other in pairs:
                if isinstance(one, Tensor):
                    one, other = one[:, order].nan_to_num(), other.nan_to_num()
                    # Vectors of a processor and the rest of a row may round differently.
                    assert torch.allclose(one, other, rtol=1e-12, atol=1e-12), operator
            tried.add(name_of(operator))
    assert len(tried) > 100


@pytest.mark.parametrize(("kinds", "factor"), [(POSITIVELY_HOMOGENEOUS, 2.0), (ODD, -1.0)])
def test_functions_that_factors_pass_through(kinds: frozenset[FunctionKind], factor: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, dtype=torch.float64)
    tried = set()
    for operator in POINTWISE:
        if FunctionKind(name_of(operator)) in kinds:
            try:
                expected, given = operator(x) * factor, operator(x * factor)
            except RuntimeError:
                continue
            assert torch.allclose(expected, given), operator
            tried.add(name_of(operator))
    assert tried >= {"neg"}
