"""The loss of one module: against the module itself, for all ways to give samples and states."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.errors import GraphwslError
from graphwsl.landscape.module_objective import ModuleObjective
from tests.graphwsl.landscape.hessian_cases import NETWORKS, SAMPLES, batches, network


def objective(name: str = "perceptron", given: Any = None) -> ModuleObjective:
    return ModuleObjective(
        network(name), functional.cross_entropy, batches() if given is None else given
    )


def whole(given: Any = None) -> tuple[Tensor, Tensor]:
    x, y = (torch.cat(parts) for parts in zip(*(given or batches()), strict=True))
    return x, y


@pytest.mark.parametrize("name", NETWORKS)
def test_loss_and_error_are_those_of_all_samples_at_once(name: str) -> None:
    made, module = objective(name), network(name)
    x, y = whole()
    loss, error = made.measure(made.flat, made.buffers)
    outputs = module(x).detach()
    assert float(loss) == pytest.approx(float(functional.cross_entropy(outputs, y)), rel=1e-12)
    assert error is not None
    assert float(error) == pytest.approx(float((outputs.argmax(1) != y).double().mean()))
    assert made.samples == SAMPLES


@pytest.mark.parametrize("name", NETWORKS)
def test_views_share_the_memory_of_the_row_and_hold_each_parameter(name: str) -> None:
    made, module = objective(name), network(name)
    flat = made.flat
    assert sum(made.sizes) == flat.shape[1] == sum(p.numel() for p in module.parameters())
    for view, (own, parameter) in zip(made.views(flat), module.named_parameters(), strict=True):
        assert torch.equal(view[0], parameter), own
    made.views(flat)[0].fill_(7)
    assert (flat[0, : made.sizes[0]] == 7).all()
    assert not (made.flat == 7).any()


@pytest.mark.parametrize("name", NETWORKS)
def test_states_go_into_rows_and_back(name: str) -> None:
    made, other = objective(name), network(name, seed=1).state_dict()
    back = made.state(made.flattened(other), made.buffers_of(other))
    assert back.keys() == other.keys()
    for key, value in other.items():
        assert torch.equal(back[key], value), key
    loaded = network(name)
    loaded.load_state_dict(back)
    x, y = whole()
    loss, _ = made.measure(made.flattened(other), made.buffers_of(other))
    truth = functional.cross_entropy(loaded(x), y).detach()
    assert float(loss) == pytest.approx(float(truth), rel=1e-12)


class Two(nn.Module):
    """Takes two arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([2.0]))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.scale * first - second


def test_inputs_are_one_tensor_several_or_named_ones() -> None:
    first, second = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [5.0]])
    labels = torch.zeros(2, 1)
    for inputs in (
        (first, second),
        [first, second],
        {"second": second, "first": first},
    ):
        made = ModuleObjective(Two(), functional.mse_loss, [(inputs, labels)])
        loss, error = made.measure(made.flat, made.buffers)
        assert float(loss) == ((2 - 3) ** 2 + (4 - 5) ** 2) / 2
        assert error is None
        assert made.samples == 2


def test_batches_that_can_be_read_once_are_kept() -> None:
    made = objective(given=(pair for pair in batches()))
    first, second = (made.measure(made.flat, made.buffers)[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first, objective().measure(made.flat, made.buffers)[0])


def test_classes_of_every_position_are_counted() -> None:
    module = nn.Conv1d(1, 2, 1, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1))
    x = torch.tensor([[[1.0, -1.0, 2.0, -2.0]]])  # the class is whether it is negative
    labels = torch.tensor([[0, 1, 1, 1]])
    made = ModuleObjective(module, functional.cross_entropy, [(x, labels)])
    _, error = made.measure(made.flat, made.buffers)
    assert error is not None
    assert float(error) == 0.25


def test_statistics_of_batch_norms_are_taken_only_when_asked() -> None:
    made = objective("batch norm")
    before = [buffer.clone() for buffer in made.buffers]
    made.measure(made.flat, made.buffers)
    found = made.with_statistics(made.flat, made.buffers)
    assert all(torch.equal(a, b) for a, b in zip(before, made.buffers, strict=True))
    mean = found[made.buffer_names.index("1.running_mean")][0]
    linear = network("batch norm")[0]  # type: ignore[index]
    torch.testing.assert_close(mean, linear(whole()[0]).mean(0).detach())
    assert [norm.momentum for norm in made.module.modules() if hasattr(norm, "momentum")] == [0.1]
    assert not any(part.training for part in made.module.modules())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "there is no data to measure on: batches is empty"),
        ([(torch.zeros(0, 6), torch.zeros(0))], "tensors of at least one sample"),
        ([(torch.tensor(1.0), torch.zeros(1))], "tensors of at least one sample"),
        ([({}, torch.zeros(1))], "tensors of at least one sample"),
        ([("text", torch.zeros(1))], "tensors of at least one sample"),
    ],
)
def test_samples_that_are_none_are_refused_in_one_line(given: Any, message: str) -> None:
    with pytest.raises(GraphwslError, match=message) as caught:
        objective(given=given)
    assert "\n" not in str(caught.value)


def test_modules_losses_and_states_that_are_none_are_refused_in_one_line() -> None:
    made = objective()
    short = {"0.weight": torch.zeros(4, 6, dtype=torch.float64)}
    wrong = {**network("perceptron").state_dict(), "2.bias": torch.zeros(5, dtype=torch.float64)}
    no_mean = ModuleObjective(
        network("perceptron"), lambda x, y: functional.cross_entropy(x, y, reduction="none"),
        batches(),
    )  # fmt: skip
    cases: list[tuple[Any, str]] = [
        (lambda: ModuleObjective(nn.Tanh(), functional.mse_loss, batches()), "Tanh has no param"),
        (lambda: made.flattened(short), r"0.bias of the network has shape \(4,\), .* lacks it"),
        (lambda: made.flattened(wrong), r"2.bias of .* shape \(3,\), the state has \(5,\)"),
        (lambda: no_mean.measure(made.flat, made.buffers), "must be one number, its mean"),
    ]
    for call, message in cases:
        with pytest.raises(GraphwslError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
