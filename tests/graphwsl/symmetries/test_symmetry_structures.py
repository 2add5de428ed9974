"""Structures of relations: classes and exchanges against a slow oracle and against all there is."""

import itertools
from collections import Counter

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwsl.symmetries.orbits import exchange, orbits_of
from graphwsl.symmetries.structure import Structure, related

Relation = list[tuple[int, int]]
NODES = 6

pairs = st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1))
relation_lists = st.lists(st.lists(pairs, max_size=7), max_size=3)
colour_lists = st.lists(st.integers(0, 1), min_size=NODES, max_size=NODES)


def structure(colours: list[int], relations: list[Relation]) -> Structure:
    tensors = [torch.tensor(one, dtype=torch.int64).view(-1, 2) for one in relations]
    return related(torch.tensor(colours), [(one[:, 0], one[:, 1]) for one in tensors])


def classes_by_hand(colours: list[int], relations: list[Relation]) -> set[frozenset[int]]:
    """Colour refinement as it is defined: by the multisets of neighbours' colours."""
    labels: list[object] = list(colours)
    for _ in colours:
        new = []
        for node in range(len(colours)):
            near = Counter(
                (number, way, labels[pair[1 - way]])
                for number, relation in enumerate(relations)
                for pair in set(relation)
                for way in (0, 1)
                if pair[way] == node
            )
            new.append((labels[node], frozenset(near.items())))
        numbers = {label: i for i, label in enumerate(dict.fromkeys(new))}
        labels = [numbers[label] for label in new]
    return {frozenset(i for i, one in enumerate(labels) if one == label) for label in set(labels)}


def is_automorphism(image: list[int], colours: list[int], relations: list[Relation]) -> bool:
    return all(colours[i] == colours[image[i]] for i in range(len(image))) and all(
        {(image[a], image[b]) for a, b in relation} == set(relation) for relation in relations
    )


@settings(max_examples=60, deadline=None)
@given(colour_lists, relation_lists)
def test_nodes_are_distinguished_as_by_colour_refinement(
    colours: list[int], relations: list[Relation]
) -> None:
    signatures = structure(colours, relations).signatures
    found = {
        frozenset(i for i, one in enumerate(signatures) if one == signature)
        for signature in set(signatures)
    }
    assert found == classes_by_hand(colours, relations)


@settings(max_examples=60, deadline=None)
@given(colour_lists, relation_lists)
def test_every_exchange_is_an_automorphism_and_simple_ones_are_found(
    colours: list[int], relations: list[Relation]
) -> None:
    built = structure(colours, relations)
    for first, second in itertools.combinations(range(NODES), 2):
        simple = list(range(NODES))
        simple[first], simple[second] = second, first
        moved = exchange(built, first, second)
        if moved is not None:
            image = list(range(NODES))
            for one, other in moved.items():
                image[one], image[other] = other, one
            assert is_automorphism(image, colours, relations)
        # Two nodes that are exchanged with nothing following.
        assert (moved is not None and len(moved) == 1) or not is_automorphism(
            simple, colours, relations
        )


@settings(max_examples=60, deadline=None)
@given(colour_lists, relation_lists)
def test_parts_of_an_orbit_are_exchanged_by_automorphisms(
    colours: list[int], relations: list[Relation]
) -> None:
    for orbit in orbits_of(structure(colours, relations)):
        for first, second in itertools.combinations(orbit.nodes.tolist(), 2):
            image = list(range(NODES))
            for one, other in zip(first, second, strict=True):
                image[one], image[other] = other, one
            assert is_automorphism(image, colours, relations)


def test_a_long_chain_distinguishes_all_its_nodes() -> None:
    """Each round of the refinement reaches one node further."""
    chain = [(i, i + 1) for i in range(39)]
    assert len(set(structure([0] * 40, [chain]).signatures)) == 40


def test_copies_of_one_part_are_one_orbit() -> None:
    """Five chains that start at one node: the chains are permuted as wholes."""
    chains = [
        [(0, 1 + 4 * k), *((1 + 4 * k + i, 2 + 4 * k + i) for i in range(3))] for k in range(5)
    ]
    (orbit,) = orbits_of(structure([0] * 21, [list(itertools.chain(*chains))]))
    assert sorted(sorted(part) for part in orbit.nodes.tolist()) == [
        list(range(1 + 4 * k, 5 + 4 * k)) for k in range(5)
    ]


def test_nothing_is_no_structure() -> None:
    assert structure([], []).signatures == []
    assert orbits_of(structure([0], [])) == []
