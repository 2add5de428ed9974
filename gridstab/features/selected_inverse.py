"""Chosen entries of the inverses of many symmetric sparse matrices that share their pattern.

The matrices are factorised as L D Lᵀ and inverted backwards from the factors (Takahashi, Fagan and
Chin 1973), which gives the inverse exactly on the pattern of L alone, without ever forming the
rest. The plan is made once for all matrices; its steps run compiled.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Int, Num
from scipy.sparse import csc_array, tril
from scipy.sparse.linalg import splu

from gridstab.features.elimination import BATCH, eliminate


class SelectedInverse:
    """The plan for a pattern: an order of elimination with little fill, and where entries lie.

    There is no pivoting. It is not needed where the real or the imaginary part of every matrix is
    definite, as for Laplacians without one node, or for damped oscillators off zero frequency.

    Args:
        num_nodes: Rows of the matrices.
        pairs: Off-diagonal entries (i, j) that the matrices occupy or whose inverse is wanted, each
            once, in any order; shape ``(pairs, 2)``.
    """

    def __init__(self, num_nodes: int, pairs: Int[np.ndarray, "pairs 2"]) -> None:
        self.num_nodes = num_nodes
        order, starts, rows = _factor_pattern(num_nodes, pairs)
        sizes = np.diff(starts)
        columns = np.repeat(order, sizes)
        # Diagonals come first, then everything below them, sorted by the pair of nodes.
        self._keys = np.sort(self._key(rows, columns))
        # A column updates a block by the products of each of its entries with those up to it.
        products = np.arange(len(rows)) - np.repeat(starts[:-1], sizes) + 1
        later = np.repeat(np.arange(len(rows)), products)
        earlier = later - np.repeat(products, products) + 1 + _counted(products)
        self._steps = (
            order,
            starts,
            self.row_of(columns, rows),
            np.concatenate([[0], np.cumsum(sizes * (sizes + 1) // 2)]),
            self.row_of(rows[later], rows[earlier]),
        )
        self._rows_of_pairs = self.row_of(pairs[:, 0], pairs[:, 1])

    def row_of(
        self, row: Int[np.ndarray, "*rows"] | int, column: Int[np.ndarray, "*columns"] | int
    ) -> Int[np.ndarray, "..."]:
        """Row of a call's result that holds entry (row, column), which the pattern must have."""
        off_diagonal = self.num_nodes + np.searchsorted(self._keys, self._key(row, column))
        return np.where(np.equal(row, column), row, off_diagonal)

    def _key(
        self, row: Int[np.ndarray, "*rows"] | int, column: Int[np.ndarray, "*columns"] | int
    ) -> Int[np.ndarray, "..."]:
        return np.minimum(row, column) * self.num_nodes + np.maximum(row, column)

    def __call__(
        self,
        diagonal: Num[np.ndarray, "nodes matrices"],
        off_diagonal: Num[np.ndarray, "pairs matrices"],
    ) -> Num[np.ndarray, "entries matrices"]:
        """The inverses on the pattern; entry (i, j) is in row ``row_of(i, j)``.

        Args:
            diagonal: Diagonals, one matrix a column.
            off_diagonal: What the matrices hold at the pairs; zero is allowed.
        """
        kind = np.result_type(diagonal, off_diagonal, np.float64)
        result = np.empty((self.num_nodes + len(self._keys), diagonal.shape[1]), kind)

        def invert(start: int) -> None:
            chosen = slice(start, start + BATCH)
            parts = np.zeros((len(result), 2, BATCH))
            parts[: self.num_nodes, 0] = 1.0  # where a batch is not full
            for part, of in enumerate((np.real, np.imag)[: 1 + np.iscomplexobj(result)]):
                some = diagonal[:, chosen].shape[1]
                parts[: self.num_nodes, part, :some] = of(diagonal[:, chosen])
                parts[self._rows_of_pairs, part, :some] = of(off_diagonal[:, chosen])
            eliminate(*self._steps, parts)
            parts = parts[..., : diagonal.shape[1] - start]
            result.real[:, chosen] = parts[:, 0]
            if np.iscomplexobj(result):
                result.imag[:, chosen] = parts[:, 1]

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(invert, range(0, diagonal.shape[1], BATCH)))
        return result


def _factor_pattern(
    num_nodes: int, pairs: Int[np.ndarray, "pairs 2"]
) -> tuple[Int[np.ndarray, " nodes"], Int[np.ndarray, " starts"], Int[np.ndarray, " entries"]]:
    """An order of elimination, and the nodes below the diagonal in every column of the factor.

    They are where SuperLU's factor of the pattern's Laplacian is not zero: its entries are sums of
    positive numbers, so that none vanishes by chance. The little that is added to the diagonal
    makes it regular and is too small for entries to fade below the smallest number.
    """
    degree = np.bincount(pairs.flatten(), minlength=num_nodes)
    a, b = pairs.T
    laplacian = csc_array(
        (
            np.concatenate([degree + 1e-6, np.full(2 * len(pairs), -1.0)]),
            (np.r_[:num_nodes, a, b], np.r_[:num_nodes, b, a]),
        ),
        shape=(num_nodes, num_nodes),
    )
    factors = splu(
        laplacian,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    factor = tril(factors.L, -1, format="csc")
    factor.sort_indices()
    order = np.argsort(factors.perm_c)
    return order, factor.indptr.astype(np.int64), order[factor.indices]


def _counted(counts: Int[np.ndarray, " runs"]) -> Int[np.ndarray, " total"]:
    """0, 1, 2, … for every run, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(counts.sum()) - np.repeat(ends - counts, counts)


def neighbour_pairs(groups: Sequence[Sequence[int]]) -> Int[np.ndarray, "pairs 2"]:
    """Every pair (i, j), i < j, that occurs within a group, once, sorted."""
    pairs = {(a, b) for group in groups for a in group for b in group if a < b}
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)
