"""Recurrent layers, step by step, so that each weight is seen where it acts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from graphwsl.imports.onnx.registry import Call, operator

Step = Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]
Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Activation] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "tanh": torch.tanh,
}


@dataclass(frozen=True)
class Direction:
    """The weights of one direction, gates stacked along the rows.

    Attributes:
        w: From the inputs, with its bias.
        r: From the state, with its bias.
        peepholes: From the memory cell, or None.
        activations: Activations of the gates and the state.
    """

    w: tuple[Tensor, Tensor | None]
    r: tuple[Tensor, Tensor | None]
    peepholes: Tensor | None
    activations: tuple[Activation, ...]


@operator("RNN", settings=(4,))
def rnn(
    call: Call,
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: np.ndarray | None = None,
    h: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Elman's network: h = f(Wx + Rh + b)."""

    def step(one: Direction) -> Step:
        def act(gates: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (
                one.activations[0](_clipped(call, gates + functional.linear(state[0], *one.r))),
            )

        return act

    return _recurrence(call, x, _directions(call, w, r, b, None, ("Tanh",)), step, lengths, [h])


@operator("LSTM", settings=(4,))
def lstm(
    call: Call,
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: np.ndarray | None = None,
    h: Tensor | None = None,
    c: Tensor | None = None,
    peepholes: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Long short-term memory with gates in the order input, output, forget, cell."""
    if call.attribute("input_forget", 0):
        raise call.refuse("input_forget")

    def step(one: Direction) -> Step:
        gate, cell, out = one.activations
        seen = None if one.peepholes is None else one.peepholes.chunk(3)

        def act(gates: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            h, c = state
            i, o, f, g = (gates + functional.linear(h, *one.r)).chunk(4, -1)
            if seen is not None:
                i, f = i + seen[0] * c, f + seen[2] * c
            c = gate(_clipped(call, f)) * c + gate(_clipped(call, i)) * cell(_clipped(call, g))
            o = o if seen is None else o + seen[1] * c
            return gate(_clipped(call, o)) * out(c), c

        return act

    directions = _directions(call, w, r, b, peepholes, ("Sigmoid", "Tanh", "Tanh"))
    return _recurrence(call, x, directions, step, lengths, [h, c])


@operator("GRU", settings=(4,))
def gru(
    call: Call,
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: np.ndarray | None = None,
    h: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Gated recurrent unit with gates in the order update, reset, hidden."""
    reset_last = bool(call.attribute("linear_before_reset", 0))

    def step(one: Direction) -> Step:
        gate, hidden = one.activations
        hidden_size = one.r[0].shape[1]

        def act(gates: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            (h,) = state
            if reset_last:
                z, r, g = gates.chunk(3, -1)
                from_z, from_r, from_g = functional.linear(h, *one.r).chunk(3, -1)
                z, r = gate(_clipped(call, z + from_z)), gate(_clipped(call, r + from_r))
                g = hidden(_clipped(call, g + r * from_g))
            else:
                weight, bias = one.r
                zr, g = gates.split([2 * hidden_size, hidden_size], -1)
                early, late = weight.split([2 * hidden_size, hidden_size])
                biases = (
                    (None, None) if bias is None else bias.split([2 * hidden_size, hidden_size])
                )
                zr = gate(_clipped(call, zr + functional.linear(h, early, biases[0])))
                z, r = zr.chunk(2, -1)
                g = hidden(_clipped(call, g + functional.linear(r * h, late, biases[1])))
            return ((1 - z) * g + z * h,)

        return act

    directions = _directions(call, w, r, b, None, ("Sigmoid", "Tanh"))
    return _recurrence(call, x, directions, step, lengths, [h])


def _directions(
    call: Call,
    w: Tensor,
    r: Tensor,
    b: Tensor | None,
    peepholes: Tensor | None,
    default: tuple[str, ...],
) -> list[Direction]:
    if call.attribute("activation_alpha") or call.attribute("activation_beta"):
        raise call.refuse("activation_alpha or activation_beta")
    names = call.attribute("activations") or list(default) * w.shape[0]
    for name in names:
        if name.lower() not in ACTIVATIONS:
            raise call.refuse(f"the activation {name!r}")
    functions = [ACTIVATIONS[name.lower()] for name in names]
    count = len(default)
    biases = [(None, None)] * w.shape[0] if b is None else [one.chunk(2) for one in b.unbind(0)]
    cells = [None] * w.shape[0] if peepholes is None else peepholes.unbind(0)
    return [
        Direction(
            (w[k], biases[k][0]),
            (r[k], biases[k][1]),
            cells[k],
            tuple(functions[k * count : (k + 1) * count]),
        )
        for k in range(w.shape[0])
    ]


def _recurrence(
    call: Call,
    x: Tensor,
    directions: list[Direction],
    step: Callable[[Direction], Step],
    lengths: np.ndarray | None,
    initial: list[Tensor | None],
) -> tuple[Tensor, ...]:
    """Run every direction over the sequence.

    Returns:
        All outputs (length, directions, batch, hidden), then the last states (directions, batch,
        hidden); with ``layout`` 1 the batch comes first.
    """
    batch_first = bool(call.attribute("layout", 0))
    if batch_first:
        x = x.transpose(0, 1)
        initial = [None if one is None else one.transpose(0, 1) for one in initial]
    hidden_size = directions[0].r[0].shape[1]
    start = [
        x.new_zeros(len(directions), x.shape[1], hidden_size) if one is None else one
        for one in initial
    ]
    reverse = [False, True] if len(directions) == 2 else [call.attribute("direction") == "reverse"]
    outputs, finals = [], []
    for k, one in enumerate(directions):
        gates = functional.linear(x, *one.w)
        state = tuple(state[k] for state in start)
        result, state = _run(gates, state, step(one), lengths, reverse[k])
        outputs.append(result)
        finals.append(state)
    y = torch.stack(outputs, 1)
    states = [torch.stack(one) for one in zip(*finals, strict=True)]
    if batch_first:
        return y.permute(2, 0, 1, 3), *(state.transpose(0, 1) for state in states)
    return y, *states


def _run(
    gates: Tensor,
    state: tuple[Tensor, ...],
    step: Step,
    lengths: np.ndarray | None,
    reverse: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    count = gates.shape[0]
    ragged = lengths is not None and bool((lengths < count).any())
    outputs: list[Tensor] = [gates] * count
    for t in reversed(range(count)) if reverse else range(count):
        new = step(gates[t], state)
        outputs[t] = new[0]
        if ragged:
            assert lengths is not None
            on = torch.from_numpy(t < lengths).unsqueeze(-1)
            new = tuple(torch.where(on, b, a) for a, b in zip(state, new, strict=True))
            outputs[t] = outputs[t] * on
        state = new
    return torch.stack(outputs), state


def _clipped(call: Call, gates: Tensor) -> Tensor:
    limit = call.attribute("clip")
    return gates if limit is None else gates.clamp(-limit, limit)
