"""``graphwsl graph`` and the picture: the numbers are those of the graph, errors are one line."""

import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import Result
from torch import nn
from typer.testing import CliRunner

import graphwsl.symmetries as package
from gnncore.figures import save_figure
from graphwsl.cli import app
from graphwsl.neural_graph import neural_graph
from graphwsl.neural_graph.picture import draw
from graphwsl.symmetries import Verification
from tests.graphwsl.network_families import network


def factory() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return network("residual")


def alone() -> nn.Module:
    return nn.Linear(3, 2)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["graph", *arguments], env={"COLUMNS": "80"})


NAME = f"{__name__}:factory"


def test_json_is_what_the_graph_says() -> None:
    result = run(NAME, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    graph = neural_graph(*factory())
    assert (found["nodes"], found["weights"]) == (graph.num_nodes, graph.num_weights)
    assert found["mapped"] == found["parameters"] == graph.num_parameters
    sizes = {
        row["name"]: row["on_edges"] + row["at_nodes"] + row["unread"] for row in found["tensors"]
    }
    assert sizes == {name: tensor.numel() for name, tensor in graph.state.items()}
    assert sorted(parts for parts, _ in found["symmetries"]["orbits"]) == [4, 5]
    assert found["check"]["error"] < 1e-5
    assert found["check"]["change"] > 0.5


def test_tables() -> None:
    by_operator, by_tensor = run(NAME, "--skip-symmetries"), run(NAME, "--tensors")
    assert "addmm" in by_operator.stdout
    assert "symmetries" not in by_operator.stdout
    assert "head.weight (3, 4)" in by_tensor.stdout
    assert "100.00%" in by_tensor.stdout
    assert "the function is unchanged" in by_tensor.stdout


def test_a_changed_function_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "verify", lambda *_, **__: Verification(0.5, 1.0))
    result = run(NAME)
    assert result.exit_code == 1
    assert "the function is CHANGED" in result.stdout


def test_of_what_is_not_finite_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "verify", lambda *_, **__: Verification(math.inf, 1.0))
    result = run(NAME)
    assert result.exit_code == 1
    assert "nothing can be said, weights or outputs are not finite" in result.stdout


def test_shapes_that_a_factory_leaves_open() -> None:
    assert run(f"{__name__}:alone", "--shape", "input=4,3").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.onnx"], "missing.onnx"),
        (["nothing"], "neither a file that ends in .onnx nor of the form"),
        ([f"{__name__}:absent"], "absent"),
        ([f"{__name__}:alone", "--shape", "input=four"], "'input=four'"),
        ([NAME, "--skip-symmetries", "--picture", "graph.gif"], "'graph.gif'"),
    ],
)
def test_errors_are_one_line_and_code_2(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("graphwsl: ")
    assert result.stderr.count("\n") == 1


def test_pictures_of_equal_graphs_have_equal_bytes(tmp_path: Path) -> None:
    graph = neural_graph(*factory())
    for name in ("one.svg", "two.svg", "one.png", "two.png"):
        save_figure(draw(graph), tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_every_weight_is_a_line_of_its_sign() -> None:
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 4.0], [-5.0, 6.0]]))
    (axes,) = draw(neural_graph(model, torch.zeros(1, 2))).axes
    first = axes.collections[0]
    assert len(first.get_segments()) == 6
    colours = [tuple(colour[:3]) for colour in first.get_colors()]
    assert len(set(colours)) == 2
    negative = colours[1]
    assert [colour == negative for colour in colours] == [False, True, False, False, True, False]
    widths = list(first.get_linewidths())
    assert sorted(range(6), key=lambda i: widths[i]) == list(range(6))


def test_large_layers_are_bars() -> None:
    model = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 3))
    (axes,) = draw(neural_graph(model, torch.zeros(1, 2))).axes
    assert (
        sum(
            len(lines.get_segments())
            for lines in axes.collections
            if hasattr(lines, "get_segments")
        )
        == 2
    )
    assert len(axes.lines) == 1
    assert [text.get_text() for text in axes.texts] == ["2", "100", "3"]
