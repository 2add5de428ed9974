"""The gradients of a convolution with pooling, of a whole population."""

from collections.abc import Callable
from functools import cache

from graphwsl.zoo.kernels.emit import LANES, Emitter, Value, integers
from graphwsl.zoo.kernels.geometry import TILE, Geometry, tiles


@cache
def weight_kernel(g: Geometry) -> Callable[..., None]:
    """``kernel(models, x, dy, winner, dw)``: the gradient of the weights, summed over images."""
    e = Emitter("nffbf")
    models, x, dy, winner, dw = e.function.args
    step = g.pool * g.stride
    for tile in tiles(g.outputs, TILE // g.kernel):
        with e.loops(models, tile.runs, g.inputs, g.kernel) as outer:
            m, run, c, row = outer.indices
            first = e.sum_of((tile.start, 1), (run, tile.length))
            image = e.at(
                x,
                (m, 0 if g.shared else g.inputs * g.input_plane),
                (c, g.input_plane),
                (row, g.width * g.batch),
            )
            out = [(m, g.outputs * g.output_plane), (first, g.output_plane)]
            dy_tile, winner_tile = e.at(dy, *out), e.at(winner, *out)
            # Ordered by output channel and column of the kernel.
            zeros = [e.zero] * (tile.length * g.kernel)
            with e.loops(g.rows, g.columns, g.batch // LANES, carried=zeros) as inner:
                i, j, n = inner.indices
                corner = e.at(image, (i, step * g.width * g.batch), (j, step * g.batch), (n, LANES))
                terms = [(i, g.columns * g.batch), (j, g.batch), (n, LANES)]
                inner.carried = _correlate(
                    e, g, corner, e.at(dy_tile, *terms), e.at(winner_tile, *terms), inner.carried
                )
            target = e.at(
                dw,
                (m, g.outputs * g.inputs * g.taps),
                (first, g.inputs * g.taps),
                (c, g.taps),
                (row, g.kernel),
            )
            for k, total in enumerate(inner.carried):
                t, column = divmod(k, g.kernel)
                e.store(e.sum(total), target, t * g.inputs * g.taps + column)
    return e.compile()


@cache
def unpool_kernel(g: Geometry) -> Callable[..., None]:
    """``kernel(models, dy, winner, full)``: the gradient before pooling.

    Rows and columns that no square covers are left as they are.
    """
    e = Emitter("nfbf")
    models, dy, winner, full = e.function.args
    with e.loops(models, g.outputs, g.rows, g.columns, g.batch // LANES) as loop:
        m, c, i, j, n = loop.indices
        planes = e.sum_of((m, g.outputs), (c, 1))
        terms = [(planes, g.output_plane), (i, g.columns * g.batch), (j, g.batch), (n, LANES)]
        slope = e.load(e.at(dy, *terms))
        which = e.load_bytes(e.at(winner, *terms))
        target = e.at(
            full,
            (planes, g.full_plane),
            (i, g.pool * g.full_columns * g.batch),
            (j, g.pool * g.batch),
            (n, LANES),
        )
        for number, (down, right) in enumerate(g.squares):
            value = _of_winner(e, slope, which, number)
            e.store(value, target, (down * g.full_columns + right) * g.batch)
    return e.compile()


@cache
def input_kernel(g: Geometry) -> Callable[..., None]:
    """``kernel(models, full, w, dx)``: the gradient of the inputs from that before pooling.

    Every input gathers the outputs that it takes part in, so that edges cost nothing. The weights
    lie as ``w[model, output, row, column, input]``.
    """
    e = Emitter("nfff")
    models, full, w, dx = e.function.args
    vectors = 2
    lanes = vectors * LANES
    with e.loops(models, g.height, g.width, g.batch // lanes) as outer:
        m, r, s, n = outer.indices
        rows, columns = _outputs_of(e, g, r, g.full_rows), _outputs_of(e, g, s, g.full_columns)
        slopes = e.at(full, (m, g.outputs * g.full_plane), (n, lanes))
        # At kernel entry (r - stride i, s - stride j); the loops over i and j subtract their part.
        weights = e.at(
            w,
            (m, g.outputs * g.taps * g.inputs),
            (r, g.kernel * g.inputs),
            (s, g.inputs),
        )
        target = e.at(
            dx,
            (m, g.inputs * g.input_plane),
            (r, g.width * g.batch),
            (s, g.batch),
            (n, lanes),
        )
        for tile in tiles(g.inputs, TILE // vectors):
            with e.loops(tile.runs) as run:
                first = e.sum_of((tile.start, 1), (run.indices[0], tile.length))
                zeros = [e.zero] * (tile.length * vectors)
                with e.loops(g.outputs, rows, columns, carried=zeros) as inner:
                    c, i, j = inner.indices
                    slope = e.at(
                        slopes, (c, g.full_plane), (i, g.full_columns * g.batch), (j, g.batch)
                    )
                    factors = e.at(
                        weights,
                        (first, 1),
                        (c, g.taps * g.inputs),
                        (i, -g.stride * g.kernel * g.inputs),
                        (j, -g.stride * g.inputs),
                    )
                    inner.carried = _outer(e, slope, factors, inner.carried, vectors)
                target_tile = e.at(target, (first, g.input_plane))
                for k, total in enumerate(inner.carried):
                    t, v = divmod(k, vectors)
                    e.store(total, target_tile, t * g.input_plane + v * LANES)
    return e.compile()


def _correlate(
    e: Emitter, g: Geometry, pixels: Value, dy: Value, winner: Value, sums: list[Value]
) -> list[Value]:
    """``sums`` after one square of outputs and one row of the kernel."""
    sums = list(sums)
    channels = len(sums) // g.kernel
    slopes = [e.load(dy, t * g.output_plane) for t in range(channels)]
    which = [
        e.load_bytes(winner, t * g.output_plane) if g.pool > 1 else None for t in range(channels)
    ]
    for number, (down, right) in enumerate(g.squares):
        parts = [
            _of_winner(e, slope, wins, number) for slope, wins in zip(slopes, which, strict=True)
        ]
        for column in range(g.kernel):
            pixel = down * g.stride * g.width + right * g.stride + column
            image = e.load(pixels, pixel * g.batch)
            for t, part in enumerate(parts):
                k = t * g.kernel + column
                sums[k] = e.fma(part, image, sums[k])
    return sums


def _outer(
    e: Emitter, slope: Value, factors: Value, sums: list[Value], vectors: int
) -> list[Value]:
    """``sums`` of some input channels after one weight of each."""
    sums = list(sums)
    values = [e.load(slope, v * LANES) for v in range(vectors)]
    for t in range(len(sums) // vectors):
        factor = e.broadcast(factors, t)
        for v, value in enumerate(values):
            sums[t * vectors + v] = e.fma(factor, value, sums[t * vectors + v])
    return sums


def _of_winner(e: Emitter, slope: Value, which: Value | None, number: int) -> Value:
    """The gradient at a position of its square: all of it or nothing."""
    if which is None:
        return slope
    won = e.builder.icmp_unsigned("==", which, integers(number))
    return e.builder.select(won, slope, e.zero)


def _outputs_of(e: Emitter, g: Geometry, index: Value, count: int) -> tuple[Value, Value]:
    """The range of outputs o with 0 ≤ index − stride · o < kernel."""
    builder = e.builder
    beyond = builder.sub(index, e.number(g.kernel))
    stride = e.number(g.stride)
    first = builder.sdiv(builder.add(beyond, stride), stride)
    negative = builder.icmp_signed("<", beyond, e.number(0))
    stop = builder.add(builder.sdiv(index, stride), e.number(1))
    within = builder.icmp_signed("<", stop, e.number(count))
    return (
        builder.select(negative, e.number(0), first),
        builder.select(within, stop, e.number(count)),
    )
