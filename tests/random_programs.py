"""Random small networks out of everything that the rules cover, and out of what they do not.

A program is a list of lines of Python over inputs ``x…``, parameters ``p…``, constants ``c…`` and
values ``v…``. Lines that do not run, or run into large numbers, are left out as they are drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Choose = Callable[[int], int]
"""A number below the argument."""

BATCH, WIDTH, LENGTH = 2, 4, 4


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
        return [n for n, one in self.scope.items() if n[0] in "vx" and isinstance(one, Tensor)
                and one.is_floating_point() and one.ndim in dims]  # fmt: skip

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
            return f"torch.kron({self.parameter(2, 2)}, {self.parameter(shape[0] // 2, shape[1] // 2)})"
        if way == 6 and len(shape) == 2:
            return f"({self.parameter(shape[0], 2)} @ {self.parameter(2, shape[1])})"
        if way == 7 and len(shape) > 1:
            return f"torch._weight_norm({self.known(*shape)}, {self.parameter(shape[0], *(1,) * (len(shape) - 1))})"
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
            f"{n}.t()" for n, one in self.parameters.items()
            if len(shape) == 2 and one.shape == torch.Size(shape[::-1])
        ]  # fmt: skip
        if (found or turned) and self.often(4):
            return self.one_of(*found, *turned)
        return self.parameter(*shape)

    def changed(self, w: str, shape: tuple[int, ...]) -> str:
        dim = self.choose(len(shape))
        places = torch.randperm(shape[dim], generator=self.generator).tolist()
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
            f"{w}.index_select({dim}, torch.tensor({places}))",
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
                one.numel() > 600 or not one.numel() or one.is_complex()
                or not bool((one.double().abs() < 1e4).all())
            ):  # fmt: skip
                return False
        self.scope |= new
        self.lines.append(line)
        return True

    def step(self) -> bool:
        makers = list(STEPS)
        maker = makers[self.choose(len(makers))]
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


Step = Callable[[Writer], str]
STEPS: list[Step] = []


def step(maker: Step) -> Step:
    STEPS.append(maker)
    return maker


@step
def linear(w: Writer) -> str:
    x = w.value(2, 3)
    width = w.one_of(WIDTH, WIDTH, 3)
    return f"F.linear({x}, {w.weight(width, w.tensor(x).shape[-1])}, {w.maybe(width)})"


STEPS.append(linear)


@step
def convolution(w: Writer) -> str:
    x = w.value(3)
    groups = w.one_of(1, 1, 2)
    width = w.tensor(x).shape[1] // groups
    kernel = w.one_of(1, 3)
    weights = w.weight(WIDTH, width, kernel)
    return f"F.conv1d({x}, {weights}, {w.maybe(WIDTH)}, padding={kernel // 2}, groups={groups})"


@step
def transposed_convolution(w: Writer) -> str:
    x = w.value(3)
    return f"F.conv_transpose1d({x}, {w.weight(w.tensor(x).shape[1], WIDTH, 2)}, {w.maybe(WIDTH)})"


@step
def elementwise(w: Writer) -> str:
    x = w.value()
    return w.one_of(
        *(f"{x}.{name}()" for name in ("relu", "relu", "tanh", "abs", "sigmoid", "sin", "square", "floor", "sign", "neg")),
        *(f"F.{name}({x})" for name in ("leaky_relu", "softplus", "gelu", "hardswish", "elu", "logsigmoid", "softsign")),
        f"2 * {x}", f"{x} + 1", f"1 - {x}", f"{x}.clamp(-1, 1)", f"{x}.clamp(min=0)",
        f"{x} ** 2", f"{x} / 3", f"({x} > 0).double()", f"{x}.masked_fill({x} < 0, 0.5)",
        f"F.dropout({x}, training=False)", f"F.threshold({x}, 0.1, 0.0)",
    )  # fmt: skip


STEPS.append(elementwise)


@step
def with_others(w: Writer) -> str:
    """Constants and parameters, broadcast in every way."""
    x = w.value()
    shape = [size if w.often(2) else 1 for size in w.tensor(x).shape]
    shape = shape[w.choose(len(shape)) :] if not w.often(3) else shape
    other = w.one_of(w.constant(*shape), w.weight(*shape), w.weight(*shape))
    return w.one_of(
        f"{x} + {other}", f"{x} * {other}", f"{other} - {x}", f"{x} / ({other}.abs() + 1)",
        f"torch.maximum({x}, {other})", f"torch.where({other} > 0, {x}, 0.0)",
        f"torch.where({other} > 0, {x}, {other})", f"torch.lerp({x}, {x}.relu(), {other})",
        f"torch.addcmul({x}, {x}, {other})", f"{x}.masked_fill({other} > 0, 1.0)",
    )  # fmt: skip


@step
def binary(w: Writer) -> str:
    x, y = w.value(), w.value()
    return w.one_of(
        f"{x} + {y}", f"{x} * {y}", f"{x} - {y}", f"{x} / ({y}.abs() + 1)",
        f"torch.maximum({x}, {y})", f"torch.where({x} > {y}, {x}, {y})",
        f"{x}.unsqueeze(-1) * {y}.unsqueeze(-2)", f"{x} + {y}.unsqueeze(-1)", f"{x}[:, None] + {y}",
        f"{x} * {y}.mean(-1, keepdim=True)", f"{x} + {y}.flip(-1)", f"{x} * {y}.flip(1)",
        f"F.bilinear({x}, {y}, {w.parameter(3, WIDTH, WIDTH)})", f"{x} * {y}.sum()",
    )  # fmt: skip


STEPS.append(binary)


@step
def joined(w: Writer) -> str:
    x, y = w.value(), w.value()
    ndim = w.tensor(x).ndim
    dim = w.choose(ndim)
    y = w.one_of(y, y, f"{x}.flip({dim})", f"(2 * {x})", f"{x}.narrow({dim}, 0, 1)", x,
                 w.constant(*w.tensor(x).shape), w.weight(*w.tensor(x).shape))  # fmt: skip
    return w.one_of(
        f"torch.cat([{x}, {y}], {dim})", f"torch.cat([{y}, {x}], {dim})",
        f"torch.stack([{x}, {y}], {dim})", f"torch.cat([{x}, {x}.new_ones({x}.shape)], {dim})",
        f"F.pad({x}, (1, 1))", f"F.pad({x}, (1, 0), value=1.0)", f"F.pad({x}, (0, 0, 1, 1))",
    )  # fmt: skip


@step
def moved(w: Writer) -> str:
    x = w.value()
    shape = w.tensor(x).shape
    dim, other = w.choose(len(shape)), w.choose(len(shape))
    places = torch.randperm(shape[dim], generator=w.generator).tolist()
    return w.one_of(
        f"{x}.flip({dim})", f"{x}.roll(1, {dim})", f"{x}.transpose({dim}, {other})",
        f"{x}.flatten({min(dim, other)})", f"{x}.narrow({dim}, 0, {max(shape[dim] - 1, 1)})",
        f"{x}.repeat_interleave(2, {dim})", f"{x}.repeat_interleave({x}.new_tensor([1, 2]).long().repeat({shape[dim] // 2}), {dim})",
        f"{x}[..., ::2]", f"{x}[..., 1::2]", f"{x}.select({dim}, 0)", f"{x}.unsqueeze({dim})",
        f"torch.cat({x}.chunk(2, {dim})[::-1], {dim})", f"{x}.index_select({dim}, torch.tensor({places}))",
        f"{x}.gather({dim}, {w.constant(*shape, integers=shape[dim])})",
        f"{x}.unflatten({dim}, (2, -1))", f"{x}.unflatten({dim}, (-1, 2))", f"{x}.reshape({BATCH}, -1)",
        f"{x}.reshape({BATCH}, {WIDTH}, -1)", f"{x}.unfold({dim}, 2, 1)", f"{x}.diagonal(dim1={dim}, dim2={other})",
        f"{x}.rot90(1, ({dim}, {other}))", f"{x}.tril()", f"{x}.movedim({dim}, {other})",
        f"{x}.expand(2, *{x}.shape)", f"{x}.clone().contiguous()", f"{x}.squeeze()",
        f"F.pad({x}, (1, 1), mode='replicate')", f"F.pad({x}, (1, 1), mode='circular')",
        f"F.unfold({x}.unsqueeze(2), (1, 2))", f"F.fold({x}, (1, {LENGTH + 1}), (1, 2))",
        f"F.pixel_shuffle({x}.unflatten(-1, (1, -1)), 2)", f"torch.where(torch.arange({shape[-1]}) % 2 == 0, {x}, {x}.flip(-1))",
        f"torch.slice_scatter({x}, {x}.narrow({dim}, 0, 1) * 2, {dim}, 0, 1)",
        f"torch.select_scatter({x}, {x}.select({dim}, 0) * 2, {dim}, {shape[dim] - 1})",
    )  # fmt: skip


STEPS.append(moved)


@step
def reduced(w: Writer) -> str:
    x = w.value(2, 3, 4)
    dim = 1 + w.choose(w.tensor(x).ndim - 1)
    keep = w.one_of(True, False)
    return w.one_of(
        *(f"{x}.{name}({dim}, keepdim={keep})" for name in ("sum", "mean", "amax", "amin", "std", "norm", "prod", "logsumexp", "var")),
        *(f"{x}.{name}({dim}, keepdim={keep})[0]" for name in ("max", "min", "median")),
        *(f"{x}.{name}({dim}, keepdim={keep})[1].double()" for name in ("max", "min", "median", "mode")),
        f"{x}.argmax({dim}).double()", f"{x}.argmin({dim}, keepdim=True).double()", f"{x}.argmax().double().view(1, 1)",
        f"({x} > 0).any({dim}).double()", f"{x} - {x}.mean({dim}, keepdim=True)", f"{x}.mean((0, {dim}), keepdim=True)",
        f"torch.var_mean({x}, {dim})[1]", f"{x}.softmax({dim})", f"{x}.log_softmax({dim})", f"F.normalize({x}, dim={dim})",
        f"{x}.flatten(1).topk(2)[0]", f"{x}.topk(2, {dim})[1].double()", f"{x}.topk(2, {dim})[0]", f"{x}.sum()", f"{x}.kthvalue(2, {dim})[0]",
        f"{x}.sort({dim})[0]", f"{x}.argsort({dim}).double()", f"{x}.cumsum({dim})", f"{x}.cummax({dim})[0]", f"{x}.cummin({dim})[1].double()",
        f"torch.fft.rfft({x}, dim={dim}).abs()", f"torch.fft.rfft({x}, dim={dim}).real", f"{x}.diff(dim={dim})", f"torch.aminmax({x}, dim={dim})[1]",
    )  # fmt: skip


STEPS.append(reduced)


@step
def normalised(w: Writer) -> str:
    x = w.value(2, 3)
    shape = w.tensor(x).shape
    width = shape[1]
    positive = w.one_of(f"{w.parameter(width)}.abs()", f"{w.constant(width)}.abs()")
    return w.one_of(
        f"F.layer_norm({x}, ({shape[-1]},), {w.maybe(shape[-1])}, {w.maybe(shape[-1])})",
        f"F.layer_norm({x}, {list(shape[1:])}, {w.maybe(*shape[1:])}, {w.maybe(*shape[1:])})",
        f"F.group_norm({x}, {w.one_of(1, 2, width)}, {w.maybe(width)}, {w.maybe(width)})",
        f"F.instance_norm({x}, None, None, {w.maybe(width)}, {w.maybe(width)})",
        f"F.batch_norm({x}, {w.parameter(width)}, {positive}, {w.maybe(width)}, {w.maybe(width)})",
        f"F.batch_norm({x}, {w.weight(width)}, {positive}, {w.maybe(width)}, {w.maybe(width)})",
        f"F.batch_norm({x}, None, None, {w.maybe(width)}, {w.maybe(width)}, training=True)",
        f"F.rms_norm({x}, ({shape[-1]},), {w.maybe(shape[-1])})",
        f"F.local_response_norm({x}, 2)",
    )


@step
def gated(w: Writer) -> str:
    x = w.value(2, 3)
    width = w.tensor(x).shape[1]
    return w.one_of(
        f"F.glu({x}, {w.choose(w.tensor(x).ndim)})",
        f"F.prelu({x}, {w.weight(width)})",
        f"F.prelu({x}, {w.weight(1)})",
    )


@step
def products(w: Writer) -> str:
    x, y = w.value(2, 3, 4), w.value(2, 3, 4)
    z = w.value(3, 4)
    shape = w.tensor(x).shape
    return w.one_of(
        f"{x} @ {y}", f"{x} @ {y}.mT", f"{x} @ {w.constant(shape[-1], 3)}", f"{x}.mT @ {y}", f"{x} @ {x}.mT",
        f"{w.constant(3, shape[-2])} @ {x}", f"{w.weight(3, shape[-2])} @ {x}", f"{x} @ {w.weight(shape[-1], 3)}",
        f"({x}.softmax(-1) @ {y})", f"F.scaled_dot_product_attention({z}, {z}, {z})",
        f"F.scaled_dot_product_attention({z}, {z} * 2, {z}.flip(1), is_causal=True)",
        f"torch.einsum('bij,bjk->bik', {z}, {z})", f"torch.einsum('bij,bik->bjk', {z}, {z})", f"({x} * {y}).sum(-1)",
        f"torch.bmm({z}, {w.weight(shape[0], w.tensor(z).shape[-1], 3)})",
        f"torch.cdist({x}, {w.weight(3, shape[-1])})", f"torch.cdist({x}, {y})",
        f"torch.outer({x}[0], {y}[0])", f"torch.mv({x}, {w.weight(shape[-1])})", f"torch.addmm({y}, {x}, {w.weight(shape[-1], WIDTH)})",
        f"torch.baddbmm({z}, {z}, {w.parameter(BATCH, w.tensor(z).shape[-1], WIDTH)})",
    )  # fmt: skip


@step
def chosen(w: Writer) -> str:
    """By numbers that depend on the input."""
    x = w.value(2, 3)
    i = w.numbers()
    table = w.one_of(
        w.weight(WIDTH, 3),
        w.weight(WIDTH, 3),
        f"F.linear({x}, {w.parameter(WIDTH, w.tensor(x).shape[-1])})[0]",
        w.constant(WIDTH, 3),
    )
    dim = w.choose(w.tensor(x).ndim)
    return w.one_of(
        f"{table}[{i}]", f"F.embedding({i}, {table})", f"{table}.index_select(0, {i}.flatten())", f"{table}.gather(0, {i}[:, :3])",
        f"torch.take_along_dim({table}, {i}[:, :1], 0)", f"F.one_hot({i}, {WIDTH}).double()", f"{x}[:, {i}.flatten()]",
        f"{x}.gather({dim}, {i}.expand({list(w.tensor(x).shape)}))", f"{x}.gather({dim}, {i})", f"{x}.index_select({dim}, {i}.flatten()[:3])",
        f"F.embedding_bag({i}, {table})", f"F.embedding_bag({i}, {table}, mode='sum', per_sample_weights={x}.flatten()[:{i}.numel()].view({i}.shape))",
        f"F.embedding_bag({i}, {table}, mode='max')",
        f"torch.zeros({WIDTH}, *{x}.shape[1:], dtype=torch.float64).index_add(0, {i}.flatten()[:{w.tensor(x).shape[0]}], {x})",
        f"torch.zeros({list(w.tensor(x).shape)}, dtype=torch.float64).scatter_add({dim}, {i}.expand({list(w.tensor(x).shape)}), {x})",
        f"torch.zeros({list(w.tensor(x).shape)}, dtype=torch.float64).scatter({dim}, {i}.unsqueeze(-1).expand({list(w.tensor(x).shape)}), {x})",
        f"{x}.scatter({dim}, {i}, 1.0)", f"{x}.index_add({dim}, {i}.flatten(), {x})", f"{x}.index_put(({i}.flatten()[:2],), {x}[:2], accumulate={w.one_of(True, False)})",
        f"{x}.index_put((torch.tensor([0, 1]),), {x}.flip(0), accumulate={w.one_of(True, False)})",
        f"torch.zeros({list(w.tensor(x).shape)}, dtype=torch.float64).scatter_reduce({dim}, {i}.expand({list(w.tensor(x).shape)}), {x}, '{w.one_of('amax', 'mean', 'prod', 'sum')}')",
        f"{x}[{x} > 0][:2]", f"torch.masked_scatter({x}, {x} > 0, {x}.flip(1))", f"torch.bucketize({x}, torch.tensor([-1.0, 0.0, 1.0])).double()",
        f"torch.searchsorted({w.parameter(3)}.sort()[0], {x}).double()", f"{w.constant(WIDTH, WIDTH)}[{i}]",
    )  # fmt: skip


STEPS.append(chosen)


@step
def over_places(w: Writer) -> str:
    x, y = w.value(3), w.value(3)
    grid = w.one_of(
        f"{y}.tanh().unsqueeze(-1).expand(-1, -1, -1, 2)",
        f"{w.weight(BATCH, 3, 3, 2)}.tanh()",
        f"{w.constant(BATCH, 3, 3, 2)}",
    )
    return w.one_of(
        f"F.avg_pool1d({x}, 2)", f"F.max_pool1d({x}, 2)", f"F.adaptive_avg_pool1d({x}, 2)", f"F.adaptive_max_pool1d({x}, 2)",
        f"F.max_pool1d({x}, 2, return_indices=True)[1].double()", f"F.interpolate({x}, scale_factor=2.0)",
        f"F.interpolate({x}, scale_factor=2.0, mode='linear')", f"F.grid_sample({x}.unsqueeze(2), {grid}, align_corners=False)",
        f"F.avg_pool2d({x}, 2)", f"F.max_pool2d({x}, 2)", f"F.lp_pool1d({x}.abs(), 2, 2)",
        f"F.max_unpool1d(*F.max_pool1d({x}, 2, return_indices=True), 2)", f"F.avg_pool1d({x}, 3, 1, 1)", f"F.avg_pool1d({x}, 2, ceil_mode=True, padding=1)",
    )  # fmt: skip


@step
def recurrent(w: Writer) -> str:
    x = w.value(3)
    n = w.tensor(x).shape[-1]
    gates = w.one_of(1, 3, 4)
    names = [
        w.weight(gates * 3, n),
        w.weight(gates * 3, 3),
        w.parameter(gates * 3),
        w.parameter(gates * 3),
    ]
    zeros = f"{x}.new_zeros(1, {x}.shape[0], 3)"
    call = {1: "rnn_tanh", 3: "gru", 4: "lstm"}[gates]
    state = f"({zeros}, {zeros})" if gates == 4 else zeros
    return f"torch.{call}({x}, {state}, [{', '.join(names)}], True, 1, 0.0, False, False, True)[0]"


@step
def attention(w: Writer) -> str:
    x = w.value(3)
    n = w.tensor(x).shape[-1]
    heads = [
        f"F.linear({x}, {w.weight(4, n)}).unflatten(-1, (2, 2)).transpose(1, 2)" for _ in range(3)
    ]
    return f"F.scaled_dot_product_attention({', '.join(heads)}).transpose(1, 2).flatten(2)"


@step
def looked_at(w: Writer) -> str:
    x, y = w.value(), w.value()
    return w.one_of(
        f"{x} * {y}.mean().item()",
        f"{x} if {y}.flatten()[0] > 0 else -{x}",
        f"{x} * {y}.flatten()[0].item()",
        f"{x} + {w.weight(2)}[0].item()",
    )


@step
def parameters_alone(w: Writer) -> str:
    shape = (w.one_of(1, BATCH), WIDTH) + w.one_of((), (LENGTH,))
    return w.weight(*shape)


def draw_program(choose: Choose, seed: int, most_steps: int = 5) -> Program:
    """A program of some steps behind a hidden layer."""
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
        w.step()
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
