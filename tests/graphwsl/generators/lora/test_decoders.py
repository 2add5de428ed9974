"""Decoders: the hyper-convolution by loops over numbers, sets of prompts, gradients everywhere."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.generators.lora.decoders import (
    HyperConvolution,
    HyperConvolutionalDecoder,
    PooledDecoder,
)


def convolved(weight: Tensor, x: Tensor) -> Tensor:
    """A convolution along the last two sides, over the first, kernel entry by kernel entry."""
    outputs, _, kernel, _ = weight.shape
    half = kernel // 2
    padded = functional.pad(x, (half, half, half, half))
    found = torch.zeros(outputs, *x.shape[1:])
    for i in range(kernel):
        for j in range(kernel):
            part = padded[:, i : i + x.shape[1], j : j + x.shape[2]]
            found += torch.einsum("oc,chw->ohw", weight[:, :, i, j], part)
    return found


def test_a_hyper_convolution_is_what_its_description_says() -> None:
    torch.manual_seed(0)
    block = HyperConvolution((2, 4, 3), (5, 6, 7), kernel=3)
    nn.init.normal_(block.bias)
    x = torch.randn(2, 4, 3)
    normed = functional.layer_norm(x, (4, 3))

    def of(layer: nn.Module) -> Tensor:
        assert isinstance(layer, nn.Conv2d)
        return layer.weight

    def over_channels(weight: Tensor, image: Tensor) -> Tensor:
        return convolved(weight, image.permute(2, 0, 1)).permute(1, 2, 0)

    def over_words(weight: Tensor, image: Tensor) -> Tensor:
        return convolved(weight, image.permute(1, 0, 2)).permute(1, 0, 2)

    first, second = block.channels_first, block.words_first
    one = over_words(of(first[1]), over_channels(of(first[0]), normed))
    other = over_channels(of(second[1]), over_words(of(second[0]), normed))
    mixed = (one + torch.tanh(other) + block.bias) / 3
    expected = convolved(block.prompts.weight, mixed) + block.prompts.bias[:, None, None]  # type: ignore[index]
    torch.testing.assert_close(block(x[None])[0], expected)


def test_equal_shapes_are_residual() -> None:
    block = HyperConvolution((2, 3, 4), (2, 3, 4), kernel=3)
    for parameter in block.prompts.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(1, 2, 3, 4)
    torch.testing.assert_close(block(x), x)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_pooled_decoders_read_a_set_of_words(pooling: str) -> None:
    torch.manual_seed(0)
    decoder = PooledDecoder((3, 4, 5), (2, 6, 7), width=8, pooling=pooling)  # type: ignore[arg-type]
    x = torch.randn(2, 3, 4, 5)
    x[:, :, 3] = 0.0  # no word
    expected = decoder(x)
    assert expected.shape == (2, 2, 6, 7)
    torch.testing.assert_close(decoder(x.flip(1)), expected)
    torch.testing.assert_close(decoder(x.flip(2)), expected)
    torch.testing.assert_close(decoder(x[:, :, :3]), expected)


@pytest.mark.parametrize(
    "decoder",
    [
        HyperConvolutionalDecoder((2, 3, 4), (3, 4, 5), [(2, 3, 4), (3, 3, 4)], kernel=3),
        PooledDecoder((2, 3, 4), (3, 4, 5), width=8),
        PooledDecoder((2, 3, 4), (3, 4, 5), width=8, pooling="attention"),
    ],
)
def test_all_parameters_are_learnt(decoder: nn.Module) -> None:
    torch.manual_seed(0)
    decoder(torch.randn(2, 2, 3, 4)).square().sum().backward()
    without = [
        name for name, parameter in decoder.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]  # fmt: skip
    assert without in ([], ["keys.bias"])  # a shift of all keys changes no attention
