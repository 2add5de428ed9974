"""Labelled grids as graphs to learn from."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data, Dataset

from gnncore.errors import TrainingError
from gnncore.training.graph_store import GraphStore
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.features.feature_set import FeatureSet
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning.cache import Cache, default_cache
from gridstab.learning.grid_store import DOMEGA_RANGE, grid_store, power_grid
from gridstab.learning.mixture import open_sets
from gridstab.learning.preparation import forget_features, prepare_features
from gridstab.learning.raster import Raster
from gridstab.learning.splits import SPLITS, split_ids

TARGETS = ("snbs", "survivability", "max_frequency_deviation", "troublemaker", "landscape")
"""What can be learnt about every node."""

_COUNT_OF_TARGET = {"snbs": "n_stable", "survivability": "n_survived", "landscape": "n_stable"}


class GridDataset(Dataset):
    """Grids as PyG graphs; get one from :func:`load_grid_dataset`.

    ``dataset[i]`` is a graph, ``dataset[:70]``, ``dataset[[3, 1]]`` a smaller data set. A graph has

    - ``x``: features of the nodes, float32, shape ``(nodes, channels)``;
    - ``edge_index``: both directions of every line, consecutive, shape ``(2, edges)``;
    - ``edge_attr``: features of the lines, float32, shape ``(edges, edge_channels)``; absent if the
      feature set has none;
    - ``y``: the target, float32, shape ``(nodes,)``, of landscapes ``(nodes, pixels)``, row by row;
    - ``grid_id``: global number of the grid, shape ``(1,)``;
    - ``n_samples``, and ``n_stable`` or ``n_survived``: counts of trajectories behind a share,
      where they are known, shape ``(nodes,)``.

    It is a PyG data set: loaders, ``shuffle``, ``index_select``, ``num_features`` and a
    ``transform``, which is applied whenever a graph is read, work as they do there.

    Attributes:
        name: Name of the set.
        features: The columns of ``x`` and ``edge_attr``.
        target: What ``y`` is.
        store: The graphs, end to end, as :func:`gnncore.training.fit` takes them.
        grids: The grids themselves, with all labels and counts that are known, in the same order.
        splits: Numbers of the grids of each split of the whole set.
    """

    def __init__(
        self,
        grids: GraphStore,
        x: Float[Tensor, "nodes channels"],
        edge_attr: Float[Tensor, "edges edge_channels"],
        *,
        name: str,
        features: FeatureSet,
        target: str,
        splits: dict[str, list[int]],
        transform: Callable[[Data], Data] | None = None,
    ) -> None:
        super().__init__(transform=transform)
        self.name = name
        self.features = features
        self.target = target
        self.grids = grids
        self.splits = splits
        known = grids.tensors
        tensors = {"x": x, "edge_index": known["edge_index"]}
        if features.edge:
            tensors["edge_attr"] = edge_attr
        label = known[target].float()
        tensors |= {
            "y": label.flatten(1) if label.ndim > 1 else label,
            "grid_id": known["grid_id"],
        }
        tensors |= {
            count: known[count]
            for count in ("n_samples", _COUNT_OF_TARGET.get(target, ""))
            if count in known
        }
        edges = ("edge_index", "edge_attr")
        self.store = GraphStore(
            tensors,
            {
                key: "edge" if key in edges else "graph" if key == "grid_id" else "node"
                for key in tensors
            },
            grids.pointers,
        )

    def len(self) -> int:
        """Number of graphs."""
        return len(self.store)

    def get(self, idx: int) -> Data:
        """A graph, without the transform."""
        return self.store[idx]

    @overload
    def __getitem__(self, index: int) -> Data: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> "GridDataset": ...
    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> "Data | GridDataset":
        """A graph, or the data set of several; a Boolean mask works as in PyG.

        Raises:
            IndexError: There is no such graph.
        """
        if isinstance(index, int | np.integer):
            graph = self.store[int(index)]
            return graph if self.transform is None else self.transform(graph)
        if isinstance(index, slice):
            index = range(*index.indices(len(self)))
        chosen = torch.as_tensor(index)
        if chosen.dtype == torch.bool:
            if chosen.shape != (len(self),):
                raise IndexError(f"a mask of {len(chosen)} for a data set of {len(self)}")
            chosen = chosen.nonzero().ravel()
        numbers = chosen.long() % max(len(self), 1)
        if not torch.equal(numbers, torch.where(chosen < 0, chosen + len(self), chosen).long()):
            raise IndexError(f"a data set of {len(self)} graphs has no graph {chosen.tolist()}")
        return self._with(self.grids.select(numbers), self.store.select(numbers))

    def __iter__(self) -> Iterator[Data]:
        return map(self.__getitem__, range(len(self)))

    def index_select(self, idx: slice | Sequence[int] | Tensor) -> "GridDataset":
        """The data set of several graphs, as ``dataset[idx]``."""
        return self[idx]

    @property
    def num_classes(self) -> int:
        """Two for troublemakers; none for the other targets, which are no classes."""
        return 2 if self.target == "troublemaker" else 0

    @property
    def grid_ids(self) -> list[int]:
        """Global number of each grid."""
        return self.grids.tensors["grid_id"].tolist()

    @property
    def raster(self) -> Raster | None:
        """Size and range of the stability landscapes; None where there are none."""
        if "landscape" not in self.grids.tensors:
            return None
        rows = self.grids.tensors["landscape"].shape[1]
        return Raster(resolution=rows, domega_range=float(self.grids.tensors[DOMEGA_RANGE][0]))

    @property
    def num_node_features(self) -> int:
        """Number of columns of ``x``."""
        return self.features.in_channels

    @property
    def num_edge_features(self) -> int:
        """Number of columns of ``edge_attr``."""
        return self.features.edge_channels

    def get_idx_split(self) -> dict[str, Tensor]:
        """Positions in this data set of the grids of each split: ``train``, ``valid``, ``test``."""
        position = {grid_id: index for index, grid_id in enumerate(self.grid_ids)}
        return {
            split: torch.tensor([position[k] for k in ids if k in position], dtype=torch.int64)
            for split, ids in self.splits.items()
        }

    def split(self, split: str) -> "GridDataset":
        """The grids of a split.

        Raises:
            InvalidParameterError: There is no split of that name.
            DatasetError: It has no grids here.
        """
        if split not in SPLITS:
            raise InvalidParameterError(
                f"unknown split {split!r}; choose one of {', '.join(SPLITS)}"
            )
        chosen = self.get_idx_split()[split]
        if not len(chosen):
            sizes = ", ".join(f"{name} {len(ids)}" for name, ids in self.get_idx_split().items())
            raise DatasetError(f"no grid of {self.name!r} is in split {split!r} (of {sizes})")
        return self[chosen]

    def power_grid(self, index: int) -> PowerGrid:
        """The grid behind a graph."""
        return power_grid(self.grids[index], self.name)

    def power_grids(self) -> Iterator[PowerGrid]:
        """The grids behind all graphs, in order."""
        return map(self.power_grid, range(len(self)))

    def with_target(self, target: str) -> "GridDataset":
        """The same graphs with another target.

        Raises:
            InvalidParameterError: There is no such target.
            DatasetError: A grid has no such labels, or some are no numbers.
        """
        _check_labels(self.grids, self.name, target)
        return self._with(self.grids, self.store, target=target)

    def with_features(self, features: FeatureSet | str) -> "GridDataset":
        """The same grids with other features, computed anew.

        Raises:
            DatasetError: A feature has the wrong shape or is not finite.
            OperatingPointError: A feature needs an operating point that a grid does not have.
        """
        chosen = FeatureSet.named(features) if isinstance(features, str) else features
        x, edge_attr = _features(list(self.power_grids()), chosen)
        return GridDataset(
            self.grids,
            x,
            edge_attr,
            name=self.name,
            features=chosen,
            target=self.target,
            splits=self.splits,
            transform=self.transform,
        )

    def _with(
        self, grids: GraphStore, store: GraphStore, target: str | None = None
    ) -> "GridDataset":
        x = store.tensors["x"]
        return GridDataset(
            grids,
            x,
            store.tensors.get("edge_attr", x.new_zeros(0, 0)),
            name=self.name,
            features=self.features,
            target=target or self.target,
            splits=self.splits,
            transform=self.transform,
        )

    def __repr__(self) -> str:
        return (
            f"GridDataset({self.name!r}, grids={len(self)}, nodes={self.store.num_nodes}, "
            f"target={self.target!r}, channels={self.num_node_features}, "
            f"edge_channels={self.num_edge_features})"
        )


def load_grid_dataset(
    path: str | Path,
    *,
    features: FeatureSet | str = "published",
    target: str = "snbs",
    split: str | None = None,
    split_seed: int | None = None,
    samples: int | None = None,
    coupling: float | None = None,
    cache: Path | str | bool = True,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> GridDataset:
    """Labelled grids, from wherever they are.

    Sets that come in splits keep them. Others are split by the number of the grid, the first 70 %
    for training, the next 15 % for validation, the rest for the test, so that the published sets
    of 10,000 grids get the published splits. A single grid is a test.

    >>> from gridstab.learning import load_grid_dataset
    >>> train = load_grid_dataset("ds20", split="train")  # doctest: +SKIP

    Args:
        path: A run folder, or a folder of landscapes; the folder of a published archive
            (zenodo.5148085, zenodo.6572973, zenodo.8204334, zenodo.15373799) as downloaded and
            unpacked; a packed file; or ``ds20``, ``ds100``, ``ds20-large``, ``ds100-large`` or
            ``texas`` for the sets that come with the package. Several, separated by commas, are
            one, in which every grid stays in its split.
        features: The columns of ``x`` and ``edge_attr``, or the name of a feature set.
        target: What ``y`` is.
        split: ``train``, ``valid`` or ``test``; all grids unless given.
        split_seed: Draw the splits at random from this stream instead.
        samples: Trajectories behind each published label, 10,000 if all labels are such shares
            and unknown otherwise. Other sets know their own.
        coupling: K of every line, in place of ``edge_attr`` of published files.
        cache: Folder in which computed features are kept; True for the user's folder of caches,
            False for none. What was computed before an interruption is kept there too.
        workers: Processes that compute features, where it takes long; the result is the same for
            any number. With more than one, a script needs ``if __name__ == "__main__":``.
        on_progress: Called with the grids whose features are there, and the number of all.

    Raises:
        DatasetError: No labelled grids there, no such labels, labels or features that are no
            numbers, or a split without grids.
        InvalidParameterError: An unknown name of a feature, target or split, or no workers.
        RunFolderError: A foreign run folder, or a label that is no share of ``samples``.
        OperatingPointError: A feature needs an operating point that a grid does not have.
        StorageError: A file is damaged or cannot be read.
    """
    chosen = FeatureSet.named(features) if isinstance(features, str) else features
    if target not in TARGETS:
        raise InvalidParameterError(
            f"unknown target {target!r}; choose one of {', '.join(TARGETS)}"
        )
    source = open_sets(path, samples=samples, coupling=coupling)
    fingerprint = chosen.fingerprint
    store = Cache(default_cache() if cache is True else Path(cache)) if cache else None
    key = f"{source.content_hash} {fingerprint}" if store and fingerprint else None
    parts = None if store is None or key is None else _parts_of(store.read(key))
    if parts is None:
        grids = source.read()
        if not grids:
            raise DatasetError(f"{str(path)!r} holds no grids yet; simulate some first")
        plain = [item.grid for item in grids]
        columns = _features(plain, chosen, store, workers, on_progress)
        parts = (grid_store(grids), *columns)
        if store is not None and key is not None:
            store.write(key, _arrays_of(parts))
            if store.read(key) is not None:
                forget_features(plain, chosen, store)
    labelled, x, edge_attr = parts
    _check_labels(labelled, source.name, target)
    splits = source.splits
    if splits is None or split_seed is not None:
        ids = labelled.tensors["grid_id"].tolist()
        splits = split_ids(ids, total=source.total, seed=split_seed)
    dataset = GridDataset(
        labelled,
        x,
        edge_attr,
        name=source.name,
        features=chosen,
        target=target,
        splits=splits,
    )
    return dataset if split is None else dataset.split(split)


Parts = tuple[GraphStore, Tensor, Tensor]


def _features(
    grids: Sequence[PowerGrid],
    features: FeatureSet,
    cache: Cache | None = None,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Tensor]:
    x, edge_attr = prepare_features(
        grids, features, cache=cache, workers=workers, on_progress=on_progress
    )
    return torch.from_numpy(x), torch.from_numpy(edge_attr)


def _arrays_of(parts: Parts) -> dict[str, np.ndarray]:
    grids, x, edge_attr = parts
    return {**grids.to_arrays(), "x": x.numpy(), "edge_attr": edge_attr.numpy()}


def _parts_of(arrays: dict[str, np.ndarray] | None) -> Parts | None:
    if arrays is None:
        return None
    try:
        x, edge_attr = (torch.from_numpy(arrays.pop(name)) for name in ("x", "edge_attr"))
        return GraphStore.from_arrays(arrays), x, edge_attr
    except (KeyError, TrainingError):
        return None


def _check_labels(grids: GraphStore, name: str, target: str) -> None:
    if target not in TARGETS:
        raise InvalidParameterError(
            f"unknown target {target!r}; choose one of {', '.join(TARGETS)}"
        )
    if target not in grids.tensors:
        known = [label for label in TARGETS if label in grids.tensors]
        raise DatasetError(f"{name!r} has no labels {target!r}; it has {', '.join(known)}")
    labels = grids.tensors[target]
    good = labels.isfinite()
    if target in _COUNT_OF_TARGET:
        good &= (labels >= 0) & (labels <= 1)
    if target == "landscape":
        _check_rasters(grids, name)
        good = good.flatten(1).all(1)
    if not bool(good.all()):
        node = int((~good).nonzero()[0])
        pointer = grids.pointers["node"]
        graph = int(torch.searchsorted(pointer, node, right=True)) - 1
        raise DatasetError(
            f"{target} of grid {int(grids.tensors['grid_id'][graph])} of {name!r} is "
            f"{_text(labels[node])} at node {node - int(pointer[graph])}; remove or repair the grid"
        )


def _text(label: Tensor) -> str:
    return str(float(label)) if label.ndim == 0 else "no image of shares"


def _check_rasters(grids: GraphStore, name: str) -> None:
    ranges = grids.tensors[DOMEGA_RANGE]
    other = (ranges != ranges[0]).nonzero().ravel()
    if len(other):
        raise DatasetError(
            f"the landscapes of grid {int(grids.tensors['grid_id'][other[0]])} of {name!r} reach "
            f"up to {float(ranges[other[0]]):g} rad/s, those of the first grid up to "
            f"{float(ranges[0]):g}; learn from one kind of images at a time"
        )
