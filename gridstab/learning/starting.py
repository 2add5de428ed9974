"""A training that begins with a trained model, so that a few grids of one's own are enough.

The weights know the features as they were scaled in the first training, so these constants stay;
the bounds beyond which values are cut off widen to what the further grids have. What the model has
learnt from, and within which ranges, is what both trainings have: it is still not judged by grids
that it knows.
"""

import hashlib
import json
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

from gnncore.models import GraphModel
from gnncore.training import GraphStore, TrainingSettings
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.data import GridDataset
from gridstab.learning.known_range import KnownRange
from gridstab.learning.learnt_grids import LearntGrids
from gridstab.learning.normalisation import Normalisation
from gridstab.learning.raster import Raster
from gridstab.learning.trained import TrainedModel


@dataclass(frozen=True)
class Start:
    """A trained model, as the beginning of another training.

    Attributes:
        trained: The model.
        known: The ranges that it has seen.
        learnt: The grids that it has learnt from.
    """

    trained: TrainedModel
    known: KnownRange
    learnt: LearntGrids

    @classmethod
    def of(cls, trained: TrainedModel) -> "Start":
        """The beginning that a trained model is.

        Raises:
            InvalidParameterError: It does not know what it has learnt from, or all of its
                parameters are frozen.
        """
        if trained.known_range is None or trained.learnt_grids is None:
            raise InvalidParameterError(
                "the trained model is of a version that did not keep from which grids it has "
                "learnt, so that nothing could say what judges it; train it anew to go on from it"
            )
        if not any(parameter.requires_grad for parameter in trained.model.parameters()):
            raise InvalidParameterError("all parameters of the trained model are frozen")
        return cls(trained, trained.known_range, trained.learnt_grids)

    @property
    def digest(self) -> str:
        """SHA-256 of all of it that a further training depends on."""
        model, digest = self.trained.model, hashlib.sha256()
        frozen = [name for name, one in model.named_parameters() if not one.requires_grad]
        kept = [asdict(self.trained.normalisation), self.known.to_dict(), frozen]
        digest.update(json.dumps(kept, sort_keys=True).encode())
        for grids in (self.learnt.train, self.learnt.valid):
            digest.update(b" ".join(sorted(grids)) + b"|")
        for name, value in sorted(model.state_dict().items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def settings(self, given: dict[str, Any]) -> TrainingSettings:
        """Those of its training, but for what is given."""
        return TrainingSettings(**self.trained.config.settings.model_dump() | given)

    def network(self) -> GraphModel:
        """Its network, to be trained further."""
        return deepcopy(self.trained.model).train()

    def normalisation(self, train: GraphStore) -> Normalisation:
        """Its constants, with bounds that let the further training grids pass."""
        config = self.trained.config
        return self.trained.normalisation.widened(train, config.features, config.clip)

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
                "leave the task out, or train a new model"
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
            parts = [self.learnt.part(grid) for grid in splits[split].power_grids()]
            known = sum(part in seen for part in parts)
            if known:
                raise DatasetError(
                    f"the trained model has learnt from {known} of the {len(parts)} {split} grids "
                    f"of {splits[split].name!r}; give it grids that it does not know"
                )

    def known_range(self, new: KnownRange) -> KnownRange:
        """What both trainings have seen."""
        return self.known.joined(new)

    def learnt_grids(self, new: LearntGrids) -> LearntGrids:
        """The grids of both trainings."""
        return LearntGrids(self.learnt.train | new.train, self.learnt.valid | new.valid)
