"""Trainings under attack: twelve small grids, a network of a few weights, two epochs."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gridstab.datasets import run_campaign
from gridstab.grids.growth import random_grid
from gridstab.learning.train import train_model
from gridstab.learning.trained import TrainedModel
from tests.attacks.campaigns import campaign

MODEL = """
layer = "tag"
layer_options = {K = 2}
hidden_channels = [6, 6]
features = "published"

[training]
epochs = 2
batch_size = 4
learning_rate = 0.01
checkpoint_seconds = 0
device = "cpu"
"""
GRIDS = [random_grid(8, seed=seed) for seed in (1, 2)]


def make_data(folder: Path) -> Path:
    """A model file and labelled grids in a folder, which is given back."""
    (folder / "tiny.toml").write_text(MODEL)
    run_campaign(campaign(nodes=8, grids=12), folder / "labels", workers=1)
    return folder


def train(data: Path, folder: Path, *, resume: bool = True, **options: Any) -> TrainedModel:
    """Train on such data."""
    return train_model(data / "tiny.toml", data / "labels", folder, resume=resume, **options)


def predictions(folder: Path) -> np.ndarray:
    """What a trained model says about two grids that it never saw."""
    return TrainedModel.load(folder).predict(GRIDS).numpy()


def promised(folder: Path) -> dict[str, bytes]:
    """The files whose bytes depend on the configuration alone."""
    names = ("config.json", "normalisation.json", "model/config.json", "model/model.safetensors")
    return {name: (folder / name).read_bytes() for name in (*names, "metrics.json")}


def one_thread() -> None:
    """Sums are split by threads, and forks do without those of their parent."""
    torch.set_num_threads(1)
