"""Textbook shapes against networkx's own predicates."""

import networkx as nx
import pytest

from gridstab import PowerGrid
from gridstab.errors import InvalidParameterError
from gridstab.grids import lattice, ring, tree, watts_strogatz

SHAPES = {
    "ring": lambda **more: ring(9, **more),
    "random tree": lambda **more: tree(12, **more),
    "balanced tree": lambda **more: tree(13, branching=3, **more),
    "lattice": lambda **more: lattice(3, 5, **more),
    "small world": lambda **more: watts_strogatz(14, **more),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("power", ["alternating", "random"])
def test_powers_are_plus_and_minus_one_and_sum_to_zero(name: str, power: str) -> None:
    grid: PowerGrid = SHAPES[name](power=power, seed=4, coupling=3.0)
    assert grid.power.sum() == 0
    assert sorted(set(grid.power.tolist()) - {0.0}) == [-1.0, 1.0]
    assert (grid.power == 0).sum() == grid.num_nodes % 2
    assert (grid.coupling == 3).all()
    assert nx.is_connected(grid.to_networkx())


@pytest.mark.parametrize("name", ["random tree", "small world"])
def test_seeds_decide_the_shape(name: str) -> None:
    assert SHAPES[name](seed=1) == SHAPES[name](seed=1)
    assert SHAPES[name](seed=1) != SHAPES[name](seed=2)


def test_shapes_are_what_they_are_called() -> None:
    assert nx.is_isomorphic(ring(8).to_networkx(), nx.cycle_graph(8))
    assert nx.is_tree(tree(30, seed=2).to_networkx())
    assert nx.is_isomorphic(tree(7, branching=2).to_networkx(), nx.balanced_tree(2, 2))
    assert nx.is_isomorphic(lattice(3, 4).to_networkx(), nx.grid_2d_graph(3, 4))
    assert watts_strogatz(20, neighbours=6).num_lines == 60
    assert (watts_strogatz(20, rewiring=0.0).degree == 4).all()


def test_a_lattice_is_a_chessboard_with_neighbours_one_apart() -> None:
    grid = lattice(4, 6)
    assert grid.coordinates is not None
    for a, b in grid.lines:
        assert grid.power[a] == -grid.power[b]
        assert abs(grid.coordinates[a] - grid.coordinates[b]).sum() == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ring(2), "nodes must be at least 3, got 2"),
        (lambda: tree(0), "nodes must be at least 1, got 0"),
        (lambda: tree(5, branching=0), "branching must be at least 1, got 0"),
        (lambda: lattice(0, 3), "rows must be at least 1, got 0"),
        (lambda: watts_strogatz(10, neighbours=3), "neighbours must be even, .* got 3"),
        (lambda: watts_strogatz(4, neighbours=4), r"below nodes \(4\), got 4"),
        (lambda: watts_strogatz(10, rewiring=2), "rewiring must be a number .* got 2"),
        (lambda: ring(5, seed=-1), "seed must be .* got -1"),
    ],
)
def test_impossible_shapes_are_refused(make: object, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        make()  # type: ignore[operator]
