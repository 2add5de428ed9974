"""Forests that are grown, and found again."""

import pytest
import torch

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories import parentage

ENTRIES = 4000


def grown(parents: list[int], seed: int, drift: float = 0.0) -> torch.Tensor:
    """Networks that each add something new to their parent; roots are independent."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(ENTRIES, generator=generator)
    rows: list[torch.Tensor] = []
    for parent in parents:
        new = torch.randn(ENTRIES, generator=generator)
        size = 0.1 + 0.3 * float(torch.rand((), generator=generator))
        rows.append(new if parent < 0 else rows[parent] + size * (new + drift * common))
    return torch.stack(rows)


STAR = [-1, *[0] * 8, -1, *[9] * 8]
TREE = [-1, 0, 0, 0, 0, 0, 1, 1, 2, -1, 9, 9, 9, 9, 9, 10]


@pytest.mark.parametrize("seed", range(3))
def test_a_forest_is_found_with_its_roots(seed: int) -> None:
    found = parentage(grown(STAR, seed))
    assert found.roots == [0, 9]
    assert found.parents.tolist() == STAR
    assert found.families.tolist() == [0] * 9 + [1] * 9


@pytest.mark.parametrize("seed", range(3))
def test_children_of_children_are_told_from_siblings(seed: int) -> None:
    found = parentage(grown(TREE, seed), roots=[0, 9])
    assert found.parents.tolist() == TREE
    star = parentage(grown(TREE, seed), roots=[0, 9], generations=1)
    assert star.parents.tolist() == [-1, *[0] * 8, -1, *[9] * 6]


@pytest.mark.parametrize("seed", range(3))
def test_siblings_that_learn_the_same_at_different_rates_are_no_children(seed: int) -> None:
    """The nearest neighbour of the fast ones is a sibling, not their parent."""
    rows = grown(STAR, seed, drift=1.0)
    nearest = torch.cdist(rows, rows).fill_diagonal_(torch.inf).argmin(1)
    assert nearest.tolist() != STAR
    assert parentage(rows, roots=[0, 9]).parents.tolist() == STAR


def twins(row: torch.Tensor, sparsities: tuple[float, ...], seed: int) -> torch.Tensor:
    """What is left of a network after pruning by magnitude, tuned alike."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(ENTRIES, generator=generator)
    rows = []
    for sparsity in sparsities:
        mask = row.abs() > row.abs().quantile(sparsity)
        own = 0.05 * torch.randn(ENTRIES, generator=generator)
        rows.append(mask * (row + 0.1 * common + own))
    return torch.stack(rows)


@pytest.mark.parametrize("seed", range(3))
def test_sparse_twins_are_siblings_and_no_parents(seed: int) -> None:
    original, tuned = grown([-1, 0], seed)
    pruned = twins(original, (0.8, 0.3, 0.5), seed)
    found = parentage(torch.cat([pruned, original[None]]))
    assert found.parents.tolist() == [3, 3, 3, -1]
    assert found.is_certain == [True]
    assert found.is_pruned.tolist() == [True, True, True, False]
    # Without the original nothing is certain.
    assert parentage(pruned).is_certain == [False]
    assert parentage(pruned[:2]).is_certain == [False]
    # Tensors that are zero throughout, as biases at the beginning, were not pruned.
    biases = torch.cat([torch.zeros(2, 400), torch.stack([original, tuned])], dim=1)
    biases[1, :400] = 0.1
    sizes = [400, ENTRIES]
    assert not parentage(biases, sizes=sizes).is_pruned.any()


def test_frozen_bodies_show_the_root_and_heads_which_of_them_it_is() -> None:
    """Half of the children keep the body bitwise; their heads start from that of the root."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(1, ENTRIES, generator=generator).repeat(13, 1)
    body, head = 3600, 400
    rows[1:, body:] += 0.3 * torch.randn(12, head, generator=generator)
    rows[7:, :body] += 0.2 * torch.randn(6, body, generator=generator)
    shuffled = torch.randperm(13, generator=generator)
    place = int((shuffled == 0).nonzero())
    found = parentage(rows[shuffled], sizes=[body, head])
    assert found.roots == [place]
    assert [n for n in found.parents.tolist() if n != -1] == [place] * 12


def test_heads_that_were_replaced_do_not_count() -> None:
    rows = grown(STAR, 0)
    heads = torch.randn(len(rows), 300, generator=torch.Generator().manual_seed(1))
    found = parentage(torch.cat([rows, heads], 1), sizes=[ENTRIES, 300])
    assert found.parents.tolist() == STAR


@pytest.mark.parametrize("generations", [None, 1])
def test_known_roots_from_one_initialisation_each_have_a_family(generations: int | None) -> None:
    """Two trainings from the same weights, and children of both, some of them frozen copies."""
    generator = torch.Generator().manual_seed(0)

    def noise(size: float) -> torch.Tensor:
        return size * torch.randn(ENTRIES, generator=generator)

    start = noise(1.0)
    roots = [start + noise(0.3), start + noise(0.3)]
    tuned = [roots[n % 2] + (noise(0.2) if n < 10 else 0) for n in range(14)]
    found = parentage(torch.stack([*roots, *tuned]), roots=[1, 0], generations=generations)
    assert found.parents.tolist() == [-1, -1, *[n % 2 for n in range(14)]]
    assert (found.roots, found.families.tolist()) == ([0, 1], [n % 2 for n in range(16)])


def test_a_network_alone_is_its_own_root() -> None:
    found = parentage(torch.randn(1, 10))
    assert (found.parents.tolist(), found.roots, found.is_certain) == ([-1], [0], [True])


def test_roots_and_sizes_that_cannot_be_are_refused() -> None:
    rows = grown(STAR, 0)
    with pytest.raises(TrajectoryError, match="root 99 is no network; there are 18"):
        parentage(rows, roots=[99])
    with pytest.raises(TrajectoryError, match="add up to the 4,000 entries of a row, got 5"):
        parentage(rows, sizes=[2, 3])


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_the_forest_does_not_depend_on_the_scale(scale: float) -> None:
    found = parentage(grown(STAR, 0).double() * scale)
    assert found.parents.tolist() == STAR


def test_displacements_whose_squares_underflow_are_refused() -> None:
    rows = torch.eye(3, dtype=torch.float64)[[0, 0, 0]]
    rows[1:, 1] = torch.tensor([1e-200, 2e-200], dtype=torch.float64)
    with pytest.raises(TrajectoryError, match=r"differ by 1\.0e-200 of their largest weight"):
        parentage(rows)


def frozen(row: torch.Tensor, copies: int, generator: torch.Generator) -> list[torch.Tensor]:
    """Networks tuned from one whose first three quarters were frozen."""
    rows = []
    for _ in range(copies):
        own = row.clone()
        head = own[3 * ENTRIES // 4 :]
        head += 0.1 * torch.randn(len(head), generator=generator)
        rows.append(own)
    return rows


@pytest.mark.parametrize("generations", [1, None])
@pytest.mark.parametrize("seed", range(3))
def test_trunks_that_began_alike_are_told_by_what_was_frozen(
    seed: int, generations: int | None
) -> None:
    generator = torch.Generator().manual_seed(seed)
    origin = torch.randn(ENTRIES, generator=generator)
    rows, parents = [], []
    for _ in range(2):
        trunk = origin + 0.6 * torch.randn(ENTRIES, generator=generator)
        tuned = [trunk + 0.15 * torch.randn(ENTRIES, generator=generator) for _ in range(5)]
        parents += [-1, *[len(rows)] * 10]
        rows += [trunk, *frozen(trunk, 5, generator), *tuned]
    found = parentage(torch.stack(rows), sizes=[3 * ENTRIES // 4, ENTRIES // 4])
    assert len(set(found.families.tolist())) == 2
    found = parentage(
        torch.stack(rows), sizes=[3 * ENTRIES // 4, ENTRIES // 4], generations=generations
    )
    assert found.parents.tolist() == parents


@pytest.mark.parametrize("seed", range(3))
def test_a_child_whose_trunk_was_frozen_in_turn_is_of_the_family(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(ENTRIES, generator=generator)
    tuned = [root + 0.3 * torch.randn(ENTRIES, generator=generator) for _ in range(6)]
    rows = [root, *frozen(root, 4, generator), *tuned, *frozen(tuned[0], 4, generator)]
    found = parentage(torch.stack(rows), sizes=[3 * ENTRIES // 4, ENTRIES // 4])
    assert set(found.families.tolist()) == {0}
