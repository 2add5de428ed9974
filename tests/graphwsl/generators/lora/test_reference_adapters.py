"""What costs nothing, on pairs whose quality is known."""

import pytest
import torch
from torch import Tensor

from graphwsl.errors import GraphwslError
from graphwsl.generators.lora import references
from graphwsl.generators.lora.low_rank import Pairs

PROMPTS = ["add one", "add two", "turn left", "turn right", "swap both", "keep all", "read back"]


def pairs() -> Pairs:
    """Adapter n is n everywhere."""
    numbers = torch.arange(7.0)[:, None, None]
    return {"layer": (numbers.expand(7, 1, 2).clone(), numbers.expand(7, 2, 1).clone())}


def near(wanted: float) -> object:
    def quality(made: Pairs, task: int) -> Tensor:
        return -(made["layer"][0].mean((1, 2)) - wanted - task).abs()

    return quality


def test_each_is_what_it_is_called() -> None:
    found = references(pairs(), PROMPTS, ["please turn left", "add two"], near(2.0))  # type: ignore[arg-type]
    assert found["retrieval"].tolist() == [0.0, -2.0]  # adapters 2 and 1
    assert found["best_single"].tolist() == [0.0, 0.0]
    assert found["mean_adapter"].tolist() == [-1.0, 0.0]
    assert found["training_adapters"].tolist() == pytest.approx([-13 / 7, -12 / 7])
    assert bool((found["soup"] <= 0).all())


def test_there_must_be_a_text_for_each() -> None:
    with pytest.raises(GraphwslError, match="a text for each of 7 adapters"):
        references(pairs(), PROMPTS[:3], ["turn"], near(0.0))  # type: ignore[arg-type]
