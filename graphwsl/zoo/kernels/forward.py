"""The outputs of a convolution with pooling, of a whole population."""

from collections.abc import Callable
from functools import cache

from graphwsl.zoo.kernels.emit import LANES, Emitter, Value, integers
from graphwsl.zoo.kernels.geometry import TILE, Geometry, tiles


@cache
def forward_kernel(g: Geometry) -> Callable[..., None]:
    """``kernel(models, x, w, b, y, winner)``.

    Writes the outputs ``y[model, output, row, column, image]`` and, where pooled, ``winner``, the
    number of the position in its square that each maximum comes from; the first of equal ones.
    """
    e = Emitter("nffffb")
    models, x, w, b, y, winner = e.function.args
    # Without squares, two vectors of images share every broadcast weight.
    vectors = 1 if g.pool > 1 else 2
    lanes, positions = LANES * vectors, len(g.squares)
    step = g.pool * g.stride
    with e.loops(models, g.rows, g.columns, g.batch // lanes) as outer:
        m, i, j, n = outer.indices
        corner = e.at(
            x,
            (m, 0 if g.shared else g.inputs * g.input_plane),
            (i, step * g.width * g.batch),
            (j, step * g.batch),
            (n, lanes),
        )
        w_m = e.at(w, (m, g.outputs * g.inputs * g.taps))
        b_m = e.at(b, (m, g.outputs))
        out = [(m, g.outputs * g.output_plane), (i, g.columns * g.batch), (j, g.batch), (n, lanes)]
        y_out, winner_out = e.at(y, *out), e.at(winner, *out)
        for tile in tiles(g.outputs, TILE // (positions * vectors)):
            with e.loops(tile.runs) as run:
                first = e.sum_of((tile.start, 1), (run.indices[0], tile.length))
                biases = [e.broadcast(e.at(b_m, (first, 1)), t) for t in range(tile.length)]
                # Ordered by output channel, position and vector.
                start = [bias for bias in biases for _ in range(positions * vectors)]
                with e.loops(g.inputs, carried=start) as inner:
                    (c,) = inner.indices
                    pixels = e.at(corner, (c, g.input_plane))
                    weights = e.at(w_m, (first, g.inputs * g.taps), (c, g.taps))
                    inner.carried = _accumulate(e, g, pixels, weights, inner.carried, vectors)
                y_tile = e.at(y_out, (first, g.output_plane))
                winner_tile = e.at(winner_out, (first, g.output_plane))
                for t in range(tile.length):
                    for v in range(vectors):
                        square = inner.carried[t * positions * vectors + v :: vectors][:positions]
                        offset = t * g.output_plane + v * LANES
                        e.store(_maximum(e, square, winner_tile, offset), y_tile, offset)
    return e.compile()


def _accumulate(
    e: Emitter,
    g: Geometry,
    pixels: Value,
    weights: Value,
    sums: list[Value],
    vectors: int,
) -> list[Value]:
    """``sums`` after all taps of one input channel, each weight loaded once."""
    sums = list(sums)
    channels = len(sums) // (len(g.squares) * vectors)
    for row in range(g.kernel):
        for column in range(g.kernel):
            tap = row * g.kernel + column
            factors = [e.broadcast(weights, t * g.inputs * g.taps + tap) for t in range(channels)]
            for position, (down, right) in enumerate(g.squares):
                pixel = (down * g.stride + row) * g.width + right * g.stride + column
                for v in range(vectors):
                    image = e.load(pixels, pixel * g.batch + v * LANES)
                    for t, factor in enumerate(factors):
                        k = (t * len(g.squares) + position) * vectors + v
                        sums[k] = e.fma(factor, image, sums[k])
    return sums


def _maximum(e: Emitter, values: list[Value], winner: Value, offset: int) -> Value:
    """The largest of the values of a square; notes where it comes from."""
    best, which = values[0], integers(0)
    for position, value in enumerate(values[1:], 1):
        larger = e.builder.fcmp_ordered(">", value, best)
        best = e.builder.select(larger, value, best)
        which = e.builder.select(larger, integers(position), which)
    if len(values) > 1:
        e.store_bytes(which, winner, offset)
    return best
