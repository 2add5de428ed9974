"""Published architectures as specifications, with their parameters counted by hand."""

from itertools import pairwise
from typing import Any

import pytest

from gnncore.models import GraphModel, ModelSpecification


def num_parameters(**values: Any) -> int:
    return GraphModel(ModelSpecification(**values)).num_parameters


def tag(channels: list[int], hops: list[int]) -> int:
    """Σ (K + 1) C_in C_out + C_out."""
    pairs = zip(pairwise(channels), hops, strict=True)
    return sum((k + 1) * inputs * outputs + outputs for (inputs, outputs), k in pairs)


@pytest.mark.parametrize(
    ("layers", "channels", "hops", "expected"), [(7, 25, 4, 16_328), (9, 10, 4, 3_843)]
)
def test_tag_of_the_reproduction(layers: int, channels: int, hops: int, expected: int) -> None:
    """K = 4 throughout, batch norm after every layer, no linear layer at the end."""
    widths = [channels] * (layers - 1) + [1]
    assert tag([1, *widths], [hops] * layers) + 2 * sum(widths) == expected
    actual = num_parameters(
        in_channels=1,
        edge_channels=1,
        layer="tag",
        layer_options={"K": hops},
        hidden_channels=widths,
        normalisation="batch_norm",
        head="identity",
        output="sigmoid",
    )
    assert actual == expected


def test_tag_net_13() -> None:
    channels = [1, 71, 26, 132, 67, 128, 81, 56, 40, 30, 62, 141, 48, 1]
    hops = [6, 4, 7, 6, 10, 1, 9, 2, 2, 2, 10, 5, 9]
    actual = num_parameters(
        in_channels=1,
        edge_channels=1,
        layer="tag",
        layer_options=[{"K": k} for k in hops],
        hidden_channels=channels[1:],
        normalisation=["batch_norm"] * 12 + ["identity"],
        activation=["relu"] * 12 + ["identity"],
        head="identity",
        output="sigmoid",
    )
    assert actual == tag(channels, hops) + 2 * sum(channels[1:-1])


def test_gcn_net_03() -> None:
    """Weights and biases 1-16-4-1, batch norm of 16 and 4, Linear(1, 1)."""
    actual = num_parameters(
        in_channels=1,
        edge_channels=1,
        layer="gcn",
        hidden_channels=[16, 4, 1],
        normalisation=["batch_norm", "batch_norm", "identity"],
        output="sigmoid",
    )
    assert actual == (16 + 16) + (16 * 4 + 4) + (4 + 1) + 2 * (16 + 4) + (1 + 1)


def test_arma_bench() -> None:
    """Per stack one initial and one recurrent matrix (shared weights) and a root matrix."""
    stacks, layers = 3, 4
    options = {"num_stacks": stacks, "num_layers": layers, "shared_weights": True, "dropout": 0.25}
    actual = num_parameters(
        in_channels=1,
        edge_channels=1,
        layer="arma",
        layer_options=[options, options | {"act": None}],
        hidden_channels=[16, 1],
        normalisation=["batch_norm", "identity"],
        activation=["relu", "identity"],
        dropout=[0.5, 0.0],
        head="identity",
        output="sigmoid",
    )

    def arma(inputs: int, outputs: int) -> int:
        return stacks * (inputs * outputs + outputs * outputs + inputs * outputs + outputs)

    assert actual == arma(1, 16) + 2 * 16 + arma(16, 1)


def test_dirac_bianconi_network_for_peptides() -> None:
    """Two layers of 113 and 109 channels; skips start from the 9 and 3 raw features."""
    nodes, edges, node_features, edge_features, targets = 113, 109, 9, 3, 11
    layer = 2 * nodes * edges + nodes**2 + edges**2
    encoder = (node_features + 1) * nodes + (edge_features + 1) * edges
    skips = (node_features + nodes + 1) * nodes + (edge_features + edges + 1) * edges
    expected = 2 * layer + encoder + skips + (nodes + 1) * targets
    assert expected == 127_604
    actual = num_parameters(
        in_channels=node_features,
        edge_channels=edge_features,
        out_channels=targets,
        layer="dirac_bianconi",
        layer_options={"num_steps": 68, "act": "leaky_relu", "delta": 1e-4},
        hidden_channels=nodes,
        hidden_edge_channels=edges,
        num_layers=2,
        activation="identity",
        encoder="linear",
        skip="input",
        pooling="mean",
    )
    assert actual == expected


def test_tuned_gcn_for_peptides() -> None:
    """Six residual layers of 235 channels and a head of three linear layers."""
    channels, encoding, targets = 235, 20, 10
    expected = (
        (9 + encoding + 1) * channels
        + 6 * (channels * channels + channels + 2 * channels)
        + 2 * (channels + 1) * channels
        + (channels + 1) * targets
    )
    actual = num_parameters(
        in_channels=9,
        out_channels=targets,
        layer="gcn",
        hidden_channels=channels,
        num_layers=6,
        normalisation="batch_norm",
        activation="gelu",
        dropout=0.1,
        skip="residual",
        encoder="linear",
        encoding={"kind": "random_walk", "steps": encoding},
        head={"hidden": [channels, channels], "activation": "gelu"},
        pooling="mean",
    )
    assert actual == expected
