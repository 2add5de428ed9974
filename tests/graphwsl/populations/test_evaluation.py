"""What networks score in batches is what each scores alone, run by torch as its author would."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphwsl.errors import PredictorError
from graphwsl.populations import Function, Population, evaluate
from graphwsl.populations.running import NETWORKS
from graphwsl.zoo.architectures.layered import LayeredNetwork
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.kernels.coverage import covers

CLASSES = 10


def population(
    make: Callable[[], nn.Module], inputs: Any, count: int
) -> tuple[Population, list[nn.Module]]:
    """Networks of one function, each from a seed of its own, with running statistics of its own."""
    modules = []
    for seed in range(count):
        torch.manual_seed(seed)
        module = make().eval()
        for name, buffer in module.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 2.0)
        modules.append(module)
    function = Function.of(make().eval(), inputs, "test")
    graph = function.architecture.graph
    states = [graph.flat(module.state_dict(), dtype=torch.float32) for module in modules]
    checkpoints = [Checkpoint(str(n), 0, {}, {}) for n in range(count)]
    return Population.alike(checkpoints, states, function), modules


def samples(count: int, *shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, *shape, generator=generator)
    return x, torch.randint(0, CLASSES, (count,), generator=generator)


def require_as_alone(
    found: Population, modules: list[nn.Module], x: Tensor, labels: Tensor
) -> None:
    result = evaluate(found, x, labels, outputs=True)
    assert result.accuracy.shape == result.is_finite.shape == (len(modules),)
    assert result.outputs is not None
    assert bool(result.is_finite.all())
    for number, module in enumerate(modules):
        with torch.no_grad():
            expected = module(x)
        scale = float(expected.abs().max())
        torch.testing.assert_close(result.outputs[number], expected, rtol=1e-4, atol=1e-5 * scale)
        # Two outputs that agree to rounding may be told apart by it.
        top = expected.topk(2, dim=1).values
        close = (top[:, 0] - top[:, 1] < 1e-4 * scale).float().mean()
        accuracy = (expected.argmax(1) == labels).float().mean()
        assert abs(result.accuracy[number] - accuracy) <= close
    assert len(result.accuracy.unique()) > 1


def zoo_network(name: str, **factors: Any) -> Callable[[], nn.Module]:
    return lambda: build(name, {"in_channels": 1, "out_channels": CLASSES, **factors})


def chain(*layers: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: LayeredNetwork(layer() for layer in layers)


def head(inputs: int) -> list[Callable[[], nn.Module]]:
    return [nn.Flatten, lambda: nn.Linear(inputs, CLASSES)]


COVERED = {
    "cnn_s": (zoo_network("cnn_s", activation="tanh"), 28),
    "cnn": (zoo_network("cnn", activation="gelu", width=5, depth=2, image_size=8), 8),
    "mlp": (zoo_network("mlp", activation="leaky_relu", width=7, image_size=5), 5),
    "unterthiner": (zoo_network("unterthiner", activation="relu", width=3, dropout=0.5), 28),
}


@pytest.mark.parametrize("case", COVERED)
def test_chains_of_layers_score_as_alone(case: str) -> None:
    make, size = COVERED[case]
    x, labels = samples(70, 1, size, size)  # one batch is not full
    assert covers(make())
    found, modules = population(make, x[:1], NETWORKS + 3)
    require_as_alone(found, modules, x, labels)


OTHERS = {
    "vit": (zoo_network("vit", width=8, depth=1, patch_size=4, image_size=8), 8),
    "batch norm": (zoo_network("resnet18", width=2), 32),
    "groups": (chain(lambda: nn.Conv2d(1, 4, 3), lambda: nn.Conv2d(4, 4, 3, groups=2), nn.Tanh,
                     *head(64)), 8),
    "dilation": (chain(lambda: nn.Conv2d(1, 2, 3, dilation=2), *head(32)), 8),
    "no bias": (chain(lambda: nn.Conv2d(1, 2, 3, bias=False), *head(72)), 8),
    "oblong": (chain(lambda: nn.Conv2d(1, 2, (1, 3)), *head(96)), 8),
    "reflected": (chain(lambda: nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"),
                        *head(128)), 8),
    "pooling apart": (chain(lambda: nn.Conv2d(1, 2, 3), nn.Tanh, lambda: nn.MaxPool2d(2),
                            *head(18)), 8),
    "overlapping": (chain(lambda: nn.Conv2d(1, 2, 3), lambda: nn.MaxPool2d(2, 1), *head(50)), 8),
    "softmax": (chain(*head(64), lambda: nn.Softmax(1)), 8),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_all_other_networks_score_as_alone(case: str) -> None:
    make, size = OTHERS[case]
    x, labels = samples(20, 3 if case == "batch norm" else 1, size, size)
    if case == "batch norm":
        make = zoo_network("resnet18", width=2, in_channels=3)
    assert not covers(make())
    require_as_alone(*population(make, x[:1], 4), x, labels)


class Branching(nn.Module):
    """Its way depends on values, which no batch of networks can share."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, CLASSES), nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        traced = torch.compiler.is_exporting()
        return self.first(x) + (1 if traced or self.first.bias.sum() > 0 else -1) * self.second(x)


class Remembering(nn.Module):
    """Prepares its weights in the first run and takes them in all others."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, CLASSES)
        self.prepared: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return x @ self.layer.weight.T + self.layer.bias
        if self.prepared is None:
            self.prepared = self.layer.weight.T.clone()
        return x @ self.prepared + self.layer.bias


@pytest.mark.parametrize("make", [Branching, Remembering])
def test_networks_that_cannot_be_mapped_run_alone(make: type[nn.Module]) -> None:
    x, labels = samples(300, 4)  # more than a batch
    found, modules = population(make, x[:1], 4)
    before = dict(vars(found.functions[0].module))
    require_as_alone(found, modules, x, labels)
    assert dict(vars(found.functions[0].module)) == before


class Tied(nn.Module):
    """Two names of one parameter, and one module under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(CLASSES, CLASSES), nn.Linear(CLASSES, CLASSES)
        self.second.weight = self.first.weight
        self.again = self.first

    def forward(self, x: Tensor) -> Tensor:
        return self.again(torch.tanh(self.second(torch.tanh(self.first(x)))))


def test_tied_weights_stay_tied() -> None:
    x, labels = samples(20, CLASSES)
    require_as_alone(*population(Tied, x[:1], 4), x, labels)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, CLASSES), nn.Linear(5, CLASSES)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.left(left) * self.right(right)


def test_several_inputs_by_order_and_by_name() -> None:
    (left, labels), (right, _) = samples(20, 3), samples(20, 5)
    found, modules = population(TwoInputs, (left[:1], right[:1]), 3)
    expected = torch.stack([(m(left, right).argmax(1) == labels).float().mean() for m in modules])
    for inputs in ((left, right), {"right": right, "left": left}):
        assert torch.equal(evaluate(found, inputs, labels).accuracy, expected)


def test_several_architectures_at_once_and_in_order() -> None:
    x, labels = samples(30, 1, 8, 8)
    parts = [population(*(COVERED["cnn"][0], x[:1], 3)), population(OTHERS["vit"][0], x[:1], 3)]
    joined = Population.join([parts[0][0], parts[1][0]]).select([4, 0, 5, 2, 1, 3])
    modules = [*parts[0][1], *parts[1][1]]
    require_as_alone(joined, [modules[n] for n in (4, 0, 5, 2, 1, 3)], x, labels)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_networks_that_are_not_finite_are_flagged_and_disturb_no_other(value: float) -> None:
    x, labels = samples(30, 1, 8, 8)
    for make in (COVERED["cnn"][0], OTHERS["vit"][0]):
        found, _ = population(make, x[:1], 4)
        before = evaluate(found, x, labels)
        states = [state.clone() for state in found.states]
        states[1][0] = value
        spoilt = Population.alike(found.checkpoints, states, found.functions[0])
        result = evaluate(spoilt, x, labels)
        assert result.is_finite.tolist() == [True, False, True, True]
        assert bool(result.accuracy[1].isnan())
        others = [0, 2, 3]
        torch.testing.assert_close(result.accuracy[others], before.accuracy[others])


def test_overflow_of_finite_weights_is_no_accuracy() -> None:
    x, labels = samples(30, 1, 8, 8)
    found, modules = population(COVERED["cnn"][0], x[:1], 3)
    states = [state * factor for state, factor in zip(found.states, (1, 1e37, 1e30), strict=True)]
    huge = Population.alike(found.checkpoints, states, found.functions[0])
    result = evaluate(huge, x, labels)
    expected = []
    for module, factor in zip(modules, (1, 1e37, 1e30), strict=True):
        for parameter in module.parameters():
            parameter.data.mul_(factor)
        expected.append(bool(module(x).isfinite().all()))
    assert result.is_finite.tolist() == expected
    assert expected[0]
    assert not all(expected)


def test_what_cannot_be_evaluated_is_said() -> None:
    x, labels = samples(20, 1, 8, 8)
    found, _ = population(COVERED["cnn"][0], x[:1], 2)
    with pytest.raises(PredictorError, match="got 19 labels for 20 samples"):
        evaluate(found, x, labels[1:])
    with pytest.raises(PredictorError, match=r"'test' take samples of shape .* got .3,."):
        evaluate(found, x[:, 0, 0, :3], labels)
    images, _ = population(lambda: nn.Conv2d(1, 2, 3), x[:1], 2)
    with pytest.raises(
        PredictorError, match=r"outputs of shape \(samples, classes\), .* gave \(20,"
    ):
        evaluate(images, x, labels)


def test_labels_that_no_output_can_be_are_refused() -> None:
    x, labels = samples(20, 1, 8, 8)
    found, _ = population(COVERED["cnn"][0], x[:1], 2)
    for wrong in (labels + 100, labels - labels.max() - 1):
        with pytest.raises(PredictorError, match="labels must be from 0 to 9"):
            evaluate(found, x, wrong)


def test_threads_are_as_before() -> None:
    x, labels = samples(20, 1, 8, 8)
    found, _ = population(COVERED["cnn"][0], x[:1], 2)
    before = torch.get_num_threads()
    results = []
    for threads in (2, 1):
        torch.set_num_threads(threads)
        results.append(evaluate(found, x, labels).accuracy)
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert torch.equal(*results)
