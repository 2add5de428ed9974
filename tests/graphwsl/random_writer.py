"""Writes a random program line by line, and runs it as it goes: see :mod:`random_programs`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Choose = Callable[[int], int]
"""A number below the argument."""

BATCH, WIDTH, LENGTH = 2, 4, 4


@dataclass
class Writer:
    """Draws a program line by line, and runs it as it goes."""

    choose: Choose
    generator: torch.Generator
    lines: list[str] = field(default_factory=list)
    parameters: dict[str, Tensor] = field(default_factory=dict)
    constants: dict[str, Tensor] = field(default_factory=dict)
    scope: dict[str, Any] = field(default_factory=dict)

    def one_of(self, *options: Any) -> Any:
        return options[self.choose(len(options))]

    def often(self, times: int = 3) -> bool:
        return self.choose(times) > 0

    def parameter(self, *shape: int) -> str:
        name = f"p{len(self.parameters)}"
        self.parameters[name] = torch.randn(shape, generator=self.generator, dtype=torch.float64)
        self.scope[name] = self.parameters[name]
        return name

    def constant(self, *shape: int, integers: int = 0) -> str:
        name = f"c{len(self.constants)}"
        if integers:
            self.constants[name] = torch.randint(integers, shape, generator=self.generator)
        else:
            drawn = torch.randn(shape, generator=self.generator, dtype=torch.float64)
            self.constants[name] = drawn.round() if self.choose(2) else drawn
        self.scope[name] = self.constants[name]
        return name

    def values(self, dims: tuple[int, ...] = (1, 2, 3, 4)) -> list[str]:
        return [
            n
            for n, one in self.scope.items()
            if n[0] in "vx"
            and isinstance(one, Tensor)
            and one.is_floating_point()
            and one.ndim in dims
        ]

    def value(self, *dims: int) -> str:
        """A value, the last ones more often."""
        found = self.values(dims or (1, 2, 3, 4))
        if not found:
            raise IndexError("no value of this many dimensions")
        return found[-1 - min(self.choose(3), len(found) - 1)]

    def numbers(self) -> str:
        """Integers below WIDTH that depend on the input."""
        x = self.value()
        dim = self.choose(self.tensor(x).ndim)
        return self.one_of(
            "x1",
            f"{x}.argmax({dim})",
            f"({x}.abs() * 2).long().clamp(max={WIDTH - 1})",
            f"{x}.sort({dim})[1].clamp(max={WIDTH - 1})",
            f"({x} > 0).long()",
            f"{x}.max({dim})[1].clamp(max={WIDTH - 1})",
        )

    def tensor(self, name: str) -> Tensor:
        result = eval(name, {"torch": torch, "F": functional, **self.scope})
        assert isinstance(result, Tensor)
        return result

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.tensor(name).shape)

    def from_table(self, table: str, **names: Any) -> str:
        """One of the expressions of a table, with names filled in."""
        lines = [one.strip() for line in table.splitlines() for one in line.split(" | ")]
        return str(self.one_of(*[one for one in lines if one])).format(**names)

    def weight(self, *shape: int) -> str:
        """Weights of a shape, made in one of many ways."""
        if not self.often(2):
            return self.parameter(*shape)
        way = self.choose(13)
        if way == 0:
            return self.constant(*shape)
        if way == 1:  # by another network
            x = self.value(2, 3)
            count = self.tensor(x).shape[-1]
            size = int(torch.tensor(shape).prod())
            mean = f"{x}.flatten(0, -2).mean(0)"
            return f"F.linear({mean}, {self.parameter(size, count)}).view({list(shape)})"
        if way == 2:
            return f"{self.parameter(1)}.expand({list(shape)})"
        if way == 3:
            return f"{self.parameter(shape[0], *(1,) * (len(shape) - 1))}.expand({list(shape)})"
        if way == 4 and len(shape) > 1:  # circulant
            p = self.parameter(*shape[1:])
            n = shape[1]
            return f"torch.stack([{p}.roll(i, 0) for i in range({shape[0]})])" if n > 1 else p
        if way == 5 and len(shape) == 2 and shape[0] % 2 == 0 and shape[1] % 2 == 0:
            small = self.parameter(shape[0] // 2, shape[1] // 2)
            return f"torch.kron({self.parameter(2, 2)}, {small})"
        if way == 6 and len(shape) == 2:
            return f"({self.parameter(shape[0], 2)} @ {self.parameter(2, shape[1])})"
        if way == 7 and len(shape) > 1:
            length = self.parameter(shape[0], *(1,) * (len(shape) - 1))
            return f"torch._weight_norm({self.known(*shape)}, {length})"
        if way == 8:
            return self.known(*shape)
        if way in (9, 10) and shape[0] > 1:
            half = shape[0] // 2
            p, q = self.known(*shape), self.known(*shape)
            parts = [f"{p}[:{half}]", f"{self.changed(q, shape)}[{half}:]"]
            if self.often(2):
                parts = [f"{p}[:{half}]", f"{self.changed(p, shape)}[:{shape[0] - half}]"]
            return f"torch.cat([{', '.join(parts)}])"
        return self.changed(self.known(*shape), shape)

    def known(self, *shape: int) -> str:
        """Parameters that may be used elsewhere already."""
        found = [n for n, one in self.parameters.items() if one.shape == torch.Size(shape)]
        turned = [
            f"{n}.t()"
            for n, one in self.parameters.items()
            if len(shape) == 2 and one.shape == torch.Size(shape[::-1])
        ]
        if (found or turned) and self.often(4):
            return self.one_of(*found, *turned)
        return self.parameter(*shape)

    def changed(self, w: str, shape: tuple[int, ...]) -> str:
        dim = self.choose(len(shape))
        order = torch.randperm(shape[dim], generator=self.generator).tolist()
        return self.one_of(
            f"{w}.flip({dim})",
            f"{w}.roll(1, {dim})",
            f"(2 * {w})",
            f"(-{w})",
            f"{w}.tanh()",
            f"({w} * {self.constant(shape[-1])})",
            f"({w} * {self.constant(*shape[:1], *(1,) * (len(shape) - 1))})",
            f"({w} - {w}.mean({dim}, keepdim=True))",
            f"({w} / {w}.norm())",
            f"{w}.softmax({dim})",
            f"{w}.index_select({dim}, torch.tensor({order}))",
            f"({w} + {self.known(*shape)})",
            f"({w} * {self.known(*shape)})",
            f"({w} / {w}.norm(dim={dim}, keepdim=True))",
            f"torch.where({w} > 0, {w}, 0.1 * {w})",
            f"{w}.cumsum({dim})",
        )

    def maybe(self, *shape: int) -> str:
        """Parameters, or none."""
        return self.weight(*shape) if self.often() else "None"

    def add(self, line: str) -> bool:
        """Run a line; keep it if it goes well."""
        scope = {"torch": torch, "F": functional, **self.scope}
        before = set(scope)
        try:
            exec(line, scope)
        except (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError):
            return False
        new = {n: one for n, one in scope.items() if n not in before and n != "__builtins__"}
        for one in new.values():
            if isinstance(one, Tensor) and (
                one.numel() > 600
                or not one.numel()
                or one.is_complex()
                or not bool((one.double().abs() < 1e4).all())
            ):
                return False
        self.scope |= new
        self.lines.append(line)
        return True

    def step(self, makers: list[Callable[["Writer"], str]]) -> bool:
        """Add a value in one of some ways."""
        maker = self.one_of(*makers)
        parameters, constants = dict(self.parameters), dict(self.constants)
        try:
            expression = maker(self)
            good = self.add(f"v{len(self.lines)} = {expression}")
        except (IndexError, ValueError, RuntimeError):
            good = False
        if not good:
            for name in self.parameters.keys() - parameters.keys():
                del self.scope[name]
            for name in self.constants.keys() - constants.keys():
                del self.scope[name]
            self.parameters, self.constants = parameters, constants
        return good
