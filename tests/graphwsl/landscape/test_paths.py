"""Curves and lines between networks, where what is met on them is known."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.errors import InvalidArgumentError, LandscapeError, StateMismatchError
from graphwsl.landscape import average, linear_connectivity, mode_connectivity
from graphwsl.landscape.module_objective import ModuleObjective
from graphwsl.landscape.paths import barrier, connectivity
from graphwsl.landscape.zoo_objective import ZooObjective
from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import symmetries
from tests.graphwsl.landscape.hessian_cases import batches, network

cross_entropy = functional.cross_entropy


class Ring(nn.Module):
    """Two numbers, which are good on a circle of radius 1."""

    def __init__(self, x: float, y: float) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor([x, y], dtype=torch.float64))

    def forward(self, samples: Tensor) -> Tensor:
        return self.place.square().sum().expand(len(samples))


def ring_loss(outputs: Tensor, _: Tensor) -> Tensor:
    return (outputs - 1).square().mean()


RING = [(torch.zeros(4, 1), torch.zeros(4))]


def test_connectivity_is_the_mean_of_the_ends_less_the_farthest_point() -> None:
    values = torch.tensor([[0.2, 0.9, 0.4], [0.5, 0.1, 0.7], [0.2, 0.3, 0.4], [0.0, 0.0, 0.0]])
    expected = torch.tensor([-0.6, 0.5, 0.1, 0.0])
    torch.testing.assert_close(connectivity(values).abs(), expected.abs())
    torch.testing.assert_close(connectivity(values)[:2], expected[:2])


def test_barrier_is_the_height_above_the_straight_line() -> None:
    places = torch.tensor([0.0, 0.25, 0.5, 1.0])
    values = torch.tensor([[0.0, 0.1, 0.9, 0.4], [0.4, 0.1, 0.0, 0.0]])
    torch.testing.assert_close(barrier(values, places), torch.tensor([0.7, 0.0]))


def test_line_crosses_the_middle_of_the_ring_and_the_curve_goes_around() -> None:
    a, b = Ring(1, 0.02).state_dict(), Ring(-1, 0.02).state_dict()
    line = linear_connectivity(Ring(0, 0), a, b, ring_loss, RING, points=5)
    x = torch.tensor([1, 0.5, 0, -0.5, -1], dtype=torch.float64)
    torch.testing.assert_close(line.losses, (x**2 + 0.0004 - 1) ** 2)
    assert line.loss_connectivity == pytest.approx(line.losses[0] - line.losses[2])
    curve = mode_connectivity(
        Ring(0, 0), a, b, ring_loss, RING, steps=150, learning_rate=0.05, weight_decay=0.0, points=9
    )
    assert float(curve.losses.max()) < 0.2 < line.loss_barrier
    assert curve.errors is None
    assert curve.error_connectivity is None
    torch.testing.assert_close(curve.losses[[0, -1]], line.losses[[0, -1]])


def test_middle_of_a_curve_is_a_network_that_has_the_loss_of_the_middle() -> None:
    a, b = network("batch norm", 0), network("batch norm", 1)
    found = mode_connectivity(a, a.state_dict(), b.state_dict(), cross_entropy, batches(), steps=5)
    a.load_state_dict(found.middle)
    x, y = (torch.cat(parts) for parts in zip(*batches(), strict=True))
    with torch.no_grad():
        outputs = a(x)
    assert float(cross_entropy(outputs, y)) == pytest.approx(float(found.losses[2]), rel=1e-12)
    wrong = (outputs.argmax(1) != y).double().mean()
    assert found.errors is not None
    assert float(found.errors[2]) == pytest.approx(float(wrong))


def test_statistics_of_batch_norm_are_those_of_all_samples() -> None:
    module = network("batch norm")
    objective = ModuleObjective(module, cross_entropy, batches())
    found = objective.with_statistics(objective.flat, objective.buffers)
    values = dict(zip(objective.buffer_names, found, strict=True))
    inputs = module[0](torch.cat([x for x, _ in batches()]))
    torch.testing.assert_close(values["1.running_mean"][0], inputs.mean(0))
    torch.testing.assert_close(values["1.running_var"][0], inputs.var(0))
    shifted = [(x + 9 * n, y) for n, (x, y) in enumerate(batches())]
    objective = ModuleObjective(module, cross_entropy, shifted)
    found = objective.with_statistics(objective.flat, objective.buffers)
    values = dict(zip(objective.buffer_names, found, strict=True))
    inputs = module[0](torch.cat([x for x, _ in shifted]))
    torch.testing.assert_close(values["1.running_var"][0], inputs.var(0))
    assert module[1].momentum == objective.module[1].momentum == 0.1
    assert not objective.module.training


def test_copy_under_symmetries_has_no_barrier_once_aligned() -> None:
    module = network("perceptron")
    group = symmetries(neural_graph(module, torch.zeros(2, 6, dtype=torch.float64)))
    state = module.state_dict()
    order, signs = torch.tensor([2, 0, 3, 1]), torch.tensor([1.0, -1, -1, 1]).double()
    copy = {
        "0.weight": (signs[:, None] * state["0.weight"])[order],
        "0.bias": (signs * state["0.bias"])[order],
        "2.weight": (state["2.weight"] * signs)[:, order],
        "2.bias": state["2.bias"],
    }
    plain = linear_connectivity(module, state, copy, cross_entropy, batches())
    aligned = linear_connectivity(module, state, copy, cross_entropy, batches(), symmetries=group)
    assert float(plain.losses.max() - plain.losses.min()) > 1e-3
    assert float(aligned.losses.max() - aligned.losses.min()) < 1e-9
    torch.testing.assert_close(plain.losses[[0, -1]], aligned.losses[[0, -1]])


def test_averages_are_means_with_their_shares() -> None:
    a, b = network("batch norm", 0).state_dict(), network("batch norm", 1).state_dict()
    mean = average([a, b])
    torch.testing.assert_close(mean["0.weight"], (a["0.weight"] + b["0.weight"]) / 2)
    tuned = average([a, b], [0.25, 0.75])
    torch.testing.assert_close(tuned["4.bias"], a["4.bias"] / 4 + 3 * b["4.bias"] / 4)
    assert tuned["1.num_batches_tracked"].dtype == torch.int64


def test_what_cannot_be_connected_or_averaged_is_refused() -> None:
    module = network("perceptron")
    state, other = module.state_dict(), network("tied").state_dict()
    with pytest.raises(StateMismatchError, match=r"0.weight of the network has shape \(4, 6\)"):
        mode_connectivity(module, state, other, cross_entropy, batches(), steps=1)
    with pytest.raises(LandscapeError, match="diverged at learning_rate=1e"):
        mode_connectivity(
            module, state, state, cross_entropy, batches(), steps=99, learning_rate=1e30
        )
    with pytest.raises(InvalidArgumentError, match="points must be at least 3"):
        linear_connectivity(module, state, state, cross_entropy, batches(), points=2)
    with pytest.raises(LandscapeError, match="no networks to average"):
        average([])
    with pytest.raises(LandscapeError, match="one architecture"):
        average([state, other])
    with pytest.raises(LandscapeError, match="sum to 1"):
        average([state, state], [1, 1])


def test_states_and_options_that_cannot_be_used_are_named() -> None:
    module = network("batch norm")
    state, data = module.state_dict(), batches()
    broken = {**state, "4.bias": state["4.bias"] * torch.nan}
    with pytest.raises(LandscapeError, match=r"'4.bias' of state_b holds nan"):
        linear_connectivity(module, state, broken, cross_entropy, data)
    with pytest.raises(LandscapeError, match=r"'4.bias' of state_a holds nan"):
        mode_connectivity(module, broken, state, cross_entropy, data, steps=1)
    single = {**state, "4.bias": state["4.bias"].float()}
    with pytest.raises(LandscapeError, match=r"4.bias of the network is of torch.float64, the"):
        linear_connectivity(module, state, single, cross_entropy, data)
    other = {**state, "4.bias": [1.0, 2.0, 3.0]}
    with pytest.raises(LandscapeError, match=r"4.bias of the state must be a tensor, got a list"):
        linear_connectivity(module, other, state, cross_entropy, data)
    options: list[tuple[str, Any]] = [("momentum", 1.0), ("momentum", -0.1), ("weight_decay", -1.0)]
    for option, value in options:
        with pytest.raises(InvalidArgumentError, match=f"{option} must be .* got {value}"):
            mode_connectivity(module, state, state, cross_entropy, data, **{option: value})


def test_a_batch_of_one_sample_has_no_statistics() -> None:
    module, (x, y) = network("batch norm"), batches()[0]
    state, data = module.state_dict(), [(x, y), (x[:1], y[:1])]
    with pytest.raises(LandscapeError, match="a batch of 1 sample; drop it"):
        linear_connectivity(module, state, state, cross_entropy, data)
    with pytest.raises(LandscapeError, match="a batch of 1 sample; drop it"):
        mode_connectivity(module, state, state, cross_entropy, data, steps=9)


def test_statistics_of_many_networks_at_once_are_pooled_too() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(18, 3))
    samples = torch.arange(10.0).view(-1, 1, 1, 1) + torch.randn(10, 1, 5, 5)
    objective = ZooObjective(
        module, samples, torch.zeros(2, 10, dtype=torch.int64), torch.arange(10), 4
    )
    flat = torch.cat([p.detach().flatten() for p in module.parameters()]).expand(2, -1).clone()
    flat[1] *= 2
    buffers = [torch.stack([buffer, buffer]) for buffer in module.buffers()]
    found = dict(zip(objective.buffer_names, objective.with_statistics(flat, buffers), strict=True))
    with torch.no_grad():
        outputs = module[0](samples).transpose(0, 1).flatten(1)
    for number, factor in enumerate((1, 2)):
        mean, variance = (found[f"1.running_{kind}"][number] for kind in ("mean", "var"))
        torch.testing.assert_close(mean, factor * outputs.mean(1))
        torch.testing.assert_close(variance, factor**2 * outputs.var(1))
