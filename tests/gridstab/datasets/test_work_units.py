from hypothesis import given
from hypothesis import strategies as st

from gridstab.datasets.work_units import (
    LONGEST_UNIT,
    SHORTEST_UNIT,
    TRAJECTORY_NODES_PER_SECOND,
    unit_seconds,
    units_of_grid,
)

counts = st.integers(1, 60)


@given(counts, st.integers(0, 100), counts, st.floats(1e-7, 1e-2), st.booleans())
def test_every_trajectory_belongs_to_one_unit(
    nodes: int, lines: int, samples: int, seconds: float, whole: bool
) -> None:
    units = list(units_of_grid(3, nodes, lines, samples, seconds=seconds, whole_nodes=whole))
    covered = [
        (node, sample)
        for unit in units
        for node in unit.nodes
        for sample in range(unit.first_sample, unit.first_sample + unit.samples)
    ]
    assert sorted(covered) == [(n, s) for n in range(nodes) for s in range(samples)]
    assert sum(unit.trajectories for unit in units) == nodes * samples
    assert len({str(unit) for unit in units}) == len(units)
    assert units == sorted(units)
    if whole:
        assert all(unit.samples == samples for unit in units)
    else:
        budget = max(1.0, seconds * TRAJECTORY_NODES_PER_SECOND / (nodes + lines))
        assert all(unit.trajectories <= budget for unit in units)


def test_units_of_the_published_campaigns_take_seconds() -> None:
    for nodes, lines in ((20, 28), (100, 144), (1910, 2577)):
        seconds = unit_seconds(10_000, nodes, lines, 10_000)
        assert seconds == LONGEST_UNIT
        units = list(units_of_grid(1, nodes, lines, 10_000, seconds=seconds))
        cost = max(unit.trajectories for unit in units) * (nodes + lines)
        assert cost / TRAJECTORY_NODES_PER_SECOND <= LONGEST_UNIT


def test_small_campaigns_still_occupy_many_workers() -> None:
    seconds = unit_seconds(1, 100, 144, 1000)
    assert seconds == SHORTEST_UNIT
    assert len(list(units_of_grid(1, 100, 144, 1000, seconds=seconds))) >= 16
