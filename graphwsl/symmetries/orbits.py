"""Orbits: what can be exchanged, found by following one exchange through the structure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.symmetries.structure import Structure


@dataclass(frozen=True)
class Orbit:
    """Parts of the network that can be permuted at will.

    Attributes:
        nodes: One part in each row, shape ``(parts, size)``; nodes in one column correspond. The
            parts are neurons with all that follows from them alone (the channel of a residual
            stream in all its layers), or whole attention heads.
    """

    nodes: Int[Tensor, "parts size"]


def orbits_of(structure: Structure) -> list[Orbit]:
    """Orbits whose permutations generate the symmetries that exchanges of two parts make.

    For a node and each other one of the same signature, the exchange of the two is followed
    through the relations: what has one partner moves with it, what both share stays. Exchanges
    that come out consistent and move the same nodes form an orbit.
    """
    by_signature: dict[int, list[int]] = defaultdict(list)
    for node, signature in enumerate(structure.signatures):
        by_signature[signature].append(node)
    found: list[Orbit] = []
    # Where a node is in the orbits found so far: in which of them, and in which part.
    part_of: dict[int, dict[int, int]] = defaultdict(dict)
    settled: set[int] = set()
    for members in by_signature.values():
        if len(members) == 1:
            continue
        for node in members:
            if node in settled:
                continue
            families = _families(structure, node, members, part_of)
            for family in families:
                for part, nodes in enumerate(family):
                    for one in nodes:
                        part_of[one][len(found)] = part
                found.append(Orbit(torch.tensor(family)))
            if families:
                smallest = min(families, key=lambda family: len(family[0]))
                for column in zip(*smallest, strict=True):
                    others = by_signature[structure.signatures[column[0]]]
                    # Where more nodes have this signature than here, there is more to be exchanged:
                    # the values of a head whose queries are fixed by rotation.
                    if len(others) == len(members) or all(
                        _is_known(part_of, column[0], other)
                        for other in others
                        if other != column[0]
                    ):
                        settled.update(column)
    return found


def outermost_first(orbits: Sequence[Orbit]) -> list[Orbit]:
    """Orbits of large parts before those within them: heads before the coordinates of a head.

    In that order random permutations of the orbits, one after the other, are uniform on the group
    that they generate. The other way round, what a head brings along stays as it came.
    """
    return sorted(orbits, key=lambda orbit: -orbit.nodes.shape[1])


def _families(
    structure: Structure, node: int, members: list[int], part_of: dict[int, dict[int, int]]
) -> list[list[list[int]]]:
    """All exchanges of ``node``, grouped by what moves with it."""
    families: dict[frozenset[int], list[list[int]]] = {}
    covered: set[int] = set()
    for other in members:
        if other == node or other in covered or _is_known(part_of, node, other):
            continue
        pairs = exchange(structure, node, other)
        if pairs is None:
            continue
        ours = frozenset(pairs)
        family = families.setdefault(ours, [sorted(ours)])
        moved = [pairs[one] for one in family[0]]
        if covered.isdisjoint(moved):
            family.append(moved)
            covered.update(moved)
    return [family for family in families.values() if len(family) > 1]


def _is_known(part_of: dict[int, dict[int, int]], first: int, second: int) -> bool:
    """Whether some orbit exchanges parts that hold the two."""
    other = part_of.get(second, {})
    return any(
        orbit in other and other[orbit] != part for orbit, part in part_of.get(first, {}).items()
    )


def exchange(structure: Structure, first: int, second: int) -> dict[int, int] | None:
    """Follow the exchange of two nodes through the structure.

    Returns:
        Which node goes where, from the side of ``first`` to the side of ``second`` (and back);
        none if there is no such symmetry.
    """
    signatures = structure.signatures
    pairs = {first: second}
    mapping = {first: second, second: first}
    queue = [(first, second)]
    while queue:
        ours, theirs = queue.pop()
        if signatures[ours] != signatures[theirs]:
            return None
        for our, their in _exchanged_with(structure, ours, theirs, mapping):
            if their is None or our in mapping or their in mapping:
                return None
            pairs[our] = their
            mapping[our], mapping[their] = their, our
            queue.append((our, their))
    if not _is_symmetry(structure, pairs, mapping):
        return None
    if structure.entries and not structure.entries.are_sent_to_one_entry(mapping):
        return None
    return pairs


def _exchanged_with(
    structure: Structure, ours: int, theirs: int, mapping: dict[int, int]
) -> Iterator[tuple[int, int | None]]:
    """Nodes that must be exchanged because ``ours`` and ``theirs`` do."""
    their_neighbours = structure.neighbours[theirs]
    for key, our in structure.neighbours[ours].items():
        their = their_neighbours[key]
        if our is their:
            continue
        free = (one for one in their.nodes if one not in our.members and one not in mapping)
        for one in our.nodes:
            if one in mapping:
                if mapping[one] not in their.members:
                    yield one, None
            elif one not in their.members:
                yield one, next(free, None)


def _is_symmetry(structure: Structure, pairs: dict[int, int], mapping: dict[int, int]) -> bool:
    """Whether relations of the moved nodes are mapped to relations.

    What holds for one direction of an exchange holds for the other.
    """
    for one, image in pairs.items():
        theirs = structure.neighbours[image]
        for key, our in structure.neighbours[one].items():
            their = theirs[key].members
            if our.members is not their and any(
                mapping.get(other) not in their for other in our.members - their
            ):
                return False
            both = our.members if our.members is their else our.members & their
            if any(mapping[other] not in their for other in mapping.keys() & both):
                return False
    return True
