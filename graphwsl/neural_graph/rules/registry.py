"""The registry of rules: from the name of an operator to the function that follows it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnncore.registry import Registry
from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph.builder import GraphBuilder
from graphwsl.neural_graph.values import Value

Result = Value | tuple[Any, ...]


@dataclass(frozen=True)
class Call:
    """One call of an operator.

    Attributes:
        operator: The operator.
        name: Its name without namespace and overload, ``relu`` for ``aten.relu_.default``, with a
            keyword that makes another function of it, ``div.floor``.
        args: Its arguments by position, those left out filled with their defaults; tensors are
            :class:`Value`, lists of tensors are lists of them.
        kwargs: Arguments by keyword only.
        result: What it returned on the example inputs: a tensor, or several.
        read: Which of several results something reads.
    """

    operator: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    read: frozenset[int] = frozenset()

    @property
    def values(self) -> list[Value]:
        """All tensors among the arguments."""
        found: list[Value] = []
        for argument in (*self.args, *self.kwargs.values()):
            if isinstance(argument, Value):
                found.append(argument)
            elif isinstance(argument, list | tuple):
                found += [one for one in argument if isinstance(one, Value)]
        return found

    @property
    def tensor(self) -> Tensor:
        """The result, or the first of several."""
        return self.result if isinstance(self.result, Tensor) else self.result[0]

    def also(self, builder: GraphBuilder, first: Value) -> Result:
        """``first`` as the first result; nothing is known of others that something reads."""
        if isinstance(self.result, Tensor):
            return first
        others = [Value(one) if isinstance(one, Tensor) else one for one in self.result[1:]]
        if self.read - {0}:
            unit = builder.hide(*self.values)
            others = [one.with_units(unit) if isinstance(one, Value) else one for one in others]
        return (first, *others)


Rule = Callable[[GraphBuilder, Call], Result]
RULES: Registry[Rule] = Registry("operator", UnsupportedModelError)
"""All rules by the names of operators; those of a user's own stand in place of these."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a function for the operators of these names, in place of what was there.

    The function is called when at least one of the tensors is an activation or weights. It returns
    a :class:`Value` in the shape of the result, or a tuple where the operator returns several.
    """

    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register


def opaque(builder: GraphBuilder, call: Call) -> Result:
    """The results of an operator of which nothing is known: one node that no symmetry moves."""
    unit = builder.hide(*call.values)
    if isinstance(call.result, Tensor):
        return Value(call.result).with_units(unit)
    return tuple(
        Value(one).with_units(unit) if isinstance(one, Tensor) else one for one in call.result
    )


def is_pointwise(operator: Any) -> bool:
    """Whether PyTorch declares the operator to work element by element."""
    return torch.Tag.pointwise in getattr(operator, "tags", ())


def is_random(operator: Any) -> bool:
    """Whether PyTorch declares the operator to draw numbers."""
    return torch.Tag.nondeterministic_seeded in getattr(operator, "tags", ())


def looked_at(call: Call) -> list[Value]:
    """Values by whose numbers the program may go on in another way.

    They leave PyTorch (``.item()``, ``if``), or say how many elements there are (``nonzero``).
    """
    if not isinstance(call.result, Tensor | list | tuple):
        return call.values
    if torch.Tag.dynamic_output_shape not in getattr(call.operator, "tags", ()):
        return []
    if call.name in ("index", "masked_select"):
        masks = [one for one in call.values if one is not call.args[0]]
        return [one for one in masks if one.tensor.dtype in (torch.bool, torch.uint8)]
    return call.values
