"""Chosen entries of the inverses of many symmetric sparse matrices that share their pattern.

The matrices are factorised as L D Lᵀ and inverted backwards from the factors (Takahashi, Fagan and
Chin 1973), which gives the inverse exactly on the pattern of L alone, without ever forming the
rest. The plan is made once for all matrices; its steps run compiled.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float, Int, Num

from gridstab.learning.elimination import BATCH, eliminate


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
        sizes = np.array([len(below[node]) for node in order], np.int64)
        nodes = np.repeat(np.array(order, np.int64), sizes)
        rows = np.array([row for node in order for row in below[node]], np.int64)
        halves = [np.tril_indices(size) for size in sizes.tolist()]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        pairs_of = [
            np.concatenate(
                [start + half[side] for start, half in zip(starts, halves, strict=False)]
            )
            if halves
            else rows[:0]
            for side in (0, 1)
        ]
        self._steps = (
            np.array(order, np.int64),
            starts,
            self.place(nodes, rows),
            np.concatenate([[0], np.cumsum(sizes * (sizes + 1) // 2)]),
            self.place(rows[pairs_of[0]], rows[pairs_of[1]]),
        )
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
        batches = _batches(entries)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(lambda batch: eliminate(*self._steps, batch), batches))
        parts = np.moveaxis(batches, 0, 2).reshape(len(entries), 2, len(batches) * BATCH)
        parts = parts[..., : entries.shape[1]]
        return parts[:, 0] + 1j * parts[:, 1] if np.iscomplexobj(entries) else parts[:, 0]


def _batches(
    entries: Num[np.ndarray, "places matrices"],
) -> Float[np.ndarray, "batches places 2 batch"]:
    """Matrices in batches, real and imaginary parts apart; the last batch is filled up."""
    missing = -entries.shape[1] % BATCH
    # Ones, for which every step is defined.
    padded = np.pad(entries, ((0, 0), (0, missing)), constant_values=1.0)
    parts = np.stack([padded.real, padded.imag], axis=1).astype(np.float64)
    return np.ascontiguousarray(
        np.moveaxis(parts.reshape(*parts.shape[:2], padded.shape[1] // BATCH, BATCH), 2, 0)
    )


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
