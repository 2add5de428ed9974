"""Traces and eigenvalues against the whole Hessian of small networks, and against curvlinops."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from graphwsl.errors import InvalidArgumentError, LandscapeError
from graphwsl.landscape import eigenvalues as eigenvalues_module
from graphwsl.landscape import hessian_trace, largest_eigenvalues
from graphwsl.landscape.hessian import random_signs
from tests.graphwsl.landscape.hessian_cases import NETWORKS, batches, dense_hessian, network

cross_entropy = functional.cross_entropy


@pytest.mark.parametrize("name", NETWORKS)
def test_trace_is_the_mean_of_the_quadratic_forms_of_the_same_probes(name: str) -> None:
    module = network(name)
    dense = dense_hessian(module, batches())
    signs = random_signs(20, len(dense), torch.Generator().manual_seed(3)).double()
    expected = float(((signs @ dense) * signs).sum(1).mean())
    found = hessian_trace(module, cross_entropy, batches(), 20, torch.Generator().manual_seed(3))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("count", [1, 4])
def test_eigenvalues_are_the_largest_of_the_matrix(name: str, count: int) -> None:
    module = network(name)
    exact = torch.linalg.eigvalsh(dense_hessian(module, batches())).flip(0)[:count]
    found = largest_eigenvalues(module, cross_entropy, batches(), count)
    torch.testing.assert_close(found, exact, rtol=1e-3, atol=1e-3 * float(exact[0]))


def test_search_that_begins_again_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    module = network("perceptron")
    exact = torch.linalg.eigvalsh(dense_hessian(module, batches())).flip(0)[:2]
    monkeypatch.setattr(eigenvalues_module, "NUMBERS", 0)
    found = largest_eigenvalues(module, cross_entropy, batches(), 2, tolerance=1e-6)
    torch.testing.assert_close(found, exact, rtol=1e-6, atol=0.0)


def test_multiple_eigenvalues_count_as_often_as_they_occur() -> None:
    module = nn.Linear(3, 3, bias=False).double()
    x = torch.eye(3, dtype=torch.float64) * torch.tensor([3.0, 1.0, 1.0], dtype=torch.float64)
    # Each row of the matrix has the Hessian 2/9 xᵀx: all eigenvalues occur three times or more.
    found = largest_eigenvalues(module, functional.mse_loss, [(x, torch.zeros_like(x))], 5)
    expected = torch.tensor([9.0, 9.0, 9.0, 1.0, 1.0], dtype=torch.float64) * 2 / 9
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("layer", ["0", "2", "2.bias"])
def test_layer_is_a_block_on_the_diagonal(layer: str) -> None:
    module = network("perceptron")
    places = {"0": slice(0, 28), "2": slice(28, 43), "2.bias": slice(40, 43)}
    block = dense_hessian(module, batches())[places[layer], places[layer]]
    signs = random_signs(9, len(block), torch.Generator().manual_seed(1)).double()
    trace = hessian_trace(
        module, cross_entropy, batches(), 9, torch.Generator().manual_seed(1), layer=layer
    )
    assert trace == pytest.approx(float(((signs @ block) * signs).sum(1).mean()), rel=1e-9)
    largest = largest_eigenvalues(module, cross_entropy, batches(), layer=layer)
    assert float(largest) == pytest.approx(float(torch.linalg.eigvalsh(block)[-1]), rel=1e-3)


def test_network_is_left_as_it_was() -> None:
    module = network("batch norm").train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    hessian_trace(module, cross_entropy, batches(), 2)
    largest_eigenvalues(module, cross_entropy, batches())
    assert module.training
    assert all(torch.equal(before[name], now) for name, now in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_loss_that_is_linear_has_no_curvature() -> None:
    module = nn.Linear(2, 1).double()
    data = [(torch.ones(4, 2, dtype=torch.float64), torch.zeros(4))]

    def loss(outputs: Any, _: Any) -> torch.Tensor:
        return outputs.mean()

    assert hessian_trace(module, loss, data, 3) == 0
    assert largest_eigenvalues(module, loss, data, 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batches": []}, "there is no data to measure on"),
        ({"loss": lambda outputs, _: outputs}, "must be one number"),
        ({"loss": lambda outputs, _: outputs.sum() * torch.nan}, "is nan"),
        ({"loss": lambda *_: torch.zeros(())}, "does not depend on the parameters"),
        ({"module": nn.Tanh()}, "Tanh has no parameters"),
        ({"probes": 0}, "probes must be at least 1"),
        ({"layer": "7"}, "no layer '7'; its parameters are 0.weight"),
    ],
)
def test_what_cannot_be_measured_is_refused(change: dict[str, Any], message: str) -> None:
    given = {"module": network("perceptron"), "loss": cross_entropy, "batches": batches()}
    with pytest.raises((LandscapeError, InvalidArgumentError), match=message) as error:
        hessian_trace(**{**given, "probes": 2, **change})
    assert "\n" not in str(error.value)


def test_eigenvalues_that_are_not_found_are_refused() -> None:
    module = network("perceptron")
    with pytest.raises(LandscapeError, match="no 44 eigenvalues"):
        largest_eigenvalues(module, cross_entropy, batches(), 44)
    with pytest.raises(LandscapeError, match="not found in 2 products"):
        largest_eigenvalues(module, cross_entropy, batches(), max_products=2, tolerance=1e-9)


def test_curvlinops_agrees() -> None:
    curvlinops = pytest.importorskip("curvlinops")
    module = network("perceptron")
    operator = curvlinops.HessianLinearOperator(
        module, nn.CrossEntropyLoss(), [*module.parameters()], batches()
    )
    signs = random_signs(16, operator.shape[0], torch.Generator().manual_seed(5)).double()
    theirs = float(((operator @ signs.T).T * signs).sum(1).mean())
    ours = hessian_trace(module, cross_entropy, batches(), 16, torch.Generator().manual_seed(5))
    assert ours == pytest.approx(theirs, rel=1e-2)
