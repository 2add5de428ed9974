"""Weight matching: it undoes permutations, never moves networks apart, and joins trained ones."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from graphwsl.alignment import align
from graphwsl.errors import StateMismatchError
from graphwsl.neural_graph import neural_graph
from graphwsl.symmetries import Symmetries, symmetries


def of(model: nn.Module, *inputs: Tensor) -> Symmetries:
    return symmetries(neural_graph(model.eval(), inputs))


def mlp(width: int = 12) -> nn.Module:
    return nn.Sequential(
        nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 9), nn.ReLU(), nn.Linear(9, 2)
    )


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 4, 5),
    )


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 12)
        self.layer = nn.TransformerEncoderLayer(12, 3, 16, batch_first=True)
        self.head = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.embed(x)).mean(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(3, 10, batch_first=True)
        self.head = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x)[0][:, -1])


NETWORKS = {
    "mlp": (mlp, torch.zeros(1, 3)),
    "cnn": (cnn, torch.zeros(1, 1, 10, 10)),
    "attention": (Attention, torch.zeros(1, 4, 3)),
    "recurrent": (Recurrent, torch.zeros(1, 3, 3)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_permuted_network_is_brought_back_exactly(name: str) -> None:
    torch.manual_seed(0)
    build, x = NETWORKS[name]
    group = of(build(), x)
    drawn = group.random(torch.Generator().manual_seed(1), scalings=False, signs=False)
    result = align(group, drawn.apply(), generator=torch.Generator().manual_seed(2))
    assert result.distance_before > 1
    assert result.distance == 0
    assert all(torch.equal(result.state[key], value) for key, value in group.graph.state.items())


@pytest.mark.parametrize("name", NETWORKS)
def test_other_networks_come_closer_and_keep_their_function(name: str) -> None:
    torch.manual_seed(0)
    build, x = NETWORKS[name]
    group, other = of(build(), x), build().eval()
    result = align(group, other.state_dict())
    assert result.distance < result.distance_before
    flat = group.graph.flat
    difference = flat(result.state) - flat()
    assert float(difference.norm()) == pytest.approx(result.distance, rel=1e-6)
    moved = build().eval()
    moved.load_state_dict(result.state)
    inputs = torch.randn(x.shape)
    assert torch.allclose(moved(inputs), other(inputs), atol=1e-5)


def test_one_hidden_layer_is_matched_as_well_as_can_be() -> None:
    """With a single orbit the assignment is optimal: compared with all permutations."""
    torch.manual_seed(0)

    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))

    group, other = of(build(), torch.zeros(1, 2)), build().state_dict()
    result = align(group, other)
    own = group.graph.flat()
    distances = []
    for order in itertools.permutations(range(5)):
        state = {
            "0.weight": other["0.weight"][list(order)],
            "0.bias": other["0.bias"][list(order)],
            "2.weight": other["2.weight"][:, list(order)],
            "2.bias": other["2.bias"],
        }
        distances.append(float((group.graph.flat(state) - own).norm()))
    assert result.distance == pytest.approx(min(distances))


def test_weights_of_another_architecture_are_refused() -> None:
    group = of(mlp(), torch.zeros(1, 3))
    with pytest.raises(StateMismatchError, match=r"0\.weight"):
        align(group, mlp(13).state_dict())
