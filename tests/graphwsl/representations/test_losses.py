"""Every loss against its definition, number by number."""

import math

import pytest
import torch
from torch import Tensor

from gnncore.training import TensorBatch
from graphwsl.representations.behaviour import difference
from graphwsl.representations.contrast import nt_xent, positive
from graphwsl.representations.objective import Terms
from graphwsl.representations.weight_errors import LEAST, errors
from tests.graphwsl.representations.representation_cases import fitted, parts


@pytest.fixture
def tokens() -> tuple[Tensor, Tensor, Tensor]:
    """Rebuilt tokens, the target, and where there is a number: padding holds anything."""
    generator = torch.Generator().manual_seed(3)
    rebuilt = torch.randn(3, 4, 5, generator=generator)
    target = 0.3 + 2 * torch.randn(3, 4, 5, generator=generator)
    mask = torch.rand(3, 4, 5, generator=generator) < 0.7
    mask[:, :, 0] = True
    mask[0, 1] = torch.tensor([True, False, False, False, False])  # a token of one number
    return rebuilt, target, mask


def deviation(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


@pytest.mark.parametrize("normalise", ["none", "layer", "batch", "token"])
def test_errors_are_those_of_numbers_that_are_there(
    normalise: str, tokens: tuple[Tensor, Tensor, Tensor]
) -> None:
    rebuilt, target, mask = tokens
    everything = deviation(target[mask].tolist())
    expected = []
    for network in range(3):
        total, count = 0.0, 0
        for token in range(4):
            there = mask[network, token].nonzero()[:, 0].tolist()
            own = deviation([float(target[network, token, n]) for n in there])
            scale = {
                "none": 1.0,
                "layer": 1.0,  # what is read was brought to the scale of layers before
                "batch": everything + LEAST,
                "token": max(own, 0.1 * everything + LEAST),
            }[normalise]
            for n in there:
                total += float(rebuilt[network, token, n] - target[network, token, n]) ** 2 / (
                    scale**2
                )
                count += 1
        expected.append(total / count)
    found = errors(rebuilt, target, mask, normalise)
    torch.testing.assert_close(found, torch.tensor(expected))
    filled = rebuilt.masked_fill(~mask, 1e6), target.masked_fill(~mask, -1e6)
    torch.testing.assert_close(errors(*filled, mask, normalise), found)


def test_both_normalisations_of_several_zoos_are_free_of_units(
    tokens: tuple[Tensor, Tensor, Tensor],
) -> None:
    rebuilt, target, mask = tokens
    for normalise in ("batch", "token"):
        before = errors(rebuilt, target, mask, normalise)
        torch.testing.assert_close(
            errors(50 * rebuilt, 50 * target, mask, normalise), before, rtol=1e-3, atol=0
        )


def test_small_tokens_count_as_much_as_large_ones_where_each_has_its_own_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(1, 2, 50, generator=generator)
    noise = 0.1 * target[:, :, torch.randperm(50, generator=generator)]
    sizes = torch.tensor([1.0, 0.3])[:, None]
    mask = torch.ones(1, 2, 50, dtype=torch.bool)

    def lost(which: int, normalise: str) -> float:
        wrong = target * sizes
        wrong[:, which] += (noise * sizes)[:, which]
        return float(errors(wrong, target * sizes, mask, normalise))

    assert lost(1, "token") > 0.5 * lost(0, "token")
    assert lost(1, "batch") < 0.2 * lost(0, "batch")


def test_the_layerwise_normalised_loss_is_over_the_variance_of_each_layer() -> None:
    """Of all weights and biases of a layer, in all training networks (Schürholt et al., 2022)."""
    made, own = fitted("behavioural"), parts("mlp")
    graph = own.train.architectures[0].graph
    rows, rebuilt = torch.stack(own.test.states), torch.stack(made.reconstruct(own.test).states)
    training = torch.stack(own.train.states)
    expected = torch.zeros(len(rows))
    layers = sorted({name.rpartition(".")[0] for name in graph.state})
    for layer in layers:
        columns = [
            torch.arange(graph.offsets[name], graph.offsets[name] + graph.state[name].numel())
            for name in graph.state
            if name.rpartition(".")[0] == layer
        ]
        index = torch.cat(columns)
        variance = training[:, index].double().var(correction=0)
        expected += ((rows - rebuilt)[:, index].double().square().sum(1) / variance).float()
    expected /= rows.shape[1]
    module = made.module
    assert module is not None
    with torch.no_grad():
        found = module.terms(made._know(own.train.architectures[0]), rows)[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_nt_xent_is_its_definition() -> None:
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.randn(4, 6, generator=generator) for _ in range(2))
    both, temperature = torch.cat([first, second]), 0.3
    losses = []
    for i in range(8):
        partner = (i + 4) % 8
        terms = [
            math.exp(float(torch.cosine_similarity(both[i], both[j], dim=0)) / temperature)
            for j in range(8)
        ]
        others = sum(term for j, term in enumerate(terms) if j != i)
        losses.append(-math.log(terms[partner] / others))
    expected = [(losses[n] + losses[n + 4]) / 2 for n in range(4)]
    torch.testing.assert_close(nt_xent(first, second, temperature), torch.tensor(expected))


def test_contrast_is_least_for_equal_views() -> None:
    generator = torch.Generator().manual_seed(1)
    first, other = (torch.randn(5, 6, generator=generator) for _ in range(2))
    assert bool((nt_xent(first, first, 0.1) < nt_xent(first, other, 0.1)).all())
    torch.testing.assert_close(positive(first, 3 * first), torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(positive(first, -first), torch.full((5,), 2.0))
    alone = nt_xent(first[:1].requires_grad_(), other[:1], 0.1)  # nobody to be told apart from
    assert alone.detach().tolist() == [0.0]


def test_behaviour_is_compared_in_units_of_each_network() -> None:
    generator = torch.Generator().manual_seed(2)
    target = torch.randn(3, 7, 4, generator=generator)
    rebuilt = target + torch.randn(3, 7, 4, generator=generator)
    expected = [
        float((rebuilt[n] - target[n]).square().mean() / target[n].var(correction=0))
        for n in range(3)
    ]
    torch.testing.assert_close(difference(rebuilt, target, "outputs"), torch.tensor(expected))
    scale = torch.tensor([1.0, 10.0, 100.0])[:, None, None]
    torch.testing.assert_close(
        difference(rebuilt * scale, target * scale, "outputs"), torch.tensor(expected)
    )


def test_distillation_is_the_divergence_of_softened_classes() -> None:
    generator = torch.Generator().manual_seed(2)
    target, rebuilt = (torch.randn(2, 5, 3, generator=generator) for _ in range(2))
    p, q = (target / 2).softmax(2), (rebuilt / 2).softmax(2)
    expected = 4 * (p * (p / q).log()).sum(2).mean(1)
    torch.testing.assert_close(difference(rebuilt, target, "distillation"), expected)


def test_terms_are_weighted_and_reported() -> None:
    prediction = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    terms = Terms(("first", "second"), (0.5, 0.1))
    batch = TensorBatch(kind=torch.zeros(2, dtype=torch.int64))
    assert float(terms.loss(prediction, batch)) == pytest.approx(3.0)
    assert terms.metrics(prediction, batch) == {"first": 2.0, "second": 20.0}
