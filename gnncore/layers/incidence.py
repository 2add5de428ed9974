"""Sums of edges at nodes, and differences of nodes along edges, with derivatives as fast.

Each is the product with a sparse matrix of entries 1 and -1, its derivative the product with the
transposed one. ``torch.embedding_bag`` computes either in one pass over the memory and in a fixed
order of summation, so that results repeat bitwise; its own derivative is slow, and is not used.
"""

from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd import Function


class Incidence:
    """Where the directed edges of a graph start and end, prepared once for many steps.

    Args:
        edge_index: Source and target of every edge, in any order.
        num_nodes: Number of nodes.
        dtype: Data type of the signals.
    """

    def __init__(
        self, edge_index: Int[Tensor, "2 edges"], num_nodes: int, dtype: torch.dtype
    ) -> None:
        self._source, self._target = edge_index
        self._num_nodes = num_nodes
        self._dtype = dtype

    def incoming(
        self, edges: Float[Tensor, "edges channels"], degree_power: float = 0.0
    ) -> Float[Tensor, "nodes channels"]:
        """The sum over the edges that end at each node, over their number to a power."""
        return _scaled(_product(edges, *self._ends), self._ends, degree_power)

    def outgoing(
        self, edges: Float[Tensor, "edges channels"], degree_power: float = 0.0
    ) -> Float[Tensor, "nodes channels"]:
        """The sum over the edges that start at each node, over their number to a power."""
        return _scaled(_product(edges, *self._starts), self._starts, degree_power)

    def differences(
        self, nodes: Float[Tensor, "nodes channels"]
    ) -> Float[Tensor, "edges channels"]:
        """The node where each edge ends less the one where it starts."""
        return _product(nodes, *self._drops)

    @cached_property
    def _ends(self) -> tuple["_Rows", "_Rows"]:
        return _sums(self._target, self._num_nodes)

    @cached_property
    def _starts(self) -> tuple["_Rows", "_Rows"]:
        return _sums(self._source, self._num_nodes)

    @cached_property
    def _drops(self) -> tuple["_Rows", "_Rows"]:
        num_edges = len(self._target)
        signs = self._target.new_tensor([1, -1], dtype=self._dtype)
        either = torch.stack([self._target, self._source], dim=1).flatten()
        position, pointer = _grouped(either, self._num_nodes)
        return (
            _Rows(either, 2 * _count(num_edges + 1, either), signs.repeat(num_edges)),
            _Rows(position // 2, pointer, signs[position % 2]),
        )


class _Rows(NamedTuple):
    """A sparse matrix, row by row: columns, where each row begins, and entries (None for ones)."""

    column: Tensor
    pointer: Tensor
    entry: Tensor | None = None


class _Product(Function):
    """A sparse matrix times a dense one; the transposed matrix is for the derivative."""

    @staticmethod
    def forward(ctx: Any, dense: Tensor, matrix: _Rows, transposed: _Rows) -> Tensor:
        ctx.matrix, ctx.transposed = matrix, transposed
        product, *_ = torch.embedding_bag(
            dense.contiguous(),
            matrix.column,
            matrix.pointer,
            mode=0,  # sums
            per_sample_weights=matrix.entry,
            include_last_offset=True,
        )
        return product

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _product(grad, ctx.transposed, ctx.matrix), None, None


def _product(dense: Tensor, matrix: _Rows, transposed: _Rows) -> Tensor:
    return _Product.apply(dense, matrix, transposed)  # type: ignore[no-untyped-call]


def _scaled(sums: Tensor, rows: tuple["_Rows", "_Rows"], degree_power: float) -> Tensor:
    if degree_power == 0:
        return sums
    degree = rows[0].pointer.diff().clamp(min=1).to(sums.dtype)
    return sums * degree.pow(-degree_power)[:, None]


def _sums(node: Tensor, num_nodes: int) -> tuple[_Rows, _Rows]:
    return _Rows(*_grouped(node, num_nodes)), _Rows(node, _count(len(node) + 1, node))


def _grouped(node: Tensor, num_nodes: int) -> tuple[Tensor, Tensor]:
    """Positions in ``node`` sorted by its values, and where those of each value begin."""
    ordered, position = node.sort(stable=True)
    return position, torch.searchsorted(ordered, _count(num_nodes + 1, node))


def _count(length: int, like: Tensor) -> Tensor:
    return torch.arange(length, device=like.device, dtype=like.dtype)
