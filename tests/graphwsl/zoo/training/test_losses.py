"""Losses and shares of networks of a population are those of torch, one network at a time."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.training.batched_networks import BatchedNetworks
from graphwsl.zoo.training.evaluation import BATCH, evaluate
from graphwsl.zoo.training.losses import losses_of, share_right

MODELS, CLASSES = 2, 5


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("positions", [(), (4,), (2, 3)])
def test_losses_of_classes(positions: tuple[int, ...]) -> None:
    """One class a sample, or one at each of its positions, of which the mean counts."""
    draw = generator()
    outputs = torch.randn(MODELS, CLASSES, 6, *positions, generator=draw)
    labels = torch.randint(0, CLASSES, (MODELS, 6, *positions), generator=draw)
    losses, right = losses_of(outputs, labels), share_right(outputs, labels)
    assert losses.shape == right.shape == (MODELS, 6)
    for model in range(MODELS):
        for sample in range(6):
            own = outputs[model, :, sample].reshape(CLASSES, -1).T  # (positions, classes)
            of = labels[model, sample].reshape(-1)
            expected = functional.cross_entropy(own, of)
            torch.testing.assert_close(losses[model, sample], expected)
            share = (own.argmax(1) == of).float().mean()
            assert float(right[model, sample]) == pytest.approx(float(share))


def test_losses_of_numbers_are_mean_squares() -> None:
    draw = generator()
    outputs = torch.randn(MODELS, 3, 6, generator=draw)
    labels = torch.randn(MODELS, 6, 3, generator=draw)
    found = losses_of(outputs, labels)
    for model in range(MODELS):
        for sample in range(6):
            expected = functional.mse_loss(outputs[model, :, sample], labels[model, sample])
            torch.testing.assert_close(found[model, sample], expected)


FACTORS = {"width": 4, "image_size": 4, "out_channels": CLASSES, "activation": "tanh"}
TRANSFORMER = {"width": 8, "depth": 1, "patch_size": 2, "image_size": 4, "out_channels": CLASSES}
CASES: dict[str, dict[str, Any]] = {"mlp": FACTORS, "vit": TRANSFORMER}


def population(name: str) -> tuple[BatchedNetworks, list[nn.Module], list[Tensor], list[Tensor]]:
    modules = []
    for seed in range(MODELS):
        torch.manual_seed(seed)
        modules.append(build(name, CASES[name]).eval())
    networks = BatchedNetworks.of(build(name, CASES[name]))
    states = [{**dict(m.named_parameters()), **dict(m.named_buffers())} for m in modules]
    stacked = [
        [torch.stack([state[one].detach() for state in states]) for one in names]
        for names in (networks.names, networks.buffer_names)
    ]
    return networks, modules, *stacked  # type: ignore[return-value]


@pytest.mark.parametrize("own_labels", [False, True])
@pytest.mark.parametrize("of_subset", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_a_population_is_measured_as_each_network_alone(
    name: str, of_subset: bool, own_labels: bool
) -> None:
    """On more samples than a batch, the last one not full."""
    networks, modules, parameters, buffers = population(name)
    draw = generator()
    x = torch.randn(BATCH + 5, 1, 4, 4, generator=draw)
    labels = torch.randint(0, CLASSES, (MODELS, len(x)), generator=draw)
    given = labels if own_labels else labels[0]
    chosen = [torch.randperm(len(x), generator=draw)[: BATCH + 2] for _ in range(MODELS)]
    subset = torch.stack(chosen) if of_subset else None
    loss, accuracy = evaluate(
        networks, parameters, x, given, subset, buffers=buffers, own_labels=own_labels
    )
    assert accuracy is not None
    for model, module in enumerate(modules):
        places = chosen[model] if of_subset else torch.arange(len(x))
        own = (labels[model] if own_labels else labels[0])[places]
        with torch.no_grad():
            outputs = module(x[places])
        expected = functional.cross_entropy(outputs, own)
        torch.testing.assert_close(loss[model], expected.double(), rtol=1e-4, atol=1e-5)
        share = (outputs.argmax(1) == own).double().mean()
        assert float(accuracy[model]) == pytest.approx(float(share), abs=1e-9)


def test_numbers_have_no_accuracy() -> None:
    networks, modules, parameters, buffers = population("mlp")
    draw = generator()
    x, y = torch.randn(9, 1, 4, 4, generator=draw), torch.randn(9, CLASSES, generator=draw)
    loss, accuracy = evaluate(networks, parameters, x, y, buffers=buffers)
    assert accuracy is None
    for model, module in enumerate(modules):
        expected = functional.mse_loss(module(x), y).detach().double()
        torch.testing.assert_close(loss[model], expected, rtol=1e-4, atol=1e-6)
