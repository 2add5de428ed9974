"""Derivatives of derivatives through the compiled loops, against torch's own networks."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.kernels.convolution import convolution
from graphwsl.zoo.kernels.images import take_images
from graphwsl.zoo.kernels.tanh import tanh
from graphwsl.zoo.training.batched_networks import BatchedNetworks

CASES = [
    ("cnn_s", {"image_size": 20, "activation": "tanh"}),
    ("cnn_s", {"image_size": 21, "activation": "gelu"}),
    ("unterthiner", {"image_size": 15, "width": 4, "activation": "tanh"}),
    ("cnn", {"image_size": 9, "width": 3, "depth": 2, "activation": "silu"}),
    ("mlp", {"image_size": 4, "width": 5, "depth": 2, "activation": "tanh"}),
]


def products(loss: Tensor, at: Sequence[Tensor], directions: Sequence[Tensor]) -> list[Tensor]:
    """Hessian times vector, and a third derivative along the same direction."""
    slopes = torch.autograd.grad(loss, at, create_graph=True)
    along = sum(((s * d).sum() for s, d in zip(slopes, directions, strict=True)), torch.zeros(()))
    second = torch.autograd.grad(along, at, create_graph=True, allow_unused=True)
    used = [(s * d).sum() for s, d in zip(second, directions, strict=True) if s is not None]
    third = torch.autograd.grad(torch.stack(used).sum(), at, allow_unused=True)
    return [
        torch.zeros_like(a) if found is None else found.detach()
        for a, found in (*zip(at, second, strict=True), *zip(at, third, strict=True))
    ]


def assert_close(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        scale = float(b.abs().max())
        torch.testing.assert_close(a.double(), b, rtol=1e-3, atol=max(2e-4 * scale, 1e-6))


@pytest.mark.parametrize(("name", "factors"), CASES)
def test_hessian_vector_products_of_populations_are_those_of_torch(
    name: str, factors: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    modules = [build(name, {**factors, "out_channels": 3}).eval() for _ in range(2)]
    population = BatchedNetworks.of(modules[0])
    size = factors["image_size"]
    images, labels = torch.randn(16, 1, size, size), torch.randint(0, 3, (16,))
    stacked = [
        torch.stack([m.get_parameter(n).detach() for m in modules]) for n in population.names
    ]
    parameters = [values.clone().requires_grad_() for values in stacked]
    directions = [torch.randn_like(values) for values in stacked]
    logits = population.logits(parameters, population.shared_images(images, 2))
    loss = functional.cross_entropy(logits, labels.expand(2, -1), reduction="sum")
    ours = products(loss, parameters, directions)
    exact = [values.double().requires_grad_() for values in stacked]
    total = torch.zeros((), dtype=torch.float64)
    for number, module in enumerate(modules):
        own = {n: values[number] for n, values in zip(population.names, exact, strict=True)}
        outputs = torch.func.functional_call(module.double(), own, (images.double(),))
        total = total + functional.cross_entropy(outputs, labels, reduction="sum")
    assert_close(ours, products(total, exact, [d.double() for d in directions]))


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_second_derivatives_of_a_convolution_in_all_its_arguments(data: st.DataObject) -> None:
    models, inputs, outputs = (data.draw(st.integers(1, most)) for most in (3, 2, 3))
    kernel, stride, pool = (data.draw(st.integers(1, 3)) for _ in range(3))
    least = kernel + stride * (pool - 1)
    height, width = (data.draw(st.integers(least, least + 4)) for _ in range(2))
    shared, strided = data.draw(st.booleans()), data.draw(st.booleans())
    torch.manual_seed(data.draw(st.integers(0, 100)))
    x = torch.randn(1 if shared else models, inputs, height, width, 16)
    x = x.transpose(2, 3).contiguous().transpose(2, 3) if strided else x
    kernels = torch.randn(models, outputs, inputs, kernel, kernel)
    biases = torch.randn(models, outputs)

    def results(x: Tensor, w: Tensor, b: Tensor, ours: bool) -> list[Tensor]:
        at = [t.detach().requires_grad_() for t in (x, w, b)]
        images = at[0].expand(models, -1, -1, -1, -1)
        if ours:
            y = convolution(images, at[1], at[2], stride=stride, pool=pool)
        else:
            alone = [
                functional.conv2d(i.movedim(-1, 0), w, b, stride)
                for i, w, b in zip(images, at[1], at[2], strict=True)
            ]
            y = torch.stack([functional.max_pool2d(a, pool).movedim(0, -1) for a in alone])
        directions = [torch.ones_like(a) for a in at]
        return products((y.sin() * y).sum(), at, directions)

    ours = results(x, kernels, biases, True)
    assert_close(ours, results(x.double(), kernels.double(), biases.double(), False))


def test_images_whose_gradient_is_asked_for_have_one() -> None:
    images = torch.randn(5, 1, 2, 2, requires_grad=True)
    indices = torch.tensor([[0, 1, 2, 3, 3, 3, 0, 0]])
    (slope,) = torch.autograd.grad(take_images(images, indices).sum(), images)
    assert slope[:, 0, 0, 0].tolist() == [3, 1, 1, 3, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tanh(torch.zeros(1, 8).double()), "take float32 on the CPU, got float64"),
        (lambda: tanh(torch.zeros(1, 9)), "must be a multiple of 8, got 9"),
        (lambda: convolution(images(15), kernels(), torch.zeros(1, 2)), "multiple of 16"),
        (lambda: convolution(images(16), kernels(9), torch.zeros(1, 2)), "cannot be computed"),
        (lambda: convolution(images(16).half(), kernels(), torch.zeros(1, 2)), "float16"),
        (lambda: take_images(torch.zeros(4, 1, 2, 2), torch.tensor([[4] * 8])), "from 0 to 3"),
        (lambda: take_images(torch.zeros(4, 1, 2, 2), torch.tensor([[0] * 7])), "got 7"),
    ],
)
def test_what_the_loops_cannot_read_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ZooError, match=message):
        call()


def images(batch: int) -> Tensor:
    return torch.zeros(1, 1, 4, 4, batch)


def kernels(size: int = 2) -> Tensor:
    return torch.zeros(1, 2, 1, size, size)


def test_first_derivatives_stay_those_of_the_loops() -> None:
    torch.manual_seed(0)
    for pool, stride in product((1, 2), (1, 2)):
        x, w, b = torch.randn(2, 2, 9, 9, 16), torch.randn(2, 3, 2, 3, 3), torch.randn(2, 3)
        at = [t.requires_grad_() for t in (x, w, b)]
        slopes = [
            torch.autograd.grad(
                convolution(*at, stride=stride, pool=pool).square().sum(), at, create_graph=twice
            )
            for twice in (False, True)
        ]
        for once, again in zip(*slopes, strict=True):
            assert not once.requires_grad
            torch.testing.assert_close(once, again.detach(), rtol=1e-4, atol=1e-3)
