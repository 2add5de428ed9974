"""What a compacted network must not take for dead or for fixed: batches, flags, state, types."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.errors import GraphwslError, UnsupportedModelError
from graphwsl.sparsification import compact


class Written(nn.Module):
    """A network whose forward pass is given."""

    def __init__(self, run: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(self, *args, **kwargs)


def constant(inputs: int, outputs: int) -> nn.Linear:
    """A layer whose outputs are all 1."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.ones_(layer.bias)
    return layer


def same(model: nn.Module, found: nn.Module, *inputs: Tensor) -> None:
    with torch.no_grad():
        expected = model.eval()(*inputs)
        torch.testing.assert_close(found(*inputs), expected)


@pytest.mark.parametrize(
    "reduce",
    [
        lambda x: x.sum(0),
        lambda x: x.cumsum(0)[-1],
        lambda x: x.softmax(0)[0],
        lambda x: x.T @ x.sum(1),
    ],
)
@pytest.mark.parametrize("samples", [1, 50, 3000])
def test_what_depends_on_the_number_of_samples_is_no_constant(
    reduce: Callable[[Tensor], Tensor], samples: int
) -> None:
    torch.manual_seed(0)
    model = Written(
        lambda own, x: own.b(x) + own.c(1e-2 * reduce(own.a(x))),
        a=constant(4, 2), b=nn.Linear(4, 2), c=nn.Linear(2, 2),
    ).double()  # fmt: skip
    found = compact(model, torch.randn(5, 4).double())
    if found.any_batch:
        same(model, found, torch.randn(samples, 4).double())
    else:
        same(model, found, torch.randn(5, 4).double())
        with pytest.raises(UnsupportedModelError):
            found(torch.randn(samples, 4).double())


@pytest.mark.parametrize(
    "run",
    [
        lambda own, x: own.a(x) * (2 if x.shape[0] > 3 else 1),
        lambda own, x: own.a(x)[: min(len(x), 10)],
        lambda own, x: own.a(x).squeeze(),
    ],
)
def test_branches_on_the_number_of_samples_fix_it(run: Callable[..., Tensor]) -> None:
    model = Written(run, a=nn.Linear(4, 1))
    found = compact(model, torch.randn(8, 4))
    assert not found.any_batch
    same(model, found, torch.randn(8, 4))
    with pytest.raises(GraphwslError):
        found(torch.randn(12, 4))


@pytest.mark.parametrize(
    "run",
    [
        lambda own, x: own.b(own.a(x).relu()[1:]),
        lambda own, x: own.b(own.n(own.a(x))[1:].softmax(-1)),
        lambda own, x: own.c(own.a(x)[1:, :, None]),
        lambda own, x: own.b(own.a(x)) + own.a(x)[:, 1:1] @ own.b.weight[:, 1:1].T,
    ],
)
def test_results_without_an_element(run: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    model = Written(
        run, a=nn.Linear(8, 6), b=nn.Linear(6, 3), c=nn.Conv1d(6, 4, 1, groups=2),
        n=nn.LayerNorm(6),
    )  # fmt: skip
    x = torch.randn(1, 8)
    same(model, compact(model, x), x)


def test_arguments_that_are_no_tensors_are_those_of_the_example() -> None:
    model = Written(lambda own, x, scale=1.0: own.a(x) * scale, a=nn.Linear(4, 2))
    x = torch.randn(3, 4)
    found = compact(model, {"x": x, "scale": 2.0})
    torch.testing.assert_close(found(x=x, scale=2.0), model(x=x, scale=2.0))
    for wrong in (1.0, 2, None):
        with pytest.raises(UnsupportedModelError, match=r"was made with 2\.0 .* got"):
            found(x=x, scale=wrong)


@pytest.mark.parametrize("wrong", ["x", None, 3.0])
def test_inputs_that_are_no_tensors_are_refused(wrong: Any) -> None:
    found = compact(nn.Linear(4, 2), torch.randn(3, 4))
    with pytest.raises(GraphwslError, match=r"torch\.Tensor"):
        found(wrong)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 2)
        self.register_buffer("n", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.n += 1
        return self.a(x) * self.n


def test_networks_that_count_are_refused_and_left_as_they_were() -> None:
    model = Counting()
    with pytest.raises(UnsupportedModelError, match="writes into 'n'"):
        compact(model, torch.randn(3, 4))
    assert float(model.n) == 0


def test_norms_with_computed_weights_vary() -> None:
    torch.manual_seed(0)
    model = Written(
        lambda own, x, w: functional.layer_norm(own.a(x), (6,), own.b(w)),
        a=constant(4, 6), b=nn.Linear(6, 6),
    )  # fmt: skip
    found = compact(model, (torch.randn(3, 4), torch.randn(6)))
    same(model, found, torch.randn(3, 4), torch.randn(6))
    groups = Written(
        lambda own, x: functional.group_norm(own.a(x), 2, own.b(x).mean(0), own.b.bias),
        a=constant(4, 6), b=nn.Linear(4, 6),
    )  # fmt: skip
    found = compact(groups, torch.randn(3, 4))
    same(groups, found, torch.randn(3, 4))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_coarse_types_are_compared_at_their_own_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    nn.init.zeros_(model[0].weight[:8])
    model = model.to(dtype)
    found = compact(model, torch.randn(4, 8).to(dtype))
    sizes = {name: tuple(one.shape) for name, one in found.program.state_dict().items()}
    assert sizes["0.weight"] == (8, 8)


class TiedAutoencoder(nn.Module):
    """Its decoder is the transpose of its encoder, so that what one needs the other has."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(20, 8)
        self.bias = nn.Parameter(torch.ones(20))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.encoder(x)) @ self.encoder.weight + self.bias


@pytest.mark.parametrize(("rows", "columns"), [(0, 3), (3, 3), (3, 0), (0, 0)])
def test_tied_weights_are_stored_once_and_nothing_grows(rows: int, columns: int) -> None:
    torch.manual_seed(0)
    model, x = TiedAutoencoder(), torch.randn(4, 20)
    with torch.no_grad():
        model.encoder.weight[:rows] = 0
        model.encoder.weight[:, :columns] = 0
    small = compact(model, x)
    numbers = [
        sum(tensor.numel() for tensor in one.state_dict().values())
        for one in (model, small.program)
    ]
    assert numbers[1] < numbers[0] if rows and not columns else numbers[1] <= numbers[0]
    torch.testing.assert_close(small(x), model(x))


class TiedLanguageModel(nn.Module):
    """What a token is read by also says how likely it comes next."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 6)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.gelu(self.embedding(tokens))
        return nn.functional.linear(hidden, self.embedding.weight)


@pytest.mark.parametrize("rows", [[], [0], [0, 4], list(range(9))])
@pytest.mark.parametrize("columns", [[], [1], [1, 2], [0, 5], list(range(5))])
def test_tied_language_models_never_grow(rows: list[int], columns: list[int]) -> None:
    torch.manual_seed(0)
    model, tokens = TiedLanguageModel(), torch.randint(9, (2, 4))
    with torch.no_grad():
        model.embedding.weight[rows] = 0
        model.embedding.weight[:, columns] = 0
    small = compact(model, tokens)
    numbers = sum(tensor.numel() for tensor in small.program.state_dict().values())
    assert numbers <= 54
    every = torch.arange(9).expand(5, -1)[:, :4]
    for some in (tokens, every, tokens + (tokens < 8)):
        torch.testing.assert_close(small(some), model(some))
