"""Every parameter is in one part of a plan, and permutations move units, rows and columns alone."""

from functools import cache
from typing import Any

import pytest
import torch

from graphwsl.alignment.weight_matching import parameter_mask
from graphwsl.errors import GeneratorError
from graphwsl.generators.flow.plan import INCOMING, OUTGOING, OWN, FlowPlan
from graphwsl.populations.population import Architecture, Function
from graphwsl.populations.symmetric_views import views
from graphwsl.symmetries import symmetries
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.inputs import example_inputs


@cache
def architecture(**factors: Any) -> Architecture:
    known = {"in_channels": 1, "image_size": 8, "width": 4, "out_channels": 3, **factors}
    name = str(known["architecture"])
    return Function.of(build(name, known).eval(), example_inputs(known), name).architecture


CASES = {
    "perceptron": {"architecture": "mlp", "depth": 3},
    "one_layer": {"architecture": "mlp", "depth": 1},
    "convolutions": {"architecture": "cnn_s", "image_size": 28},
    "residual": {"architecture": "resnet8"},
}


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_is_in_one_part(case: str) -> None:
    own = architecture(**CASES[case])
    plan = FlowPlan.of(own)
    expected = parameter_mask(own.graph).nonzero()[:, 0]
    assert torch.equal(plan.order.sort().values, expected)
    rows = torch.randn(2, own.num_entries)
    back = plan.write(plan.read(rows))
    assert torch.equal(back[:, expected], rows[:, expected])
    assert torch.equal(plan.split(plan.read(rows)).flat(), plan.read(rows))


@pytest.mark.parametrize("case", CASES)
def test_permutations_move_units_rows_and_columns(case: str) -> None:
    """Sums over units know no order, and rows and columns keep their numbers together."""
    own = architecture(**CASES[case])
    plan, group = FlowPlan.of(own), symmetries(own.graph)
    rows = torch.randn(1, own.num_entries, dtype=torch.float64)
    moved = views(rows, group, torch.Generator().manual_seed(0), scalings=False, signs=False)
    first, second = plan.split(plan.read(rows)), plan.split(plan.read(moved))
    assert not torch.equal(plan.read(rows), plan.read(moved))
    for ours, theirs in zip(first.units, second.units, strict=True):
        ordered = (sorted(one[0].tolist()) for one in (ours, theirs))
        assert next(ordered) == next(ordered)
    for ours, theirs in zip(first.pairs, second.pairs, strict=True):
        for axis in (1, 2):
            sums = (one.sum(axis)[0].sort(0).values for one in (ours, theirs))
            torch.testing.assert_close(next(sums), next(sums))
    assert torch.equal(first.rest, second.rest)


def test_the_parts_of_a_perceptron_are_those_by_hand() -> None:
    own = architecture(architecture="mlp", depth=2, image_size=3, width=4, out_channels=2)
    plan = FlowPlan.of(own)
    first, second = plan.units
    assert (first.kind, second.kind) == ("9-1-0", "0-1-2")
    assert first.columns.tolist() == [INCOMING] * 9 + [OWN]
    assert second.columns.tolist() == [OWN] + [OUTGOING] * 2
    offsets, state = own.graph.offsets, own.graph.state
    names = list(state)
    weight = offsets[names[0]] + torch.arange(state[names[0]].numel()).view(4, 9)
    assert torch.equal(first.entries[:, :9], weight)
    (pairs,) = plan.pairs
    hidden = offsets[names[2]] + torch.arange(16).view(4, 4)
    assert torch.equal(pairs.entries[:, :, 0], hidden)
    outputs = offsets[names[4]] + torch.arange(8).view(2, 4)
    assert torch.equal(second.entries[:, 1:], outputs.T)
    assert torch.equal(plan.rest, offsets[names[5]] + torch.arange(2))


def test_running_statistics_do_nothing() -> None:
    own = architecture(architecture="resnet8")
    plan = FlowPlan.of(own)
    row = plan.write(torch.randn(1, len(plan.order)))[0]
    for name, start in own.graph.offsets.items():
        values = row[start : start + own.graph.state[name].numel()]
        if name.endswith("running_var"):
            assert bool((values == 1).all())
        if name.endswith(("running_mean", "num_batches_tracked")):
            assert bool((values == 0).all())


def test_orbits_within_orbits_are_refused() -> None:
    own = architecture(architecture="vit", image_size=8, patch_size=4, heads=2, width=4, depth=1)
    with pytest.raises(GeneratorError, match=r"units within units .* choose aligned_flow"):
        FlowPlan.of(own)
