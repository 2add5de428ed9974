"""Trained models: load them from their folders and predict the stability of grids they never saw.

A model can be made exactly symmetric. The swing equation does not change under
(P, θ, ω) → (−P, −θ, −ω), but networks with biases do not know that; the mean of the predictions
for a grid and for its mirror does, to the last bit.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from gnncore.models import GraphModel
from gnncore.storage import StorageError, read_json
from gnncore.training import GraphStore, predict
from gridstab.errors import (
    BeyondTrainingWarning,
    DatasetError,
    InvalidParameterError,
    RunFolderError,
)
from gridstab.features.feature_set import FeatureSet
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning.calibration import Calibration, JointCalibration, joint
from gridstab.learning.data import GridDataset
from gridstab.learning.hubs import require_memory
from gridstab.learning.known_range import Beyond, KnownRange
from gridstab.learning.learnt_grids import LearntGrids, Part
from gridstab.learning.mirror import mirrored_images
from gridstab.learning.normalisation import Normalisation
from gridstab.learning.tasks import Task, get_task
from gridstab.learning.training_folder import (
    METRICS,
    MODEL,
    USED,
    TrainingConfig,
    is_complete,
    read_calibration,
    read_config,
    read_learnt_grids,
    read_normalisation,
    read_range,
    require_whole,
)

Grids = PowerGrid | Sequence[PowerGrid] | GridDataset


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model with all that it needs to predict; :func:`gridstab.learning.train` makes it.

    Attributes:
        config: What it is and how it was trained.
        model: The network, in evaluation mode.
        normalisation: Constants of its features, from the training set.
        metrics: ``valid`` and ``test``, each by name, and ``best_epoch``.
        known_range: What its training set holds; None for models of versions that kept none.
        calibration: What it was wrong by on its validation set; None for classes and images, and
            for models of versions that kept none.
        learnt_grids: Which grids it learnt from; None for models of versions that kept none.
    """

    config: TrainingConfig
    model: GraphModel
    normalisation: Normalisation
    metrics: dict[str, Any] = field(default_factory=dict)
    known_range: KnownRange | None = None
    calibration: Calibration | None = None
    learnt_grids: LearntGrids | None = None

    @classmethod
    def load(
        cls, path: str | PathLike[str], *, device: str | torch.device = "cpu"
    ) -> "TrainedModel":
        """The model in a training folder.

        Args:
            path: The folder.
            device: Where the network is to work.

        Raises:
            RunFolderError: No training folder, an unfinished one, or a damaged file in it.
            SavedModelError: The weights are damaged or of another model.
        """
        folder = Path(path)
        config = read_config(folder)
        if not is_complete(folder):
            raise RunFolderError(
                f"the training in {str(folder)!r} is unfinished; continue it with --resume"
            )
        require_whole(folder, *USED)
        model = GraphModel.from_pretrained(folder / MODEL, map_location=device)
        if model.specification != config.specification:
            raise RunFolderError(
                f"{str(folder / MODEL)!r} is another model than config.json says; "
                "take the folder as it was trained"
            )
        try:
            metrics = read_json(folder / METRICS)
        except StorageError as error:
            raise RunFolderError(f"{str(folder)!r} is damaged: {error}") from error
        return cls(
            config,
            model,
            read_normalisation(folder),
            metrics,
            read_range(folder),
            read_calibration(folder),
            read_learnt_grids(folder),
        )

    @property
    def task(self) -> Task:
        """The task whose labels it predicts."""
        return get_task(self.config.task)

    @property
    def features(self) -> FeatureSet:
        """What it sees of a grid."""
        return self.config.features

    def learnt_from(self, dataset: GridDataset) -> int:
        """How many grids of a data set the model has learnt from, whatever the set is called.

        Of models of versions that did not keep their training grids, that is known where it is
        the same set, with the same features: else it is 0.
        """
        parts = self.parts(dataset)
        if parts is not None:
            return parts.count("train")
        known = self.config.data
        if dataset.features != self.features or dataset.target != self.task.target:
            return 0
        if not len(dataset.get_idx_split()["train"]):
            return 0
        learnt = dataset.split("train")[: known.grids["train"]]
        same = learnt.store.content_hash == known.content["train"]
        return len(learnt) if same else 0

    def parts(self, grids: Grids) -> list[Part] | None:
        """What each grid was in the training; None for models of versions that did not keep it."""
        if self.learnt_grids is None:
            return None
        return [self.learnt_grids.part(grid) for grid in _power_grids(grids)]

    @property
    def threshold(self) -> float | None:
        """Predictions above it call a node a troublemaker, as tuned on validation."""
        threshold = self.metrics.get("valid", {}).get("threshold")
        return None if threshold is None else float(threshold)

    def predict(
        self, grids: Grids, *, sign_invariant: bool | None = None, batch_size: int = 128
    ) -> Float[Tensor, "nodes *pixels"]:
        """One number a node: a share between 0 and 1, an amount, or the logit of a class.

        Of stability landscapes it is an image of shares a node, frequencies in the rows.

        Where grids are beyond what the model was trained on, a ``BeyondTrainingWarning`` says in
        which quantities and at which nodes.

        Args:
            grids: A grid, several, or a data set with the features of the training. The nodes of
                several grids follow one another.
            sign_invariant: Take the mean of the predictions for each grid and its mirror
                (P → −P); as the training was configured unless given.
            batch_size: Graphs a pass.

        Raises:
            DatasetError: A data set with other features, no grids, or features that are not
                finite.
            OperatingPointError: A feature needs an operating point that a grid does not have.
        """
        prediction, beyond = self.predict_with_range(
            grids, sign_invariant=sign_invariant, batch_size=batch_size
        )
        _warn(beyond)
        return prediction

    def predict_with_range(
        self, grids: Grids, *, sign_invariant: bool | None = None, batch_size: int = 128
    ) -> tuple[Float[Tensor, "nodes *pixels"], Beyond | None]:
        """As :meth:`predict`, and where the grids are beyond the training set, without a warning.

        Returns:
            The predictions; and where the grids are beyond what the model was trained on, None if
            that is not known.

        Raises:
            DatasetError: As :meth:`predict`.
            OperatingPointError: As :meth:`predict`.
        """
        raw = _store(grids, self.features)
        return self._predict(raw, grids, sign_invariant, batch_size)

    def _predict(
        self, raw: GraphStore, grids: Grids, sign_invariant: bool | None, batch_size: int
    ) -> tuple[Float[Tensor, "nodes *pixels"], Beyond | None]:
        """As :meth:`predict_with_range`, of the graphs of the grids with the model's features."""
        mirror = self.config.sign_invariant if sign_invariant is None else sign_invariant
        if isinstance(grids, GridDataset) and grids.target == "landscape":
            self.require_raster(grids)
        store = self.normalisation(raw)
        prediction = predict(self.model, store, batch_size)
        if mirror:
            opposite = predict(self.model, _mirrored(store, self.features), batch_size)
            if self.task.kind == "image":
                opposite = mirrored_images(opposite)
            prediction = (prediction + opposite) / 2
        beyond = None
        if self.known_range is not None:
            x = raw.tensors["x"].cpu().numpy()
            beyond = self.known_range.beyond(_power_grids(grids), self.features, x)
        side = () if self.config.raster is None else (self.config.raster.resolution,) * 2
        return prediction.reshape(-1, *side), beyond

    def require_raster(self, grids: GridDataset) -> None:
        """Nothing, if the landscapes of a data set are images such as the model predicts.

        Raises:
            DatasetError: They are not, or there are none.
        """
        if self.config.raster is not None:
            self.config.raster.require(grids.raster, grids.name)

    def __repr__(self) -> str:
        return (
            f"TrainedModel({self.config.model!r}, task={self.config.task!r}, "
            f"{self.config.learnt} {self.config.data.grids.get('train', 0):,} grids of "
            f"{self.config.data.name!r}, {self.model.num_parameters:,} parameters)"
        )


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The mean of several models' predictions, which errs less than each of them on average.

    Attributes:
        members: Models for the same task, at least one; their features may differ.

    Raises:
        InvalidParameterError: No models, or different tasks.
    """

    members: tuple[TrainedModel, ...]

    def __post_init__(self) -> None:
        tasks = sorted({member.config.task for member in self.members})
        if len(tasks) != 1:
            raise InvalidParameterError(
                f"an ensemble needs models of one task, got {', '.join(tasks) or 'no models'}"
            )
        rasters = {member.config.raster for member in self.members}
        if len(rasters) != 1:
            sizes = ", ".join(
                sorted(f"{one.resolution} ({one.domega_range:g} rad/s)" for one in rasters if one)
            )
            raise InvalidParameterError(
                f"an ensemble needs models of landscapes of one kind, got resolutions {sizes}"
            )

    @classmethod
    def load(cls, *paths: str | PathLike[str], device: str | torch.device = "cpu") -> "Ensemble":
        """The models in several training folders.

        Raises:
            InvalidParameterError: No folders, or different tasks.
            RunFolderError: As :meth:`TrainedModel.load`.
            SavedModelError: As :meth:`TrainedModel.load`.
        """
        return cls(tuple(TrainedModel.load(path, device=device) for path in paths))

    @property
    def task(self) -> Task:
        """The task whose labels it predicts."""
        return self.members[0].task

    @property
    def features(self) -> FeatureSet:
        """What its first member sees of a grid."""
        return self.members[0].features

    def parts(self, grids: Grids) -> list[Part] | None:
        """What each grid was in the training of any member that says so; None if none does.

        A grid is ``train`` if a member was trained on it, ``other`` only if none has seen it.
        """
        told = [parts for member in self.members if (parts := member.parts(grids)) is not None]
        orders: tuple[Part, ...] = ("train", "valid", "other")
        return [min(each, key=orders.index) for each in zip(*told, strict=True)] if told else None

    @property
    def threshold(self) -> float | None:
        """The mean of its members' thresholds."""
        found = [member.threshold for member in self.members if member.threshold is not None]
        return sum(found) / len(found) if found else None

    def predict(
        self, grids: Grids, *, sign_invariant: bool | None = None, batch_size: int = 128
    ) -> Float[Tensor, "nodes *pixels"]:
        """The mean over the members of :meth:`TrainedModel.predict`.

        A data set needs the features of the first member; those of others are computed.

        Raises:
            DatasetError: As :meth:`TrainedModel.predict`.
            OperatingPointError: As :meth:`TrainedModel.predict`.
        """
        prediction, beyond = self.predict_with_range(
            grids, sign_invariant=sign_invariant, batch_size=batch_size
        )
        _warn(beyond)
        return prediction

    def predict_with_range(
        self, grids: Grids, *, sign_invariant: bool | None = None, batch_size: int = 128
    ) -> tuple[Float[Tensor, "nodes *pixels"], Beyond | None]:
        """As :meth:`TrainedModel.predict_with_range`; beyond are nodes that are so for a member.

        Raises:
            DatasetError: As :meth:`TrainedModel.predict`.
            OperatingPointError: As :meth:`TrainedModel.predict`.
        """
        each = self.predict_each(grids, sign_invariant=sign_invariant, batch_size=batch_size)
        mean = mean_of([prediction for prediction, _ in each])
        return mean, Beyond.of_known([beyond for _, beyond in each])

    def predict_each(
        self, grids: Grids, *, sign_invariant: bool | None = None, batch_size: int = 128
    ) -> list[tuple[Float[Tensor, "nodes *pixels"], Beyond | None]]:
        """What :meth:`TrainedModel.predict_with_range` of every member gives.

        Raises:
            DatasetError: As :meth:`TrainedModel.predict`.
            OperatingPointError: As :meth:`TrainedModel.predict`.
        """
        if isinstance(grids, GridDataset):
            _require_features(grids, self.features)
        stores: dict[FeatureSet, GraphStore] = {}
        each = []
        for member in self.members:
            features = member.features
            if features not in stores:  # features take longer than the networks
                seen = grids
                if isinstance(grids, GridDataset) and features != grids.features:
                    seen = grids.with_features(features)
                stores[features] = _store(seen, features)
            each.append(member._predict(stores[features], grids, sign_invariant, batch_size))
        return each

    @property
    def calibration(self) -> JointCalibration:
        """What the mean of the members was wrong by on the validation set that all of them had.

        Raises:
            InvalidParameterError: A task of classes or images, a member without calibration, or
                members with different validation sets.
        """
        if not self.task.has_intervals:
            what = "classes" if self.task.kind == "class" else "images"
            raise InvalidParameterError(
                f"a model of task {self.task.name!r} predicts {what}, which have no intervals; "
                "take one of snbs, survivability or max_frequency_deviation"
            )
        return joint([member.calibration for member in self.members])

    def __repr__(self) -> str:
        return f"Ensemble({', '.join(map(repr, self.members))})"


def mean_of(predictions: list[Float[Tensor, "nodes *pixels"]]) -> Float[Tensor, "nodes *pixels"]:
    """The mean of several models' predictions, at least one, in their order."""
    total = predictions[0]
    for other in predictions[1:]:
        total = total + other
    return total / len(predictions)


def _warn(beyond: Beyond | None) -> None:
    if beyond:
        warnings.warn(f"predictions are {beyond.text}", BeyondTrainingWarning, stacklevel=3)


def _power_grids(grids: Grids) -> Iterable[PowerGrid]:
    if isinstance(grids, GridDataset):
        return grids.power_grids()
    return [grids] if isinstance(grids, PowerGrid) else grids


def _store(grids: Grids, features: FeatureSet) -> GraphStore:
    if isinstance(grids, GridDataset):
        _require_features(grids, features)
        return grids.store
    several = [grids] if isinstance(grids, PowerGrid) else list(grids)
    if not several:
        raise DatasetError("there is nothing to predict: no grids were given")
    require_memory(features, several)
    return GraphStore.from_data_list([_graph(grid, features) for grid in several])


def _graph(grid: PowerGrid, features: FeatureSet) -> Data:
    x, edge_attr = features.compute(grid)
    data = Data(
        x=torch.tensor(x, dtype=torch.float32),
        edge_index=torch.tensor(grid.edge_index),
    )
    if features.edge:
        data.edge_attr = torch.tensor(edge_attr, dtype=torch.float32)
    return data


def _require_features(dataset: GridDataset, features: FeatureSet) -> None:
    if dataset.features != features:
        given, needed = (
            f"{', '.join(each.node)} of nodes and {', '.join(each.edge) or 'nothing'} of lines"
            for each in (dataset.features, features)
        )
        raise DatasetError(
            f"the data set {dataset.name!r} has the features {given}, but the model was trained "
            f"on {needed}; load it with features=model.features"
        )


def _mirrored(store: GraphStore, features: FeatureSet) -> GraphStore:
    """The mirror image: normalised columns of odd parity are not shifted, so their sign turns."""
    x = store.tensors["x"]
    tensors = store.tensors | {"x": x * x.new_tensor(features.node_parity)}
    if "edge_attr" in tensors:
        edge_attr = tensors["edge_attr"]
        tensors["edge_attr"] = edge_attr * edge_attr.new_tensor(features.edge_parity)
    return replace(store, tensors=tensors)
