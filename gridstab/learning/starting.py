"""A training that begins with a trained model, so that a few grids of one's own are enough.

The weights know the features as they were scaled and cut off in the first training, so these
constants stay. What the model has learnt from, and within which ranges, is what both trainings
have: it is still not judged by grids that it knows.
"""

import hashlib
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from gnncore.models import GraphModel
from gnncore.training import TrainingSettings
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.data import GridDataset
from gridstab.learning.known_range import KnownRange
from gridstab.learning.learnt_grids import LearntGrids
from gridstab.learning.raster import Raster
from gridstab.learning.trained import TrainedModel


@dataclass(frozen=True)
class Start:
    """A trained model, as the beginning of another training.

    Attributes:
        trained: The model.
    """

    trained: TrainedModel

    @property
    def weights(self) -> str:
        """SHA-256 of its weights."""
        digest = hashlib.sha256()
        for name, value in sorted(self.trained.model.state_dict().items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def settings(self, given: dict[str, Any]) -> TrainingSettings:
        """Those of its training, but for what is given."""
        return TrainingSettings(**self.trained.config.settings.model_dump() | given)

    def network(self) -> GraphModel:
        """Its network, to be trained further."""
        return deepcopy(self.trained.model).train()

    def require_same(
        self, task: str, features: FeatureSet | None = None, clip: float | None = None
    ) -> None:
        """What its weights rest on cannot change.

        Raises:
            InvalidParameterError: Another task, other features, or another clip.
        """
        config = self.trained.config
        if task != config.task:
            raise InvalidParameterError(
                f"the trained model has learnt the task {config.task!r}, got {task!r}; "
                "take its own task, or train a new model"
            )
        if features not in (None, config.features) or clip not in (None, config.clip):
            what = "clip" if features in (None, config.features) else "features"
            raise InvalidParameterError(
                f"{what} of a trained model cannot change; leave {what} out, or train a new model"
            )

    def require_raster(self, raster: Raster, name: str) -> None:
        """Images must be of its kind.

        Args:
            raster: That of a data set.
            name: Name of the data set.

        Raises:
            DatasetError: They are not.
        """
        if self.trained.config.raster is not None:
            self.trained.config.raster.require(raster, name)

    def require_unseen(self, splits: dict[str, GridDataset]) -> None:
        """Grids that it has learnt from can neither judge what it learns nor choose the epoch.

        Raises:
            DatasetError: There are some among the validation or the test grids.
        """
        for split, seen in (("valid", ("train",)), ("test", ("train", "valid"))):
            parts = self.trained.parts(splits[split]) or []
            known = sum(part in seen for part in parts)
            if known:
                raise DatasetError(
                    f"the trained model has learnt from {known} of the {len(parts)} {split} grids "
                    f"of {splits[split].name!r}; give it grids that it does not know"
                )

    def known_range(self, new: KnownRange) -> KnownRange:
        """What both trainings have seen."""
        before = self.trained.known_range
        return new if before is None else before.joined(new)

    def learnt_grids(self, new: LearntGrids) -> LearntGrids:
        """The grids of both trainings."""
        before = self.trained.learnt_grids
        if before is None:
            return new
        return LearntGrids(before.train | new.train, before.valid | new.valid)
