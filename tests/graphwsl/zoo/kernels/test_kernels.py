"""The compiled loops against torch's own operators, of each model alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from graphwsl.zoo.kernels.convolution import convolution, linear
from graphwsl.zoo.kernels.geometry import Geometry, tiles
from graphwsl.zoo.kernels.images import take_images
from graphwsl.zoo.kernels.tanh import tanh


def reference(x: Tensor, weight: Tensor, bias: Tensor, stride: int, pool: int) -> Tensor:
    """The same of each model, by torch."""
    outputs = []
    for images, w, b in zip(x, weight, bias, strict=True):
        y = functional.conv2d(images.permute(3, 0, 1, 2), w, b, stride=stride)
        y = functional.max_pool2d(y, pool) if pool > 1 else y
        outputs.append(y.permute(1, 2, 3, 0))
    return torch.stack(outputs)


def assert_same_with_gradients(
    x: Tensor, weight: Tensor, bias: Tensor, stride: int, pool: int
) -> None:
    arguments = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    ours = convolution(*arguments, stride=stride, pool=pool)
    theirs = reference(*arguments, stride=stride, pool=pool)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    slopes = torch.randn(ours.shape)
    mine = torch.autograd.grad(ours, arguments, slopes)
    others = torch.autograd.grad(theirs, arguments, slopes)
    for a, b in zip(mine, others, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_convolution_and_its_gradients_are_those_of_torch(data: st.DataObject) -> None:
    models, inputs, outputs = (data.draw(st.integers(1, most)) for most in (3, 3, 5))
    kernel, stride, pool = (data.draw(st.integers(1, most)) for most in (4, 3, 3))
    least = kernel + stride * (pool - 1)
    height, width = (data.draw(st.integers(least, least + 5)) for _ in range(2))
    torch.manual_seed(data.draw(st.integers(0, 100)))
    assert_same_with_gradients(
        torch.randn(models, inputs, height, width, 16),
        torch.randn(models, outputs, inputs, kernel, kernel),
        torch.randn(models, outputs),
        stride,
        pool,
    )


@pytest.mark.parametrize(
    ("inputs", "outputs", "size", "kernel", "stride", "pool"),
    [(1, 8, 28, 5, 1, 2), (8, 6, 12, 5, 1, 2), (6, 4, 4, 2, 1, 1), (16, 16, 13, 3, 2, 1)],
)
def test_the_layers_of_the_published_networks(
    inputs: int, outputs: int, size: int, kernel: int, stride: int, pool: int
) -> None:
    torch.manual_seed(0)
    assert_same_with_gradients(
        torch.randn(2, inputs, size, size, 32),
        torch.randn(2, outputs, inputs, kernel, kernel),
        torch.randn(2, outputs),
        stride,
        pool,
    )


def test_of_equal_values_the_first_wins_as_in_torch() -> None:
    x = torch.zeros(1, 1, 4, 4, 16)
    weight, bias = torch.ones(1, 2, 1, 1, 1), torch.zeros(1, 2)
    assert_same_with_gradients(x, weight, bias, 1, 2)


def test_shared_images_are_read_once_and_give_the_same() -> None:
    torch.manual_seed(0)
    images, weight, bias = (
        torch.randn(1, 2, 9, 9, 16),
        torch.randn(3, 5, 2, 3, 3),
        torch.randn(3, 5),
    )
    shared = convolution(images.expand(3, -1, -1, -1, -1), weight, bias, pool=2)
    assert torch.equal(shared, convolution(images.repeat(3, 1, 1, 1, 1), weight, bias, pool=2))


def test_linear_is_the_layer_of_each_model() -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(3, 7, 32), torch.randn(3, 5, 7), torch.randn(3, 5)
    expected = torch.baddbmm(bias[:, :, None], weight, x)
    torch.testing.assert_close(linear(x, weight, bias), expected)


def test_images_are_taken_with_the_batch_last() -> None:
    images = torch.randn(50, 2, 5, 3)
    indices = torch.randint(0, 50, (3, 24))
    assert torch.equal(take_images(images, indices), images[indices].permute(0, 2, 3, 4, 1))


def test_a_model_does_not_depend_on_the_others() -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(5, 2, 9, 9, 16), torch.randn(5, 3, 2, 3, 3), torch.randn(5, 3)
    together = convolution(x, weight, bias, pool=2)
    alone = [
        convolution(x[m : m + 1], weight[m : m + 1], bias[m : m + 1], pool=2) for m in range(5)
    ]
    assert torch.equal(together, torch.cat(alone))


def test_tiles_cover_all_channels_evenly() -> None:
    assert tiles(8, 3) == [(0, 1, 2), (2, 2, 3)]
    assert tiles(4, 8) == [(0, 1, 4)]
    assert tiles(3, 0) == [(0, 3, 1)]
    for channels, largest in ((17, 5), (20, 4), (1, 8), (24, 7)):
        starts = [
            (start + run * length, length)
            for start, count, length in tiles(channels, largest)
            for run in range(count)
        ]
        assert [c for start, length in starts for c in range(start, start + length)] == list(
            range(channels)
        )
        assert max(length for _, length in starts) <= largest


def test_tanh_is_exact_to_four_units_in_the_last_place() -> None:
    x = torch.cat([torch.linspace(-12, 12, 100_000), torch.tensor([0.0, 1e-30, -1e-8, 30, -30])])
    x = torch.nn.functional.pad(x, (0, -len(x) % 8))[None].requires_grad_()
    y = tanh(x)
    exact = x.detach().double().tanh()
    unit = torch.finfo(torch.float32).eps * exact.abs().clamp(min=1e-38)
    assert ((y - exact).abs() <= 4 * unit).all()
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope, (1 - exact**2).float(), rtol=1e-5, atol=1e-6)


def test_tanh_of_what_is_no_number_is_none() -> None:
    assert tanh(torch.full((1, 8), torch.nan)).isnan().all()


def test_operations_of_the_first_layer_of_the_small_network() -> None:
    one_image = Geometry(1, 8, 28, 28, 5, 1, 2, batch=16).operations / 16
    assert one_image == 2 * 8 * 25 * 24 * 24


def test_parameters_may_be_parts_of_rows() -> None:
    torch.manual_seed(0)
    rows = torch.randn(9, 4 * 64 + 4 + 7)
    x = torch.randn(64, 16).expand(9, 64, 16)
    weight, bias = rows[:, :256].view(9, 4, 64), rows[:, 256:260]
    for _ in range(3):
        expected = torch.einsum("moi,mib->mob", weight, x) + bias[:, :, None]
        torch.testing.assert_close(linear(x, weight, bias), expected, rtol=1e-5, atol=1e-4)
