"""Which model is meant by a name, a file or a specification, and how it is trained."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeGuard

from gnncore.configuration import given
from gnncore.errors import SpecificationError
from gnncore.models import Head, ModelSpecification
from gnncore.training import TrainingSettings
from gridstab.errors import InvalidParameterError
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.published import (
    DEFAULT_MODEL,
    PUBLISHED_MODELS,
    PublishedModel,
    published_model,
)
from gridstab.learning.raster import Raster
from gridstab.learning.starting import Start
from gridstab.learning.tasks import Task
from gridstab.learning.trained import TrainedModel

ModelSource = str | PathLike[str] | ModelSpecification | TrainedModel
"""The name of a published model or ``default``, a TOML file, a specification, or a trained model or
its folder."""


DECODER = Head(hidden=(256, 256), activation="leaky_relu")
"""From what a model knows of a node to the pixels of its landscape."""


@dataclass(frozen=True)
class ResolvedModel:
    """A model before its training.

    Attributes:
        name: What tables call it.
        specification: For these features and the task.
        features: What it sees.
        settings: How it is trained.
        augment: Whether training grids are mirrored at random, unless the caller says.
        clip: Share of the training values that is cut off in either tail, unless the caller says.
        sign_invariant: Whether predictions are means over mirror images, unless the caller says.
        start: The trained model that it goes on from; None for new weights.
    """

    name: str
    specification: ModelSpecification
    features: FeatureSet
    settings: TrainingSettings
    augment: bool = False
    clip: float = 0.0
    sign_invariant: bool = False
    start: Start | None = None


def resolve_model(
    model: ModelSource,
    task: Task,
    features: FeatureSet | str | None = None,
    settings: dict[str, Any] | None = None,
) -> ResolvedModel:
    """What a model is for a task; what is given wins over the model's own features and settings.

    Raises:
        InvalidParameterError: No model or feature set has this name, or a trained model has learnt
            another task, from other features, or does not know from what.
        RunFolderError: The folder holds no trained model, or a damaged one.
        SpecificationError: The file or a setting is wrong, or does not fit features and task.
    """
    own_settings = given(settings or {})
    model = loaded(model)  # by its folder, where the caller has not looked it up
    if isinstance(model, TrainedModel):
        resolved = _further(Start.of(model), task, features, own_settings)
    elif isinstance(model, ModelSpecification):
        seen = _features(features or "published")
        resolved = ResolvedModel("specification", model, seen, TrainingSettings(**own_settings))
    elif Path(model).suffix.lower() == ".toml":
        resolved = _from_file(Path(model), task, features, own_settings)
    else:
        known = _named(str(model))
        seen = _features(features or known.features)
        own = TrainingSettings(**known.settings.model_dump() | own_settings)
        specification = known.specification_for(task, seen)
        resolved = ResolvedModel(
            str(model), specification, seen, own, augment=known.augment, clip=known.clip
        )
    _check_fit(resolved, task)
    return resolved


def loaded(model: ModelSource) -> ModelSource:
    """The trained model, where it is named by its folder; else what was given.

    Raises:
        RunFolderError: The folder holds no trained model, or a damaged one.
    """
    return TrainedModel.load(model) if _is_folder(model) else model


def drawing(specification: ModelSpecification, raster: Raster) -> ModelSpecification:
    """The model with an image of a share a pixel for every node, row by row.

    Where its head is a linear layer, :data:`DECODER` takes its place.

    Raises:
        SpecificationError: The model has another number of outputs.
    """
    given_channels = specification.out_channels
    if given_channels not in (1, raster.pixels):
        raise SpecificationError(
            f"out_channels of the model is {given_channels}, but landscapes of {raster.resolution} "
            f"× {raster.resolution} pixels need {raster.pixels}; leave it out of the file"
        )
    values = specification.model_dump() | {"out_channels": raster.pixels}
    if specification.head == Head():
        values["head"] = DECODER
    return ModelSpecification(**values)


def _from_file(
    path: Path, task: Task, features: FeatureSet | str | None, given: dict[str, Any]
) -> ResolvedModel:
    values = ModelSpecification.read_toml(path)
    own, named = values.pop("training", {}), values.pop("features", "published")
    for key, value, kind in (("training", own, dict), ("features", named, str)):
        if not isinstance(value, kind):
            raise SpecificationError(
                f"{key} in {str(path)!r} must be a {'table' if kind is dict else 'name'}, "
                f"got {value!r}"
            )
    settings = dict(own)
    augment, clip = settings.pop("augment", False), settings.pop("clip", 0.0)
    for key, value, right, what in (
        ("augment", augment, isinstance(augment, bool), "true or false"),
        ("clip", clip, isinstance(clip, int | float) and not isinstance(clip, bool), "a number"),
    ):
        if not right:
            raise SpecificationError(
                f"{key} under training in {str(path)!r} must be {what}, got {value!r}"
            )
    seen = _features(features or named)
    channels = {"in_channels": seen.in_channels, "edge_channels": seen.edge_channels}
    specification = ModelSpecification(**channels | {"output": task.output} | values)
    return ResolvedModel(
        path.stem, specification, seen, TrainingSettings(**settings | given), augment, clip
    )


def _named(name: str) -> PublishedModel:
    if name == "default":
        return DEFAULT_MODEL
    try:
        return published_model(name)
    except InvalidParameterError as error:
        raise InvalidParameterError(
            f"{error}; or default, a TOML file, or the folder of a training"
        ) from None


def _is_folder(model: ModelSource) -> TypeGuard[str | PathLike[str]]:
    named = isinstance(model, str) and model in ("default", *PUBLISHED_MODELS)
    # An empty text, as of an unset variable, is not the working folder.
    return not named and model != "" and isinstance(model, str | PathLike) and Path(model).is_dir()


def _further(
    start: Start, task: Task, features: FeatureSet | str | None, given: dict[str, Any]
) -> ResolvedModel:
    start.require_same(task.name, None if features is None else _features(features))
    config = start.trained.config
    return ResolvedModel(
        config.model,
        config.specification,
        config.features,
        start.settings(given),
        config.augment,
        config.clip,
        config.sign_invariant,
        start,
    )


def _features(features: FeatureSet | str) -> FeatureSet:
    return FeatureSet.named(features) if isinstance(features, str) else features


def _check_fit(resolved: ResolvedModel, task: Task) -> None:
    specification, features = resolved.specification, resolved.features
    edge_channels = specification.edge_channels or features.edge_channels
    for what, has, needed in (
        ("in_channels", specification.in_channels, features.in_channels),
        ("edge_channels", edge_channels, features.edge_channels),
        *([("out_channels", specification.out_channels, 1)] if task.kind != "image" else []),
        ("output", specification.output, task.output),
        ("pooling", specification.pooling, None),
    ):
        if has != needed:
            raise SpecificationError(
                f"{what} of the model is {has!r}, but these features and task {task.name!r} need "
                f"{needed!r}; leave it out of the file or choose other features"
            )
