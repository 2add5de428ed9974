"""Networks that train together end as each would alone, by plain torch."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.batched_networks import BatchedNetworks
from graphwsl.zoo.training.chunk import TrainedChunk, train_chunk
from graphwsl.zoo.training.initialisation import initialised
from graphwsl.zoo.training.streams import stream
from tests.graphwsl.zoo.training.zoo_training_cases import BATCH, EPOCHS, configuration, images


def train(configurations: list[dict[str, Any]], data: DataSet) -> TrainedChunk:
    return train_chunk(
        configurations, data, epochs=EPOCHS, batch_size=BATCH, kept=range(EPOCHS + 1)
    )


class StreamDropout(nn.Module):
    """Dropout whose draws are those of a zoo: image by image last, in batches filled up to 16."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        filled = 32
        draws = torch.rand(*x.shape[1:], filled, generator=self.generator).movedim(-1, 0)[: len(x)]
        return x * (draws >= self.rate) / (1 - self.rate)


def train_alone(configuration: dict[str, Any], data: DataSet) -> nn.Module:
    """One network in plain torch: modules, torch.optim, batches of indices."""
    model = initialised(configuration)
    drops = []
    for index, layer in enumerate(model.module_list if hasattr(model, "module_list") else ()):
        if isinstance(layer, nn.Dropout):
            model.module_list[index] = StreamDropout(layer.p)
            drops.append(model.module_list[index])
    rate, decay = configuration["learning_rate"], configuration["weight_decay"]
    optimiser = (
        torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay)
        if configuration["optimiser"] == "adam"
        else torch.optim.SGD(model.parameters(), lr=rate, weight_decay=decay, momentum=0.9)
    )
    seed, samples = configuration["seed"], len(data.train)
    subset = torch.arange(samples)
    if configuration["data_fraction"] < 1:
        subset = torch.randperm(samples, generator=stream(seed, "subset"))
        subset = subset[: round(configuration["data_fraction"] * samples)]
    for epoch in range(1, EPOCHS + 1):
        order = subset[torch.randperm(len(subset), generator=stream(seed, "order", epoch))]
        shared = stream(seed, "dropout", epoch)
        for drop in drops:
            drop.generator = shared
        for indices in order.split(BATCH):
            optimiser.zero_grad()
            loss = functional.cross_entropy(model(data.train[indices]), data.train_labels[indices])
            loss.backward()
            optimiser.step()
    return model.eval()


CASES: dict[str, tuple[str, int, list[dict[str, Any]]]] = {
    "adam": ("cnn_s", 28, [{"seed": 1}, {"seed": 2, "learning_rate": 1e-2, "weight_decay": 0.1}]),
    "momentum": ("cnn_s", 28, [
        {"optimiser": "sgd", "activation": "relu", "learning_rate": 1e-2},
        {"optimiser": "sgd", "activation": "relu", "seed": 7, "weight_decay": 1e-2},
    ]),
    "dropout": ("cnn_s", 28, [{"dropout": 0.5, "seed": 3}, {"dropout": 0.2}]),
    "subset": ("cnn_l", 32, [{"data_fraction": 0.5}, {"data_fraction": 0.5, "seed": 5}]),
    "strided": ("unterthiner", 28, [{"activation": "silu"}, {"activation": "silu", "seed": 2}]),
    "padded": ("cnn", 8, [{"width": 5, "depth": 2, "initialisation": "default"}]),
    "sigmoid": ("cnn", 8, [{"width": 3, "depth": 3, "activation": "sigmoid"}]),
    "perceptron": ("mlp", 8, [{"width": 7}, {"width": 7, "initialisation": "xavier_normal"}]),
    # Without Adam, which makes the vanishing gradients of key biases, mere rounding, large.
    "transformer": ("vit", 8, [
        {"width": 8, "depth": 1, "patch_size": 4, "seed": 1, "optimiser": "sgd"},
        {"width": 8, "depth": 1, "patch_size": 4, "seed": 2, "optimiser": "sgd"},
    ]),
    "batch norm": ("normalised", 8, [
        {"width": 3, "optimiser": "sgd", "seed": 1},
        {"width": 3, "optimiser": "sgd", "seed": 2, "learning_rate": 1e-2},
    ]),
    "residual": ("resnet18", 8, [
        {"width": 2, "optimiser": "sgd", "seed": 1},
        {"width": 2, "optimiser": "sgd", "seed": 2, "learning_rate": 1e-2},
    ]),
}  # fmt: skip


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.slow] * (c == "residual")) for c in CASES]
)
def test_a_population_trains_as_each_network_alone(case: str) -> None:
    architecture, size, factors = CASES[case]
    data = images(size, channels=3 if architecture == "cnn_l" else 1)
    configurations = [configuration(architecture, data, **own) for own in factors]
    trained = train(configurations, data)
    for number, own in enumerate(configurations):
        alone = train_alone(own, data)
        for name, expected in alone.state_dict().items():
            first, last = trained.weights[name][number, 0], trained.weights[name][number, -1]
            torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-4)
            # The agreement says nothing unless the weights have moved much further.
            assert torch.dist(first.double(), last.double()) > 1e-3
        logits = alone(data.test)
        loss = functional.cross_entropy(logits, data.test_labels)
        accuracy = (logits.argmax(1) == data.test_labels).float().mean()
        torch.testing.assert_close(
            trained.metrics["test_loss"][number, -1], loss, rtol=1e-3, atol=0
        )
        assert abs(trained.metrics["test_accuracy"][number, -1] - accuracy) <= 1 / len(data.test)


def test_the_training_subset_is_what_train_metrics_are_of() -> None:
    data = images(8)
    own = configuration("mlp", data, width=4, data_fraction=0.25)
    trained = train([own], data)
    alone = train_alone(own, data)
    subset = torch.randperm(60, generator=stream(1, "subset"))[:15]
    loss = functional.cross_entropy(alone(data.train[subset]), data.train_labels[subset])
    torch.testing.assert_close(trained.metrics["train_loss"][0, -1], loss, rtol=1e-3, atol=1e-5)


def test_the_other_networks_change_nothing_at_all() -> None:
    data = images(8)
    all_of_them = [
        configuration("cnn", data, width=4, depth=2, seed=seed, dropout=0.1 * seed)
        for seed in range(1, 5)
    ]
    together, alone = train(all_of_them, data), train(all_of_them[2:3], data)
    for name, values in alone.weights.items():
        assert torch.equal(values[0], together.weights[name][2])
    for name, values in alone.metrics.items():
        assert torch.equal(values[0], together.metrics[name][2])


def test_a_network_that_diverges_is_noticed_and_disturbs_no_other() -> None:
    data = images(8)
    good, bad = (
        configuration("mlp", data, width=4, activation="relu", optimiser="sgd", learning_rate=rate)
        for rate in (1e-2, 1e30)
    )
    trained = train([good, bad], data)
    assert trained.usable.tolist() == [EPOCHS + 1, 1]
    assert torch.equal(trained.weights["module_list.1.weight"][0], train([good], data).weights[
        "module_list.1.weight"][0])  # fmt: skip


def test_initialisation_depends_on_the_seed_alone() -> None:
    data = images(28)
    first = initialised(configuration("cnn_s", data, seed=4)).state_dict()
    torch.manual_seed(123)
    again = initialised(configuration("cnn_s", data, seed=4, learning_rate=1.0)).state_dict()
    other = initialised(configuration("cnn_s", data, seed=5)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["module_list.0.weight"], other["module_list.0.weight"])


@pytest.mark.parametrize(
    ("name", "low", "high", "mean"), [("uniform", 0, 1, 0.5), ("kaiming_uniform", -0.49, 0.49, 0)]
)
def test_initialisations_are_the_published_ones(
    name: str, low: float, high: float, mean: float
) -> None:
    data = images(28)
    state = initialised(configuration("cnn_s", data, initialisation=name)).state_dict()
    weight = state["module_list.0.weight"]
    assert low <= weight.min() < weight.max() <= high
    assert abs(float(weight.mean()) - mean) < 0.1
    assert (state["module_list.0.bias"] == 0.01).all()


def test_what_cannot_be_trained_is_said() -> None:
    data = images(8)
    with pytest.raises(ZooError, match="unknown initialisation 'zeros'; choose one of uniform, "):
        initialised(configuration("mlp", data, initialisation="zeros"))
    with pytest.raises(ZooError, match="dropout of VisionTransformer must be 0"):
        train([configuration("vit", data, width=8, patch_size=4, dropout=0.1)], data)
    with pytest.raises(ZooError, match=r"activation of mlp must be one of tanh.*, got 'step'"):
        build("mlp", {"activation": "step"})


def test_running_statistics_are_never_shared() -> None:
    module = build("resnet18", {"width": 2})
    networks = BatchedNetworks.of(module)
    parameters = [value[None].expand(2, *value.shape) for value in module.parameters()]
    x = networks.shared_images(torch.zeros(1, 3, 8, 8), 2)
    with pytest.raises(ZooError, match=r"buffers such as 'bn1.running_mean', of which every net"):
        networks.logits(parameters, x)


def test_batch_norm_of_a_single_sample_is_refused_in_one_line() -> None:
    data = images(8, train=BATCH + 1)
    with pytest.raises(ZooError, match="batch norm cannot learn from a single sample; choose a b"):
        train([configuration("normalised", data, width=2)], data)


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (nn.BatchNorm2d(1, momentum=None), "batch norm '0' must have running statistics with a"),
        (nn.BatchNorm2d(1, track_running_stats=False), "batch norm '0' must have running stat"),
        (nn.InstanceNorm2d(1, track_running_stats=True), "InstanceNorm2d '0' must have no runn"),
    ],
)
def test_normalisation_that_no_network_has_of_its_own_is_refused(
    norm: nn.Module, message: str
) -> None:
    with pytest.raises(ZooError, match=message):
        BatchedNetworks.of(nn.Sequential(norm, nn.Flatten(), nn.Linear(64, 2)))
