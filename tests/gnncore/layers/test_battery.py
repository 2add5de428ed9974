"""Every layer passes the whole battery; no layer is left out."""

import inspect
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

import gnncore.layers
from gnncore.layers import LAYERS, GraphLayer, make_layer
from gnncore.testing import check_layer
from tests import ROOT

# By name of the layer: its channels (in, out, edge) and options, one line a variant.
CASES: dict[str, list[tuple[int, int, int, dict[str, Any]]]] = {
    "arma": [(4, 3, 0, {}), (4, 3, 1, {"num_stacks": 2, "num_layers": 2})],
    "dirac_bianconi": [
        (3, 3, 2, {"num_steps": 3}),
        (3, 3, 2, {"num_steps": 2, "normalize": True}),
        (3, 3, 2, {"num_steps": 2, "degree_power": 0.5}),
    ],
    "dirac_bianconi_semi_implicit": [
        (3, 3, 2, {"num_steps": 3}),
        (3, 3, 2, {"num_steps": 2, "degree_power": 1.0}),
    ],
    "gated_gcn": [(4, 3, 0, {}), (4, 3, 2, {})],
    "gatv2": [(4, 6, 0, {"heads": 2}), (4, 6, 2, {"heads": 3})],
    "gcn": [(4, 3, 0, {}), (4, 3, 1, {})],
    "gcn2": [(4, 4, 0, {"num_layers": 2}), (4, 4, 1, {"shared_weights": False})],
    "gin": [(4, 3, 0, {"train_eps": True})],
    "gine": [(4, 3, 2, {})],
    "gps": [
        (4, 8, 0, {}),
        (8, 8, 2, {"local": "gine", "heads": 2, "norm": "layer_norm"}),
        (8, 8, 0, {"local": None, "attention": "performer", "norm": "graph_norm"}),
        (8, 8, 2, {"local": "relational_transformer", "norm": None, "dropout": 0.5}),
    ],
    "graph": [(4, 3, 0, {}), (4, 3, 1, {"aggr": "max"})],
    "pna": [(4, 3, 0, {}), (4, 4, 2, {"towers": 2})],
    "relational_transformer": [
        (4, 8, 0, {}),
        (8, 8, 3, {"dropout": 0.5}),
        (1, 8, 1, {"heads": 2, "edge_out_channels": 1}),
    ],
    "sage": [(4, 3, 0, {})],
    "sg": [(4, 3, 0, {"K": 2}), (4, 3, 1, {})],
    "tag": [(4, 3, 0, {}), (4, 3, 1, {"K": 2})],
    "transformer": [(4, 6, 0, {"heads": 2}), (4, 6, 2, {"heads": 3, "beta": True})],
}
VARIANTS = [
    pytest.param(name, *case, id=f"{name}-{number}")
    for name, cases in sorted(CASES.items())
    for number, case in enumerate(cases)
]

COMPILE = """
import sys, warnings
warnings.simplefilter("ignore")
import torch
torch.set_num_threads(1)
from tests.gnncore.layers.test_battery import CASES
from gnncore.layers import make_layer
from gnncore.testing import assert_compiles, random_graph
name = sys.argv[1]
in_channels, out_channels, edge_channels, options = CASES[name][-1]
torch.manual_seed(0)
layer = make_layer(name, in_channels, out_channels, edge_channels, **options).double()
assert_compiles(layer, random_graph(12, in_channels, edge_channels))
"""


@pytest.mark.parametrize(
    ("name", "in_channels", "out_channels", "edge_channels", "options"), VARIANTS
)
def test_layer_passes_the_battery(
    name: str, in_channels: int, out_channels: int, edge_channels: int, options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    layer = make_layer(name, in_channels, out_channels, edge_channels, **options)
    # PyG's ARMA operator makes the weights of a second layer even where it has only one.
    unused = ["operator.weight"] if name == "arma" and "num_layers" not in options else []
    check_layer(layer, unused_parameters=unused)


def test_every_registered_layer_is_in_the_battery() -> None:
    assert set(CASES) == set(LAYERS)


def test_every_exported_layer_class_is_in_the_battery() -> None:
    exported = {
        value
        for value in (getattr(gnncore.layers, name) for name in gnncore.layers.__all__)
        if inspect.isclass(value) and issubclass(value, nn.Module) and value is not GraphLayer
    }
    tested = {
        type(make_layer(name, *channels, **options))
        for name, cases in CASES.items()
        for *channels, options in cases
    }
    assert len(exported) >= 5
    assert exported <= tested


def test_every_edge_reading_layer_is_tested_with_edges() -> None:
    for name, cases in CASES.items():
        in_channels, out_channels, _, options = cases[0]
        takes_edges = False
        for channels in (1, 2):
            try:
                make_layer(name, in_channels, out_channels, channels, **options)
                takes_edges = True
            except ValueError:
                continue
        assert takes_edges == any(case[2] > 0 for case in cases), name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES))
def test_layer_compiles_to_the_same_numbers(name: str) -> None:
    # In a process of its own: the compiler cannot read through the shape checks of the tests.
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, name],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
