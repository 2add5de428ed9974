"""Training from given weights: what is held stays bitwise, what moves does so as in plain torch."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.training.chunk import TrainedChunk, train_chunk
from graphwsl.zoo.training.streams import stream
from graphwsl.zoo.training.tuning import Tuning
from tests.graphwsl.zoo.training.zoo_training_cases import BATCH, EPOCHS, configuration, images

DATA = images(8)


def begun(
    architecture: str, seeds: range, **factors: Any
) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    """Configurations, and weights that no initialisation gives."""
    configurations = [configuration(architecture, DATA, seed=s, **factors) for s in seeds]
    states = []
    for number, factors_of_one in enumerate(configurations):
        torch.manual_seed(100 + number)
        module = build(architecture, factors_of_one)
        for norm in module.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2)
        states.append(module.state_dict())
    return configurations, {name: torch.stack([s[name] for s in states]) for name in states[0]}


def tune(configurations: list[dict[str, Any]], tuning: Tuning) -> TrainedChunk:
    return train_chunk(
        configurations, DATA, epochs=EPOCHS, batch_size=BATCH, kept=range(EPOCHS + 1), tuning=tuning
    )


def alone(factors: dict[str, Any], state: dict[str, Tensor], tuning: Tuning) -> dict[str, Tensor]:
    """In plain torch: gradients of what is held are zero, and batch norms that are frozen rest."""
    model = build(factors["architecture"], factors)
    model.load_state_dict(state)
    model.train()
    for name, norm in model.named_modules():
        if isinstance(norm, torch.nn.BatchNorm2d) and tuning.holds(name):
            norm.eval()
    optimiser = torch.optim.SGD(model.parameters(), lr=factors["learning_rate"], momentum=0.9)
    masks = {name: mask.expand(state[name].shape) for name, mask in tuning.masks.items()}
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name).mul_(mask)
    for epoch in range(1 + tuning.epochs, EPOCHS + 1 + tuning.epochs):
        order = torch.randperm(60, generator=stream(factors["seed"], "order", epoch))
        for indices in order.split(BATCH):
            optimiser.zero_grad()
            loss = functional.cross_entropy(model(DATA.train[indices]), DATA.train_labels[indices])
            if tuning.penalty is not None:
                stacked = {name: p[None] for name, p in model.named_parameters()}
                loss = loss + tuning.penalty(stacked).sum()
            loss.backward()
            for name, parameter in model.named_parameters():
                if tuning.holds(name):
                    parameter.grad.zero_()
                elif name in masks:
                    parameter.grad.mul_(masks[name])
            optimiser.step()
    return {name: value.detach() for name, value in model.state_dict().items()}


def shrinking(parameters: Any) -> Tensor:
    return 0.01 * sum(value.abs().flatten(1).sum(1) for value in parameters.values())


half = torch.arange(16).reshape(4, 4) % 2 == 0
TUNINGS: dict[str, tuple[str, dict[str, Any], Tuning]] = {
    "begins at weights": ("mlp", {"width": 4}, Tuning()),
    "goes on": ("mlp", {"width": 4}, Tuning(epochs=3)),
    "masks": ("mlp", {"width": 4}, Tuning(masks={"module_list.4.weight": half})),
    "frozen": ("mlp", {"width": 4}, Tuning(frozen=["module_list.1", "module_list.7.bias"])),
    "penalty": ("mlp", {"width": 4}, Tuning(penalty=shrinking)),
    "convolutions": ("cnn", {"width": 4, "depth": 1}, Tuning(frozen=["module_list.0"])),
    "batch norm": ("normalised", {"width": 3}, Tuning()),
    "frozen batch norm": ("normalised", {"width": 3}, Tuning(frozen=["0", "1"])),
}


@pytest.mark.parametrize("case", TUNINGS)
def test_tuned_networks_end_as_each_alone(case: str) -> None:
    architecture, factors, tuning = TUNINGS[case]
    configurations, weights = begun(
        architecture, range(2), optimiser="sgd", learning_rate=1e-2, **factors
    )
    tuning = Tuning(weights, tuning.masks, tuning.frozen, tuning.penalty, tuning.epochs)
    trained = tune(configurations, tuning)
    assert trained.usable.tolist() == [EPOCHS + 1] * 2
    for number, own in enumerate(configurations):
        state = {name: values[number] for name, values in weights.items()}
        expected = alone(own, state, tuning)
        for name, value in expected.items():
            last = trained.weights[name][number, -1]
            torch.testing.assert_close(last, value, rtol=1e-4, atol=1e-4)
            if tuning.holds(name):
                assert torch.equal(last, state[name])
            else:
                assert torch.dist(last.double(), state[name].double()) > 1e-3
            if name in tuning.masks:
                kept = tuning.masks[name]
                assert torch.equal(trained.weights[name][number, 0], state[name].where(kept, 0.0))
        assert list(expected) == list(trained.weights)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("architecture", ["mlp", "vit"])
def test_pruned_entries_stay_zero_bitwise(optimiser: str, architecture: str) -> None:
    factors = {"width": 8, "patch_size": 4} if architecture == "vit" else {"width": 8}
    configurations, weights = begun(
        architecture, range(2), optimiser=optimiser, weight_decay=0.1, **factors
    )
    generator = torch.Generator().manual_seed(0)
    masks = {
        name: torch.rand(values.shape, generator=generator) < 0.5
        for name, values in weights.items()
        if values.ndim == 3
    }
    trained = tune(configurations, Tuning(weights, masks))
    for name, mask in masks.items():
        for epoch in range(EPOCHS + 1):
            values = trained.weights[name][:, epoch]
            gone = values[~mask].view(torch.int32)
            assert len(gone)
            assert not gone.any()  # + 0.0, and not - 0.0
            assert values[mask].all()
    assert (trained.weights[name][:, 0][mask] != trained.weights[name][:, -1][mask]).any()


def test_a_tuning_of_nothing_is_the_training_itself() -> None:
    configurations, _ = begun("cnn", range(2), width=4, depth=1)
    plain, tuned = (
        tune(configurations, Tuning()),
        train_chunk(configurations, DATA, epochs=EPOCHS, batch_size=BATCH, kept=range(EPOCHS + 1)),
    )
    for name, values in plain.weights.items():
        assert torch.equal(values, tuned.weights[name])


def test_what_does_not_fit_is_said() -> None:
    configurations, weights = begun("mlp", range(2), width=4)
    name = "module_list.1.weight"
    for tuning, message in (
        (Tuning({name: weights[name]}), "the given weights lack 'module_list.1.bias'"),
        (Tuning({**weights, "x": weights[name]}), "the given weights have besides 'x'"),
        (
            Tuning({**weights, name: weights[name][:1]}),
            r"'module_list.1.weight' of the given weights must be torch.float32 of shape "
            r"\(2, 4, 64\), got torch.float32 of shape \(1, 4, 64\)",
        ),
        (Tuning({**weights, name: weights[name] / 0}), "holds values that are not finite"),
        (Tuning(masks={"x": half}), "there is no parameter 'x' to mask"),
        (
            Tuning(masks={name: half}),
            r"mask of 'module_list.1.weight' must be bool of shape \(2, 4",
        ),
        (Tuning(frozen=["module_list.2"]), "there is no part 'module_list.2' to freeze"),
        (Tuning(penalty=lambda p: p[name].sum()), r"a number a network, shape \(2,\), got \(\)"),
    ):
        with pytest.raises(ZooError, match=message):
            tune(configurations, tuning)
