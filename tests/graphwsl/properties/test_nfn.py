"""The equivariant map commutes with permutations, and hears what its formula says."""

import itertools
from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from graphwsl.errors import PredictorError
from graphwsl.neural_graph import neural_graph
from graphwsl.populations.population import Architecture
from graphwsl.properties.predictors.nfn import NFN, Chain, Features, PermutationEquivariant

SIZES, CHANNELS = (3, 5, 4, 2), 2
"""Neurons from layer to layer, the inputs first."""


def features(networks: int = 2) -> Features:
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(networks, neurons, inputs, CHANNELS, generator=generator),
         torch.randn(networks, neurons, CHANNELS, generator=generator))
        for inputs, neurons in itertools.pairwise(SIZES)
    ]  # fmt: skip


@cache
def equivariant() -> PermutationEquivariant:
    torch.manual_seed(0)
    return PermutationEquivariant(len(SIZES) - 1, CHANNELS, 3)


def permuted(features: Features, orders: list[Tensor]) -> Features:
    """Every layer's neurons in another order, the inputs' too."""
    return [
        (weight[:, orders[number + 1]][:, :, orders[number]], bias[:, orders[number + 1]])
        for number, (weight, bias) in enumerate(features)
    ]


def test_it_commutes_with_all_permutations() -> None:
    orders = [torch.arange(size).roll(1) for size in SIZES]
    first = equivariant()(permuted(features(), orders))
    second = permuted(equivariant()(features()), orders)
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one[0], other[0], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(one[1], other[1], rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_a_weight_hears_what_shares_a_neuron_with_it() -> None:
    given = features(1)
    found = equivariant()(given)
    weights, biases = [w[0] for w, _ in given], [b[0] for _, b in given]
    everything = torch.cat([*(w.mean((0, 1)) for w in weights), *(b.mean(0) for b in biases)])
    layer = equivariant()
    for number, (weight, bias) in enumerate(found):
        for row in range(SIZES[number + 1]):
            neuron = [weights[number][row].mean(0), biases[number][row]]
            if number + 1 < len(weights):
                neuron.append(weights[number + 1][:, row].mean(0))
            own = torch.cat(neuron)
            expected = layer.bias[number](own) + layer.bias_overall[number](everything)
            torch.testing.assert_close(bias[0, row], expected, rtol=1e-4, atol=1e-6)
            for column in range(SIZES[number]):
                source = [weights[number][:, column].mean(0)]
                if number:
                    source += [weights[number - 1][column].mean(0), biases[number - 1][column]]
                expected = (
                    layer.itself[number](weights[number][row, column])
                    + layer.by_input[number](torch.cat(source))
                    + layer.by_neuron[number](own)
                    + layer.overall[number](everything)
                )
                torch.testing.assert_close(weight[0, row, column], expected, rtol=1e-4, atol=1e-6)


def architecture(module: nn.Module, inputs: Tensor) -> Architecture:
    return Architecture(neural_graph(module.eval(), inputs), "own")


def test_the_chain_of_a_perceptron_is_its_matrices() -> None:
    module = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    found = Chain.of(architecture(module, torch.zeros(1, 3)))
    assert len(found.weights) == len(found.biases) == 2
    row = torch.cat([p.detach().flatten() for p in module.parameters()])
    for number, layer in enumerate((module[0], module[2])):
        assert torch.equal(row[found.weights[number]][:, :, 0], layer.weight)
        assert torch.equal(row[found.biases[number]], layer.bias)


def test_positions_of_kernels_and_feature_maps_are_weights_between_the_same_neurons() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4))
    found = Chain.of(architecture(module, torch.zeros(1, 2, 3, 3)))
    row = torch.cat([p.detach().flatten() for p in module.parameters()])
    convolution, linear = (row[entries] for entries in found.weights)
    assert torch.equal(convolution, module[0].weight.flatten(2))
    # Four positions of each of three channels.
    assert torch.equal(linear, module[3].weight.unflatten(1, (3, 4)))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x))
        return self.head(x + torch.tanh(self.second(x)))


OTHERS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "branches": lambda: (Residual(), torch.zeros(1, 3)),
    "groups": lambda: (
        nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 1, groups=2)),
        torch.zeros(1, 2, 3, 3),
    ),
    "normalisation": lambda: (
        nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)),
        torch.zeros(1, 3),
    ),
    "no bias": lambda: (
        nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2)),
        torch.zeros(1, 3),
    ),
    "no weights": lambda: (nn.Flatten(), torch.zeros(1, 3)),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_chain_is_refused(case: str) -> None:
    with pytest.raises(PredictorError, match="'own' is not; choose a predictor that reads neural"):
        Chain.of(architecture(*OTHERS[case]()))


def test_scales_are_root_mean_squares_of_layers() -> None:
    module = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    chain = Chain.of(architecture(module, torch.zeros(1, 3)))
    states = torch.randn(7, 32, generator=torch.Generator().manual_seed(0))
    states[:, chain.biases[1]] = 0
    network = NFN([list(w.shape) for w in chain.weights], 4, 1, 8, 1, 0.0)
    network.chain = chain
    network.fit_scales(states)
    for number, entries in enumerate(chain.weights):
        expected = states[:, entries.flatten()].square().mean().sqrt()
        torch.testing.assert_close(network.weight_scale[number], expected)
    expected = states[:, chain.biases[0]].square().mean().sqrt()
    assert network.bias_scale.tolist() == pytest.approx([float(expected), 1.0])
    # In those units a population and one that is ten times larger look alike.
    network.eval()
    before = network(states)
    network.fit_scales(10 * states)
    torch.testing.assert_close(network(10 * states), before, rtol=1e-4, atol=1e-5)
