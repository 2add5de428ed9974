"""The flow on aligned networks: Gaussian data in closed form, affine combinations, collapse."""

import math

import pytest
import torch
from torch import Tensor, nn

from gnncore.training import seeded as gnncore_seeded
from graphwsl.errors import GeneratorError
from graphwsl.generators import make, scorecard
from graphwsl.generators.aligned_flow.network import AlignedFlowModule
from graphwsl.generators.aligned_flow.settings import AlignedFlowSettings
from graphwsl.generators.flow.ode import Solver, integrate
from graphwsl.generators.frames import Frame
from graphwsl.generators.made import population_of
from graphwsl.generators.module import Batch
from graphwsl.populations import Function, Population
from tests.graphwsl.generators.generator_cases import zoo_case

MEAN = torch.tensor([1.0, -0.5])
COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 0.8]])
SOURCE = 0.7
"""Deviation of the noise."""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def exact_velocity(points: Tensor, time: Tensor) -> Tensor:
    """The mean of data less noise at points of independent Gaussians, of regression."""
    t = time[:, None, None]
    noise, data = (1 - t) * SOURCE**2 * torch.eye(2).to(points), t * COVARIANCE.to(points)
    variance = (1 - t) * noise + t * data
    gain = torch.linalg.solve(variance, data - noise).mT
    centered = points - time[:, None] * MEAN.to(points)
    return MEAN.to(points) + (gain @ centered[:, :, None])[:, :, 0]


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_the_exact_flow_of_a_gaussian(solver: Solver, order: int) -> None:
    """With covariances that commute, noise is mapped linearly, each direction by its deviation."""
    noise = SOURCE * torch.randn(40, 2, generator=seeded(), dtype=torch.float64)
    values, vectors = torch.linalg.eigh(COVARIANCE.double())
    root = vectors @ values.sqrt().diag() @ vectors.T / SOURCE
    exact = MEAN.double() + noise @ root
    errors = [float((integrate(exact_velocity, noise, n, solver) - exact).norm()) for n in (16, 32)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_a_gaussian_is_learnt() -> None:
    """Networks of two numbers, which are normally distributed."""
    function = Function.of(nn.Linear(1, 1).eval(), torch.zeros(1, 1), "line")
    rows = MEAN + torch.randn(512, 2, generator=seeded()) @ torch.linalg.cholesky(COVARIANCE).T
    settings = AlignedFlowSettings(
        components=None, source_deviation=SOURCE, path_deviation=0, dropout=0, hidden=32,
        time_channels=16, steps=20, solver="heun",
    )  # fmt: skip
    codes, numbers = torch.zeros(512, 0), torch.arange(512)
    batch = Batch(function.architecture, rows, codes, numbers)
    with gnncore_seeded(0):
        module = AlignedFlowModule(settings, 2, None, None, 2, 0).train()
        optimiser = torch.optim.Adam(module.parameters(), 1e-2)
        for _ in range(500):
            optimiser.zero_grad()
            module.terms(batch).mean().backward()
            optimiser.step()
    module.eval()
    points = MEAN / 2 + 0.5 * torch.randn(200, 2, generator=seeded(1))
    with torch.no_grad():
        for t in (0.1, 0.5, 0.9):
            time = torch.full((200,), t)
            error = module.velocity(points, time, codes[:200]) - exact_velocity(points, time)
            assert float(error.square().mean().sqrt()) < 0.25
        made = module.draw(torch.zeros(2000, 0), seeded(2))
    torch.testing.assert_close(made.mean(0), MEAN, atol=0.12, rtol=0)
    torch.testing.assert_close(made.T.cov(), COVARIANCE, atol=0.2, rtol=0)


def test_all_components_make_affine_combinations_of_the_training_networks() -> None:
    train = zoo_case().train
    made = make("aligned_flow", epochs=1, hidden=16, source_deviation=1.0).fit(train)
    rows = torch.stack(made.sample(4, generator=seeded()).states).double()
    known = torch.stack(Frame.of(train, "reference")[1].states).double()
    basis, _ = torch.linalg.qr((known[1:] - known[0]).T)
    away = (rows - known[0]) - (rows - known[0]) @ basis @ basis.T
    assert float(away.norm()) < 1e-3 * float((rows - known[0]).norm())
    whole = make("aligned_flow", components=None, epochs=1, hidden=16, source_deviation=1.0)
    rows = torch.stack(whole.fit(train).sample(4, generator=seeded()).states).double()
    away = (rows - known[0]) - (rows - known[0]) @ basis @ basis.T
    assert float(away.norm()) > 0.5 * float((rows - known[0]).norm())


@pytest.mark.parametrize("options", [{"whiten": True}, {"normalise": "tensor"},
                                     {"normalise": "tensor", "components": None}])  # fmt: skip
def test_points_stand_for_networks(options: dict[str, object]) -> None:
    train = zoo_case().train
    made = make("aligned_flow", epochs=1, hidden=8, held_out=0.0, align="none", **options)
    module = made.fit(train).module
    assert isinstance(module, AlignedFlowModule)
    rows = torch.stack(train.states)
    points = module.points(rows)
    if module.settings.whiten:
        torch.testing.assert_close(points.std(0), torch.ones(len(train) - 1), atol=1e-3, rtol=0)
    torch.testing.assert_close(module.rows(points), rows, atol=1e-4, rtol=1e-3)


def test_batch_norms_are_conditioned_and_not_made() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).eval()
    function = Function.of(module, torch.zeros(1, 3), "small")
    length = function.architecture.num_entries
    train = population_of(torch.rand(6, length, generator=seeded()) + 0.5, function, "small")
    made = make("aligned_flow", epochs=1, hidden=8, align="none").fit(train)
    with pytest.raises(GeneratorError, match="give inputs="):
        made.sample(2)
    samples = made.sample(2, inputs=torch.randn(64, 3, generator=seeded()), generator=seeded())
    start = function.architecture.graph.offsets["1.running_mean"]
    means = torch.stack(samples.states)[:, start : start + 4]
    assert float((means - torch.stack(train.states)[:, start : start + 4].mean(0)).abs().min()) > 0


def test_a_flow_that_never_learnt_to_spread_is_collapsed() -> None:
    """Its velocity is zero at first, so that all samples are the mean of the aligned networks."""
    case = zoo_case()
    made = make("aligned_flow", epochs=1, learning_rate=1e-9).fit(case.train)
    samples: Population = made.sample(8, generator=seeded())
    card = scorecard(samples, *case.arguments, baselines=())
    assert card.is_collapsed is True
    assert card.samples.dispersion < 0.1


def test_options_that_are_none() -> None:
    for options in ({"align": "first"}, {"hidden": 3}, {"solver": "dopri"}, {"dropout": 1.0}):
        with pytest.raises(GeneratorError) as caught:
            make("aligned_flow", **options)
        assert "\n" not in str(caught.value)
        assert next(iter(options)) in str(caught.value)
