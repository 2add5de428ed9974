"""Losses at their limits and by other formulas, what identifies them, and latents of any shape."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gnncore.training import TensorBatch
from graphwsl.errors import RepresentationError
from graphwsl.representations.checks import stacked_latents
from graphwsl.representations.contrast import nt_xent, positive
from graphwsl.representations.objective import Terms, fingerprint
from graphwsl.representations.settings import RepresentationSettings, TokenSettings
from graphwsl.representations.weight_errors import LEAST, errors


def views(networks: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(networks)
    first, second = (torch.randn(networks, 6, generator=generator) for _ in range(2))
    return first, first + second


@pytest.mark.parametrize("networks", [2, 5])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_nt_xent_is_the_cross_entropy_of_a_matrix_without_its_diagonal(
    networks: int, temperature: float
) -> None:
    first, second = views(networks)
    both = torch.cat([first, second]).double()
    logits, labels = torch.zeros(2 * networks, 2 * networks - 1).double(), []
    for row in range(2 * networks):
        others = [column for column in range(2 * networks) if column != row]
        for place, column in enumerate(others):
            product = both[row] @ both[column] / (both[row].norm() * both[column].norm())
            logits[row, place] = product / temperature
        labels.append(others.index((row + networks) % (2 * networks)))
    expected = functional.cross_entropy(logits, torch.tensor(labels)).float()
    found = nt_xent(first, second, temperature)
    torch.testing.assert_close(found.mean(), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("loss", [lambda a, b: nt_xent(a, b, 0.2), positive])
def test_contrast_knows_neither_sizes_nor_orders_nor_which_view_is_first(loss: Any) -> None:
    first, second = views(6)
    expected = loss(first, second)
    sizes = torch.arange(1, 7)[:, None]
    torch.testing.assert_close(loss(second, first), expected)
    torch.testing.assert_close(loss(sizes * first, second / sizes), expected)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss(first[order], second[order]), expected[order])
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))[0]
    torch.testing.assert_close(loss(first @ rotation, second @ rotation), expected)


def test_networks_that_look_alike_cost_the_logarithm_of_their_number() -> None:
    same = torch.ones(4, 3)
    expected = torch.full((4,), 7.0).log()
    torch.testing.assert_close(nt_xent(same, same, 0.1), expected)
    torch.testing.assert_close(positive(same, same), torch.zeros(4), atol=1e-6, rtol=0)


@pytest.mark.parametrize("normalise", ["none", "batch", "token"])
def test_errors_of_degenerate_tokens_are_finite(normalise: str) -> None:
    target = torch.zeros(3, 2, 4)
    target[2] = torch.tensor([[5.0], [-5.0]])  # equal numbers within a token
    mask = torch.ones(3, 2, 4, dtype=torch.bool)
    mask[0] = False  # a network of padding alone
    found = errors(target + 0.5, target, mask, normalise)
    spread = (200 / 16 - 0.0) ** 0.5
    scale = {"none": 1.0, "batch": spread + LEAST, "token": 0.1 * spread + LEAST}[normalise]
    expected = torch.tensor([0.0, 1.0, 1.0]) * (0.5 / scale) ** 2
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)
    equal = errors(0 * target + 1, 0 * target, mask, normalise)  # nothing varies at all
    least = 1.0 if normalise == "none" else LEAST
    torch.testing.assert_close(equal[1:], torch.full((2,), least**-2), rtol=1e-3, atol=0)


def test_terms_weigh_columns_and_count_networks() -> None:
    terms = Terms(("first", "second"), (0.25, 2.0))
    prediction = torch.tensor([[1.0, 3.0], [2.0, 5.0], [6.0, 1.0]], requires_grad=True)
    batch = TensorBatch(kind=torch.zeros(3, dtype=torch.int64))
    loss = terms.loss(prediction, batch)
    assert float(loss.detach()) == pytest.approx(sum([6.25, 10.5, 3.5]) / 3)
    loss.backward()
    assert prediction.grad is not None
    torch.testing.assert_close(prediction.grad, torch.tensor([[0.25, 2.0]]).expand(3, 2) / 3)
    assert float(terms.size(batch)) == 3
    assert not terms.maximise


def test_a_fingerprint_changes_with_all_that_a_loss_depends_on_but_the_device() -> None:
    settings, inputs = TokenSettings(), torch.arange(12.0).view(3, 4)
    own = fingerprint("sane", settings, inputs)
    assert fingerprint("sane", settings.replaced(device="cuda"), inputs.clone()) == own
    strided = inputs.t().contiguous().t()
    assert fingerprint("sane", settings, strided) == own
    others: list[tuple[str, RepresentationSettings, Tensor | None]] = [
        ("behavioural", settings, inputs),
        ("sane", settings.replaced(noise=0.1), inputs),
        ("sane", settings.replaced(blocks=3), inputs),
        ("sane", settings, None),
        ("sane", settings, inputs.view(4, 3)),
        ("sane", settings, inputs.double()),
        ("sane", settings, inputs.flip(0)),
    ]
    found = {own, *(fingerprint(*other) for other in others)}
    assert len(found) == len(others) + 1


def test_latents_are_stacked_from_a_tensor_or_a_sequence() -> None:
    latents = torch.randn(3, 2, 5, dtype=torch.float64)
    for given in (latents, [*latents], tuple(latents)):
        found = stacked_latents(given, torch.Size([2, 5]))
        assert torch.equal(found, latents.float())
    assert stacked_latents([], torch.Size([2, 5])).shape == (0, 2, 5)


@pytest.mark.parametrize(
    ("latents", "message"),
    [
        (torch.zeros(2, 5), "latents of shape \\(2, 5\\); .* \\(networks, 2, 5\\)"),
        (torch.zeros(1, 5, 2), "latents of shape \\(1, 5, 2\\)"),
        ([torch.zeros(2, 5), torch.zeros(3, 5)], "latents of shape \\(3, 5\\)"),
        (torch.zeros(1, 2, 5, dtype=torch.int64), "cannot decode "),
    ],
)
def test_other_latents_are_refused(latents: Any, message: str) -> None:
    with pytest.raises(RepresentationError, match=message):
        stacked_latents(latents, torch.Size([2, 5]))
