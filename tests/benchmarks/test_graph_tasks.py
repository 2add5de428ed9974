"""Random graphs with exact distances, and molecules with the features of OGB."""

import math
from collections import Counter
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from benchmarks.graph_tasks.contestants import CONTESTANTS, WIDTHS, specification
from benchmarks.graph_tasks.graph_properties import distances, make_tasks
from benchmarks.graph_tasks.molecules import ATOM_VALUES, BOND_VALUES, molecule
from benchmarks.graph_tasks.peptides import (
    mean_average_precision,
    peptides_task,
    write_tiny_peptides,
)
from benchmarks.graph_tasks.random_graphs import FAMILIES, random_adjacency
from benchmarks.graph_tasks.task import GraphTask
from gnncore.models import GraphModel, ModelSpecification


@pytest.fixture(scope="module")
def tasks() -> dict[str, GraphTask]:
    return make_tasks((6, 12), {"train": 24, "valid": 8, "test": 8}, seed=1)


def test_weights_of_the_families_are_those_of_the_paper() -> None:
    assert math.isclose(sum(weight for weight, _ in FAMILIES.values()), 1.0)
    assert Counter(weight for weight, _ in FAMILIES.values()) == {0.2: 2, 0.15: 1, 0.1: 2, 0.05: 5}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("nodes", [5, 9, 16])
def test_families_have_all_nodes(name: str, nodes: int) -> None:
    graph = FAMILIES[name][1](nodes, np.random.default_rng(nodes))
    assert len(graph) == nodes
    assert nx.number_of_selfloops(graph) == 0


def test_trees_are_trees() -> None:
    for name in ("tree", "line", "star", "caterpillar", "lobster"):
        for seed in range(5):
            assert nx.is_tree(FAMILIES[name][1](14, np.random.default_rng(seed))), name


def test_graphs_have_no_isolated_nodes_and_keep_their_edges_on_average() -> None:
    drawn = [random_adjacency(15, np.random.default_rng(seed)) for seed in range(200)]
    for adjacency in drawn:
        assert (adjacency == adjacency.T).all()
        assert not adjacency.diagonal().any()
        assert adjacency.any(axis=0).all()
    assert any(not nx.is_connected(nx.from_numpy_array(adjacency)) for adjacency in drawn)


def test_labels_are_those_of_networkx(tasks: dict[str, GraphTask]) -> None:
    for graphs in zip(*(task.stores["train"] for task in tasks.values()), strict=True):
        of = dict(zip(tasks, graphs, strict=True))
        scale = {name: task.facts["largest"] for name, task in tasks.items()}
        graph = nx.Graph()
        graph.add_nodes_from(range(len(of["sssp"].x)))
        graph.add_edges_from(of["sssp"].edge_index.T.tolist())
        (marked,) = of["sssp"].x[:, 0].nonzero().ravel().tolist()
        lengths = nx.single_source_shortest_path_length(graph, marked)
        eccentricity = {}
        for component in nx.connected_components(graph):
            eccentricity |= nx.eccentricity(graph.subgraph(component))
        for node in graph:
            found = float(of["sssp"].y[node]) * scale["sssp"]
            assert found == pytest.approx(lengths.get(node, 0), abs=1e-4)
            found = float(of["eccentricity"].y[node]) * scale["eccentricity"]
            assert found == pytest.approx(eccentricity[node], abs=1e-4)
        found = float(of["diameter"].y) * scale["diameter"]
        assert found == pytest.approx(max(eccentricity.values()), abs=1e-4)


def test_distances_between_components_are_zero() -> None:
    adjacency = np.zeros((4, 4), bool)
    adjacency[[0, 1, 2, 3], [1, 0, 3, 2]] = True
    assert distances(adjacency).tolist() == adjacency.astype(float).tolist()


def test_splits_do_not_depend_on_their_sizes(tasks: dict[str, GraphTask]) -> None:
    more = make_tasks((6, 12), {"train": 25, "valid": 8, "test": 8}, seed=1)["sssp"]
    few = tasks["sssp"]
    assert more.stores["train"].select(range(24)).content_hash == few.stores["train"].content_hash
    assert more.stores["test"].content_hash == few.stores["test"].content_hash
    assert few.stores["valid"].content_hash != few.stores["test"].content_hash


def test_the_score_is_the_logarithm_of_the_squared_error(tasks: dict[str, GraphTask]) -> None:
    task = tasks["eccentricity"]
    label = task.stores["test"].tensors["y"]
    assert task.score(label[:, None] + 0.1, task.stores["test"]) == pytest.approx(-2.0)
    mean = task.stores["train"].tensors["y"].mean()
    assert task.baseline == pytest.approx(math.log10(float((label - mean).square().mean())))


@pytest.mark.parametrize("name", CONTESTANTS)
def test_models_are_as_wide_as_the_budget_allows(name: str, tasks: dict[str, GraphTask]) -> None:
    chosen = specification(name, tasks["sssp"], 20_000)
    assert GraphModel(chosen).num_parameters <= 20_000
    width = chosen.blocks[0].out_channels
    wider = chosen.model_dump() | {
        "hidden_channels": width + WIDTHS.step,
        "head": {**chosen.model_dump()["head"], "hidden": [width + WIDTHS.step] * 2},
    }
    assert GraphModel(ModelSpecification(**wider)).num_parameters > 20_000
    with pytest.raises(ValueError, match=f"{name} has more than 10 parameters at any width"):
        specification(name, tasks["sssp"], 10)


def test_features_are_those_of_ogb() -> None:
    pytest.importorskip("rdkit")
    x, edge_index, edge_attr = molecule("Cl[C@H](/C=C/C)Br")
    # As documented in ogb.utils.features for the chiral carbon and the double bond.
    assert x[1].tolist() == [5, 2, 4, 5, 1, 0, 2, 0, 0]
    assert edge_attr[4:6].tolist() == [[1, 2, 0]] * 2
    assert edge_index[:, 4:6].tolist() == [[2, 3], [3, 2]]
    x, _, _ = molecule("C[NH3+]")
    assert x.tolist() == [[5, 0, 4, 5, 3, 0, 2, 0, 0], [6, 0, 4, 6, 3, 0, 2, 0, 0]]
    x, _, edge_attr = molecule("c1ccccc1")
    assert x.tolist() == [[5, 0, 3, 5, 1, 0, 1, 1, 1]] * 6
    assert edge_attr.tolist() == [[3, 0, 1]] * 12


def test_every_feature_has_its_number_of_values() -> None:
    pytest.importorskip("rdkit")
    strange = [
        "*",
        "[Cl+7]",
        "[U]",
        "[H][H]",
        "[CH3]",
        "F[S@@](F)(F)(F)(F)Cl",
        "C=[N+]=[N-]",
        "[Fe+3]",
    ]
    for smiles in strange:
        x, edge_index, edge_attr = molecule(smiles)
        assert (x < ATOM_VALUES).all()
        assert (edge_attr < BOND_VALUES).all()
        assert len(edge_attr) == edge_index.shape[1]
    assert molecule("*")[0][0, 0] == 118
    assert molecule("[Cl+7]")[0][0, 3] == 11
    with pytest.raises(ValueError, match="'C1C' is no molecule"):
        molecule("C1C")


def test_peptides_come_with_the_official_split(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    write_tiny_peptides(tmp_path / "data")
    task = peptides_task(tmp_path / "data", tmp_path / "cache")
    assert {name: len(store) for name, store in task.stores.items()} == dict.fromkeys(
        ("train", "valid", "test"), 8
    )
    again = peptides_task(tmp_path / "data", tmp_path / "cache", graphs=4)
    assert [len(again.stores[name]) for name in ("train", "valid", "test")] == [4, 8, 8]
    assert again.facts["all training graphs"] == 8
    store = task.stores["test"]
    labels = store.tensors["y"]
    assert labels.shape == (8, 10)
    prediction = torch.rand(8, 10, generator=torch.Generator().manual_seed(0))
    assert mean_average_precision(prediction, store) == pytest.approx(
        average_precision_score(labels.numpy(), prediction.numpy(), average="macro")
    )


def test_one_column_for_each_value_of_the_training_set(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    write_tiny_peptides(tmp_path / "data")
    task = peptides_task(tmp_path / "data", tmp_path / "cache")
    x = task.stores["train"].tensors["x"]
    assert set(x.unique().tolist()) == {0.0, 1.0}
    # Elements C, N, O and S; chirality; degree; charge; hydrogens; hybridisation; two flags.
    assert (x[:, :4].sum(dim=1) == 1).all()
    assert (x.mean(dim=0) > 0).all()
    assert (x.mean(dim=0) < 1).all()
    # A sulphur for each class 6, which is cysteine.
    cysteines = task.stores["train"].tensors["y"][:, 6].sum()
    assert x[:, 3].sum() == cysteines
