"""Pairing with noise: never farther than before, blind to the order of units, a symmetry."""

import itertools

import torch

from graphwsl.generators.flow.pairing import paired
from graphwsl.generators.flow.plan import FlowPlan
from graphwsl.populations.symmetric_views import views
from graphwsl.symmetries import symmetries
from tests.graphwsl.generators.flow.flow_cases import gaussian_population


def case(count: int = 6, **factors: object) -> tuple[FlowPlan, torch.Tensor, torch.Tensor, object]:
    own = gaussian_population(2 * count, **factors)
    rows, graph = torch.stack(own.states), own.architectures[0]
    return FlowPlan.of(graph), rows[:count], rows[count:], symmetries(graph.graph)


def test_distances_never_grow() -> None:
    plan, noise, rows, _ = case(depth=2)
    noise, networks = plan.read(noise), plan.read(rows)
    before = (networks - noise).norm(dim=1)
    for sweeps in (1, 2):
        after = (paired(plan, noise, networks, sweeps) - noise).norm(dim=1)
        assert (after <= before + 1e-5).all()
        before = after
    assert torch.equal(paired(plan, noise, networks, 0), networks)


def test_one_orbit_is_paired_at_best() -> None:
    plan, noise, rows, _ = case(count=2, width=4)
    noise, networks = plan.read(noise), plan.read(rows)
    found = (paired(plan, noise, networks, 1) - noise).norm(dim=1)
    parts = plan.split(networks)
    for n in range(2):
        least = min(
            float((torch.cat([parts.units[0][n, list(order)].flatten(), parts.rest[n]])
                   - noise[n]).norm())
            for order in itertools.permutations(range(4))
        )  # fmt: skip
        torch.testing.assert_close(float(found[n]), least)


def test_a_permuted_network_has_the_same_pair() -> None:
    plan, noise, rows, group = case()
    moved = views(rows, group, torch.Generator().manual_seed(3), scalings=False, signs=False)  # type: ignore[arg-type]
    assert not torch.equal(moved, rows)
    first, second = (paired(plan, plan.read(noise), plan.read(one), 3) for one in (rows, moved))
    torch.testing.assert_close(first, second)
