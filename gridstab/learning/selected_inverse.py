"""Chosen entries of the inverses of many symmetric sparse matrices that share their pattern.

The matrices are factorised as L D Lᵀ and inverted backwards from the factors (Takahashi, Fagan and
Chin 1973), which gives the inverse exactly on the pattern of L alone, without ever forming the
rest. All matrices take each step together, so that the work of Python does not grow with them.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Num


class SelectedInverse:
    """The plan for a pattern: an order of elimination with little fill, and where entries lie.

    There is no pivoting. It is not needed where the real or the imaginary part of every matrix is
    definite, as for Laplacians without one node, or for damped oscillators off zero frequency.

    Args:
        num_nodes: Rows of the matrices.
        pairs: Off-diagonal places (i, j) that the matrices occupy or whose inverse is wanted, each
            once, in any order; shape ``(pairs, 2)``.
    """

    def __init__(self, num_nodes: int, pairs: Int[np.ndarray, "pairs 2"]) -> None:
        self.num_nodes = num_nodes
        order, below = _minimum_degree(num_nodes, pairs)
        filled = [(node, row) for node in order for row in below[node]]
        # Diagonals come first, then everything below them, sorted by the pair of nodes.
        self._keys = np.sort(self._key(*np.array(filled, np.int64).reshape(-1, 2).T))
        self._steps: list[
            tuple[int, Int[np.ndarray, " column"], Int[np.ndarray, "below below"]]
        ] = []
        for node in order:
            rows = np.array(below[node], np.int64)
            column, block = self.place(node, rows), self.place(rows[:, None], rows[None])
            self._steps.append((node, column, block))
        self._places = self.place(pairs[:, 0], pairs[:, 1])

    def place(
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
    ) -> Num[np.ndarray, "places matrices"]:
        """The inverses on the pattern; entry (i, j) is in row ``place(i, j)``.

        Args:
            diagonal: Diagonals, one matrix a column.
            off_diagonal: What the matrices hold at the pairs; zero is allowed.
        """
        kind = np.result_type(diagonal, off_diagonal)
        entries = np.zeros((self.num_nodes + len(self._keys), diagonal.shape[1]), kind)
        entries[: self.num_nodes] = diagonal
        entries[self._places] = off_diagonal
        for node, column, block in self._steps:
            below = entries[column]
            entries[column] = factor = below / entries[node]
            # Both halves of the block are the same places; assignment by index counts them once.
            entries[block] -= factor[:, None] * below[None]
        for node, column, block in reversed(self._steps):
            factor = entries[column]
            entries[column] = inverse = -np.einsum("abm,bm->am", entries[block], factor)
            entries[node] = 1 / entries[node] - (factor * inverse).sum(axis=0)
        return entries


def _minimum_degree(
    num_nodes: int, pairs: Int[np.ndarray, "pairs 2"]
) -> tuple[list[int], dict[int, list[int]]]:
    """An order of elimination, and for each node the later ones that its elimination joins."""
    neighbours: list[set[int]] = [set() for _ in range(num_nodes)]
    for a, b in pairs.tolist():
        neighbours[a].add(b)
        neighbours[b].add(a)
    buckets: list[set[int]] = [set() for _ in range(num_nodes)]
    for node, others in enumerate(neighbours):
        buckets[len(others)].add(node)
    order: list[int] = []
    below: dict[int, list[int]] = {}
    least = 0
    while len(order) < num_nodes:
        least = max(least - 1, 0)
        while not buckets[least]:
            least += 1
        node = min(buckets[least])
        buckets[least].remove(node)
        joined = neighbours[node]
        order.append(node)
        below[node] = sorted(joined)
        for other in joined:
            buckets[len(neighbours[other])].remove(other)
            neighbours[other] |= joined
            neighbours[other] -= {node, other}
            buckets[len(neighbours[other])].add(other)
    return order, below


def neighbour_pairs(groups: Sequence[Sequence[int]]) -> Int[np.ndarray, "pairs 2"]:
    """Every pair (i, j), i < j, that occurs within a group, once, sorted."""
    pairs = {(a, b) for group in groups for a in group for b in group if a < b}
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)
