"""The ways in which a value of a random program follows from others: see :mod:`random_programs`.

Every table holds expressions, of which one is drawn.
"""

from collections.abc import Callable

import torch

from tests.graphwsl.random_writer import BATCH, LENGTH, WIDTH, Writer

Step = Callable[[Writer], str]
STEPS: list[Step] = []


def step(times: int = 1) -> Callable[[Step], Step]:
    """A way of making a value of others, drawn ``times`` as often as one by default."""

    def register(maker: Step) -> Step:
        STEPS.extend([maker] * times)
        return maker

    return register


@step(2)
def linear(w: Writer) -> str:
    x = w.value(2, 3)
    width = w.one_of(WIDTH, WIDTH, 3)
    return f"F.linear({x}, {w.weight(width, w.shape(x)[-1])}, {w.maybe(width)})"


@step()
def convolution(w: Writer) -> str:
    x = w.value(3)
    groups, kernel = w.one_of(1, 1, 2), w.one_of(1, 3)
    weights = w.weight(WIDTH, w.shape(x)[1] // groups, kernel)
    return f"F.conv1d({x}, {weights}, {w.maybe(WIDTH)}, padding={kernel // 2}, groups={groups})"


@step()
def transposed_convolution(w: Writer) -> str:
    x = w.value(3)
    return f"F.conv_transpose1d({x}, {w.weight(w.shape(x)[1], WIDTH, 2)}, {w.maybe(WIDTH)})"


ELEMENTWISE = """
    {x}.relu() | {x}.relu() | {x}.tanh() | {x}.abs() | {x}.sigmoid() | {x}.sin() | {x}.square()
    {x}.floor() | {x}.sign() | {x}.neg() | F.leaky_relu({x}) | F.softplus({x}) | F.gelu({x})
    F.hardswish({x}) | F.elu({x}) | F.logsigmoid({x}) | F.softsign({x}) | 2 * {x} | {x} + 1
    1 - {x} | {x}.clamp(-1, 1) | {x}.clamp(min=0) | {x} ** 2 | {x} / 3 | ({x} > 0).double()
    {x}.masked_fill({x} < 0, 0.5) | F.dropout({x}, training=False) | F.threshold({x}, 0.1, 0.0)
"""


@step(2)
def elementwise(w: Writer) -> str:
    return w.from_table(ELEMENTWISE, x=w.value())


CUT = """
    {x}.long().double() | {x}.mul(3).to(torch.int8).double() | {x}.bool().double()
    torch.zeros_like({x}, dtype=torch.int64).copy_(2 * {x}).double()
    torch.div({x}, 0.3, rounding_mode='floor') | torch.div({x}, 0.3, rounding_mode='trunc')
    {x} // 0.3 | {x} % 0.3 | torch.fmod({x}, 0.3) | {x} + ({x}.int() - {x}).detach()
    {x}.sum({d}, dtype=torch.int64).double() | {x}.cumsum({d}, dtype=torch.int64).double()
    {x}.prod({d}, dtype=torch.int64).double() | {x}.to(torch.float8_e4m3fn).double()
"""


@step()
def cut(w: Writer) -> str:
    """Other types, and back."""
    x = w.one_of(w.value(), w.value(), w.weight(WIDTH, WIDTH))
    return w.from_table(CUT, x=x, d=w.choose(len(w.shape(x))))


DRAWN = """
    F.dropout({x}) | F.alpha_dropout({x}, 0.5, True) | F.rrelu({x}, training=True)
    F.dropout1d({x}, 0.5, True) | {x} * (torch.rand_like({x}) > 0.3)
    {x} + torch.randn({x}.shape[{d}:]).round() | torch.where(torch.rand({n}) > 0.5, {x}, 0.0)
    {x}.index_select({d}, torch.randperm({x}.shape[{d}])) | torch.bernoulli({x}.sigmoid())
    {x} * torch.randint(2, {x}.shape[{d}:]) | F.gumbel_softmax({x}, hard=True)
"""


@step()
def drawn(w: Writer) -> str:
    """Numbers that the network draws while it runs."""
    x = w.value()
    return w.from_table(DRAWN, x=x, d=w.choose(len(w.shape(x))), n=w.shape(x)[-1])


WITH_OTHERS = """
    {o} / {x} | torch.div({x}, {o}, rounding_mode='floor') | torch.remainder({o}, {x} + 2)
    {o}.abs() ** {x} | torch.sub({o}, {x}, alpha=2) | torch.rsub({x}, {o}, alpha=0.5)
    torch._prelu_kernel({o}.expand({x}.shape), {x}) | {x} + (3 * {o}).long()
    {x} + {o} | {x} * {o} | {o} - {x} | {x} / ({o}.abs() + 1) | torch.maximum({x}, {o})
    torch.where({o} > 0, {x}, 0.0) | torch.where({o} > 0, {x}, {o})
    torch.lerp({x}, {x}.relu(), {o}) | torch.addcmul({x}, {x}, {o}) | {x}.masked_fill({o} > 0, 1.0)
"""


@step()
def with_others(w: Writer) -> str:
    """Constants and parameters, broadcast in every way."""
    x = w.value()
    shape = [size if w.often(2) else 1 for size in w.shape(x)]
    shape = shape[w.choose(len(shape)) :] if not w.often(3) else shape
    return w.from_table(WITH_OTHERS, x=x, o=w.constant(*shape) if w.choose(3) else w.weight(*shape))


BINARY = """
    {x} + {y} | {x} * {y} | {x} - {y} | {x} / ({y}.abs() + 1) | torch.maximum({x}, {y})
    torch.where({x} > {y}, {x}, {y}) | {x}.unsqueeze(-1) * {y}.unsqueeze(-2)
    {x} + {y}.unsqueeze(-1) | {x}[:, None] + {y} | {x} * {y}.mean(-1, keepdim=True)
    {x} + {y}.flip(-1) | {x} * {y}.flip(1) | F.bilinear({x}, {y}, {p}) | {x} * {y}.sum()
"""


@step(2)
def binary(w: Writer) -> str:
    return w.from_table(BINARY, x=w.value(), y=w.value(), p=w.parameter(3, WIDTH, WIDTH))


JOINED = """
    torch.cat([{x}, {y}], {d}) | torch.cat([{y}, {x}], {d}) | torch.stack([{x}, {y}], {d})
    torch.cat([{x}, {x}.new_ones({x}.shape)], {d}) | F.pad({x}, (1, 1))
    F.pad({x}, (1, 0), value=1.0) | F.pad({x}, (0, 0, 1, 1))
"""


@step()
def joined(w: Writer) -> str:
    x, y = w.value(), w.value()
    dim = w.choose(len(w.shape(x)))
    others = [y, y, x, f"{x}.flip({dim})", f"(2 * {x})", f"{x}.narrow({dim}, 0, 1)"]
    others += [w.constant(*w.shape(x)), w.weight(*w.shape(x))]
    return w.from_table(JOINED, x=x, y=w.one_of(*others), d=dim)


MOVED = """
    {x}.flip({d}) | {x}.roll(1, {d}) | {x}.transpose({d}, {e}) | {x}.flatten({d})
    {x}.narrow({d}, 0, {n} - 1) | {x}.repeat_interleave(2, {d}) | {x}[..., ::2] | {x}[..., 1::2]
    {x}.select({d}, 0) | {x}.unsqueeze({d}) | torch.cat({x}.chunk(2, {d})[::-1], {d})
    {x}.index_select({d}, {order}) | {x}.gather({d}, {i}) | {x}.unflatten({d}, (2, -1))
    {x}.unflatten({d}, (-1, 2)) | {x}.reshape({x}.shape[0], -1) | {x}.reshape({x}.shape[0], 4, -1)
    {x}.unfold({d}, 2, 1) | {x}.diagonal(dim1={d}, dim2={e}) | {x}.rot90(1, ({d}, {e})) | {x}.tril()
    {x}.movedim({d}, {e}) | {x}.expand(2, *{x}.shape) | {x}.clone().contiguous() | {x}.squeeze()
    F.pad({x}, (1, 1), mode='replicate') | F.pad({x}, (1, 1), mode='circular')
    F.unfold({x}.unsqueeze(2), (1, 2)) | F.fold({x}, (1, 5), (1, 2))
    F.pixel_shuffle({x}.unflatten(-1, (1, -1)), 2)
    torch.slice_scatter({x}, {x}.narrow({d}, 0, 1) * 2, {d}, 0, 1)
    torch.where(torch.arange({x}.shape[-1]) % 2 == 0, {x}, {x}.flip(-1))
    torch.select_scatter({x}, {x}.select({d}, 0) * 2, {d}, {n} - 1)
"""


@step(2)
def moved(w: Writer) -> str:
    x = w.value()
    shape = w.shape(x)
    dim, other = w.choose(len(shape)), w.choose(len(shape))
    order = f"torch.tensor({torch.randperm(shape[dim], generator=w.generator).tolist()})"
    numbers = w.constant(*shape, integers=shape[dim])
    return w.from_table(MOVED, x=x, d=dim, e=other, n=shape[dim], order=order, i=numbers)


REDUCED = """
    {x}.sum({d}, keepdim={k}) | {x}.mean({d}, keepdim={k}) | {x}.amax({d}, keepdim={k})
    {x}.amin({d}, keepdim={k}) | {x}.std({d}, keepdim={k}) | {x}.norm(dim={d}, keepdim={k})
    {x}.prod({d}, keepdim={k}) | {x}.logsumexp({d}, keepdim={k}) | {x}.var({d}, keepdim={k})
    {x}.max({d})[0] | {x}.min({d})[0] | {x}.median({d})[0] | {x}.max({d})[1].double()
    {x}.min({d})[1].double() | {x}.median({d})[1].double() | {x}.mode({d})[1].double()
    {x}.argmax({d}).double() | {x}.argmin({d}).double() | {x}.argmax().double().view(1, 1)
    ({x} > 0).any({d}).double() | {x} - {x}.mean({d}, keepdim=True)
    {x}.mean((0, {d}), keepdim=True) | torch.var_mean({x}, {d})[1] | {x}.softmax({d})
    {x}.log_softmax({d}) | F.normalize({x}, dim={d}) | {x}.flatten(1).topk(2)[0]
    {x}.topk(2, {d})[1].double() | {x}.topk(2, {d})[0] | {x}.sum() | {x}.kthvalue(2, {d})[0]
    {x}.sort({d})[0] | {x}.argsort({d}).double() | {x}.cumsum({d}) | {x}.cummax({d})[0]
    {x}.cummin({d})[1].double() | torch.fft.rfft({x}, dim={d}).abs()
    torch.fft.rfft({x}, dim={d}).real | {x}.diff(dim={d}) | torch.aminmax({x}, dim={d})[1]
"""


@step(2)
def reduced(w: Writer) -> str:
    x = w.value(2, 3, 4)
    dim = 1 + w.choose(len(w.shape(x)) - 1)
    return w.from_table(REDUCED, x=x, d=dim, k=w.one_of(True, False))


NORMALISED = """
    F.layer_norm({x}, ({l},), {wl}, {bl}) | F.layer_norm({x}, {x}.shape[1:], {wx}, {bx})
    F.group_norm({x}, {g}, {ww}, {bw}) | F.instance_norm({x}, None, None, {ww}, {bw})
    F.batch_norm({x}, {m}, {v}.abs(), {ww}, {bw})
    F.batch_norm({x}, None, None, {ww}, {bw}, training=True) | F.rms_norm({x}, ({l},), {wl})
    F.local_response_norm({x}, 2) | F.prelu({x}, {m}) | F.prelu({x}, {o}) | F.glu({x}, {d})
"""


@step(2)
def normalised(w: Writer) -> str:
    x = w.value(2, 3)
    shape = w.shape(x)
    width, last = shape[1], shape[-1]
    return w.from_table(
        NORMALISED,
        x=x,
        l=last,
        d=w.choose(len(shape)),
        g=w.one_of(1, 2, width),
        m=w.weight(width),
        o=w.weight(1),
        v=w.constant(width) if w.choose(2) else w.parameter(width),
        **{
            f"w{k}": w.maybe(*some)
            for k, some in (("l", (last,)), ("x", shape[1:]), ("w", (width,)))
        },
        **{
            f"b{k}": w.maybe(*some)
            for k, some in (("l", (last,)), ("x", shape[1:]), ("w", (width,)))
        },
    )


PRODUCTS = """
    {x} @ {y} | {x} @ {y}.mT | {x} @ {c} | {x}.mT @ {y} | {x} @ {x}.mT | {c}.mT @ {x}.mT
    {left} @ {x} | {x} @ {right} | ({x}.softmax(-1) @ {y})
    F.scaled_dot_product_attention({z}, {z}, {z})
    F.scaled_dot_product_attention({z}, {z} * 2, {z}.flip(1), is_causal=True)
    torch.einsum('bij,bjk->bik', {z}, {z}) | torch.einsum('bij,bik->bjk', {z}, {z})
    ({x} * {y}).sum(-1) | torch.bmm({z}, {own}) | torch.cdist({x}, {right}.mT)
    torch.cdist({x}, {y}) | torch.outer({x}[0], {y}[0]) | torch.mv({x}, {v})
    torch.addmm({y}, {x}, {right}) | torch.baddbmm({z}, {z}, {own})
"""


@step()
def products(w: Writer) -> str:
    x, z = w.value(2, 3, 4), w.value(3, 4)
    rows, columns = w.shape(x)[-2:]
    own = w.weight(w.shape(z)[0], w.shape(z)[-1], 3)
    return w.from_table(
        PRODUCTS, x=x, y=w.value(2, 3, 4), z=z, c=w.constant(columns, 3), left=w.weight(3, rows),
        right=w.weight(columns, 3), own=own, v=w.weight(columns),
    )  # fmt: skip


CHOSEN = """
    {t}[{i}] | F.embedding({i}, {t}) | {t}.index_select(0, {i}.flatten())
    {t}.gather(0, {i}[:, :3]) | torch.take_along_dim({t}, {i}[:, :1], 0)
    F.one_hot({i}, 4).double() | {x}[:, {i}.flatten()] | {x}.gather({d}, {i}.expand({x}.shape))
    {x}.gather({d}, {i}) | {x}.index_select({d}, {i}.flatten()[:3]) | F.embedding_bag({i}, {t})
    F.embedding_bag({i}, {t}, mode='max')
    F.embedding_bag({i}, {t}, mode='sum', per_sample_weights={x}.reshape({i}.shape))
    {zeros}.index_add(0, {i}.flatten()[:{x}.shape[0]] % {x}.shape[0], {x})
    {zeros}.scatter_add({d}, {i}.expand({x}.shape) % {x}.shape[{d}], {x})
    {zeros}.scatter({d}, {i}.unsqueeze(-1).expand({x}.shape) % {x}.shape[{d}], {x})
    {zeros}.scatter_reduce({d}, {i}.unsqueeze(-1).expand({x}.shape) % {x}.shape[{d}], {x}, '{how}')
    {x}.scatter({d}, {i}, 1.0) | {x}.index_add({d}, {i}.flatten(), {x}) | {t}[{i}.argmax(-1)]
    {x}.index_put(({i}.flatten()[:2],), {x}[:2], accumulate={k})
    {x}.index_put((torch.tensor([0, 1]),), {x}.flip(0), accumulate={k}) | {x}[{x} > 0][:2]
    torch.masked_scatter({x}, {x} > 0, {x}.flip(1))
    torch.bucketize({x}, torch.tensor([-1.0, 0.0])).double()
    torch.searchsorted({p}.sort()[0], {x}).double()
"""


@step(2)
def chosen(w: Writer) -> str:
    """By numbers that depend on the input."""
    x = w.value(2, 3)
    made = f"F.linear({x}, {w.parameter(WIDTH, w.shape(x)[-1])})[0]"
    table = w.one_of(w.weight(WIDTH, 3), w.weight(WIDTH, 3), made, w.constant(WIDTH, 3))
    return w.from_table(
        CHOSEN, x=x, i=w.numbers(), t=table, d=w.choose(len(w.shape(x))), p=w.parameter(3),
        zeros=f"torch.zeros({list(w.shape(x))}, dtype=torch.float64)", k=w.one_of(True, False),
        how=w.one_of("amax", "mean", "prod", "sum"),
    )  # fmt: skip


OVER_POSITIONS = """
    F.avg_pool1d({x}, 2) | F.max_pool1d({x}, 2) | F.adaptive_avg_pool1d({x}, 2)
    F.adaptive_max_pool1d({x}, 2) | F.max_pool1d({x}, 2, return_indices=True)[1].double()
    F.interpolate({x}, scale_factor=2.0) | F.interpolate({x}, scale_factor=2.0, mode='linear')
    F.avg_pool2d({x}, 2) | F.max_pool2d({x}, 2)
    F.grid_sample({x}.unsqueeze(2), {grid}, align_corners=False) | F.lp_pool1d({x}.abs(), 2, 2)
    F.max_unpool1d(*F.max_pool1d({x}, 2, return_indices=True), 2) | F.avg_pool1d({x}, 3, 1, 1)
    F.avg_pool1d({x}, 2, ceil_mode=True, padding=1)
"""


@step()
def over_positions(w: Writer) -> str:
    made = f"{w.value(3)}.tanh().unsqueeze(-1).expand(-1, -1, -1, 2)"
    grid = w.one_of(made, f"{w.weight(BATCH, 3, 3, 2)}.tanh()", w.constant(BATCH, 3, 3, 2))
    return w.from_table(OVER_POSITIONS, x=w.value(3), grid=grid)


@step()
def recurrent(w: Writer) -> str:
    x = w.value(3)
    gates, call = w.one_of((1, "rnn_tanh"), (3, "gru"), (4, "lstm"))
    shapes = [(gates * 3, w.shape(x)[-1]), (gates * 3, 3)]
    weights = [*(w.weight(*some) for some in shapes), *(w.parameter(gates * 3) for _ in range(2))]
    zeros = f"{x}.new_zeros(1, {x}.shape[0], 3)"
    state = f"({zeros}, {zeros})" if gates == 4 else zeros
    options = "True, 1, 0.0, False, False, True"
    return f"torch.{call}({x}, {state}, [{', '.join(weights)}], {options})[0]"


@step()
def attention(w: Writer) -> str:
    x = w.value(3)
    weights = [w.weight(4, w.shape(x)[-1]) for _ in range(3)]
    heads = [f"F.linear({x}, {one}).unflatten(-1, (2, 2)).transpose(1, 2)" for one in weights]
    return f"F.scaled_dot_product_attention({', '.join(heads)}).transpose(1, 2).flatten(2)"


LOOKED_AT = """
    {x} * {y}.mean().item() | {x} if {y}.flatten()[0] > 0 else -{x} | {x} * {y}.flatten()[0].item()
    {x} + {p}[0].item()
"""


@step()
def looked_at(w: Writer) -> str:
    return w.from_table(LOOKED_AT, x=w.value(), y=w.value(), p=w.weight(2))


@step()
def parameters_alone(w: Writer) -> str:
    return w.weight(w.one_of(1, BATCH), WIDTH, *w.one_of((), (LENGTH,)))
