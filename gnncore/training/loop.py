"""The one training loop: seeded, resumable, the same on one process and on many."""

from contextlib import ExitStack
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gnncore.errors import TrainingError
from gnncore.storage import exclusive_lock, make_folder
from gnncore.training.adapters import Trainable, as_dataset
from gnncore.training.checkpoints import Checkpoints, TrainingState, identity_of
from gnncore.training.dataset import Dataset
from gnncore.training.distributed import Processes, processes_on
from gnncore.training.epoch import Augment, Run, item_groups, train_epoch, validate
from gnncore.training.forward import Forward, call_model
from gnncore.training.history import Row, TrainingResult, best_epoch
from gnncore.training.loader import Loader
from gnncore.training.logs import Log, open_logs
from gnncore.training.objectives import Objective
from gnncore.training.optimisers import make_optimiser, make_schedule
from gnncore.training.settings import TrainingSettings
from gnncore.training.threads import threads_for


def fit(
    model: nn.Module,
    train: Trainable,
    validation: Trainable,
    settings: TrainingSettings,
    objective: Objective,
    out: str | Path | None = None,
    *,
    forward: Forward = call_model,
    resume: bool = False,
    augment: Augment | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Train a model; at the end it holds the weights of its best epoch on validation.

    The same model, data, settings and number of threads give the same weights to the last bit on
    the CPU, and so does a run that was killed and resumed. Under torchrun every batch is shared
    among the processes, with the gradient of one process.

    Args:
        model: Any module; moved to the device. Its present weights are where the training starts
            (:func:`gnncore.training.seeded`).
        train: What to train on: a data set of this package, of PyG or of torch, a list of items,
            or a loader of one, of which the data set alone is taken
            (:func:`gnncore.training.as_dataset`).
        validation: What chooses the best epoch and ends the training early.
        settings: How to train.
        objective: What to train for.
        out: Folder for the checkpoint and ``history.jsonl``; None keeps nothing.
        forward: The prediction of the model for a batch (default:
            :func:`gnncore.training.call_model`, as layers and models of this package and of PyG
            are called). Call the model that is given, once: it may be wrapped or compiled.
        resume: Go on where the run in ``out`` stopped, or start where there is none.
        augment: Changes training batches; draw from the generator (of the CPU) alone.
        progress: Show the progress on stderr.

    Returns:
        The history, the best epoch and the speed.

    Raises:
        TrainingError: Nothing to train on, labels that are missing or not finite, a loss or a
            deciding metric that is not finite, a device that is not there.
        CheckpointError: ``out`` holds a run and ``resume`` is not set, or it is damaged or one of
            another model, other data, settings or objective.
        StorageError: ``out`` cannot be written, or another run is writing there.
        KeyboardInterrupt: Ctrl-C was pressed; the last whole epoch is in the checkpoint.
    """
    train, validation = as_dataset(train), as_dataset(validation)
    for name, dataset in (("training", train), ("validation", validation)):
        _check(name, dataset, objective)
    item_groups(train, settings.group_by)  # which is refused before anything is written
    with ExitStack() as stack:
        processes = stack.enter_context(processes_on(settings.device))
        device = processes.device
        if device.type == "cpu":
            stack.enter_context(threads_for(model, train, settings.batch_size))
        stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        folder = None if out is None else Path(out)
        if folder is not None and processes.is_first:
            make_folder(folder)
            stack.enter_context(exclusive_lock(folder))
        run = _prepare(model, train, validation, settings, objective, forward, augment, processes)
        state = run.state
        identity = {}
        if folder is not None:
            identity = identity_of(model, train, validation, settings, objective, forward, augment)
        checkpoints = stack.enter_context(
            Checkpoints(
                folder,
                identity,
                resume=resume,
                writes=processes.is_first,
                seconds=settings.checkpoint_seconds,
            )
        )
        if checkpoints.found is not None:
            state.restore(checkpoints.found)
        logs: list[Log] = []
        if processes.is_first:
            done = len(state.history)
            logs = stack.enter_context(
                open_logs(folder, settings, progress, objective.select_by, len(train), done)
            )
        while _goes_on(state.history, settings, objective):
            epoch = len(state.history) + 1
            row: Row = {"epoch": epoch} | train_epoch(run, epoch, logs) | validate(run, epoch)
            state.history.append(row)
            if best_epoch(state.history, objective.select_by, objective.maximise) == epoch:
                state.remember_best()
            for log in logs:
                log.epoch(row)
            checkpoints.keep(state)
    model.load_state_dict(state.best)
    return TrainingResult.of(
        state.history,
        graphs=len(train),
        select_by=objective.select_by,
        maximise=objective.maximise,
        epochs=settings.epochs,
    )


def _check(name: str, dataset: Dataset, objective: Objective) -> None:
    if not len(dataset):
        raise TrainingError(f"the {name} split is empty")
    try:
        objective.check(dataset.whole())
    except TrainingError as error:
        raise TrainingError(f"{name} split: {error}") from error


def _prepare(
    model: nn.Module,
    train: Dataset,
    validation: Dataset,
    settings: TrainingSettings,
    objective: Objective,
    forward: Forward,
    augment: Augment | None,
    processes: Processes,
) -> Run:
    device = processes.device
    model = processes.convert(model.to(device))
    averaged = None
    if settings.average_decay is not None:
        average = get_ema_multi_avg_fn(settings.average_decay)
        averaged = AveragedModel(model, multi_avg_fn=average)
    optimiser = make_optimiser(model, settings)
    steps = settings.epochs * len(Loader(train, settings.batch_size))
    state = TrainingState(
        model=model,
        optimiser=optimiser,
        schedule=make_schedule(optimiser, settings, steps),
        scaler=GradScaler(device.type, enabled=settings.mixed_precision == "float16"),
        averaged=averaged,
    )
    compiled = model
    if settings.compile:
        compiled = cast(nn.Module, torch.compile(model, dynamic=True))
    own = processes.own(torch.arange(len(validation)))
    own_validation = validation.select(own)
    targets = validation.to("cpu").whole()
    if settings.data_on_device:
        train, own_validation = train.to(device), own_validation.to(device)
    return Run(
        state=state,
        trained=processes.wrap(compiled),
        judge=compiled if averaged is None else averaged.module,
        train=train,
        validation=own_validation,
        targets=targets,
        settings=settings,
        objective=objective,
        forward=forward,
        augment=augment,
        processes=processes,
    )


def _goes_on(history: list[Row], settings: TrainingSettings, objective: Objective) -> bool:
    waited = len(history) - best_epoch(history, objective.select_by, objective.maximise)
    is_out_of_patience = settings.patience is not None and waited >= settings.patience
    return len(history) < settings.epochs and not is_out_of_patience
