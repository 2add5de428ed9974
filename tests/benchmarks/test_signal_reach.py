"""How far a signal carries: exact labels, models that see so far and no farther, honest tables."""

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from typer import BadParameter

from benchmarks import signal_reach
from benchmarks.graph_tasks import training
from benchmarks.graph_tasks.contestants import CARRIERS, CONTESTANTS, reaching, specification
from benchmarks.graph_tasks.reach import cell_text
from benchmarks.graph_tasks.signals import NODES, SHAPES, explained, signal_task
from benchmarks.graph_tasks.task import GraphTask, Split
from benchmarks.graph_tasks.training import Cell, settings_of
from gnncore.errors import TrainingError
from gnncore.models import GraphModel
from gnncore.training import fit

FEW: dict[Split, int] = {"train": 6, "valid": 2, "test": 4}


def shells(task: GraphTask, split: Split, distances: range) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the nodes at each distance, by networkx, and labels, of all nodes with a label."""
    rows, labels = [], []
    for graph in task.stores[split]:
        network = nx.Graph(graph.edge_index.T.tolist())
        for node in graph.y_mask.ravel().nonzero().ravel().tolist():
            lengths = nx.single_source_shortest_path_length(network, node)
            rows.append(
                [
                    sum(float(graph.x[other]) for other in lengths if lengths[other] == distance)
                    for distance in distances
                ]
            )
            labels.append(float(graph.y[node]))
    return np.array(rows), np.array(labels)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("distance", [1, 3, 7])
def test_labels_are_those_of_networkx(shape: str, distance: int) -> None:
    task = signal_task(shape, distance, FEW, seed=1)
    for graph in task.stores["train"]:
        network = nx.Graph(graph.edge_index.T.tolist())
        assert NODES[0] <= len(network) == graph.num_nodes <= NODES[1]
        ring = nx.cycle_graph(len(network))
        assert nx.is_tree(network) if shape == "tree" else nx.is_isomorphic(network, ring)
        assert set(graph.x.unique().tolist()) == {-1.0, 1.0}
        for node in network:
            lengths = nx.single_source_shortest_path_length(network, node)
            shell = [float(graph.x[other]) for other in lengths if lengths[other] == distance]
            assert bool(graph.y_mask[node]) == bool(shell)
            if shell:
                assert float(graph.y[node]) == pytest.approx(np.mean(shell), abs=1e-6)
    labels = task.stores["test"].tensors["y"]
    assert explained(labels, task.stores["test"]) == 1
    assert explained(labels.mean().expand_as(labels), task.stores["test"]) < 0.001


def test_nearer_nodes_say_nothing_and_those_at_the_distance_everything() -> None:
    task = signal_task("ring", 4, {"train": 60, "valid": 1, "test": 30}, seed=3)
    found = []
    for seen in (range(4), range(5)):
        (x, y), (x_test, y_test) = (shells(task, split, seen) for split in ("train", "test"))
        weights, *_ = np.linalg.lstsq(x, y, rcond=None)
        found.append(1 - ((x_test @ weights - y_test) ** 2).sum() / y_test.var() / len(y_test))
    assert found[0] < 0.01
    assert found[1] == pytest.approx(1)


def test_graphs_are_those_of_their_seed_at_every_distance() -> None:
    one = signal_task("tree", 2, FEW, seed=1)
    other = signal_task("tree", 5, {"train": 6, "valid": 9, "test": 4}, seed=1)
    for split in ("train", "test"):
        for key in ("x", "edge_index"):
            here, there = one.stores[split].tensors[key], other.stores[split].tensors[key]
            assert torch.equal(here, there)
    assert (
        one.stores["train"].content_hash
        == signal_task("tree", 2, FEW, seed=1).stores["train"].content_hash
    )
    different = signal_task("tree", 2, FEW, seed=2)
    assert one.stores["train"].content_hash != different.stores["train"].content_hash


@pytest.mark.parametrize("name", [*CONTESTANTS, *CARRIERS])
def test_models_see_as_far_as_asked(name: str) -> None:
    """What a node says moves predictions within the reach of a model, and none beyond."""
    distance = 3
    task = signal_task("ring", distance, FEW, seed=2)
    torch.manual_seed(0)
    chosen = specification(name, task, 9000, **reaching(name, distance))
    model = GraphModel(chosen).double().eval()
    assert model.num_parameters <= 9000
    graph = next(iter(task.stores["train"]))
    x = graph.x.double().requires_grad_()
    model(x, graph.edge_index, graph.edge_attr.double())[0].sum().backward()
    assert x.grad is not None
    far = nx.single_source_shortest_path_length(nx.Graph(graph.edge_index.T.tolist()), 0)
    semi_implicit = chosen.layer == "dirac_bianconi_semi_implicit"
    # TAG has at least two layers of three edges each, and attention sees everything.
    reach = graph.num_nodes if name == "GPS" else 6 if semi_implicit or name == "TAG" else distance
    moved = x.grad.abs().sum(1) > 0
    assert moved.tolist() == [far[node] <= reach for node in range(graph.num_nodes)]


def test_a_model_that_does_not_see_so_far_is_at_chance(tmp_path: Path) -> None:
    task = signal_task("ring", 3, {"train": 60, "valid": 20, "test": 40}, seed=0)
    scores = []
    for layers in (2, 3):
        chosen = specification("GatedGCN", task, 8000, num_layers=layers)
        settings = settings_of(12, 8).model_copy(update={"learning_rate": 0.01})
        result = Cell("GatedGCN", chosen, settings).run(task, tmp_path)
        assert result is not None
        scores.append(result["test"])
    assert scores[0] < 0.05
    assert scores[1] > 0.5


def run(out: Path, **options: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"models": "GCN", "shapes": "ring", "distances": "1,2"}
    values |= {"seeds": 2, "epochs": 1, "rates": "0.003", "parameters": 3000, "graphs": 8}
    signal_reach.main(**values | options, out=out / "cells", json=out / "result.json")
    return json.loads((out / "result.json").read_text(encoding="utf-8"))


def test_the_table_and_the_picture_hold_every_model_and_distance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"models": "DBGNN,GCN", "steps": "1,2", "shapes": "ring,tree"}
    result = run(tmp_path, **options, picture=tmp_path / "reach.png")
    assert (tmp_path / "reach.png").stat().st_size > 1000
    assert list(result["measured"]) == ["ring-1", "ring-2", "tree-1", "tree-2"]
    for table, shape in zip(result["tables"], SHAPES, strict=True):
        assert table["columns"] == ["model", "1", "2"]
        assert [row[0] for row in table["rows"]] == ["DBGNN x1", "DBGNN x2", "GCN"]
        for name, *shown in table["rows"]:
            for distance, text in enumerate(shown, 1):
                cells = result["measured"][f"{shape}-{distance}"]["cells"]
                scores = [cell["test"] for cell in cells if cell["model"] == name]
                assert len(scores) == 2
                assert text == cell_text(scores)
    monkeypatch.setattr(training, "fit", None)
    assert run(tmp_path, **options)["measured"] == result["measured"]


def test_what_is_trained_so_far_is_shown(tmp_path: Path) -> None:
    begun = run(tmp_path, distances="1", seeds=1)["measured"]["ring-1"]["cells"]
    result = run(tmp_path, collect_only=True, picture=tmp_path / "reach.png")
    assert result["measured"]["ring-1"]["cells"] == begun
    (table,) = result["tables"]
    assert table["columns"] == ["model", "1"]
    assert table["rows"] == [["GCN", f"{begun[0]['test']:.2f}"]]
    assert (tmp_path / "reach.png").is_file()


def test_a_training_that_diverges_is_named_and_its_rate_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fast_ones_diverge(*args: Any, **options: Any) -> Any:
        if args[3].learning_rate > 0.002:
            raise TrainingError("the loss is nan; lower learning_rate")
        return fit(*args, **options)

    monkeypatch.setattr(training, "fit", fast_ones_diverge)
    result = run(tmp_path, rates="0.003,0.001", distances="1")
    cells = result["measured"]["ring-1"]["cells"]
    assert [cell.get("diverged") for cell in cells] == [
        "the loss is nan; lower learning_rate",
        None,
        None,
    ]
    assert [cell["learning_rate"] for cell in cells] == [0.003, 0.001, 0.001]
    assert "diverged" not in result["tables"][0]["rows"][0][1]
    result = run(tmp_path / "all", rates="0.003", distances="1")
    assert result["tables"][0]["rows"][0][1] == " (2 of 2 diverged)"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("models", "GCN,MLP", "there is no model 'MLP', only DBGNN"),
        ("shapes", "star", "there is no shape 'star', only ring, tree"),
        ("distances", "0", "distances must be whole numbers from 1 to 18, got '0'"),
        ("distances", "2,19", "distances must be whole numbers from 1 to 18, got '19'"),
        ("steps", "1.5", "steps must be whole numbers from 1 to 64, got '1.5'"),
        ("rates", "2", "learning rates lie between 0 and 1, got '2'"),
    ],
)
def test_wrong_options_are_one_line(option: str, value: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=message):
        run(tmp_path, **{option: value})
    assert not (tmp_path / "result.json").exists()
