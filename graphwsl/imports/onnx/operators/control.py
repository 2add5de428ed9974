"""Branches and loops, followed as the inputs have it."""

import numpy as np
import torch
from torch import Tensor

from graphwsl.imports.onnx.registry import Call, Value, operator
from graphwsl.imports.onnx.values import to_tensor


@operator("If", settings=(0,))
def branch(call: Call, condition: np.ndarray) -> list[Value]:
    """One of two graphs."""
    return call.run("then_branch" if condition.item() else "else_branch")


@operator("Loop", settings=(0, 1))
def loop(
    call: Call, trips: np.ndarray | None, condition: np.ndarray | None, *carried: Tensor
) -> list[Value]:
    """A graph over and over, with values carried on and others collected."""
    limit = None if trips is None else int(trips.item())
    goes_on = condition is None or bool(condition.item())
    state: list[Value] = list(carried)
    collected: list[list[Value]] = []
    step = 0
    while goes_on and (limit is None or step < limit):
        kept, *values = call.run("body", np.array(step), np.array(True), *state)
        goes_on = bool(kept.item())
        state = values[: len(carried)]
        collected.append(values[len(carried) :])
        step += 1
    if not step and len(call.node.outputs) > len(carried):
        raise call.refuse("collecting values over no steps")
    return [
        *state,
        *(torch.stack([to_tensor(one) for one in row]) for row in zip(*collected, strict=True)),
    ]
