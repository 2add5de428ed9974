"""Who was tuned from whom: a forest over networks, from their weights alone.

Networks that share an origin have similar weights and form a *family*. What each of them did since
is its displacement from the root of the family. Three things tell the tree:

- what is frozen stays bitwise the same, so that children share entries with their parent;
- seen from the root, nobody lies on the other side: every other network has some network opposite
  to all others, which is the root or its own parent;
- a child keeps the whole displacement of its parent, and what it adds is new: it has nothing in
  common with the displacement of any other member.

What is pruned stays pruned, and networks that are pruned to several sparsities look like a chain of
prunings: between networks with different zeros they count as siblings.

Nearest neighbours alone do not tell: of siblings that learn the same task at different rates the
slow one lies on the way of the fast one. Horwitz, Shul and Hoshen, "Unsupervised Model Tree
Heritage Recovery", 2024, pose the problem and solve it by distances and outliers of weights.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import TrajectoryError
from graphwsl.trajectories.checked_rows import Rows, checked, gram, scaled
from graphwsl.trajectories.direction import direction_of
from graphwsl.trajectories.separation import SIMILAR, separate

KEPT = (0.8, 1.3)
"""How much of its parent's displacement a child keeps, at least and at most."""
NEW = 0.25
"""Cosine similarity up to which what a child adds counts as new."""
ALONE = 0.8
"""The same beside all other members, in a regression of the child on them, at least."""
SMALLEST = 0.3
"""Length of what a child adds, beside its parent's displacement, below which it is a sibling."""
RIDGE = 0.01
"""Added to the variance of each displacement, of length 1, in that regression."""
LARGE = 0.05
"""Share of all entries that a tensor must have for its replacement to be seen."""
COPIED = 0.02
"""Share of entries that are bitwise equal from which they were copied and not found by chance."""
FROZEN = 0.5
"""The same from which a trunk was frozen."""
FEWEST_COPIES = 3
"""Networks that share a trunk, at least, where families have several: it and two more."""
APART = 1.5
"""Distance of two such trunks, at least, beside the median that others moved: two children of one
network are about 1.4 times as far from each other as from it."""
PRUNED = 0.05
"""Share of entries that are zero, in tensors that are not zero throughout, from which a network
was pruned."""

_SMALL = 1e-140
"""Displacement, relative to the largest weight, whose products underflow."""


@dataclass(frozen=True, eq=False)
class Parentage:
    """A forest over networks.

    Attributes:
        parents: Number of each network's parent; -1 of roots. Shape ``(networks,)``.
        families: Number of each network's family, in the order of their first members. Shape
            ``(networks,)``.
        roots: Number of the root of each family.
        is_certain: Whether the root of each family is: it was given, is alone, or beats every
            other member by a margin and was not pruned otherwise than others, since the network
            that was pruned may not be among them.
        is_pruned: Whether a network has many zeros. Shape ``(networks,)``.
    """

    parents: Int[Tensor, " networks"]
    families: Int[Tensor, " networks"]
    roots: list[int]
    is_certain: list[bool]
    is_pruned: Bool[Tensor, " networks"]


def parentage(
    rows: Rows,
    *,
    sizes: Sequence[int] | None = None,
    roots: Sequence[int] = (),
    generations: int | None = None,
    similar: float = SIMILAR,
) -> Parentage:
    """Who was tuned from whom.

    Args:
        rows: The weights of each network, all of one shape; tensors that tuning replaces by others
            of another shape, such as heads of other classes, are left out.
        sizes: Numbers of entries of the tensors that lie in a row, one after the other. With them a
            head that was replaced by a new one is told from one that moved. None takes a row as
            one tensor.
        roots: Numbers of networks that are known to be roots. Of several that share an origin, as
            trainings from one initialisation do, each has a family of its own, which those belong
            to that are nearest to it.
        generations: 1 if all that are no roots were tuned from roots; None if children may have
            children.
        similar: As for :func:`graphwsl.trajectories.separate`.

    Raises:
        InvalidArgumentError: The rows are no matrix of numbers in floating point, or
            ``generations`` is neither 1 nor None.
        TrajectoryError: There are no networks, weights that are not finite, sizes that do not add
            up, or roots that do not exist.
    """
    rows = checked(rows, 1, "parentage")
    if sizes is not None and (min(sizes, default=0) < 1 or sum(sizes) != rows.shape[1]):
        raise TrajectoryError(
            f"sizes must be positive and add up to the {rows.shape[1]:,} entries of a row, got "
            f"{sum(sizes):,}"
        )
    if generations is not None:
        arguments.whole("generations", generations, 1, 1)
    for root in roots:
        if not 0 <= root < len(rows):
            raise TrajectoryError(f"root {root} is no network; there are {len(rows)}")
    families = separate(rows, similar=similar)
    trunks = [] if roots else _frozen_trunks(rows, families, sizes or [rows.shape[1]], generations)
    families = _with_one_root(rows, families, list(dict.fromkeys([*roots, *trunks])))
    parents = torch.full((len(rows),), -1)
    pruned = torch.zeros(len(rows), dtype=torch.bool)
    found, certain = [], []
    for number in range(int(families.max()) + 1):
        members = (families == number).nonzero()[:, 0]
        given = [n for n, member in enumerate(members.tolist()) if member in roots]
        family = _Family(rows[members], sizes or [rows.shape[1]], similar)
        root, sure = (given[0], True) if given else family.root()
        found.append(int(members[root]))
        certain.append(sure)
        pruned[members] = torch.from_numpy(family.pruned)
        for n, parent in enumerate(family.parents(root)):
            if parent is not None:
                parents[members[n]] = members[parent if generations is None else root]
    return Parentage(parents, families, found, certain, pruned)


class _Family:
    """Networks of one origin.

    Args:
        rows: Their weights.
        sizes: Entries of each tensor.
        similar: Cosine similarity from which a tensor was inherited, not replaced.
    """

    def __init__(
        self, rows: Float[Tensor, "members entries"], sizes: Sequence[int], similar: float
    ) -> None:
        rows = scaled(rows)
        self.rows, self.count, self.sizes = rows, len(rows), np.array(sizes)
        middle = rows.double().mean(0)
        if (least := _least_displacement(rows, middle)) < _SMALL:
            raise TrajectoryError(
                f"networks of a family differ by {least:.1e} of their largest weight, whose square "
                "is no number; leave out equal ones"
            )
        parts = rows.split(list(sizes), 1)
        # Of differences from the middle, so that small displacements keep their digits.
        self.products = np.stack(
            [gram(x, m) for x, m in zip(parts, middle.split(list(sizes)), strict=True)]
        )
        self.inherited = np.stack([_cosines(gram(scaled(part))) >= similar for part in parts])
        zeros = _zeros(rows, sizes)
        self.copied = _copied(rows, zeros)
        both = (zeros.double() @ zeros.double().T).numpy() / rows.shape[1]
        self.gone = both.diagonal()
        otherwise = self.gone[:, None] + self.gone - 2 * both > COPIED
        self.pruned: np.ndarray = self.gone >= PRUNED
        # By child and parent: zeros do not come back to life, and further ones tell no order.
        self.allowed = ~(self.pruned & otherwise)

    def root(self) -> tuple[int, bool]:
        """The member that all others come from, and whether that is certain."""
        if self.count == 1:
            return 0, True
        densest = np.flatnonzero(self.gone <= max(self.gone.min() + COPIED, PRUNED)).tolist()
        if self.count == 2:
            by_time = int(direction_of(self.rows).score < 0)
            return densest[0] if len(densest) == 1 else by_time, False
        likely = self._likely_by_copies()
        candidates = [n for n in likely if n in densest] or densest
        # Where bodies were frozen, those who share one differ in what was not, which decides.
        among = candidates if 2 < len(candidates) < self.count else list(range(self.count))
        # A part that most others inherited from one another was replaced in those who lack it;
        # few entries, such as biases, may change as much by tuning.
        having = self.inherited.sum(2) * (self.sizes >= LARGE * self.sizes.sum())[:, None]
        most = having[:, candidates].max(1, keepdims=True)
        entries = self.sizes @ having
        least = 0.9 * entries[candidates].max()
        whole = [
            n for n in candidates if entries[n] >= least and (2 * having[:, [n]] >= most).all()
        ] or candidates
        scores = np.array([self._implausibility(n, among) for n in whole])
        ranked = scores.argsort(kind="stable")
        with np.errstate(invalid="ignore"):
            margin = scores[ranked[1]] - scores[ranked[0]] if len(whole) > 1 else 1.0
        root = whole[ranked[0]]
        return root, bool(margin > 0.05) and bool(self.allowed[:, root].all())

    def parents(self, root: int) -> list[int | None]:
        """The parent of each member; None of the root."""
        products = self._displacements(root)
        lengths = np.sqrt(np.maximum(products.diagonal(), 0))
        found: list[int | None] = [root] * self.count
        found[root] = None
        typical = np.median(lengths[lengths > 0]) if lengths.any() else 0.0
        moved = [n for n in range(self.count) if lengths[n] > 1e-6 * typical]
        alone = _partial(products[np.ix_(moved, moved)])
        for child in range(self.count):
            if child == root:
                continue
            closer = self.copied[child] > self.copied[child, root] + COPIED
            closer &= self.allowed[child]
            closer[[child, root]] = False
            if closer.any():  # shares frozen entries with others that the root does not have
                best = self.copied[child].max(where=closer, initial=0)
                alike = np.flatnonzero(closer & (self.copied[child] >= 0.95 * best))
                nearest = int(alike[lengths[alike].argmin()])
                if lengths[nearest] < lengths[child]:
                    found[child] = nearest
            elif child in moved:
                known = dict(zip(moved, alone[moved.index(child)], strict=True))
                excluded = {root, child, *np.flatnonzero(~self.allowed[child]).tolist()}
                found[child] = _parent(child, products, lengths, known, root, excluded)
        return found

    def _likely_by_copies(self) -> list[int]:
        """Those who share most entries bitwise; everybody where nothing was frozen."""
        shared = (self.copied.sum(1) - 1) / (self.count - 1)
        if shared.max() < COPIED / 2:
            return list(range(self.count))
        return np.flatnonzero(shared >= 0.9 * shared.max()).tolist()

    def _displacements(self, root: int) -> Float[np.ndarray, "members members"]:
        """Inner products of displacements from a root, of the parts that were inherited from it."""
        relative = (
            self.products
            - self.products[:, [root], :]
            - self.products[:, :, [root]]
            + self.products[:, [root], [root]][:, :, None]
        )
        has = self.inherited[:, root]
        together: np.ndarray = (relative * has[:, :, None] * has[:, None, :]).sum(0)
        return together

    def _implausibility(self, root: int, among: Sequence[int]) -> float:
        """How little a member looks like the origin of others.

        Seen from a child that moved little, the root lies opposite to all others; seen from one
        that moved far, all others lie in one direction, that of the root.
        """
        products = self._displacements(root)
        cosines = _cosines(products)
        others = [n for n in among if cosines[n, n] > 0]
        if len(others) < 2:
            return np.inf
        within = cosines[np.ix_(others, others)]
        pairs = len(others) - 1
        opposite = np.clip(-within, 0, None).sum(1).max() / pairs
        common = (np.abs(within).sum() - len(others)) / (len(others) * pairs)
        distance = np.log(products.diagonal()[others]).mean() / 2
        return float(opposite + 0.3 * common + 0.02 * distance)


def _frozen_trunks(
    rows: Float[Tensor, "networks entries"],
    families: Int[Tensor, " networks"],
    sizes: Sequence[int],
    generations: int | None,
) -> list[int]:
    """One network of every trunk of families that have several, by what was frozen.

    Tuning that freezes a trunk makes copies of it. A family with copies of several networks has
    several trunks, which began at the same weights, if nobody but those was tuned from; else only
    if the trunks lie far apart beside what members moved, since a child whose trunk was frozen in
    turn lies no farther from the root than other children do.
    """
    found = []
    for number in range(int(families.max()) + 1):
        members = (families == number).nonzero()[:, 0]
        own = rows[members]
        if len(own) < 2 * FEWEST_COPIES:
            continue
        share = _copied(own, _zeros(own, sizes)) >= FROZEN
        groups = [
            np.flatnonzero(share[first])
            for first in range(len(own))
            if share[first].sum() >= FEWEST_COPIES and not share[first, :first].any()
        ]
        if len(groups) < 2:
            continue
        centres = torch.stack([own[group].double().mean(0) for group in groups])
        copies = np.unique(np.concatenate(groups))
        moved = np.delete(torch.cdist(own.double(), centres).amin(1).numpy(), copies)
        between = float(torch.pdist(centres).min())
        if generations == 1 or not len(moved) or between > APART * np.median(moved):
            found += [int(members[group[0]]) for group in groups]
    return found


def _with_one_root(
    rows: Float[Tensor, "networks entries"], families: Int[Tensor, " networks"], roots: list[int]
) -> Int[Tensor, " networks"]:
    """Families that are known to have several roots, cut into those of each."""
    labels = families.tolist()
    for number in range(max(labels) + 1):
        own = [root for root in roots if families[root] == number]
        if len(own) < 2:
            continue
        for member in (families == number).nonzero()[:, 0].tolist():
            lengths = [float((rows[member].double() - rows[root].double()).norm()) for root in own]
            nearest = member if member in own else own[lengths.index(min(lengths))]
            labels[member] = len(rows) + nearest
    order = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    return torch.tensor([order[label] for label in labels])


def _parent(
    child: int,
    products: np.ndarray,
    lengths: np.ndarray,
    alone: Mapping[int, float],
    root: int,
    excluded: Set[int],
) -> int:
    """The nearest member whose displacement the child keeps while all else of it is new.

    Args:
        child: Number of the child.
        products: Inner products of displacements.
        lengths: Their lengths.
        alone: How much the child keeps of each member that moved, the others held fixed.
        root: Number of the root.
        excluded: Who is no parent but perhaps the root.
    """
    best, parent = np.inf, root
    for other, own in alone.items():
        if other in excluded or own < ALONE:
            continue
        kept = products[child, other] / products[other, other]
        added = products[child, child] + products[other, other] - 2 * products[child, other]
        size = np.sqrt(max(added, 0))
        if not KEPT[0] <= kept <= KEPT[1] or not SMALLEST * lengths[other] < size < best:
            continue
        # Siblings that went nearly the same way each lack half of the other: -1/2 instead of 0.
        if products[child, other] - products[other, other] < -added / 8:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            common = (products[child] - products[other]) / (size * lengths)
            contain = products[child] / products[child, child]
        # What descends from the child has what it added, too.
        strangers = [
            n
            for n in alone
            if n not in (child, root) and (n == other or not KEPT[0] <= contain[n] <= KEPT[1])
        ]
        if np.abs(common[strangers]).max() <= NEW:
            best, parent = size, other
    return parent


def _partial(products: np.ndarray) -> np.ndarray:
    """Coefficients of a ridge regression of each displacement on all others."""
    sizes = np.sqrt(products.diagonal())
    cosines = products / sizes[:, None] / sizes
    inverse = np.linalg.inv(cosines + RIDGE * np.eye(len(cosines)))
    coefficients: np.ndarray = -inverse / inverse.diagonal()[:, None] * sizes[:, None] / sizes
    return coefficients


def _cosines(products: np.ndarray) -> np.ndarray:
    sizes = np.sqrt(np.maximum(products.diagonal(), 0))
    scale = np.where(sizes > 1e-6 * np.median(sizes), sizes, np.inf)
    return products / (scale[:, None] * scale)


def _least_displacement(
    rows: Float[Tensor, "members entries"], middle: Float[Tensor, " entries"]
) -> float:
    """Over members, the smallest of their largest distances of an entry from the middle, if any."""
    largest = torch.stack([(row.double() - middle).abs().max() for row in rows])
    return float(largest.where(largest > 0, torch.inf).min())


def _zeros(
    rows: Float[Tensor, "members entries"], sizes: Sequence[int]
) -> Bool[Tensor, "members entries"]:
    """Which entries are zero by pruning: in tensors that are not zero throughout."""
    parts = [(part == 0) & (part != 0).any(1, keepdim=True) for part in rows.split(list(sizes), 1)]
    return torch.cat(parts, 1)


def _copied(
    rows: Float[Tensor, "members entries"], zeros: Bool[Tensor, "members entries"]
) -> Float[np.ndarray, "members members"]:
    """Share of entries that two members have bitwise in common, though not everybody has.

    Zeros of pruning are alike without having been copied.
    """
    chosen = (rows != rows[0]).any(0)
    differing, pruned = rows[:, chosen], zeros[:, chosen]
    if not differing.shape[1]:
        return np.ones((len(rows), len(rows)))
    shares = [
        ((differing == row) & ~own).double().mean(1) / (~own).double().mean().clamp(min=1e-9)
        for row, own in zip(differing, pruned, strict=True)
    ]
    return torch.stack(shares).numpy()
