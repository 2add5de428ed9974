"""Learning rates against their formulas, and which parameters decay."""

import math

import pytest
import torch
from torch import nn

from gnncore.training.optimisers import make_optimiser, make_schedule
from tests.gnncore.training.training_cases import settings


def learning_rates(steps: int, **options: object) -> list[float]:
    model = nn.Linear(1, 1)
    optimiser = make_optimiser(model, settings(**options))
    schedule = make_schedule(optimiser, settings(**options), steps)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


def test_constant() -> None:
    assert learning_rates(3, learning_rate=0.2) == [0.2] * 3


def test_cosine() -> None:
    wanted = [0.2 * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]
    assert learning_rates(10, learning_rate=0.2, schedule="cosine") == pytest.approx(wanted)


def test_warm_up_rises_linearly_into_the_cosine() -> None:
    found = learning_rates(20, learning_rate=0.2, schedule="cosine", warm_up=0.25)
    rise = [0.2 * (0.01 + 0.99 * step / 5) for step in range(5)]
    fall = [0.2 * (1 + math.cos(math.pi * step / 15)) / 2 for step in range(15)]
    assert found == pytest.approx(rise + fall)


def test_one_cycle_goes_from_its_first_to_its_largest_to_its_last() -> None:
    found = learning_rates(
        11, learning_rate=1.0, schedule="one_cycle", warm_up=0.5, div_factor=10, final_div_factor=5
    )
    largest = found.index(max(found))
    assert found[0] == pytest.approx(0.1)
    assert max(found) == pytest.approx(1.0, abs=0.05)
    assert found[-1] == pytest.approx(0.1 / 5)
    assert 0 < largest < 10
    assert sorted(found[: largest + 1]) == found[: largest + 1]
    assert sorted(found[largest:], reverse=True) == found[largest:]


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize(("decay", "norms_decay"), [("matrices", False), ("all", True)])
def test_biases_and_norms_are_spared(optimiser: str, decay: str, norms_decay: bool) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = {name: p.detach().clone().fill_(1) for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.data.fill_(1)
        parameter.grad = torch.zeros_like(parameter)
    options = {"optimiser": optimiser, "decay": decay, "weight_decay": 0.5, "learning_rate": 0.1}
    make_optimiser(model, settings(**options)).step()
    moved = {n: not torch.equal(p, before[n]) for n, p in model.named_parameters()}
    assert moved.pop("0.weight")
    assert set(moved.values()) == {norms_decay}
