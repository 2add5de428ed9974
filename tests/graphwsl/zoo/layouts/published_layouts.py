"""Zoos in the published layouts, made by code; the networks are defined here once more."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "sigmoid": nn.Sigmoid}
SMALL_CNN_SHAPES = {
    "sequential/conv2d/bias:0": (16,),
    "sequential/conv2d/kernel:0": (3, 3, 1, 16),
    "sequential/conv2d_1/bias:0": (16,),
    "sequential/conv2d_1/kernel:0": (3, 3, 16, 16),
    "sequential/conv2d_2/bias:0": (16,),
    "sequential/conv2d_2/kernel:0": (3, 3, 16, 16),
    "sequential/dense/bias:0": (10,),
    "sequential/dense/kernel:0": (16, 10),
}


class ListedNetwork(nn.Module):
    """Layers in a ``module_list``, as all small networks of the zoos have them."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.module_list = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.module_list:
            x = layer(x)
        return x


def small(channels: int, activation: str, dropout: float) -> ListedNetwork:
    """The network that the zoos call CNN; dropout is in the list only where there is some."""
    act = ACTIVATIONS[activation]
    drop = [nn.Dropout(dropout)] if dropout > 0 else []
    first = [nn.Conv2d(channels, 8, 5), nn.MaxPool2d(2), act(), *drop]
    second = [nn.Conv2d(8, 6, 5), nn.MaxPool2d(2), act(), *drop]
    third = [nn.Conv2d(6, 4, 2), act(), nn.Flatten(), nn.Linear(36, 20), act(), *drop]
    return ListedNetwork(*first, *second, *third, nn.Linear(20, 10))


def large(channels: int, activation: str, dropout: float) -> ListedNetwork:
    """The network that the zoos call CNN3."""
    act, layers = ACTIVATIONS[activation], []
    for inputs, outputs in ((channels, 16), (16, 32), (32, 15)):
        layers += [nn.Conv2d(inputs, outputs, 3), nn.MaxPool2d(2), act(), nn.Dropout(dropout)]
    head = [nn.Flatten(), nn.Linear(60, 20), act(), nn.Dropout(dropout), nn.Linear(20, 10)]
    return ListedNetwork(*layers, *head)


def configuration(kind: str = "CNN", **changes: Any) -> dict[str, Any]:
    """The parameters of a training as Ray Tune stores them; ``__`` in a name stands for ``::``."""
    published = {
        "model::type": kind,
        "model::channels_in": 1,
        "model::o_dim": 4,  # which the networks of ten classes do not heed
        "model::nlin": "tanh",
        "model::dropout": 0.0,
        "model::init_type": "uniform",
        "optim::optimizer": "adam",
        "optim::lr": 0.0003,
        "optim::wd": 0,
        "training::batchsize": 10,
        "seed": 1,
        "cuda": False,
        "dataset::dump": "zoos/dataset.pt",
    }
    return published | {name.replace("__", "::"): value for name, value in changes.items()}


def result(epoch: int, config: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The line of an epoch, with some of what Ray Tune writes besides."""
    trained = {"train_loss": 1 / (epoch + 1), "train_acc": 0.5 + epoch / 100}
    return {
        **({"train_loss": -999, "train_acc": -999} if epoch == 0 else trained),
        "test_loss": 2 / (epoch + 1),
        "test_acc": 0.4 + epoch / 100,
        "training_iteration": epoch,
        "done": False,
        "time_total_s": 3.5,
        "timestamp": 1650000000,
        "pid": 7,
        "config": dict(config),
        **changes,
    }


def write_trial(
    folder: Path,
    config: Mapping[str, Any],
    states: Mapping[int, Mapping[str, Tensor]],
    *,
    digits: int = 0,
    config_name: str = "params.json",
    results: Iterable[Mapping[str, Any]] | None = None,
) -> None:
    """A training of Ray Tune: epochs from 0 to the last of ``states``, some with weights."""
    folder.mkdir(parents=True)
    (folder / config_name).write_text(json.dumps(config))
    rows = [result(e, config) for e in range(max(states) + 1)] if results is None else results
    (folder / "result.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "progress.csv").write_text("training_iteration\n")
    for epoch, state in states.items():
        checkpoint = folder / f"checkpoint_{epoch:0{digits}d}"
        checkpoint.mkdir()
        torch.save(dict(state), checkpoint / "checkpoints")
        torch.save({"lr": 0.1}, checkpoint / "optimizer")


def write_small_cnn_zoo(
    folder: Path, weights: np.ndarray, rows: Iterable[Mapping[str, Any]], *, layout: bool = True
) -> None:
    """The layout of the Small CNN Zoo."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "weights.npy", weights)
    (folder / "metrics.csv.gz").write_bytes(gzip.compress(_csv(rows).encode()))
    if layout:
        table, start = [], 0
        for name, shape in SMALL_CNN_SHAPES.items():
            end = start + int(np.prod(shape))
            table.append({"varname": name, "start_idx": start, "end_idx": end, "shape": str(shape)})
            start = end
        (folder / "layout.csv").write_text(_csv(table))


def small_cnn_row(model: str, step: int, **changes: Any) -> dict[str, Any]:
    """A row of the metrics of the Small CNN Zoo; ``config__x`` stands for ``config.x``."""
    row = {
        "config.activation": "relu",
        "config.b_init": "zeros",
        "config.dataset": "mnist",
        "config.dnn_architecture": "cnn",
        "config.dropout": 0.25,
        "config.epochs": 86,
        "config.init_std": 0.05,
        "config.l2reg": 1e-5,
        "config.learning_rate": 0.003,
        "config.num_layers": 3,
        "config.num_units": 16,
        "config.optimizer": "adam",
        "config.random_seed": 42,
        "config.train_fraction": 0.5,
        "config.w_init": "he_normal",
        "modeldir": model,
        "step": step,
        "test_accuracy": 0.5,
        "test_loss": 1.5,
        "train_accuracy": 0.75,
        "train_loss": 1.0,
    }
    return row | {name.replace("__", "."): value for name, value in changes.items()}


def _csv(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
