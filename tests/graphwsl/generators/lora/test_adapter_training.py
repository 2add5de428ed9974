"""Adapters of many tasks together against trainings of one, and what adapters are."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from graphwsl.errors import GraphwslError
from graphwsl.generators.lora import (
    LowRankLinear,
    adapted,
    adapted_networks,
    train_adapters,
)
from graphwsl.generators.lora.low_rank import low_rank_layers
from graphwsl.populations import evaluate
from tests.graphwsl.generators.lora.lora_cases import base


def data(tasks: int = 3, samples: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(samples, 5, generator=generator)
    return inputs, torch.randint(3, (tasks, samples), generator=generator)


def alone(
    network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, steps: int
) -> dict[str, LowRankLinear]:
    """One task by an ordinary loop; all batches are whole passes."""
    network = copy.deepcopy(network).requires_grad_(False)
    layers = low_rank_layers(network)
    learnt = [matrix for part in layers.values() for matrix in (part.lora_A, part.lora_B)]
    parameters = [matrix.weight.requires_grad_() for matrix in learnt]
    optimiser = torch.optim.AdamW(parameters, lr=0.05, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 8)
    for _ in range(steps):
        optimiser.zero_grad()
        functional.cross_entropy(network(inputs), labels).backward()
        optimiser.step()
        schedule.step()
    return layers


@pytest.mark.parametrize("own", [False, True])
def test_each_task_is_trained_as_if_alone(own: bool) -> None:
    network = adapted(base(), rank=2)
    inputs, labels = data()
    given = torch.stack([inputs, 2 * inputs, -inputs]) if own else inputs
    made = train_adapters(
        network, given, labels, steps=8, batch_size=12, learning_rate=0.05, weight_decay=0.1,
        keep=[3, 8],
    )  # fmt: skip
    assert made.losses.shape == (3, 2)
    for task in range(3):
        for place, steps in enumerate(made.steps):
            expected = alone(network, given[task] if own else inputs, labels[task], steps)
            for name, (a, b) in made.pairs.items():
                torch.testing.assert_close(a[task, place], expected[name].lora_A.weight.detach())
                torch.testing.assert_close(b[task, place], expected[name].lora_B.weight.detach())


def test_what_is_ignored_is_not_learnt() -> None:
    network, (inputs, labels) = adapted(base(), rank=2), data()
    one = train_adapters(network, inputs[:4], labels[:, :4], steps=3, batch_size=4)
    hidden = torch.cat([labels[:, :4], torch.full((3, 8), -100)], dim=1)
    same = train_adapters(network, inputs, hidden, steps=3, batch_size=12)
    torch.testing.assert_close(one.pairs, same.pairs)


def test_an_adapter_adds_a_scaled_product_and_begins_without_effect() -> None:
    network, x = adapted(base(), rank=2, alpha=6, layers=["2"]), torch.randn(4, 5)
    torch.testing.assert_close(network(x), base()(x))
    layers = low_rank_layers(network)
    assert list(layers) == ["2"]
    part = layers["2"]
    nn.init.normal_(part.lora_B.weight)
    merged = base()
    last = merged[2]
    assert isinstance(last, nn.Linear)
    last.weight.data += 3.0 * part.lora_B.weight.data @ part.lora_A.weight.data
    torch.testing.assert_close(network(x), merged(x))


def test_one_path_is_a_layer_to_adapt() -> None:
    chain = nn.Sequential(*(nn.Linear(4, 4) for _ in range(11)))
    assert list(low_rank_layers(adapted(chain, rank=2, layers="10"))) == ["10"]
    assert list(low_rank_layers(adapted(chain, rank=4, layers=("1", "0")))) == ["0", "1"]


def test_a_block_that_is_called_twice_has_one_adapter_which_is_learnt() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block, self.head = nn.Sequential(nn.Linear(5, 5), nn.Tanh()), nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.head(self.block(self.block(x)))
            return result

    plain, (inputs, labels) = Twice(), data()
    network = adapted(plain, rank=2, alpha=2)
    trained = train_adapters(network, inputs, labels, steps=3)
    assert list(trained.pairs) == ["block.0", "head"]
    made = adapted_networks(network, inputs[:2], trained.pairs, [["a"]] * len(labels))
    outputs = evaluate(made, inputs, labels[0], outputs=True).outputs
    assert outputs is not None
    for task, output in enumerate(outputs):
        merged = copy.deepcopy(plain)
        for name, (a, b) in trained.pairs.items():
            layer = merged.get_submodule(name)
            assert isinstance(layer, nn.Linear)
            layer.weight.data += b[task, 0] @ a[task, 0]
        torch.testing.assert_close(output, merged(inputs).detach())


def test_what_cannot_be_adapted_is_refused() -> None:
    layer = nn.Linear(4, 4)
    twice = nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(4, 2))
    for options, message in (
        ({}, "layer '0' is at 2 places"),
        ({"layers": "0"}, "layer '0' is at 2 places"),
        ({"layers": "3", "rank": 5}, "rank must be at most 4, .* got 5"),
    ):
        with pytest.raises(GraphwslError, match=message) as caught:
            adapted(twice, **{"rank": 2, **options})
        assert "\n" not in str(caught.value)
    assert list(low_rank_layers(adapted(twice, rank=4, layers="3"))) == ["3"]
    block = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    tied = nn.Sequential(block, nn.Tanh(), block, nn.Linear(4, 2))
    for layers in (None, "0.0", "2.0"):
        with pytest.raises(GraphwslError, match=r"layer '[02]\.0' is at 2 places") as caught:
            adapted(tied, rank=2, layers=layers)
        assert "\n" not in str(caught.value)
    assert list(low_rank_layers(adapted(tied, rank=4, layers="3"))) == ["3"]
    with pytest.raises(GraphwslError, match="rank must be at most 6"):
        adapted(base(), rank=10**9)


def test_bad_input_is_refused() -> None:
    inputs, labels = data()
    network = adapted(base(), rank=2)
    with pytest.raises(GraphwslError, match="no linear layer '7' to adapt; choose among 0, 2"):
        adapted(base(), layers=["7"])
    with pytest.raises(GraphwslError, match="no linear layer to adapt"):
        adapted(nn.Tanh())
    with pytest.raises(GraphwslError, match="has adapters already, as of '0'; give its base"):
        adapted(network)
    with pytest.raises(GraphwslError, match="has no adapters"):
        train_adapters(base(), inputs, labels)
    with pytest.raises(GraphwslError, match="steps to keep must be from 1 to 5"):
        train_adapters(network, inputs, labels, steps=5, keep=[6])
    with pytest.raises(GraphwslError, match="neither those of all tasks"):
        train_adapters(network, inputs[:5], labels)
    with pytest.raises(GraphwslError, match="labels must be whole numbers from 0 to"):
        train_adapters(network, inputs, labels + 7)
    with pytest.raises(GraphwslError, match="labels must be whole numbers from 0 to"):
        train_adapters(network, inputs, labels.float())
    with pytest.raises(GraphwslError, match="losses are not finite at step 3"):
        train_adapters(network, inputs * torch.nan, labels, steps=3)
