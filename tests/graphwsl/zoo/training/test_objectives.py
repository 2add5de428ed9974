"""What networks learn by besides labels, against loops, analysis and plain torch."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from graphwsl.errors import ZooError
from graphwsl.zoo.convection import convection
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.sentences import sentences
from graphwsl.zoo.training.chunk import train_chunk
from graphwsl.zoo.training.initialisation import initialised
from graphwsl.zoo.training.objectives.contrastive import PROJECTION, contrast, views
from graphwsl.zoo.training.objectives.convection import Convection
from graphwsl.zoo.training.objectives.objective import Batch
from graphwsl.zoo.training.streams import stream
from tests.graphwsl.zoo.training.zoo_training_cases import images


def generators(*seeds: int) -> list[torch.Generator]:
    return [stream(seed, "views", 1) for seed in seeds]


def test_contrast_is_the_published_loss() -> None:
    projections = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(0)).double()
    found = contrast(projections, 0.3)
    for model, z in enumerate(projections):

        def likeness(i: int, j: int, z: Tensor = z) -> Tensor:
            return (z[i] @ z[j] / (z[i].norm() * z[j].norm()) / 0.3).exp()

        for image in range(4):
            both = 0.0
            for i, j in ((image, image + 4), (image + 4, image)):
                others = sum(likeness(i, k) for k in range(8) if k != i)
                both -= float((likeness(i, j) / others).log()) / 2
            assert float(found[model, image]) == pytest.approx(both)


def test_views_are_those_of_the_network_alone_and_move_the_image() -> None:
    data = images(8, channels=2)
    both = torch.stack([data.train[:5], data.train[5:10]])
    seen = views(both, generators(3, 4))
    assert seen.shape == both.shape
    assert torch.equal(seen[1], views(both[1:], generators(4))[0])
    assert not torch.equal(seen[0], views(both[:1], generators(5))[0])
    assert not torch.isclose(seen, both).all(dim=(2, 3, 4)).any()


def test_a_view_of_one_shade_changes_in_contrast_and_where_it_is_erased() -> None:
    seen = views(torch.ones(1, 40, 1, 12, 12), generators(1))[0, :, 0]
    for image in seen:
        shades = image.mul(1e4).round().div(1e4).unique()
        shade = float(shades[-1])
        assert len(shades) == 2
        assert 0.6 <= shade <= 1.4
        rows, columns = (image == 0).any(1), (image == 0).any(0)
        assert int(rows.sum()) in (2, 3)
        assert int(columns.sum()) in (2, 3)
        assert float(image.sum()) == pytest.approx(
            shade * (144 - int(rows.sum() * columns.sum())), rel=1e-3
        )


def batch_of(points: Tensor, signals: Tensor, wave: Any) -> Batch:
    x, t = points.unbind(2)
    labels = (x - signals[:, None] * t).sin()[:, :, None]
    return Batch(points, labels, signals, [], lambda p: wave(*p.unbind(2))[:, None])


def test_waves_solve_the_equation_and_others_do_not() -> None:
    points = torch.rand(2, 30, 2, generator=torch.Generator().manual_seed(0)).double()
    points[:, :, 0] *= 2 * math.pi
    speeds = torch.tensor([3, 7])
    objective = Convection()
    waves = batch_of(points, speeds, lambda x, t: (x - speeds[:, None] * t).sin())
    assert float(objective.losses(waves).detach().max()) < 1e-24
    assert float(objective.measured(waves)["squared_error"].max()) < 1e-24
    # u = sin x + x t: ∂u/∂t = x, ∂u/∂x = cos x + t, and u(2π, t) − u(0, t) = 2π t.
    x, t = points.unbind(2)
    other = batch_of(points, speeds, lambda x, t: x.sin() + x * t)
    expected = (x + speeds[:, None] * (x.cos() + t)).square() + (2 * math.pi * t).square()
    torch.testing.assert_close(objective.losses(other).detach(), expected)
    with torch.no_grad():
        torch.testing.assert_close(objective.losses(other), expected)


def equation(**factors: Any) -> dict[str, Any]:
    own = {"architecture": "mlp", "width": 8, "depth": 1, "objective": "convection"}
    return {**own, "optimiser": "sgd", "learning_rate": 1e-3, "signal": 2, **factors}


def test_networks_learn_an_equation_as_each_alone_in_plain_torch() -> None:
    data = convection()
    some = DataSet(
        data.train[:24], data.train_labels[:, :24], data.test, data.test_labels, signals=51
    )
    configurations = [equation(seed=1), equation(seed=2, signal=5)]
    defaults = {"activation": "tanh", "initialisation": "kaiming_uniform"}
    trained = train_chunk(configurations, some, epochs=1, batch_size=16, kept=[0, 1])
    for number, factors in enumerate(configurations):
        module = initialised({**some.factors, **defaults, **factors})
        module.train()
        optimiser = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9)
        order = torch.randperm(24, generator=stream(factors["seed"], "order", 1))
        for indices in order.split(16):
            points = some.train[indices].clone().requires_grad_()
            x, t = points.detach().unbind(1)
            (slope,) = torch.autograd.grad(module(points).sum(), points, create_graph=True)
            residual = slope[:, 1] + factors["signal"] * slope[:, 0]
            zero, end = torch.zeros_like(x), torch.full_like(x, 2 * math.pi)
            begin, left, right = (
                module(torch.stack(point, 1))[:, 0] for point in ((x, zero), (zero, t), (end, t))
            )
            losses = residual**2 + (begin - x.sin()) ** 2 + (left - right) ** 2
            optimiser.zero_grad()
            losses.mean().backward()
            optimiser.step()
        for name, value in module.state_dict().items():
            assert not torch.equal(trained.weights[name][number, 0], value)
            torch.testing.assert_close(
                trained.weights[name][number, 1], value, rtol=1e-4, atol=1e-5
            )
        with torch.no_grad():
            error = (module(some.test) - some.test_labels[factors["signal"]]).square().mean()
        found = trained.metrics["test_squared_error"][number, 1]
        assert float(found) == pytest.approx(float(error), rel=1e-3)
    assert "test_accuracy" not in trained.metrics


def test_networks_learn_by_contrast_without_labels() -> None:
    data = images(8)
    own: dict[str, Any] = {"architecture": "vit", "width": 8, "depth": 1, "patch_size": 4}
    own |= {
        "learning_rate": 1e-2,
        "optimiser": "sgd",
    }  # Adam would follow the rounding where gradients vanish
    networks = [{**own, "objective": "contrastive", "seed": seed} for seed in (1, 2)]
    trained = train_chunk(networks, data, epochs=3, batch_size=24, kept=[0, 3])
    assert trained.weights["head.weight"].shape == (2, 2, PROJECTION, 8)
    assert (trained.metrics["train_loss"][:, 1] < trained.metrics["train_loss"][:, 0]).all()
    alone = train_chunk(networks[1:], data, epochs=3, batch_size=24, kept=[0, 3])
    other = DataSet(data.train, 3 - data.train_labels, data.test, data.test_labels, classes=4)
    unlabelled = train_chunk(networks[1:], other, epochs=3, batch_size=24, kept=[0, 3])
    for name, values in alone.weights.items():
        torch.testing.assert_close(values[0], trained.weights[name][1], rtol=1e-4, atol=1e-4)
        assert torch.equal(values, unlabelled.weights[name])


def test_labels_are_an_objective_too() -> None:
    data = images(8)
    own: dict[str, Any] = {"architecture": "vit", "width": 8, "depth": 1, "patch_size": 4}
    plain, named = (
        train_chunk([factors], data, epochs=1, batch_size=24, kept=[1])
        for factors in (own, {**own, "objective": "labels"})
    )
    assert all(torch.equal(v, named.weights[name]) for name, v in plain.weights.items())


@pytest.mark.parametrize(
    ("factors", "data", "message"),
    [
        (
            {"objective": "contrast"},
            convection,
            "unknown objective 'contrast', did you mean 'contr",
        ),
        ({"objective": "contrastive"}, convection, "needs images, the samples are of shape"),
        ({"objective": "convection"}, sentences, r"needs points \(x, t\) .* take the data 'conv"),
        ({"parent": "00001"}, convection, "a network with a parent, '00001', begins with given"),
    ],
)
def test_what_cannot_be_learned_is_said(factors: dict[str, Any], data: Any, message: str) -> None:
    own = {"architecture": "mlp", **factors}
    with pytest.raises(ZooError, match=message):
        train_chunk([own], data(), epochs=1, batch_size=24, kept=[1])
