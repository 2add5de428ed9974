"""Steps of a population are those of torch's optimisers, one network after the other."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from graphwsl.zoo.training.optimisers import OPTIMISERS, Parameters

SHAPES = ((2, 3), (4,), ())
THEIRS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}
MODELS, STEPS = 3, 7
RATES, DECAYS = torch.tensor([0.1, 0.01, 0.5]), torch.tensor([0.0, 0.3, 0.1])


def drawn(generator: torch.Generator) -> list[Tensor]:
    return [torch.randn(MODELS, *shape, generator=generator) for shape in SHAPES]


def test_a_vector_is_seen_as_parameters() -> None:
    initial = drawn(torch.Generator().manual_seed(0))
    parameters = Parameters(initial)
    assert all(map(torch.equal, parameters.views, initial))
    with torch.no_grad():
        parameters.flat += 1
    for view, before in zip(parameters.views, initial, strict=True):
        assert torch.equal(view, before + 1)
    spread = Parameters(initial)
    spread.flat.copy_(parameters.spread(torch.tensor([5.0, 6.0, 7.0])))
    for view in spread.views:
        for model, value in enumerate((5, 6, 7)):
            assert (view[model] == value).all()


def test_gradients_are_in_the_order_of_the_vector() -> None:
    parameters = Parameters(drawn(torch.Generator().manual_seed(0)))
    weights = [torch.rand_like(view) for view in parameters.views]
    loss = sum((w * v**3).sum() for w, v in zip(weights, parameters.views, strict=True))
    assert isinstance(loss, Tensor)
    flat = torch.cat([w.flatten() for w in weights])
    torch.testing.assert_close(parameters.gradient(loss), 3 * flat * parameters.flat**2)


@pytest.mark.parametrize("decays", [DECAYS, torch.zeros(MODELS)])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_steps_are_those_of_torch(name: str, decays: Tensor) -> None:
    generator = torch.Generator().manual_seed(1)
    initial = drawn(generator)
    parameters = Parameters([one.clone() for one in initial])
    optimiser = OPTIMISERS[name](parameters, RATES, decays)
    alone: list[tuple[list[Tensor], Any]] = []
    for model in range(MODELS):
        own = [one[model].clone().requires_grad_() for one in initial]
        rate, decay = float(RATES[model]), float(decays[model])
        alone.append(
            (
                own,
                THEIRS[name](own, lr=rate, weight_decay=decay),
            )
        )
    # Gradients from 1e-6 to 1e2, so that epsilon and both averages count.
    for step in range(STEPS):
        gradients = [10.0 ** (step % 5 * 2 - 6) * one for one in drawn(generator)]
        with torch.no_grad():
            optimiser.step(torch.cat([one.flatten() for one in gradients]))
        for model, (own, torchs) in enumerate(alone):
            for parameter, gradient in zip(own, gradients, strict=True):
                parameter.grad = gradient[model].clone()
            torchs.step()
            for parameter, view in zip(own, parameters.views, strict=True):
                torch.testing.assert_close(view[model], parameter, rtol=1e-5, atol=1e-6)
    assert all((view != one).all() for view, one in zip(parameters.views, initial, strict=True))
