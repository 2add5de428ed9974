"""The labelled grids that rows are trained and judged on, and tiny ones to try the program."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gridstab.datasets.labelled_grid import LabelledGrid
from gridstab.datasets.layouts import LAYOUTS
from gridstab.errors import GridstabError
from gridstab.features.feature_set import PUBLISHED, FeatureSet
from gridstab.grids.growth import random_grid
from gridstab.learning import transfers
from gridstab.learning.data import GridDataset, load_grid_dataset
from gridstab.learning.splits import SPLITS

LARGE = {"ds20_large": "ds20", "ds100_large": "ds100"}
"""Sets of as many grids as published, and those of the same size, among which none of them is."""

TRAINING_SETS = ("ds20", "ds20_large", "ds100", "ds100_large")
"""What is trained on, in the order of the tables."""

TRANSFERS = (
    *transfers.TRANSFERS,
    ("ds20_large", "ds20_large"),
    *(("ds20_large", evaluated) for evaluated in ("ds20", "ds100", "texas")),
    ("ds100_large", "ds100_large"),
    *(("ds100_large", evaluated) for evaluated in ("ds100", "texas")),
)
"""Pairs of training and test set: the published ones, and those of the large sets."""

PACKAGED = {name: name.replace("_", "-") for name in (*TRAINING_SETS, "texas")}
"""What :func:`gridstab.learning.load_grid_dataset` calls the sets that come with the package."""


@dataclass
class GridSets:
    """The sets that can be read, each with the features of whoever asks.

    Attributes:
        paths: Where each set is, by its name in :data:`TRANSFERS`; what
            :func:`gridstab.learning.load_grid_dataset` reads.
        train_grids: Largest number of training grids; None for all.
        missing: Why a set is left out, by name.
    """

    paths: dict[str, str]
    train_grids: int | None = None
    missing: dict[str, str] = field(default_factory=dict)
    _loaded: dict[tuple[str, FeatureSet], GridDataset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in list(self.paths):
            try:
                self.load(name)
            except GridstabError as error:
                self.missing[name] = str(error)
                del self.paths[name]

    def load(self, name: str, features: FeatureSet = PUBLISHED) -> GridDataset:
        """A set with all its grids."""
        key = name, features
        if key not in self._loaded:
            self._loaded[key] = load_grid_dataset(self.paths[name], features=features)
        return self._loaded[key]

    @property
    def trainable(self) -> tuple[str, ...]:
        """Names of the sets that have grids in all three splits."""
        return tuple(name for name in self.paths if all(self.sizes(name).values()))

    @property
    def testable(self) -> tuple[str, ...]:
        """Names of the sets that have test grids."""
        return tuple(name for name in self.paths if self.sizes(name)["test"])

    def sizes(self, name: str) -> dict[str, int]:
        """Number of grids in each split; of the training split, those that are trained on."""
        sizes: dict[str, int] = {
            split: len(indices) for split, indices in self.load(name).get_idx_split().items()
        }
        sizes["train"] = min(sizes["train"], self.train_grids or sizes["train"])
        return sizes

    def train(self, name: str, features: FeatureSet) -> GridDataset:
        """The training grids of a set."""
        return self.load(name, features).split("train")[: self.train_grids]

    def test(self, name: str, features: FeatureSet = PUBLISHED) -> GridDataset:
        """The test grids of a set."""
        return self.load(name, features).split("test")

    def labels_hash(self, name: str) -> str:
        """A hash of the numbers and labels of the test grids, whatever the features."""
        tensors = self.test(name).store.tensors
        digest = hashlib.sha256(tensors["grid_id"].numpy().tobytes())
        digest.update(tensors["y"].numpy().tobytes())
        return digest.hexdigest()

    def describe(self) -> Iterator[str]:
        """A sentence on every set, there or not."""
        for name in self.paths:
            sizes = self.sizes(name)
            words = ", ".join(f"{sizes[split]:,} {split}" for split in SPLITS if sizes[split])
            yield f"{name}: grids {words}."
        for name, why in self.missing.items():
            yield f"{name} is left out: {why}."


def write_tiny_sets(folder: Path, grids: int = 20) -> dict[str, str]:
    """Small sets with made-up labels, to see that the program runs; gives their paths."""
    for seed, name in enumerate(TRAINING_SETS):
        nodes = 8 if LARGE.get(name, name) == "ds20" else 12
        LAYOUTS["v2"].write(folder, [_made_up(k, nodes, seed) for k in range(1, grids + 1)], name)
    LAYOUTS["v2"].write(folder, [_made_up(1, 30)], "texas")
    return {name: str(folder / name) for name in PACKAGED}


def _made_up(number: int, nodes: int, seed: int = 0) -> LabelledGrid:
    """A grid whose "stability" grows with the degree of a node and carries some noise."""
    grid = random_grid(nodes, seed=(seed, number))
    noise = np.random.default_rng((seed, number)).normal(size=nodes)
    share = 1 - 0.6 / grid.degree + 0.02 * noise
    return LabelledGrid(number, grid, np.rint(1e4 * share.clip(0, 1)) / 1e4)
