"""A training folder: what was trained, on what, how, and what came out.

    config.json           model, task, features, settings, data: all that the result depends on
    normalisation.json    constants of the features, from the training set
    range.json            smallest and largest value of every quantity in the training set
    learnt_grids.safetensors  hashes of the training and validation grids
    calibration.safetensors   predictions and labels of the validation set, for intervals; none of
                          classes
    model/                config.json and model.safetensors of the best epoch on validation
    metrics.json          of the best epoch on validation, and on the test set
    history.jsonl         one row an epoch
    checkpoint/           the state between two epochs; gone once the training is complete
    learning_curve.png    the same as a picture
    manifest.json         checksums of all of the above; its presence says that it is complete

The bytes of the first five depend on the configuration alone, on one machine and its CPU. What a
trained model is made of is compared with its checksum before it is used, and symbolic links within
the folder are not followed.
"""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field

import gridstab
from gnncore.configuration import Configuration
from gnncore.models import ModelSpecification
from gnncore.storage import (
    LOCK_NAME,
    MANIFEST_NAME,
    Manifest,
    RecomputedWarning,
    StorageError,
    WorkFolder,
    WorkKind,
    first_difference,
    read_json,
)
from gnncore.training import TrainingSettings
from gridstab.errors import RunFolderError
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.calibration import CALIBRATION, Calibration
from gridstab.learning.known_range import KnownRange
from gridstab.learning.learnt_grids import LEARNT_GRIDS, LearntGrids
from gridstab.learning.normalisation import Normalisation
from gridstab.learning.raster import Raster

Read = TypeVar("Read")

CONFIG, NORMALISATION, METRICS = "config.json", "normalisation.json", "metrics.json"
RANGE = "range.json"
HISTORY, CURVE, MODEL, CHECKPOINT = "history.jsonl", "learning_curve.png", "model", "checkpoint"
USED = (CONFIG, NORMALISATION, METRICS, f"{MODEL}/config.json", f"{MODEL}/model.safetensors")
"""What a trained model is made of."""

KIND = WorkKind(
    what="training",
    title="training folder",
    configuration=CONFIG,
    error_class=RunFolderError,
    tag="gridstab.training",
    made_by="gridstab train",
    elsewhere="choose another folder with --out",
    go_on="add --resume to continue it",
)
"""How the folders of trainings are claimed, resumed and refused."""

_ALL = (*USED, RANGE, LEARNT_GRIDS, CALIBRATION, f"{MODEL}/README.md", HISTORY, CURVE)

# What changes no result, or only its rounding: a training may go on with other values.
_FREE = {
    "data.name",
    "settings.device",
    "settings.data_on_device",
    "settings.checkpoint_seconds",
    "settings.tensorboard",
}


class DataOrigin(Configuration):
    """The data of a training.

    Attributes:
        name: Name of the folder or the packaged set.
        grids: Number of grids by split.
        content: SHA-256 of features and labels by split.
    """

    error_class = RunFolderError

    name: str
    grids: dict[str, int]
    content: dict[str, str]


class TrainingConfig(Configuration):
    """What ``config.json`` holds.

    Attributes:
        kind: Tells the folder from others.
        format: Version of the folder's format.
        code_version: Version of the code that trained.
        model: Name of the model, or stem of its file.
        specification: Specification of the model, for these features and this task.
        task: Name of the task.
        features: Names of the features of nodes and of lines.
        settings: How it is trained.
        augment: Whether training grids were mirrored at random.
        sign_invariant: Whether predictions are the mean of those for a grid and its mirror.
        clip: Share of the training values in either tail beyond which features are cut off.
        data: On what.
        raster: Size and range of the landscapes, where these are what is predicted.
        started_from: SHA-256 of the trained model that it goes on from, if it does.
    """

    error_class = RunFolderError

    kind: Literal["gridstab.training"] = "gridstab.training"
    format: Literal[1] = 1
    code_version: str = gridstab.__version__
    model: str
    specification: ModelSpecification
    task: str
    features: FeatureSet
    settings: TrainingSettings
    augment: bool = False
    sign_invariant: bool = False
    clip: float = Field(default=0.0, ge=0.0)
    data: DataOrigin
    raster: Raster | None = None
    started_from: str | None = None

    @property
    def learnt(self) -> str:
        """In words, before the grids: whether weights were new."""
        return "trained on" if self.started_from is None else "trained further on"

    def difference(self, other: "TrainingConfig") -> str | None:
        """The first value in which another configuration differs, in words."""
        if self.started_from != other.started_from:
            there, here = (
                "new weights" if one.started_from is None else "those of a trained model"
                for one in (self, other)
            )
            if there == here:
                return "the trained model that it goes on from is another one here"
            return f"it starts from {there} there and from {here} here"
        mine, theirs = (_flat(config.model_dump(mode="json")) for config in (self, other))
        names = sorted((mine.keys() | theirs.keys()) - _FREE, key=_interest)
        return first_difference(mine, theirs, names)


def read_config(path: str | Path) -> TrainingConfig:
    """The configuration in a training folder.

    Raises:
        RunFolderError: There is no training folder at ``path``, or its configuration is damaged.
    """
    links = (MANIFEST_NAME, CHECKPOINT, f"{CHECKPOINT}/checkpoint.safetensors", *_ALL)
    return WorkFolder(Path(path), KIND).configuration(TrainingConfig.parse, *links)


def read_normalisation(path: Path) -> Normalisation:
    """The constants in a training folder.

    Raises:
        RunFolderError: They are missing or damaged.
    """
    try:
        values = read_json(path / NORMALISATION)
        return Normalisation(**{name: tuple(map(float, column)) for name, column in values.items()})
    except StorageError as error:
        raise RunFolderError(f"{str(path)!r} is damaged or unfinished: {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise RunFolderError(f"{str(path / NORMALISATION)!r} holds no constants") from error


def read_range(path: Path) -> KnownRange | None:
    """The ranges in a complete training folder; None in one of a version that kept none.

    Raises:
        RunFolderError: They are damaged.
    """
    try:
        manifest = Manifest.read(path)
        if RANGE not in manifest.entries:
            return None
        manifest.require(RANGE)
        return KnownRange.from_dict(read_json(path / RANGE))
    except StorageError as error:
        raise RunFolderError(f"{str(path)!r} is damaged: {error}") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise RunFolderError(f"{str(path / RANGE)!r} holds no ranges") from error


def read_calibration(path: Path) -> Calibration | None:
    """The calibration in a complete training folder; None where there is none.

    Raises:
        RunFolderError: It is damaged.
    """
    return _read_if_kept(path, CALIBRATION, Calibration.parse)


def read_learnt_grids(path: Path) -> LearntGrids | None:
    """The grids of a complete training; None in a folder of a version that kept none.

    Raises:
        RunFolderError: They are damaged.
    """
    return _read_if_kept(path, LEARNT_GRIDS, LearntGrids.parse)


def _read_if_kept(path: Path, name: str, parse: Callable[[bytes, Path], Read]) -> Read | None:
    try:
        manifest = Manifest.read(path)
        if name not in manifest.entries:
            return None
        return parse(manifest.read_bytes(name), path / name)
    except StorageError as error:
        raise RunFolderError(f"{str(path)!r} is damaged: {error}") from error


def is_complete(path: Path) -> bool:
    """Whether the training came to its end."""
    return WorkFolder(path, KIND).is_complete


def check_folder(path: Path, config: TrainingConfig, *, resume: bool) -> None:
    """Whether a training with this configuration may work at ``path``; writes nothing.

    Look once before any work is done, and again under the lock, before anything is written.

    Raises:
        RunFolderError: Something foreign is there, a training with another configuration, or one
            with this configuration that is not to be resumed.
    """
    WorkFolder(path, KIND).look(lambda: read_config(path).difference(config), resume=resume)


def require_whole(path: Path, *names: str) -> None:
    """Check that these files of a complete training have the checksums of its manifest.

    Raises:
        RunFolderError: One has not, or the manifest is damaged.
    """
    try:
        Manifest.read(path).require(*names)
    except StorageError as error:
        raise RunFolderError(
            f"{str(path)!r} is damaged: {error}; see gridstab verify, or train again with --resume"
        ) from error


def reopen_if_damaged(path: Path) -> bool:
    """Look at a complete training, and make it an unfinished one if a file of it is lost.

    Returns:
        Whether it must be trained again, which a :class:`RecomputedWarning` says.

    Raises:
        RunFolderError: The configuration is not the one of the manifest.
        StorageError: The folder cannot be read or written.
    """
    work = WorkFolder(path, KIND)
    problems = [problem for problem in work.damage() if problem.kind != "unexpected"]
    if any(problem.path == CONFIG for problem in problems):
        raise RunFolderError(
            f"{str(path)!r} mixes two trainings or is damaged: {CONFIG} is not the one of its "
            "manifest; restore it, or train in another folder"
        )
    if not problems:
        _remove_checkpoint(path)
        return False
    work.reopen()
    texts = "; ".join(problem.text for problem in problems)
    warnings.warn(f"{str(path)!r} is trained again: {texts}", RecomputedWarning, stacklevel=3)
    return True


def finish(path: Path) -> None:
    """Write the manifest and remove what is no longer needed.

    Raises:
        StorageError: The disk is full, or the folder read-only.
    """
    # Classes have no calibration.
    there = [name for name in _ALL if name != CALIBRATION or (path / name).exists()]
    ignored = (MANIFEST_NAME, LOCK_NAME, "*.html", f"{CHECKPOINT}/*")
    Manifest.of_files(path, there, ignored).write()
    # Last, so that a training killed here never starts from nothing.
    _remove_checkpoint(path)


def _remove_checkpoint(path: Path) -> None:
    shutil.rmtree(path / CHECKPOINT, ignore_errors=True)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat


def _interest(name: str) -> tuple[bool, str]:
    """What the user chose comes before what follows from it."""
    return name.startswith(("specification.", "data.content")), name
