"""The loops of :class:`SelectedInverse`, compiled.

Matrices go in batches whose entries stay in the cache; real and imaginary parts lie side by side,
so that the innermost loops are plain arithmetic on contiguous numbers. Of every symmetric block one
half is computed.
"""

import numpy as np

from gnncore.compiled import compiled

BATCH = 64
"""Matrices that take each step together: few enough for the cache, enough for vectors to pay."""


@compiled(fastmath={"contract", "nsz"}, error_model="numpy")
def eliminate(order, starts, columns, block_starts, blocks, matrices):  # type: ignore[no-untyped-def]
    """Factorise, then invert backwards, in place.

    Args:
        order: Nodes as they are eliminated.
        starts: Where each step's column starts in ``columns``; one more than steps.
        columns: Rows of the entries below the diagonal.
        block_starts: Where each step's block starts in ``blocks``.
        blocks: Rows of the block that the column updates, its lower half row by row.
        matrices: Real and imaginary parts, shape ``(entries, 2, BATCH)``.
    """
    largest = 0
    for step in range(len(order)):
        largest = max(largest, starts[step + 1] - starts[step])
    below = np.empty((largest, 2, BATCH))
    for step in range(len(order)):
        column = columns[starts[step] : starts[step + 1]]
        _divide(matrices, order[step], column, below)
        _update(matrices, column, blocks[block_starts[step] :], below)
    for step in range(len(order) - 1, -1, -1):
        column = columns[starts[step] : starts[step + 1]]
        _multiply(matrices, column, blocks[block_starts[step] :], below)
        _finish(matrices, order[step], column, below)


@compiled(fastmath={"contract", "nsz"}, error_model="numpy")
def _divide(matrices, node, column, below):  # type: ignore[no-untyped-def]
    """The column over its diagonal; what it was goes to ``below``."""
    for a in range(len(column)):
        entry = matrices[column[a]]
        for m in range(BATCH):
            x, y = entry[0, m], entry[1, m]
            u, v = matrices[node, 0, m], matrices[node, 1, m]
            scale = 1.0 / (u * u + v * v)
            below[a, 0, m], below[a, 1, m] = x, y
            entry[0, m] = (x * u + y * v) * scale
            entry[1, m] = (y * u - x * v) * scale


@compiled(fastmath={"contract", "nsz"}, error_model="numpy")
def _update(matrices, column, block, below):  # type: ignore[no-untyped-def]
    """The block minus column times column."""
    k = 0
    for a in range(len(column)):
        factor = matrices[column[a]]
        for b in range(a + 1):
            entry = matrices[block[k]]
            k += 1
            for m in range(BATCH):
                x, y = factor[0, m], factor[1, m]
                u, v = below[b, 0, m], below[b, 1, m]
                entry[0, m] -= x * u - y * v
                entry[1, m] -= x * v + y * u


@compiled(fastmath={"contract", "nsz"}, error_model="numpy")
def _multiply(matrices, column, block, below):  # type: ignore[no-untyped-def]
    """Minus the inverse's block times the column, into ``below``."""
    for a in range(len(column)):
        for m in range(BATCH):
            below[a, 0, m] = below[a, 1, m] = 0.0
    k = 0
    for a in range(len(column)):
        for b in range(a + 1):
            entry = matrices[block[k]]
            k += 1
            _subtract(entry, matrices[column[b]], below[a])
            if b < a:
                _subtract(entry, matrices[column[a]], below[b])


@compiled(fastmath={"contract", "nsz"}, error_model="numpy")
def _subtract(first, second, result):  # type: ignore[no-untyped-def]
    for m in range(BATCH):
        x, y, u, v = first[0, m], first[1, m], second[0, m], second[1, m]
        result[0, m] -= x * u - y * v
        result[1, m] -= x * v + y * u


@compiled(fastmath={"contract", "nsz"}, error_model="numpy")
def _finish(matrices, node, column, below):  # type: ignore[no-untyped-def]
    """The inverse's diagonal and column."""
    diagonal = matrices[node]
    for m in range(BATCH):
        u, v = diagonal[0, m], diagonal[1, m]
        scale = 1.0 / (u * u + v * v)
        diagonal[0, m], diagonal[1, m] = u * scale, -v * scale
    for a in range(len(column)):
        entry = matrices[column[a]]
        _subtract(entry, below[a], diagonal)
        for m in range(BATCH):
            entry[0, m], entry[1, m] = below[a, 0, m], below[a, 1, m]
