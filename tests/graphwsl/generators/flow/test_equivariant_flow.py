"""The flow: equivariant to rounding, right on Gaussians, of any size, asked for by conditions."""

import inspect
from copy import copy, deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphwsl.errors import GeneratorError
from graphwsl.generators import make
from graphwsl.generators.flow.coordinates import Gaussian, pieces_of
from graphwsl.generators.flow.equivariant_flow import EquivariantFlow
from graphwsl.generators.flow.network import places
from graphwsl.generators.flow.ode import integrate
from graphwsl.generators.flow.plan import FlowPlan
from graphwsl.generators.saved import GENERATOR
from graphwsl.populations import Population
from graphwsl.populations.symmetric_views import views
from graphwsl.symmetries import Symmetries, symmetries
from tests.graphwsl.generators.flow.flow_cases import gaussian_population, refusal
from tests.graphwsl.generators.method_cases import fitted, population, rows, seeded, tiny
from tests.graphwsl.properties.property_cases import MLP, SMALL_CNN, MemoryZoo


def flow(kind: str = "mlp", condition: str | None = None) -> EquivariantFlow:
    made = fitted("equivariant_flow", kind, condition)
    assert isinstance(made, EquivariantFlow)
    return made


def loud(made: EquivariantFlow) -> EquivariantFlow:
    """Another one whose weights are nowhere near zero, as few epochs leave them."""
    made, generator = copy(made), seeded(5)
    made.module = deepcopy(made._flow())
    with torch.no_grad():
        for parameter in made.module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return made


@cache
def group_of(kind: str, number: int) -> Symmetries:
    return symmetries(population(kind).architectures[number].graph)


@pytest.mark.parametrize("kind", ["mlp", "cnn", "mixed"])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), time=st.floats(0, 1))
def test_the_velocity_is_equivariant(kind: str, seed: int, time: float) -> None:
    made, own = loud(flow(kind)), population(kind)
    for number, architecture in enumerate(own.architectures):
        some, group = own.rows(number)[:3], group_of(kind, number)
        times = torch.full((3,), time)
        first = made.velocity(some, times, architecture)
        moved, expected = (
            views(one, group, seeded(seed), scalings=False, signs=False) for one in (some, first)
        )
        found = made.velocity(moved, times, architecture)
        assert float(first.abs().max()) > 0
        scale = max(1.0, float(first.abs().max()))
        torch.testing.assert_close(found, expected, atol=1e-5 * scale, rtol=1e-5)


def test_units_with_places_are_told_apart() -> None:
    made = tiny("equivariant_flow", equivariant=False, epochs=1).fit(population("mlp"))
    assert isinstance(made, EquivariantFlow)
    made = loud(made)
    own, architecture = population("mlp").rows(0)[:2], population("mlp").architectures[0]
    group, times = symmetries(architecture.graph), torch.full((2,), 0.5)
    first = made.velocity(own, times, architecture)
    moved, expected = (views(one, group, seeded(1), scalings=False, signs=False)
                       for one in (own, first))  # fmt: skip
    assert float((made.velocity(moved, times, architecture) - expected).abs().max()) > 1e-2


def test_samples_of_gaussian_networks_are_gaussian() -> None:
    """Units are independent of one another: all that there is to learn are mean and covariance."""
    own = gaussian_population(400)
    made = tiny("equivariant_flow", epochs=2, learning_rate=1e-4, steps=10, sweeps=0).fit(own)
    found, plan = rows(made.sample(400, generator=seeded())), FlowPlan.of(own.architectures[0])
    parts, expected = (plan.split(plan.read(one)) for one in (found, rows(own)))
    ours, theirs = (one.units[0].flatten(0, 1) for one in (parts, expected))
    torch.testing.assert_close(ours.mean(0), theirs.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(ours.T.cov(), theirs.T.cov(), atol=0.5, rtol=0)
    torch.testing.assert_close(parts.rest.std(0), expected.rest.std(0), atol=0.3, rtol=0)


def test_marginals_on_the_way_are_those_of_lines() -> None:
    """Half way from noise to networks of the same Gaussian the variance is half as large."""
    own = gaussian_population(300)
    made = tiny("equivariant_flow", epochs=1, learning_rate=1e-5, sweeps=0).fit(own)
    assert isinstance(made, EquivariantFlow)
    assert made.module is not None
    module = made._flow()
    plan = module.plan(own.architectures[0])
    start = module.coordinates.noise(plan, 300, seeded())
    points, codes, steps = start, torch.zeros(300, 0), 40
    for step in range(steps):
        time = torch.full((300,), 0.5 * (step + 0.5) / steps)
        with torch.no_grad():
            points = points + 0.5 / steps * module.velocity(plan, points, time, codes)
    ratio = points.std(0) / start.std(0)
    torch.testing.assert_close(ratio, torch.full_like(ratio, 0.5**0.5), atol=0.03, rtol=0)


def test_samples_are_where_the_velocity_ends() -> None:
    """The part of a Gaussian is solved in closed form; many plain steps end in the same place."""
    own = gaussian_population(40)
    made = tiny("equivariant_flow", epochs=5, steps=60, solver="heun", calibration=0).fit(own)
    assert isinstance(made, EquivariantFlow)
    module, architecture, codes = made._flow(), own.architectures[0], torch.zeros(6, 0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=seeded(2)))
        found = module.draw(6, architecture, codes, seeded())
        plan = module.plan(architecture)
        start = module.coordinates.noise(plan, 6, seeded())
        points = integrate(lambda x, t: module.velocity(plan, x, t, codes), start, 60, "heun")
        expected = plan.write(module.coordinates.out_of(plan, points))
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)


def test_coordinates_have_the_deviation_of_noise_and_are_left_again() -> None:
    own = gaussian_population(500)
    made = tiny("equivariant_flow", epochs=1, sweeps=0).fit(own)
    assert isinstance(made, EquivariantFlow)
    module = made._flow()
    plan = module.plan(own.architectures[0])
    weights = plan.read(rows(own))
    points = module.coordinates.into(plan, weights)
    units = plan.split(points).units[0].flatten(0, 1)
    torch.testing.assert_close(units.T.cov(), torch.eye(units.shape[1]), atol=0.05, rtol=0)
    again = module.coordinates.out_of(plan, points)
    torch.testing.assert_close(again, weights, atol=1e-4, rtol=1e-4)


def test_learning_lowers_the_error_where_units_depend_on_one_another() -> None:
    own = gaussian_population(60)
    states = [state.clone() for state in own.states]
    plan = FlowPlan.of(own.architectures[0])
    for state in states:  # outputs have biases that follow from the units
        state[plan.rest] = state[plan.units[0].entries].sum(0)[:2]
    made = tiny("equivariant_flow", epochs=40, learning_rate=1e-2, average_decay=None).fit(
        Population.alike(own.checkpoints, states, own.functions[0])
    )
    losses = [row["validation_loss"] for row in made.history]
    assert min(losses) < 0.99 * losses[0]


def test_widths_that_were_not_learnt_from() -> None:
    made = flow("mixed")
    sampled = made.sample(3, {"width": 9}, generator=seeded())
    assert sampled.checkpoints[0].configuration["width"] == 9
    assert len(sampled.states[0]) == 9 * 9 + 9 + 81 + 9 + 27 + 3
    assert rows(sampled).isfinite().all()
    assert "has hidden units with" in refusal(lambda: made.sample(1, {"width": 9, "depth": 3}))


def test_depths_that_were_not_learnt_from() -> None:
    own = Population.load(MemoryZoo([{**MLP, "depth": 2}, {**MLP, "depth": 3}], 12))
    made = tiny("equivariant_flow", epochs=1).fit(own)
    sampled = made.sample(2, {"depth": 4}, generator=seeded())
    assert len(sampled.states[0]) == 9 * 4 + 4 + 3 * (16 + 4) + 12 + 3
    assert rows(sampled).isfinite().all()


@pytest.mark.parametrize("depths", [(2, 3), (2,)])
def test_flows_that_were_kept_by_older_versions_are_told_places_as_they_were(
    depths: tuple[int, ...], tmp_path: Path
) -> None:
    own = Population.load(MemoryZoo([{**MLP, "depth": depth} for depth in depths], 12))
    tiny("equivariant_flow", epochs=1).fit(own).save(tmp_path)
    config, arrays = GENERATOR.read(tmp_path)
    older = deepcopy(config)
    del older["built"]["relative"]
    for known, relative in ((config, len(depths) > 1), (older, False)):
        made = tiny("equivariant_flow")
        assert isinstance(made, EquivariantFlow)
        made.restore(known, arrays)
        assert made._flow().network.relative is relative


def test_places_of_deeper_networks_are_close_to_known_ones() -> None:
    def of(depth: int, *, relative: bool) -> Tensor:
        plan = FlowPlan.of(gaussian_population(1, depth=depth).architectures[0])
        return places(plan, relative=relative)

    for relative, farthest in ((False, 0.25), (True, 0.1)):
        known = torch.cat([of(depth, relative=relative) for depth in (2, 3)])
        new = of(4, relative=relative)
        beyond = (new - known.amax(0)).clamp_min(0) + (known.amin(0) - new).clamp_min(0)
        assert float(beyond.max()) == pytest.approx(farthest, abs=0.02)
        assert len(new.unique(dim=0)) == len(new)  # and orbits are told apart


def test_scales_follow_the_width() -> None:
    """Deviations of 1 / width at widths 2 and 8 are learnt as a law, and hold at 32."""
    values, pieces = [], []
    for width in (2, 8, 32):
        plan = FlowPlan.of(gaussian_population(1, width=width, depth=2).architectures[0])
        pieces.append(next(p for p in pieces_of(plan, by_depth=True) if p.key.startswith("pairs")))
        values.append(torch.randn(4000, width**2, 1, generator=seeded()) / width)
    gaussian = Gaussian(1)
    gaussian.fit(pieces[:2], values[:2])
    assert float(gaussian.scale(pieces[2])) == pytest.approx(1 / 32, rel=0.05)
    assert float(gaussian.mean) == pytest.approx(0, abs=0.02)
    assert float(gaussian.variance) == pytest.approx(1, rel=0.05)


def test_batch_norms_are_conditioned_and_never_copied() -> None:
    residual = {**SMALL_CNN, "architecture": "resnet8", "in_channels": 1}
    own = Population.load(MemoryZoo([residual], 4))
    made = tiny("equivariant_flow", epochs=1).fit(own)
    assert "give inputs=" in refusal(lambda: made.sample(2))
    inputs = torch.rand(20, 1, 8, 8, generator=seeded())
    first, second = (made.sample(2, generator=seeded(), inputs=x) for x in (inputs, 2 * inputs))
    graph = own.architectures[0].graph
    statistics = torch.cat([
        torch.full((tensor.numel(),), name.endswith(("running_mean", "running_var")))
        for name, tensor in graph.state.items()
    ])  # fmt: skip
    changed = (rows(first) != rows(second))[0]
    assert bool(changed[statistics].any())
    assert not bool(changed[~statistics].any())


def test_rows_times_and_channels_that_do_not_fit() -> None:
    made, architecture = flow(), population("mlp").architectures[0]
    assert "numbers each" in refusal(
        lambda: made.velocity(torch.zeros(2, 5), torch.zeros(2), architecture)
    )
    assert "choose a multiple" in refusal(
        lambda: make("equivariant_flow", channels=10, heads=4).fit(population("mlp"))
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"time": torch.tensor(0.5)},
            "of shape (2,), one of each row, got a Tensor of shape ()",
        ),
        ({"time": 0.5}, "time must be a tensor of shape (2,), one of each row, got 0.5"),
        ({"time": torch.full((3,), 0.5)}, "one of each row, got a Tensor of shape (3,)"),
        ({"time": torch.tensor([0.5, 2.0])}, "time must be from 0 to 1, got 2"),
        ({"time": torch.tensor([torch.nan, 0.5])}, "time must be from 0 to 1, got nan"),
        ({"rows": [[0.0]]}, "rows must be a tensor of shape (networks, entries), got a list"),
        ({"rows": torch.full((2, 37), torch.nan)}, "rows have numbers that are not finite"),
        (
            {"rows": torch.full((2, 37), 1e300, dtype=torch.float64)},
            "not finite in single precision",
        ),
        ({"rows": torch.zeros(3)}, "rows must be a tensor of shape (networks, entries), got a"),
    ],
)
def test_velocities_are_of_rows_at_times(change: dict[str, Any], message: str) -> None:
    own = population("mlp")
    fitting: dict[str, Any] = {"rows": own.rows(0)[:2], "time": torch.full((2,), 0.5)}
    call = {**fitting, **change, "architecture": own.architectures[0]}
    velocity = inspect.unwrap(EquivariantFlow.velocity)  # types are checked in tests alone
    assert message in refusal(lambda: velocity(flow(), **call))


def test_velocities_of_double_precision_are_those_of_single() -> None:
    own, time = population("mlp"), torch.full((2,), 0.5)
    some, architecture = own.rows(0)[:2], own.architectures[0]
    found = flow().velocity(some.double(), time.double(), architecture)
    torch.testing.assert_close(found, flow().velocity(some, time, architecture), atol=0, rtol=0)


def test_networks_that_are_all_the_same_are_refused() -> None:
    own = gaussian_population(8)
    same = Population.alike(own.checkpoints, own.states[:1] * 8, own.functions[0])
    said = refusal(lambda: tiny("equivariant_flow").fit(same, epochs=1))
    assert "all 8 training networks 'mlp' are the same" in said


def test_there_is_no_velocity_before_the_fit() -> None:
    own, made = population("mlp"), tiny("equivariant_flow")
    assert isinstance(made, EquivariantFlow)
    assert "is not fitted" in refusal(
        lambda: made.velocity(own.rows(0)[:1], torch.zeros(1), own.architectures[0])
    )


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"width": 1}, "has 9 parameters that belong to no group of hidden units"),
        ({"out_channels": 3}, "has hidden units with 4 weights on inputs, 3 on outputs and 1 "),
    ],
)
def test_what_no_training_network_has_is_said_in_words(
    factors: dict[str, Any], message: str
) -> None:
    made = tiny("equivariant_flow").fit(gaussian_population(8), epochs=1)
    other = gaussian_population(2, **factors).functions[0]
    with pytest.raises(GeneratorError, match=message) as caught:
        made.sample(1, other)
    assert "units 0:" not in str(caught.value)
