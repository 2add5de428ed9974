"""Bringing networks into line with one that stays, all at once: thousands of them in seconds.

Weight matching as that of :mod:`graphwsl.alignment.weight_matching`, with the sign flips of tanh
and its relatives besides. Each network is compared with its reference alone, so that the cost grows
with their number; two networks that are near each other need not be matched in the same way.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from graphwsl import arguments
from graphwsl.alignment.canonical import canonical_form
from graphwsl.alignment.population_alignment import entries_of_parts, permuted
from graphwsl.alignment.sign_descent import flip_signs, flipped_entries
from graphwsl.alignment.weight_matching import parameter_mask
from graphwsl.errors import InvalidArgumentError, StateMismatchError
from graphwsl.symmetries.elements import Elements
from graphwsl.symmetries.group import Symmetries

ROUNDING = 1e-6
"""Share of the agreement below which a gain is not told from rounding."""

PART = 2**19
"""Weights that are compared at once, few enough that they stay in the cache of a processor."""

Rows = Float[Tensor, "networks entries"]


def align_to(
    symmetries: Symmetries,
    rows: Rows,
    reference: Float[Tensor, "*networks entries"],
    *,
    max_sweeps: int = 100,
) -> Rows:
    """Networks of the same functions, permuted and with signs flipped to be closer to a reference.

    Positive factors are those of the canonical form, of the reference too. Orbit after orbit, the
    parts of a network are assigned to those of its reference that they agree with most, until
    nothing improves; signs that belong to no single part, as in a layer that is used twice, are
    flipped one by one. That begins with the network as it is, and once more with one whose parts
    were assigned from the first layer to the last by what comes before them alone, which finds
    copies; the closer result counts. The distance never grows, but the best of all elements is not
    guaranteed. Running statistics follow but do not count.

    Args:
        symmetries: Symmetries of the architecture.
        rows: Flattened states.
        reference: One state for all networks, or one for each.
        max_sweeps: Stop after so many even if distances still fall.

    Raises:
        StateMismatchError: The rows or references are of another architecture, or not one for all
            or each.
        GraphwslError: Weights are of no type or of two, or some are not finite.
    """
    advice = "give graphwsl.symmetries.symmetries(graph) of the networks"
    arguments.instance("symmetries", symmetries, Symmetries, "Symmetries", advice)
    arguments.rows("rows", rows)
    arguments.instance(
        "reference", reference, Tensor, "a tensor", "give one state, or one for each"
    )
    if rows.dtype not in (torch.float32, torch.float64) or reference.dtype != rows.dtype:
        raise InvalidArgumentError(
            "rows and reference must both be float32 or both float64, got "
            f"{rows.dtype} and {reference.dtype}; convert them"
        )
    single = reference.ndim == 1
    references = reference[None] if single else reference
    if not single and len(references) != len(rows):
        raise StateMismatchError(
            f"there must be one reference, or one for each of {len(rows):,} networks, got "
            f"{len(references):,}"
        )
    for some in (rows, references):
        symmetries.entry_maps.check(some)
    if not len(rows):
        return rows
    rows, references = (
        canonical_form(some, symmetries, permutations=False, signs=False)
        for some in (rows, references)
    )
    targets = torch.where(parameter_mask(symmetries.graph), references, 0)
    orbits = _in_order(symmetries)
    flips = flipped_entries(symmetries, _signs_of_no_part(symmetries, orbits))
    if not orbits and not flips:
        return rows
    largest = max((part.entries.numel() for part in orbits), default=rows.shape[1])
    size = max(PART // largest, 1)
    return torch.cat(
        [
            _closest(
                symmetries,
                orbits,
                flips,
                rows[some],
                targets if single else targets[some],
                max_sweeps,
            )
            for some in torch.arange(len(rows)).split(size)
        ]
    )


@dataclass(frozen=True, eq=False)
class _Parts:
    """The parts of an orbit.

    Attributes:
        number: Number of the orbit.
        entries: All entries at the nodes of each part, corresponding ones in a column, one past the
            end for none, shape ``(parts, width)``.
        flips: Which of them change their sign with the part, all false where it cannot.
        columns: Columns of entries that keep their sign, and columns of those that change it.
        is_before: Which of them are at no part of an orbit that comes after this one.
        are_disjoint: Whether no entry is at two parts, so that moving them moves rows of entries.
        reaches: Which orbits, in order, have an entry that this one moves.
    """

    number: int
    entries: Int[Tensor, "parts width"]
    flips: Bool[Tensor, "parts width"]
    columns: tuple[Int[Tensor, " fixed"], Int[Tensor, " flipping"]]
    is_before: Bool[Tensor, "parts width"]
    are_disjoint: bool
    reaches: Bool[Tensor, " orbits"]

    @classmethod
    def of(
        cls, symmetries: Symmetries, order: list[int], all_entries: list[Tensor], rank: int
    ) -> "_Parts":
        number, entries = order[rank], all_entries[rank]
        size = symmetries.entry_maps.num_entries
        listed = entries[entries >= 0]
        later = torch.cat([listed[:0], *(some.flatten() for some in all_entries[rank + 1 :])])
        are_disjoint = len(listed.unique()) == len(listed)
        entries = torch.where(entries < 0, size, entries)
        flips = torch.zeros_like(entries, dtype=torch.bool)
        if are_disjoint:
            flips = _flips(symmetries, number, entries, flips)
        columns = [torch.nonzero(some).flatten() for some in (~flips[0], flips[0])]
        # Parts that share entries may hold others within them.
        reaches = [not are_disjoint or bool(torch.isin(some, listed).any()) for some in all_entries]
        return cls(
            number,
            entries,
            flips,
            (columns[0], columns[1]),
            ~torch.isin(entries, later),
            are_disjoint,
            torch.tensor(reaches),
        )


def _in_order(symmetries: Symmetries) -> list[_Parts]:
    """All orbits, from the first layer to the last."""
    calls, orbits = symmetries.graph.calls, symmetries.orbits
    order = sorted(range(len(orbits)), key=lambda n: int(calls[orbits[n].nodes].min()))
    entries = [entries_of_parts(symmetries, orbits[number]) for number in order]
    return [_Parts.of(symmetries, order, entries, rank) for rank in range(len(order))]


def _flips(
    symmetries: Symmetries, number: int, entries: Tensor, none: Bool[Tensor, "parts width"]
) -> Bool[Tensor, "parts width"]:
    """What a change of sign does to the entries of each part; nothing if it does more."""
    sign, nodes = symmetries.sign, symmetries.orbits[number].nodes
    classes = _signs_of_part(symmetries, number)
    if not all(classes):
        return none
    identity = Elements.identity(symmetries.graph, len(nodes))
    factors = identity.factors.clone()
    for part, own in enumerate(classes):
        factors[part, torch.isin(sign.classes, torch.tensor(own))] = -1.0
    ones = torch.ones(len(nodes), symmetries.entry_maps.num_entries)
    moved = symmetries.entry_maps.apply(Elements(symmetries.graph, identity.image, factors), ones)
    changed = torch.cat([moved < 0, moved.new_zeros(len(nodes), 1, dtype=torch.bool)], dim=1)
    flips = changed.gather(1, entries)
    is_all = int(changed.sum()) == int(flips.sum())
    is_equal = bool((flips == flips[:1]).all())
    return flips if is_all and is_equal else none


def _signs_of_part(symmetries: Symmetries, number: int) -> list[list[int]]:
    """The classes of each part of an orbit that may change their sign."""
    sign = symmetries.sign
    found = [sign.classes[own].unique() for own in symmetries.orbits[number].nodes]
    return [own[sign.allowed[own]].tolist() for own in found]


def _signs_of_no_part(symmetries: Symmetries, orbits: list[_Parts]) -> list[int]:
    """The classes whose signs no assignment of parts finds, each for itself."""
    found = {
        own[0]
        for parts in orbits
        if bool(parts.flips.any())
        for own in _signs_of_part(symmetries, parts.number)
        if len(own) == 1
    }
    allowed = torch.nonzero(symmetries.sign.allowed).flatten().tolist()
    return [one for one in allowed if one not in found]


def _closest(
    symmetries: Symmetries,
    orbits: list[_Parts],
    flips: list[Int[Tensor, " flipping"]],
    rows: Rows,
    targets: Tensor,
    max_sweeps: int,
) -> Rows:
    """Networks after all sweeps, from the better of two beginnings."""
    # One more column, a zero, for indices of no entry.
    rows = torch.cat([rows, rows.new_zeros(len(rows), 1)], dim=1)
    targets = torch.cat([targets, targets.new_zeros(len(targets), 1)], dim=1)
    begun, every = rows.clone(), torch.arange(len(rows))
    for parts in orbits:
        if parts.are_disjoint:
            _moved(parts, begun, every, targets, parts.is_before)
        else:
            _begin_as_elements(symmetries, parts, begun, every, targets)
    for some in (rows, begun):
        flip_signs(some, targets, flips, ROUNDING)
        for _ in range(max_sweeps):
            _sweep(symmetries, orbits, some, targets, max_sweeps)
            if not flip_signs(some, targets, flips, ROUNDING):
                break
    # Distances differ by what the agreement differs; all else is the same numbers.
    as_it_is, from_the_front = ((some * targets).sum(dim=1) for some in (rows, begun))
    return torch.where((from_the_front > as_it_is)[:, None], begun, rows)[:, :-1]


def _sweep(
    symmetries: Symmetries, orbits: list[_Parts], rows: Rows, targets: Tensor, max_sweeps: int
) -> None:
    """Move the parts of all orbits in place until nothing improves.

    An orbit is matched again only in networks in which another one has moved entries of it.
    """
    is_due = torch.ones(len(rows), len(orbits), dtype=torch.bool)
    for _ in range(max_sweeps):
        for rank, parts in enumerate(orbits):
            due = torch.nonzero(is_due[:, rank]).flatten()
            if not len(due):
                continue
            is_due[due, rank] = False
            if parts.are_disjoint:
                moved = _moved(parts, rows, due, targets)
                is_due[moved] |= parts.reaches & (torch.arange(len(orbits)) != rank)
            else:
                moved = _moved_as_elements(symmetries, parts, rows, due, targets)
                is_due[moved] |= parts.reaches
        if not bool(is_due.any()):
            break


def _assigned(
    parts: _Parts, theirs: Tensor, ours: Tensor
) -> tuple[Int[Tensor, "networks parts"], Float[Tensor, "networks parts"], Tensor]:
    """The part that is sent to each part, its sign, and the gain in agreement of each network.

    Args:
        parts: The orbit.
        theirs: Entries of its parts in the networks, shape ``(networks, parts, width)``.
        ours: Those of the references, zeros for what does not count.
    """
    stay, flip = (ours[:, :, some] @ theirs[:, :, some].mT for some in parts.columns)
    agreement = stay + flip.abs()
    found = [linear_sum_assignment(one, maximize=True)[1] for one in agreement.numpy()]
    matches = torch.from_numpy(np.stack(found))
    signs = torch.where(flip.gather(2, matches[:, :, None])[:, :, 0] < 0, -1.0, 1.0)
    after = agreement.gather(2, matches[:, :, None]).sum((1, 2))
    before = (stay + flip).diagonal(dim1=1, dim2=2).sum(1)
    scale = ours.flatten(1).norm(dim=1) * theirs.flatten(1).norm(dim=1)
    return matches, signs, after - before - ROUNDING * scale


def _moved(
    parts: _Parts,
    rows: Rows,
    chosen: Int[Tensor, " chosen"],
    targets: Tensor,
    counted: Bool[Tensor, "parts width"] | None = None,
) -> Int[Tensor, " moved"]:
    """Move the parts of an orbit in place where that improves chosen networks; which it does."""
    theirs, ours = _entries(rows, chosen, parts), _entries(targets, chosen, parts)
    ours = ours if counted is None else ours.masked_fill(~counted, 0)
    matches, signs, gain = _assigned(parts, theirs, ours)
    better = torch.nonzero(gain > 0).flatten()
    moved = chosen[better]
    if len(moved):
        values = theirs[better[:, None], matches[better]]
        signed = torch.where(parts.flips, values * signs[better, :, None], values)
        rows[moved[:, None, None], parts.entries] = signed
        rows[moved, -1] = 0
    return moved


def _begin_as_elements(
    symmetries: Symmetries,
    parts: _Parts,
    rows: Rows,
    every: Int[Tensor, " networks"],
    targets: Tensor,
) -> None:
    """Assign parts in place by the entries that each has for itself, whatever that makes better."""
    listed, uses = parts.entries.unique(return_counts=True)
    is_own = torch.isin(parts.entries, listed[uses == 1])
    theirs = _entries(rows, every, parts)
    ours = _entries(targets, every, parts).masked_fill(~is_own, 0)
    if all(_signs_of_part(symmetries, parts.number)):  # they are found afterwards
        nothing, all_of_them = parts.columns[0][:0], torch.arange(parts.entries.shape[1])
        parts = replace(parts, columns=(nothing, all_of_them))
    matches, _, _ = _assigned(parts, theirs, ours)
    step = permuted(symmetries, symmetries.orbits[parts.number], matches.argsort(dim=1))
    rows[:, :-1] = symmetries.entry_maps.apply(step, rows[:, :-1])


def _moved_as_elements(
    symmetries: Symmetries,
    parts: _Parts,
    rows: Rows,
    chosen: Int[Tensor, " chosen"],
    targets: Tensor,
) -> Int[Tensor, " moved"]:
    """The same where weights between two parts of an orbit make the agreement an estimate."""
    theirs, ours = _entries(rows, chosen, parts), _entries(targets, chosen, parts)
    matches, _, _ = _assigned(parts, theirs, ours)
    step = permuted(symmetries, symmetries.orbits[parts.number], matches.argsort(dim=1))
    own, goal = rows[chosen], targets if len(targets) == 1 else targets[chosen]
    after = own.clone()
    after[:, :-1] = symmetries.entry_maps.apply(step, own[:, :-1])
    gain = (goal * (after - own)).sum(dim=1) - ROUNDING * own.norm(dim=1) * goal.norm(dim=1)
    moved = chosen[gain > 0]
    rows[moved] = after[gain > 0]
    return moved


def _entries(
    rows: Tensor, chosen: Int[Tensor, " chosen"], parts: _Parts
) -> Float[Tensor, "chosen parts width"]:
    """The entries of parts in chosen networks, or in the one that is for all."""
    if len(rows) == 1:
        return rows[:, parts.entries]
    return rows[chosen[:, None, None], parts.entries]
