"""Tokens of low-rank pairs: their layout by a slow oracle, and the way back."""

import math

import pytest
import torch
from torch import Tensor

from graphwsl.errors import GraphwslError
from graphwsl.generators.lora import TokenShapes, detokenize, tokenize
from graphwsl.generators.lora.low_rank import Pairs
from tests.graphwsl.generators.lora.lora_cases import random_pairs

# Qwen2.5-0.5B: 896 hidden channels, 128 of keys and values, 4864 of the perceptron, 24 layers.
PUBLISHED = {
    "q_proj": (896, 896),
    "k_proj": (896, 128),
    "v_proj": (896, 128),
    "o_proj": (896, 896),
    "up_proj": (896, 4864),
    "gate_proj": (896, 4864),
    "down_proj": (4864, 896),
}


def published(layers: int, scale: float = 0.02) -> Pairs:
    generator = torch.Generator().manual_seed(0)
    return {
        f"layers.{number}.{name}": (
            scale * torch.randn(8, inputs, generator=generator),
            scale * torch.randn(outputs, 8, generator=generator),
        )
        for number in range(layers)
        for name, (inputs, outputs) in PUBLISHED.items()
    }


def test_the_published_base_has_the_published_number_of_tokens() -> None:
    shapes = {
        f"layers.{number}.{name}": (8, *both)
        for number in range(24)
        for name, both in PUBLISHED.items()
    }
    known = TokenShapes(shapes)
    assert (len(known.chunks), *known.token_shape) == (4296, 10, 130)


@pytest.mark.parametrize("scale", [1e-6, 0.02, 30.0])
def test_tokens_of_every_published_shape_come_back_exactly(scale: float) -> None:
    pairs = published(1, scale)
    tokens = tokenize(pairs)
    assert tokens.shape == (179, 10, 130)
    for name, both in detokenize(tokens, pairs).items():
        for found, expected in zip(both, pairs[name], strict=True):
            assert found.shape == expected.shape
            assert float((found - expected).abs().max()) <= 3e-7 * float(expected.abs().max())


def oracle(matrix: Tensor, width: int, rank: int) -> list[Tensor]:
    """Tokens of one matrix, number by number."""
    found = []
    for begin in range(0, matrix.shape[1], width):
        chunk = matrix[:, begin : begin + width].double()
        numbers = chunk.flatten().tolist()
        mean = sum(numbers) / len(numbers)
        deviation = math.sqrt(sum((one - mean) ** 2 for one in numbers) / len(numbers))
        token = torch.full((rank + 2, width + 2), torch.nan, dtype=torch.float64)
        for row in range(chunk.shape[0]):
            for column in range(chunk.shape[1]):
                token[row, column] = (chunk[row, column] - mean) / deviation
        for place, value in enumerate((mean * 8, math.log(deviation * 0.9 + 0.1) + 1.6)):
            token[rank + place, :] = value
            token[:rank, width + place] = value
        found.append(token)
    return found


def test_tokens_are_those_of_a_slow_oracle() -> None:
    pairs = {**random_pairs(None, rank=2), "last": (torch.randn(3, 4), torch.randn(9, 3))}
    expected = [token for a, b in pairs.values() for m in (a, b.T) for token in oracle(m, 4, 3)]
    torch.testing.assert_close(
        tokenize(pairs, width=4).double(), torch.stack(expected), rtol=1e-5, atol=1e-5,
        equal_nan=True,
    )  # fmt: skip


def test_networks_are_cut_one_by_one() -> None:
    pairs = random_pairs(3)
    tokens = tokenize(pairs, width=4)
    for number in range(3):
        own = {name: (a[number], b[number]) for name, (a, b) in pairs.items()}
        torch.testing.assert_close(tokens[number], tokenize(own, width=4), equal_nan=True)
    back = detokenize(tokens, TokenShapes.of(pairs, 4))
    torch.testing.assert_close(back, {n: tuple(both) for n, both in pairs.items()})


def test_matrices_that_do_not_vary_come_back() -> None:
    pairs = {"layer": (torch.full((2, 6), 0.25), torch.zeros(4, 2))}
    a, b = detokenize(tokenize(pairs, width=4), pairs)["layer"]
    torch.testing.assert_close(a, pairs["layer"][0], rtol=0, atol=1e-8)
    torch.testing.assert_close(b, pairs["layer"][1], rtol=0, atol=1e-8)


def test_scales_that_differ_are_averaged() -> None:
    pairs = random_pairs(None)
    tokens = tokenize(pairs, width=6)
    shifted = tokens.clone()
    count = shifted.shape[-1] + 2  # the row of the mean and its column
    shifted[:, 2, 0] += count * 8 * 0.5
    found, expected = (detokenize(one, TokenShapes.of(pairs, 6)) for one in (shifted, tokens))
    for name, (a, b) in expected.items():
        torch.testing.assert_close(found[name][0], a + 0.5, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found[name][1], b + 0.5, rtol=1e-4, atol=1e-4)


def test_the_way_back_has_gradients() -> None:
    pairs = random_pairs(None)
    tokens = tokenize(pairs, width=6).nan_to_num().requires_grad_()
    shapes = TokenShapes.of(pairs, 6)
    sum(a.sum() + b.sum() for a, b in detokenize(tokens, shapes).values()).backward()  # type: ignore[union-attr]
    assert tokens.grad is not None
    assert bool((tokens.grad[shapes.mask][:, None] != 0).all())


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({}, "no pairs"),
        ({"a": (torch.ones(2, 3), torch.ones(4, 3))}, "'a' must be of shapes"),
    ],
)
def test_what_are_no_pairs_is_refused(pairs: object, message: str) -> None:
    with pytest.raises(GraphwslError, match=message):
        tokenize(pairs)  # type: ignore[arg-type]


def test_tokens_of_other_pairs_are_refused() -> None:
    tokens = tokenize(random_pairs(None), width=6)
    with pytest.raises(GraphwslError, match=r"have tokens of shape \(4, 4, 8\), got \(3, 4, 8\)"):
        detokenize(tokens[:3], TokenShapes.of(random_pairs(None), 6))
    with pytest.raises(GraphwslError, match="must be numbers"):
        detokenize(torch.full_like(tokens, torch.nan), TokenShapes.of(random_pairs(None), 6))
