"""Random small networks out of everything that the rules cover, and out of what they do not.

A program is a list of lines of Python over inputs ``x…``, parameters ``p…``, constants ``c…`` and
values ``v…``. Lines that do not run, or run into large numbers, are left out as they are drawn.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.graphwsl.random_steps import STEPS
from tests.graphwsl.random_writer import BATCH, LENGTH, WIDTH, Choose, Writer


class Program(nn.Module):
    """A network that runs lines."""

    def __init__(
        self, lines: list[str], parameters: dict[str, Tensor], constants: dict[str, Tensor]
    ) -> None:
        super().__init__()
        self.lines = lines
        self.constants = constants
        for name, tensor in parameters.items():
            self.register_parameter(name, nn.Parameter(tensor.clone()))

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        scope = {"torch": torch, "F": functional, **self.constants}
        scope |= {f"x{i}": one for i, one in enumerate(inputs)}
        scope |= {name: getattr(self, name) for name in self._parameters}
        exec("\n".join(self.lines), scope)
        return scope["results"]

    def __repr__(self) -> str:
        shapes = {name: tuple(one.shape) for name, one in self.named_parameters()}
        shapes |= {name: tuple(one.shape) for name, one in self.constants.items()}
        return "\n".join([str(shapes), *self.lines])


def draw_program(choose: Choose, seed: int, most_steps: int = 5) -> Program:
    """A program of some steps behind a hidden layer."""
    torch.manual_seed(seed)  # of what the lines draw
    w = Writer(choose, torch.Generator().manual_seed(seed))
    for name, tensor in inputs_of(seed).items():
        w.scope[name] = tensor
    first = w.one_of(
        f"F.conv1d(x0, {w.parameter(WIDTH, 3, 1)}, {w.parameter(WIDTH)})",
        f"F.linear(x0, {w.parameter(WIDTH, LENGTH)}, {w.parameter(WIDTH)})",
        f"F.linear(x0.mean(2), {w.parameter(WIDTH, 3)}, {w.parameter(WIDTH)})",
    )
    w.add(f"v0 = {first}")
    count = 1 + choose(most_steps)
    for _ in range(4 * count):
        if len(w.lines) > count:
            break
        w.step(STEPS)
    results = []
    for name in dict.fromkeys([w.values()[-1], w.value()]):
        if w.often(4):
            n = w.tensor(name).flatten(1).shape[-1] if w.tensor(name).ndim > 1 else 1
            results.append(f"F.linear({name}.reshape(-1, {n}), {w.parameter(2, n)})")
        else:
            results.append(f"{name}.sum(-1)" if w.often(2) else name)
    w.add(f"results = [{', '.join(results)}]")
    w.lines = needed(w.lines)
    used = " ".join(w.lines)
    names = {n for n in w.parameters if f"{n}" in _words(used)}
    parameters = {n: one for n, one in w.parameters.items() if n in names}
    constants = {n: one for n, one in w.constants.items() if n in _words(used)}
    return Program(w.lines, parameters, constants)


def needed(lines: list[str]) -> list[str]:
    """Lines that the last one follows from."""
    wanted = _words(lines[-1])
    kept = [lines[-1]]
    for line in lines[-2::-1]:
        if line.split(" = ")[0] in wanted:
            wanted |= _words(line)
            kept.insert(0, line)
    return kept


def inputs_of(seed: int) -> dict[str, Tensor]:
    """Fresh inputs: numbers and tokens."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(BATCH, 3, LENGTH, generator=generator, dtype=torch.float64)
    return {"x0": x, "x1": torch.randint(WIDTH, (BATCH, LENGTH), generator=generator)}


def _words(line: str) -> set[str]:
    return set("".join(c if c.isalnum() else " " for c in line).split())
