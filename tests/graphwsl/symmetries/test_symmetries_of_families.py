"""Random elements leave the function as it was and move something; the groups have known sizes."""

import pytest
import torch

from graphwsl.neural_graph import NeuralGraph
from graphwsl.symmetries import Symmetries, verify
from tests.graphwsl.network_families import FAMILIES
from tests.graphwsl.network_families import symmetries_of as of

RIGID = {"linear"}
"""Nothing is hidden."""


@pytest.mark.parametrize("name", FAMILIES)
def test_random_elements_keep_the_function(name: str) -> None:
    group = of(name)
    changes = []
    for seed in range(2):
        result = verify(group.random(torch.Generator().manual_seed(seed)))
        assert result.error < 1e-12
        changes.append(result.change)
    assert (max(changes) > 0.2) == (name not in RIGID)


@pytest.mark.parametrize("name", FAMILIES)
def test_permutations_scalings_and_signs_each_keep_the_function(name: str) -> None:
    group = of(name)
    kinds = {"permutations": group.orbits, "scalings": group.positive.allowed.any(),
             "signs": group.sign.allowed.any()}  # fmt: skip
    for kind, present in kinds.items():
        others = {one: one == kind for one in kinds}
        result = verify(group.random(torch.Generator().manual_seed(3), **others))
        assert result.error < 1e-12
        assert bool(result.change) <= bool(present)


@pytest.mark.parametrize("name", ["mlp", "residual", "llama", "vision transformer", "lstm"])
def test_single_precision(name: str) -> None:
    result = verify(of(name, torch.float32).random(torch.Generator().manual_seed(0)))
    assert result.error < 1e-5
    assert result.change > 0.2


SIZES = {
    "mlp": [5, 6],
    "conv2d": [4, 4],
    "groups": [2, 2, 2, 2],  # the two groups read different inputs
    "depthwise": [4, 5],  # a depthwise convolution follows its channel
    "batch norm": [3, 4],
    "group norm": [2, 2, 2, 3],  # within either group, the groups as blocks, the next layer
    "weight norm": [5],
    "spectral norm": [5],  # the vectors of the norm go along
    "spectral norm of a convolution": [3, 4],
    "pruned": [6],
    "residual": [4, 5],  # the stream once, the branch
    "dense net": [3, 4],
    "squeeze excitation": [3, 6],
    "embedding": [5],  # coordinates, never tokens
    "lstm": [4],
    "lstm projected": [3, 4],
    "rnn": [4],
    "gru": [4, 4],
    "lstm stacked": [4, 4, 4, 4],
    # Heads, then for each of the three its two score coordinates and its two value coordinates.
    "attention": [2] * 6 + [3],
    "relative positions": [2] * 6 + [3],
    "alibi": [2] * 6,  # slopes tell heads apart
    "encoder layer": [2] * 6 + [3, 5],
    "decoder layer": [2] * 2 + [3] * 8 + [5],
    # Two pairs of query heads, the pairs, and the coordinates of keys and values of each pair.
    "grouped query": [2] * 7 + [8, 8],
    # Rotation fixes the coordinates of queries and keys; those of values are free.
    "rotary": [2, 4, 4, 8, 8],
    "llama": [2] * 5 + [5, 8],
    "vision transformer": [2] + [4] * 4 + [6, 8],
    "tied": [4],
    "low rank": [2, 6],
    "glu": [3],
    "slice": [2, 2],  # channels that are read, channels that are not
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_the_groups(name: str) -> None:
    assert sorted(len(orbit.nodes) for orbit in of(name).orbits) == sorted(SIZES[name])


def moved(graph: NeuralGraph, group: Symmetries) -> torch.Tensor:
    """Nodes that some orbit moves."""
    nodes = [orbit.nodes.flatten() for orbit in group.orbits]
    return torch.cat(nodes).unique() if nodes else torch.zeros(0, dtype=torch.int64)


@pytest.mark.parametrize("name", FAMILIES)
def test_inputs_outputs_and_tokens_stay_where_they_are(name: str) -> None:
    group = of(name)
    fixed = torch.cat([group.graph.pinned, *(nodes.flatten() for nodes in group.graph.inputs)])
    still = torch.cat([fixed, torch.nonzero(group.graph.is_output).flatten()])
    assert not bool(torch.isin(moved(group.graph, group), still).any())
    element = group.random(torch.Generator().manual_seed(0))
    fixed = still[still >= 0]
    assert torch.equal(element.image[fixed], fixed)
    assert bool((element.factors[fixed] == 1).all())


def test_rotated_coordinates_stay_with_their_frequency() -> None:
    group = of("rotary")
    graph = group.graph
    queries = graph.blocks[1].targets[0]
    assert graph.state["1.query.weight"].numel() == graph.blocks[1].entries.numel()
    for orbit in group.orbits:
        for part in orbit.nodes.tolist():
            positions = [queries.tolist().index(node) for node in part if node in queries]
            assert len(positions) in (0, 4)  # whole heads or none
    drawn = group.random(torch.Generator().manual_seed(0), scalings=False, signs=False)
    before = graph.state["1.query.bias"]
    after = drawn.apply()["1.query.bias"]
    assert torch.equal(after, before) or torch.equal(after, before.roll(4))


@pytest.mark.parametrize(
    ("name", "positive", "sign"),
    [
        ("mlp", 5, 6),  # ReLU then tanh
        ("residual", 9, 0),  # batch norm and ReLU: every channel on either side of the norm
        ("layer norm", 0, 0),
        ("average pool", 4, 4),
        ("max pool", 4, 0),
        ("prelu", 4, 0),  # homogeneous with any slope
        ("prelu of one slope", 4, 0),
        ("lstm", 0, 0),
        ("rnn", 0, 4),
    ],
)
def test_how_many_factors_are_free(name: str, positive: int, sign: int) -> None:
    group = of(name)
    assert int(group.positive.allowed.sum()) == positive
    assert int(group.sign.allowed.sum()) == sign


def test_number_of_permutations() -> None:
    assert of("mlp").log_permutations == pytest.approx(
        torch.lgamma(torch.tensor([6.0, 7.0])).sum().item(), rel=1e-6
    )
