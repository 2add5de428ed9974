"""From labelled grids to a trained model in a folder of its own, in one call."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor

from gnncore.command_line.heartbeat import doing
from gnncore.command_line.progress import work_progress
from gnncore.errors import TrainingError
from gnncore.figures import save_figure
from gnncore.models import GraphModel
from gnncore.storage import StorageError, WorkFolder, write_json
from gnncore.training import TrainingResult, fit, seeded
from gnncore.training.distributed import processes_on
from gnncore.training.epoch import item_groups
from gnncore.training.logs import write_history
from gridstab.errors import DatasetError, InvalidParameterError, RunFolderError
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.calibration import CALIBRATION, Calibration
from gridstab.learning.data import GridDataset, load_grid_dataset
from gridstab.learning.difficulty import ExpectedError, widening
from gridstab.learning.evaluation import evaluate, tune_threshold
from gridstab.learning.known_range import Beyond, KnownRange
from gridstab.learning.landscape_objective import require_window
from gridstab.learning.learnt_grids import LEARNT_GRIDS, LearntGrids
from gridstab.learning.mirror import flip_signs
from gridstab.learning.normalisation import Normalisation
from gridstab.learning.resolved_model import ModelSource, drawing, loaded, resolve_model
from gridstab.learning.splits import SPLITS
from gridstab.learning.starting import Start
from gridstab.learning.tasks import Task, get_task
from gridstab.learning.trained import TrainedModel
from gridstab.learning.training_folder import (
    CHECKPOINT,
    CONFIG,
    CURVE,
    KIND,
    METRICS,
    MODEL,
    NORMALISATION,
    RANGE,
    DataOrigin,
    TrainingConfig,
    check_folder,
    finish,
    is_complete,
    reopen_if_damaged,
)
from gridstab.report.learning_curve import plot_learning_curve

MAX_CLIP = 0.25


@dataclass(frozen=True)
class _Work:
    """A training that is known to make sense, before anything is written."""

    config: TrainingConfig
    task: Task
    splits: dict[str, GridDataset]
    normalisation: Normalisation
    known_range: KnownRange
    learnt_grids: LearntGrids
    augment: Callable[..., Any] | None
    start: Start | None


def train_model(
    model: ModelSource,
    data: str | PathLike[str],
    out: str | PathLike[str],
    *,
    task: str | None = None,
    features: FeatureSet | str | None = None,
    train_grids: int | None = None,
    augment: bool | None = None,
    sign_invariant: bool | None = None,
    clip: float | None = None,
    resume: bool = False,
    workers: int = 1,
    progress: bool = False,
    **settings: Any,
) -> TrainedModel:
    """Train a model into a folder, or continue an interrupted training.

    It learns from the training split and is selected on the validation split. The test split is
    looked at once, after that. On a CPU the weights and metrics depend on the arguments alone, to
    the last bit, however often the training was interrupted. A complete training whose files have
    changed is done again when it is resumed, with a ``RecomputedWarning``.

    Args:
        model: Name of a published model, ``default``, a TOML file, a specification, or a trained
            model or its folder. In a file, the keys are those of
            :class:`gnncore.models.ModelSpecification`, of which ``in_channels``, ``edge_channels``
            and ``output`` follow from features and task unless given, and ``out_channels`` of
            landscapes from the data; ``features`` names a feature set; a table ``[training]``
            holds settings, and ``augment`` and ``clip``, which are
            False and 0 unless given. A trained model goes on from its weights with its settings, of
            which a lower ``learning_rate`` and fewer ``epochs`` are often better; its features and
            their scaling stay, and what it knows is what both trainings have seen.
        data: What :func:`gridstab.learning.load_grid_dataset` reads, with all three splits.
        out: The training folder.
        task: A name in ``gridstab.learning.tasks.TASKS``; None does as a trained model does, and
            is ``snbs`` for a new one.
        features: What the model sees: a feature set or its name; the model's own unless given.
        train_grids: Train on the first so many grids of the split only.
        augment: Mirror training grids (P → −P) at random, which leaves their labels as they are;
            None does as the model's own field says, which is True for the default model.
        sign_invariant: Let predictions be the mean of those for a grid and its mirror; None does
            as a trained model does, and is False for a new one.
        clip: Cut features off beyond this share of the training values in either tail, so that
            grids of another size or origin do not leave what the model knows; None does as the
            model's own field says, which is 0.01 for the default model.
        resume: Continue the training that is there; without one, start all the same.
        workers: Processes that compute features, see
            :func:`gridstab.learning.load_grid_dataset`; the result is the same for any number.
        progress: Show a progress bar on stderr.
        settings: Fields of :class:`gnncore.training.TrainingSettings` in place of the model's
            own; None leaves those.

    Returns:
        The model with the weights of the best epoch.

    Raises:
        GridstabError: The data cannot be learnt from, a name is unknown, or the folder holds
            something else; nothing was written.
        GnncoreError: The model cannot be built for these features, or a setting is out of range;
            nothing was written. Or the loss became infinite.
        StorageError: The disk is full, read-only, or another training works in the folder.
        KeyboardInterrupt: Ctrl-C was pressed; the last whole epoch was kept.
    """
    folder = Path(out)
    work = _prepare(
        model,
        data,
        task,
        features,
        settings,
        train_grids,
        augment,
        sign_invariant,
        clip,
        workers,
        progress,
    )
    check_folder(folder, work.config, resume=resume)
    network = _network(work.config) if work.start is None else work.start.network()
    with WorkFolder(folder, KIND).claim(lambda: check_folder(folder, work.config, resume=resume)):
        if is_complete(folder) and not reopen_if_damaged(folder):
            return TrainedModel.load(folder)
        if not (folder / CONFIG).exists():
            write_json(folder / CONFIG, work.config.model_dump(mode="json"))
        write_json(folder / NORMALISATION, asdict(work.normalisation))
        write_json(folder / RANGE, work.known_range.to_dict())
        work.learnt_grids.save(folder / LEARNT_GRIDS)
        result = fit(
            network,
            work.normalisation(work.splits["train"].store),
            work.normalisation(work.splits["valid"].store),
            work.config.settings,
            work.task.objective(work.splits["train"]),
            folder / CHECKPOINT,
            resume=True,
            augment=work.augment,
            progress=progress,
        )
        return _finish(folder, work, network.cpu().eval(), result)


def load_for_learning(
    path: str | PathLike[str],
    features: FeatureSet | str,
    task: Task,
    *,
    workers: int = 1,
    progress: bool = False,
) -> GridDataset:
    """A data set of which missing and damaged files are the caller's mistake, not the machine's.

    Args:
        path: What :func:`gridstab.learning.load_grid_dataset` reads.
        features: The features, or the name of a feature set.
        task: Whose labels to take.
        workers: Processes that compute features, where it takes long.
        progress: Show on stderr how many grids have their features.

    Raises:
        GridstabError: As :func:`gridstab.learning.load_grid_dataset`.
        RunFolderError: Also for a file that is missing or damaged.
    """
    try:
        with (
            doing(f"reading {str(path)!r} and computing features"),
            work_progress("grids with features", quiet=not progress) as on_progress,
        ):
            return load_grid_dataset(
                str(path),
                features=features,
                target=task.target,
                workers=workers,
                on_progress=on_progress,
            )
    except StorageError as error:
        raise RunFolderError(str(error)) from error


def _prepare(
    model: ModelSource,
    data: str | PathLike[str],
    task_name: str | None,
    features: FeatureSet | str | None,
    settings: dict[str, Any],
    train_grids: int | None,
    augment: bool | None,
    sign_invariant: bool | None,
    clip: float | None,
    workers: int,
    progress: bool,
) -> _Work:
    model = loaded(model)
    own_task = model.config.task if isinstance(model, TrainedModel) else "snbs"
    task = get_task(own_task if task_name is None else task_name)
    resolved = resolve_model(model, task, features, settings)
    mirrors = resolved.augment if augment is None else augment
    start = resolved.start
    if start is not None:
        start.require_same(task.name, clip=clip)
    clip = resolved.clip if clip is None else clip
    if not 0 <= clip < MAX_CLIP:
        raise InvalidParameterError(f"clip must be at least 0 and below {MAX_CLIP}, got {clip}")
    dataset = load_for_learning(data, resolved.features, task, workers=workers, progress=progress)
    specification = resolved.specification
    raster = dataset.raster if task.kind == "image" else None
    if raster is not None:
        if start is not None:
            start.require_raster(raster, dataset.name)
        require_window(raster.resolution)
        specification = drawing(specification, raster)
    splits = {split: dataset.split(split) for split in SPLITS}
    if train_grids is not None:
        if not 1 <= train_grids <= len(splits["train"]):
            raise DatasetError(
                f"train_grids must be from 1 to {len(splits['train'])}, the grids of the training "
                f"split of {dataset.name!r}, got {train_grids}"
            )
        splits["train"] = splits["train"][:train_grids]
    if start is not None:
        start.require_unseen(splits)
    config = TrainingConfig(
        model=resolved.name,
        specification=specification,
        task=task.name,
        features=resolved.features,
        settings=resolved.settings,
        augment=mirrors,
        sign_invariant=resolved.sign_invariant if sign_invariant is None else sign_invariant,
        clip=clip,
        data=DataOrigin(
            name=dataset.name,
            grids={split: len(part) for split, part in splits.items()},
            content={split: part.store.content_hash for split, part in splits.items()},
        ),
        raster=raster,
        started_from=None if start is None else start.digest,
    )
    try:
        with processes_on(resolved.settings.device):
            pass
        item_groups(splits["train"].store, resolved.settings.group_by)
    except TrainingError as error:
        raise InvalidParameterError(str(error)) from error
    task.objective(splits["train"])  # which may refuse the labels
    for split in ("valid", "test"):
        # Metrics that these labels leave undefined must not come to light after the training.
        perfect = evaluate(splits[split].store.tensors["y"], splits[split], task)
        if task.kind in ("share", "amount") and "r2" not in perfect:
            raise DatasetError(
                f"all labels of the {split} grids of {dataset.name!r} are equal, so that they "
                "cannot tell good models from bad ones; take grids whose nodes differ"
            )
    learnt = list(splits["train"].power_grids())
    known = KnownRange.of(learnt, resolved.features, splits["train"].store.tensors["x"].numpy())
    grids = LearntGrids.of(learnt, splits["valid"].power_grids())
    if start is None:
        normalisation = Normalisation.of(splits["train"].store, resolved.features, clip)
    else:
        normalisation = start.normalisation(splits["train"].store)
        known, grids = start.known_range(known), start.learnt_grids(grids)
    return _Work(
        config,
        task,
        splits,
        normalisation,
        known,
        grids,
        partial(flip_signs, features=resolved.features) if mirrors else None,
        start,
    )


def _network(config: TrainingConfig) -> GraphModel:
    """The untrained model, whose initial weights follow from the seed."""
    with seeded(config.settings.seed):
        return GraphModel(config.specification)


def _finish(folder: Path, work: _Work, network: GraphModel, result: TrainingResult) -> TrainedModel:
    """Judge the model, store all that remains of the training, and remove the checkpoint."""
    trained = TrainedModel(
        work.config,
        network,
        work.normalisation,
        known_range=work.known_range,
        learnt_grids=work.learnt_grids,
    )
    metrics: dict[str, Any] = {
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "stopped_by": result.stopped_by,
        "parameters": network.num_parameters,
    }
    if work.start is not None:
        metrics["before"] = {
            split: evaluate(
                work.start.trained.predict_with_range(part)[0],
                part,
                work.task,
                threshold=work.start.trained.threshold,
            )
            for split, part in work.splits.items()
            if split != "train"
        }
    threshold = None
    calibration: Calibration | None = None
    for split in ("valid", "test"):
        prediction, beyond = trained.predict_with_range(work.splits[split])
        if split == "valid" and work.task.has_intervals:
            calibration = _calibrate(trained, work, prediction, beyond)
            calibration.save(folder / CALIBRATION)
        if split == "valid" and work.task.has_classes:
            threshold = tune_threshold(prediction, work.splits[split], work.task)
        metrics[split] = evaluate(prediction, work.splits[split], work.task, threshold=threshold)
    network.save_pretrained(folder / MODEL)
    write_json(folder / METRICS, metrics)
    write_history(folder, result.history)
    save_figure(plot_learning_curve(result.history, result.best_epoch), folder / CURVE)
    finish(folder)
    return replace(trained, metrics=metrics, calibration=calibration)


def _calibrate(
    trained: TrainedModel, work: _Work, prediction: Tensor, beyond: Beyond | None
) -> Calibration:
    """What the model is wrong by on validation grids, which it did not learn from."""
    train, valid = work.splits["train"], work.splits["valid"]
    learnt, _ = trained.predict_with_range(train)
    return Calibration(
        prediction.double().numpy(),
        valid.store.tensors["y"].double().numpy(),
        widening(beyond, len(prediction)),
        valid.store.pointers["node"].numpy(),
        ExpectedError.of(learnt.double().numpy(), train.store.tensors["y"].double().numpy()),
    )
