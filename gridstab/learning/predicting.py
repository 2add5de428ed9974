"""Predictions for the grids of a case or a folder, beside their labels where they have any."""

import math
import time
import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from gnncore.storage import StorageError, read_json, refuse_links
from gridstab.arguments import as_path, instance, shortened
from gridstab.datasets.benchmark import BENCHMARK_SETS
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.run_folder import TIMING
from gridstab.errors import BeyondTrainingWarning, DatasetError, InvalidParameterError
from gridstab.features.feature_set import FeatureSet
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning.judged import Judged
from gridstab.learning.known_range import Beyond
from gridstab.learning.landscape_metrics import snbs_of_images
from gridstab.learning.prediction_intervals import prediction_intervals, require_intervals
from gridstab.learning.predictions import LoadedGrids as LoadedGrids
from gridstab.learning.predictions import Predictions as Predictions
from gridstab.learning.tasks import Task, get_task
from gridstab.learning.train import load_for_learning
from gridstab.learning.trained import Ensemble, TrainedModel, mean_of

Model = TrainedModel | Ensemble | str | PathLike[str] | Sequence[str | PathLike[str]]
"""A model, or where one or several lie."""


def load_grids(
    case: str,
    task: Task,
    *,
    features: FeatureSet | str = "published",
    seed: int = 0,
    workers: int = 1,
    progress: bool = False,
    **parameters: Any,
) -> LoadedGrids:
    """The grids of a run folder, of published files, of a packaged set, or a single case.

    Args:
        case: A folder or packed file of labelled grids, ``ds20``, ``ds100``, ``texas``, the name of
            a MATPOWER case, or a grid file.
        task: Whose labels to look for.
        features: What the models see. Those of sets of labelled grids are computed here, once, or
            taken from the cache.
        seed: Seed of the random powers of a case that has none.
        workers: Processes that compute features of sets, where it takes long.
        progress: Show on stderr how many grids have their features.
        **parameters: Parameters of a single case, ``setting``, ``coupling``, ``damping``,
            ``inertia``, ``node_table`` or ``largest_component`` of
            :class:`gridstab.datasets.Campaign`; None leaves its own.

    Raises:
        GridstabError: Nothing readable there, labels that are no numbers, or parameters for grids
            with labels, which were simulated with their own.
        StorageError: A file cannot be read.
    """
    place = Path(case)
    packaged = case in BENCHMARK_SETS and case != "texas"
    if not (place.is_dir() or place.suffix == ".h5" or (packaged and not place.exists())):
        grid = Campaign.resolve(case=case, seed=seed, **parameters).source.grid(1)
        return LoadedGrids([grid], [1])
    for name, value in parameters.items():
        if value is not None:
            raise InvalidParameterError(
                f"{name} {value!r} is for a single case, but the grids of {case!r} have labels, "
                "which were simulated with their own; leave it out"
            )
    start = time.perf_counter()
    graphs = load_for_learning(case, features, get_task("snbs"), workers=workers, progress=progress)
    if task.target in graphs.grids.tensors:
        graphs = graphs.with_target(task.target)
    seconds = time.perf_counter() - start
    return LoadedGrids(
        list(graphs.power_grids()),
        graphs.grid_ids,
        graphs if graphs.target == task.target else None,
        _simulation_seconds(place),
        graphs,
        seconds,
    )


def predict_grids(
    model: TrainedModel | Ensemble,
    loaded: LoadedGrids,
    sign_invariant: bool | None = None,
    *,
    intervals: float | None = None,
    normalised: bool = True,
) -> Predictions:
    """What a model says about all nodes, and how long it took.

    Metrics are of grids that it has not learnt from, if there are any.

    Args:
        model: One model, or several.
        loaded: The grids.
        sign_invariant: Take the mean of the predictions for each grid and its mirror; as trained
            unless given.
        intervals: Probability that the interval of a node is to hold its label; no intervals
            unless given.
        normalised: Let the widths of intervals follow the difficulty of the nodes.

    Raises:
        InvalidParameterError: The model has no such intervals.
        OperatingPointError: A feature needs an operating point that a grid does not have.
        DatasetError: Features that are not finite, or labels that cannot be compared with.
    """
    ensemble = model if isinstance(model, Ensemble) else Ensemble((model,))
    if intervals is not None:
        require_intervals(ensemble, intervals, sign_invariant)
    start = time.perf_counter()
    graphs = loaded.grids if loaded.graphs is None else loaded.graphs
    each = ensemble.predict_each(graphs, sign_invariant=sign_invariant)
    prediction = mean_of([one for one, _ in each])
    found = None
    if intervals is not None:
        found = prediction_intervals(ensemble, each, intervals, normalised=normalised)
    seconds = time.perf_counter() - start + loaded.seconds
    judged = Judged.by(ensemble, loaded.grids)
    metrics: dict[str, float] = {}
    if loaded.dataset is not None:
        try:
            metrics = judged.evaluate(
                prediction, loaded.dataset, model.task, threshold=model.threshold
            )
        except DatasetError as error:
            if not judged.are_left_out:
                raise
            warnings.warn(str(error), stacklevel=2)  # predictions need no score
    value, landscapes = prediction, None
    if model.task.kind == "class":
        value = torch.sigmoid(prediction)
    elif model.task.kind == "image":
        value, landscapes = snbs_of_images(prediction.double()), prediction.double().numpy()
    return Predictions(
        model.task,
        loaded,
        value.double().numpy(),
        seconds,
        metrics,
        Beyond.of_known([beyond for _, beyond in each]),
        found,
        landscapes,
        ensemble.members[0].config.raster,
        judged,
    )


def predict(
    model: Model,
    grid: PowerGrid | Sequence[PowerGrid] | str | PathLike[str],
    *,
    intervals: float | None = None,
    normalised: bool = True,
    sign_invariant: bool | None = None,
    seed: int = 0,
) -> Predictions:
    """The stability of every node of a grid without simulating it.

    Where the grid is beyond what the model was trained on, a ``BeyondTrainingWarning`` says in
    what; ``beyond`` of the result says it node by node.

    Args:
        model: The folder of a training, several of them, of which the mean is taken, or what
            :meth:`TrainedModel.load` or :meth:`Ensemble.load` gave.
        grid: A grid, several, or what ``gridstab predict --case`` takes.
        intervals: Probability that the interval of a node, ``low`` to ``high`` of the result, is
            to hold its label, for grids of the kind of the training; no intervals unless given.
        normalised: Let the widths of the intervals follow the difficulty of the nodes; otherwise
            all are equal.
        sign_invariant: Take the mean of the predictions for each grid and its mirror (P → −P); as
            trained unless given.
        seed: Seed of the random powers of a case that has none.

    Raises:
        InvalidParameterError: No grid, or the model has no such intervals.
        RunFolderError: No training folder, an unfinished one, or a damaged file in it.
        GridstabError: The case cannot be read, or has no operating point.
    """
    ensemble = _ensemble(model)
    if intervals is not None:
        require_intervals(ensemble, intervals, sign_invariant)
    if isinstance(grid, str | PathLike):
        loaded = load_grids(str(grid), ensemble.task, features=ensemble.features, seed=seed)
    else:
        several = [grid] if isinstance(grid, PowerGrid) else list(grid)
        for one in several:
            instance("grid", one, PowerGrid, "make one with gridstab.grids")
        if not several:
            raise InvalidParameterError("grid must be one grid or several, got none")
        loaded = LoadedGrids(several, list(range(1, len(several) + 1)))
    found = predict_grids(
        ensemble, loaded, sign_invariant, intervals=intervals, normalised=normalised
    )
    if found.beyond:
        warnings.warn(f"predictions are {found.beyond.text}", BeyondTrainingWarning, stacklevel=2)
    return found


def _ensemble(model: Model) -> Ensemble:
    if isinstance(model, Ensemble):
        return model
    if isinstance(model, TrainedModel):
        return Ensemble((model,))
    folders = [model] if isinstance(model, str | PathLike) else model
    if not isinstance(folders, Sequence):
        raise InvalidParameterError(
            f"model must be the folder of a training, several of them, or a trained model, got "
            f"{shortened(model)}"
        )
    return Ensemble.load(*(as_path("model", folder) for folder in folders))


def _simulation_seconds(folder: Path) -> float | None:
    try:
        refuse_links(folder, TIMING)
        sessions = read_json(folder / TIMING)["sessions"]
        seconds = math.fsum(float(session["seconds"]) for session in sessions)
    except (StorageError, LookupError, TypeError, ValueError):
        return None
    return seconds or None
