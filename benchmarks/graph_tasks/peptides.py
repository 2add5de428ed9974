"""Peptides-func of the Long Range Graph Benchmark: ten functions of 15,535 peptides.

Dwivedi et al. 2022, arXiv 2206.08164. Needed are two files in one folder: the table of SMILES and
labels that the benchmark's loader downloads, and the official split as row numbers. The data is
licensed CC BY-NC 4.0 and is no part of this project.
"""

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from benchmarks.graph_tasks.molecules import molecule
from benchmarks.graph_tasks.task import GraphTask, Split
from gnncore.metrics import average_precision
from gnncore.storage import load_tensors, save_tensors, sha256
from gnncore.training import ClassificationObjective, GraphStore

TABLE, SPLIT = "peptide_multi_class_dataset.csv.gz", "splits.npz"
CLASSES = 10
LEAST = 256
"""So many graphs of the official validation and test splits have every class among them."""
RESIDUES = (
    "NCC(=O)",
    "N[C@@H](C)C(=O)",
    "N[C@@H](C(C)C)C(=O)",
    "N[C@@H](CC(C)C)C(=O)",
    "N[C@@H](Cc1ccccc1)C(=O)",
    "N[C@@H](CO)C(=O)",
    "N[C@@H](CS)C(=O)",
    "N[C@@H](CCCC[NH3+])C(=O)",
    "N[C@@H](CC(=O)O)C(=O)",
    "N1CCC[C@H]1C(=O)",
)
_SPLITS: dict[Split, str] = {"train": "train", "valid": "val", "test": "test"}


def peptides_task(folder: Path, cache: Path, *, graphs: int | None = None) -> GraphTask:
    """The task.

    Args:
        folder: Where ``peptide_multi_class_dataset.csv.gz`` and ``splits.npz`` are.
        cache: Folder in which the graphs are kept; reading all SMILES takes about a minute.
        graphs: Train on the first so many only, and judge on the same share of the others, but
            on at least :data:`LEAST`.

    Raises:
        FileNotFoundError: A file is missing.
        ModuleNotFoundError: RDKit is not installed.
    """
    for name in (TABLE, SPLIT):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"there is no {name} in the folder {folder.name!r}")
    everything = _cached(folder / TABLE, cache)
    with np.load(folder / SPLIT) as rows:
        splits = {split: rows[name] for split, name in _SPLITS.items()}
    all_graphs = len(splits["train"])
    share = min(1.0, (graphs or all_graphs) / all_graphs)
    splits["train"] = splits["train"][:graphs]
    for split in ("valid", "test"):
        rest = splits[split]
        splits[split] = rest[: max(LEAST, round(share * len(rest)))]
    stores = one_hot({split: everything.select(rows) for split, rows in splits.items()})
    labels = stores["test"].tensors["y"]
    return GraphTask(
        name="peptides-func",
        measure="average precision",
        stores=stores,
        objective=ClassificationObjective(select_by="average_precision"),
        score=mean_average_precision,
        larger_is_better=True,
        pooling="mean",
        out_channels=CLASSES,
        baseline=mean_average_precision(torch.zeros_like(labels), stores["test"]),
        facts={
            "graphs": {split: len(store) for split, store in stores.items()},
            "all training graphs": all_graphs,
            "mean nodes": everything.num_nodes / len(everything),
        },
    )


def mean_average_precision(prediction: Tensor, test: GraphStore) -> float:
    """Average precision of each class over all graphs, and the mean of the ten."""
    labels = test.tensors["y"]
    pairs = zip(prediction.T, labels.T, strict=True)
    return float(np.mean([average_precision(scores, known) for scores, known in pairs]))


def read_table(path: Path) -> GraphStore:
    """All rows as graphs with integer features, in the order of the table."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return GraphStore.from_data_list(
            [_graph(row["smiles"], json.loads(row["labels"])) for row in csv.DictReader(file)]
        )


def one_hot(stores: dict[Split, GraphStore]) -> dict[Split, GraphStore]:
    """Integer features as columns of zeros and ones, which a linear layer embeds as OGB does.

    Only values that occur in the training set get a column: nothing can be learnt about others.
    """
    kept: dict[str, list[np.ndarray]] = {
        key: [np.unique(column) for column in stores["train"].tensors[key].numpy().T]
        for key in ("x", "edge_attr")
    }
    return {
        split: GraphStore(
            store.tensors
            | {key: _columns(store.tensors[key], values) for key, values in kept.items()},
            store.levels,
            store.pointers,
        )
        for split, store in stores.items()
    }


def write_tiny_peptides(folder: Path, peptides: int = 24) -> None:
    """A made-up table in the same form: each class says whether one of ten residues is there."""
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(CLASSES)[: CLASSES // 2] for _ in range(peptides)]
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / TABLE, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "labels"])
        for residues in chosen:
            smiles = "".join(RESIDUES[k] for k in residues) + "O"
            writer.writerow([smiles, json.dumps([int(k in residues) for k in range(CLASSES)])])
    train, valid, test = np.array_split(np.arange(peptides, dtype=np.int32), 3)
    np.savez(folder / SPLIT, train=train, val=valid, test=test)


def _columns(values: Tensor, kept: Sequence[np.ndarray]) -> Tensor:
    # A column that is the same everywhere says nothing.
    columns = [
        column == int(value)
        for column, known in zip(values.T, kept, strict=True)
        for value in (known if len(known) > 1 else [])
    ]
    return torch.stack(columns, dim=1).float()


def _graph(smiles: str, labels: Sequence[int]) -> Data:
    x, edge_index, edge_attr = map(torch.from_numpy, molecule(smiles))
    y = torch.tensor([labels], dtype=torch.float32)
    return Data(x=x, edge_index=edge_index, edge_attr=edge_attr, y=y)


def _cached(table: Path, cache: Path) -> GraphStore:
    path = cache / f"peptides-{sha256(table)[:16]}.safetensors"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        save_tensors(path, read_table(table).to_arrays())
    return GraphStore.from_arrays(load_tensors(path))
