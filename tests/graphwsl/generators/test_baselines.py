"""Baselines of generators are made of training networks as their names say, entry by entry."""

from collections import Counter
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from graphwsl.errors import GeneratorError
from graphwsl.generators import BASELINES, AlignedZoo, Material
from graphwsl.generators.baselines.averages import MEMBERS
from graphwsl.generators.baselines.material import drawn
from graphwsl.populations import Function, Population
from graphwsl.zoo.checkpoint import Checkpoint

NETWORKS, COUNT = 20, 400


def network() -> nn.Module:
    """With running statistics, which are no parameters, and layers of very different sizes."""
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 2)).eval()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@cache
def population() -> Population:
    function = Function.of(network(), torch.zeros(1, 2), "own")
    graph, states = function.architecture.graph, []
    draw = generator()
    for _ in range(NETWORKS):
        state = {name: torch.randn(value.shape, generator=draw) if value.is_floating_point()
                 else value for name, value in graph.state.items()}  # fmt: skip
        state["3.weight"] = 100 * state["3.weight"]
        state["1.running_var"] = state["1.running_var"].abs() + 0.5
        states.append(graph.flat(state, dtype=torch.float32))
    checkpoints = [Checkpoint(str(n), 1, {}, {}) for n in range(NETWORKS)]
    return Population.alike(checkpoints, states, function)


@cache
def material() -> Material:
    return Material(AlignedZoo.of(population()), torch.tensor([4, 4, 0, 7]))


def made(name: str, count: int = COUNT, seed: int = 0) -> Tensor:
    return BASELINES[name](material(), count, generator(seed))


def entries(*names: str) -> Tensor:
    graph = material().zoo.function.architecture.graph
    parts = [torch.arange(graph.offsets[name], graph.offsets[name] + graph.state[name].numel())
             for name in names]  # fmt: skip
    return torch.cat(parts)


STATISTICS = ("1.running_mean", "1.running_var", "1.num_batches_tracked")


def test_a_zoo_knows_its_parameters_and_their_spread() -> None:
    zoo = material().zoo
    assert torch.equal(torch.nonzero(~zoo.is_parameter).flatten(), entries(*STATISTICS))
    for names in (("0.weight", "0.bias"), ("1.weight", "1.bias"), ("3.weight", "3.bias")):
        own = entries(*names)
        assert len(set(zoo.layer[own].tolist())) == 1
        expected = zoo.rows[:, own].std(correction=0)
        torch.testing.assert_close(zoo.deviation[own], expected.expand(len(own)))
    assert not zoo.deviation[entries(*STATISTICS)].any()


def test_the_reference_is_the_network_nearest_to_the_mean() -> None:
    states = torch.stack(population().states)
    zoo = material().zoo
    weights = states[:, zoo.is_parameter]
    nearest = (weights - weights.mean(0)).square().sum(1).argmin()
    assert torch.equal(zoo.reference, states[nearest])
    with pytest.raises(GeneratorError, match="at least two training networks, got 1"):
        AlignedZoo.of(population().select([0]))


@pytest.mark.parametrize("count", [7, 20, 53])
def test_training_networks_are_drawn_alike_often(count: int) -> None:
    times = Counter(drawn(material(), count, generator()).tolist())
    assert sum(times.values()) == count
    assert set(times) <= set(range(NETWORKS))
    often = [times[n] for n in range(NETWORKS)]
    assert max(often) - min(often) <= 1
    assert (
        drawn(material(), 53, generator(1)).tolist() != drawn(material(), 53, generator(2)).tolist()
    )


@pytest.mark.parametrize(("name", "level"), [("small_noise", 0.1), ("large_noise", 0.2)])
def test_noise_is_a_share_of_the_spread_of_a_layer(name: str, level: float) -> None:
    zoo, found = material().zoo, made(name)
    nearest = torch.cdist(found / (zoo.deviation + 1), zoo.rows / (zoo.deviation + 1)).argmin(1)
    assert set(Counter(nearest.tolist()).values()) == {COUNT // NETWORKS}
    noise = found - zoo.rows[nearest]
    assert not noise[:, ~zoo.is_parameter].any()
    share = (noise / zoo.deviation)[:, zoo.is_parameter]
    assert float(share.std()) == pytest.approx(level, rel=0.05)
    assert abs(float(share.mean())) < 0.01
    for names in (("0.weight",), ("3.weight", "3.bias")):
        own = (noise / zoo.deviation)[:, entries(*names)]
        assert float(own.std()) == pytest.approx(level, rel=0.1)


def shares_of(found: Tensor) -> Tensor:
    """Of which training networks a made one is the sum, in which shares: there is one way only."""
    rows = material().zoo.rows.double()
    system = torch.cat([rows, torch.ones(NETWORKS, 1)], dim=1).T
    assert int(torch.linalg.matrix_rank(system)) == NETWORKS
    known = torch.cat([found.double(), torch.ones(len(found), 1)], dim=1).T
    return torch.linalg.lstsq(system, known).solution.T


def test_interpolations_lie_between_two_networks() -> None:
    shares = shares_of(made("interpolation"))
    assert ((shares.abs() > 1e-3).sum(1) <= 2).all()
    torch.testing.assert_close(shares.sum(1), torch.ones(COUNT).double(), rtol=0, atol=1e-4)
    assert shares.min() > -1e-3
    larger = shares.amax(1)
    assert larger.min() < 0.55  # the middle
    assert larger.max() > 0.95  # and the ends
    assert float(larger.mean()) == pytest.approx(0.75, abs=0.03)  # uniform between them


def test_averages_are_of_sixteen_different_networks() -> None:
    shares = shares_of(made("average", 50))
    assert ((shares.abs() > 1e-3).sum(1) == MEMBERS).all()
    expected = torch.full_like(shares, 1 / MEMBERS)
    torch.testing.assert_close(shares, torch.where(shares > 0.03, expected, 0.0), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["gaussian", "density"])
def test_estimates_keep_the_mean_statistics_and_draw_parameters(name: str) -> None:
    zoo, found = material().zoo, made(name, 4000)
    statistics = entries("1.running_mean", "1.running_var")
    expected = zoo.rows[:, statistics].mean(0)
    torch.testing.assert_close(found[:, statistics], expected.expand(len(found), -1))
    parameters, known = found[:, zoo.is_parameter], zoo.rows[:, zoo.is_parameter]
    error = 5 * known.std(0) / 4000**0.5
    assert ((parameters.mean(0) - known.mean(0)).abs() < 1.5 * error).all()
    assert len(parameters.unique(dim=0)) == 4000
    correlation = torch.corrcoef(known.T)
    kept = torch.corrcoef(parameters.T)
    off = ~torch.eye(len(kept), dtype=torch.bool)
    if name == "gaussian":
        torch.testing.assert_close(kept, correlation, rtol=0, atol=0.08)
    else:  # every parameter for itself
        assert float(kept[off].abs().max()) < 0.08
        assert float(correlation[off].abs().max()) > 0.3


def test_retrieval_takes_what_is_nearest() -> None:
    found = made("retrieval", 3)
    assert torch.equal(found, material().zoo.rows[[4, 4, 0]])
    assert torch.equal(made("retrieval", 9), material().zoo.rows[[4, 4, 0, 7]])  # there are no more


@pytest.mark.parametrize("name", sorted(set(BASELINES) - {"retrieval"}))
def test_seeds_decide(name: str) -> None:
    assert torch.equal(made(name, 3), made(name, 3))
    assert not torch.equal(made(name, 3), made(name, 3, seed=1))
