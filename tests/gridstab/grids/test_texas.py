"""The Texas grid against the case that it is derived from and published measures of its graph."""

import networkx as nx
import numpy as np
import pytest
from scipy.sparse.linalg import eigsh

from gridstab import operating_point, texas_grid
from gridstab.errors import InvalidParameterError
from gridstab.grids.matpower import find_case, read_case
from gridstab.grids.texas import SOURCE_CASE, bus_numbers, bus_pairs, reduce_case


def mean_inverse_closeness(laplacian: np.ndarray) -> float:
    """Mean over i of Σ_j R_ij, the effective resistances, from the grounded Laplacian."""
    grounded = np.linalg.inv(laplacian[1:, 1:])
    return float(2 * (np.trace(grounded) - grounded.sum() / len(laplacian)))


def test_size() -> None:
    grid = texas_grid()
    assert (grid.num_nodes, grid.num_lines) == (1910, 2577)
    assert grid.edge_index.shape == (2, 5154)
    assert nx.is_connected(grid.to_networkx())


def test_the_shipped_lines_are_those_of_the_documented_rule() -> None:
    built = reduce_case(read_case(find_case(SOURCE_CASE)))
    np.testing.assert_array_equal(built, bus_pairs())
    numbers = bus_numbers()
    assert (np.diff(numbers) > 0).all()
    assert (numbers[0], numbers[-1]) == (1001, 8160)


def test_published_measures() -> None:
    """Values printed with the published network measures (Nauck et al. 2024, arXiv:2402.17500)."""
    laplacian = texas_grid().laplacian()
    smallest = np.sort(
        eigsh(laplacian, 2, sigma=-1e-3, v0=np.arange(1910.0), return_eigenvectors=False)
    )
    largest = eigsh(laplacian, 1, v0=np.arange(1910.0), return_eigenvectors=False)[0]
    assert abs(smallest[0]) < 1e-9
    assert 1 / smallest[1] == pytest.approx(280.678802, abs=5e-7)
    assert smallest[1] / largest == pytest.approx(0.000208, abs=5e-7)
    assert mean_inverse_closeness(laplacian.toarray()) == pytest.approx(5665.741039, abs=5e-7)


def test_the_mean_of_inverse_closeness_is_the_one_of_networkx() -> None:
    graph = nx.connected_watts_strogatz_graph(20, 4, 0.3, seed=1)
    closeness = nx.current_flow_closeness_centrality(graph)
    mean = np.mean([1 / value for value in closeness.values()])
    assert mean_inverse_closeness(nx.laplacian_matrix(graph).toarray()) == pytest.approx(mean)


@pytest.mark.parametrize("seed", [0, (3, 1)])
def test_powers_are_balanced_seeded_and_have_an_operating_point(seed: int) -> None:
    grid = texas_grid(seed)
    assert (grid.power == 1).sum() == (grid.power == -1).sum() == 955
    assert grid == texas_grid(seed)
    assert grid != texas_grid(11)
    theta = operating_point(grid)
    flow = grid.coupling * np.sin(theta[grid.lines[:, 0]] - theta[grid.lines[:, 1]])
    balance = np.bincount(grid.lines[:, 0], flow, 1910) - np.bincount(grid.lines[:, 1], flow, 1910)
    assert np.abs(balance - grid.power).max() <= 1e-10


def test_parameters_are_settable() -> None:
    grid = texas_grid(coupling=12.0, damping=0.2, inertia=2.0)
    assert (grid.coupling[0], grid.damping[0], grid.inertia[0]) == (12.0, 0.2, 2.0)
    with pytest.raises(InvalidParameterError, match="seed must be"):
        texas_grid(-1)
