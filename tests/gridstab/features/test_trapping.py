"""From which frequencies nodes are caught: against simulation, and in limiting cases."""

import numpy as np

from gridstab import PowerGrid, random_grid
from gridstab.dynamics import outcomes
from gridstab.dynamics.sampling import DOMEGA_RANGE
from gridstab.features.solitary import FREQUENCY_STEP, solitary_state
from gridstab.features.trapping import solitary_trap


def hub_with_leaves(leaves: int) -> PowerGrid:
    """A ring of eight nodes, one of which has leaves."""
    ring = [(k, (k + 1) % 8) for k in range(8)]
    power = np.resize([1.0, -1.0], 8 + leaves)
    return PowerGrid.from_arrays([*ring, *((0, 8 + k) for k in range(leaves))], power)


def test_leaves_of_hubs_are_caught_below_the_outermost_window() -> None:
    grid = hub_with_leaves(6)
    frequency, window, _ = solitary_state(grid)[8]
    root, threshold, width, _ = solitary_trap(grid)[8]
    assert window < 1.1
    assert threshold < frequency - window - 3
    assert width > 5
    # A start at the bottom of the well loses half of its frequency on the way up.
    between = np.linspace(7.0, frequency - window - 0.4, 8)
    assert (outcomes(grid, 8, 0.0, between) == 0).all()
    assert (outcomes(grid, 8, 0.0, np.linspace(-3, 3, 7)) == 1).all()
    assert abs(root - frequency) < 1


def test_where_the_window_is_all_both_features_agree() -> None:
    """A pair rotates as one machine, whose drain has no resonance in the range."""
    pair = PowerGrid.from_arrays([(0, 1)], [1.0, -1.0], damping=[0.3, 0.3])
    root, threshold, width, margin = solitary_trap(pair)[0]
    frequency, window, exact = solitary_state(pair)[0]
    assert abs(root - frequency) <= FREQUENCY_STEP
    assert abs(threshold - (frequency - window)) <= 3 * FREQUENCY_STEP
    assert abs(width - window) <= 4 * FREQUENCY_STEP
    assert abs(margin - exact) < 0.01


def test_hubs_are_not_caught() -> None:
    grid = random_grid(20, seed=1)
    hubs = np.flatnonzero(grid.degree >= 6)
    root, threshold, width, margin = solitary_trap(grid)[hubs].T
    assert (root == 0).all()
    assert (threshold == DOMEGA_RANGE).all()
    assert (width == 0).all()
    assert (margin < 0).all()


def test_all_frequencies_are_those_of_perturbations() -> None:
    weak = PowerGrid.from_arrays([(0, 1), (1, 2)], [5.0, -1.0, -4.0], damping=[0.05] * 3)
    for grid in (weak, random_grid(40, seed=2)):
        root, threshold, width, _ = solitary_trap(grid).T
        for column in (root, threshold, width):
            assert (column >= 0).all()
            assert (column <= DOMEGA_RANGE + 1e-9).all()
        caught = root > 0
        assert (threshold[caught] <= root[caught]).all()
        assert (width[caught] <= root[caught] - threshold[caught] + FREQUENCY_STEP + 1e-9).all()
