"""The report of a trained model: its predictions beside the labels of grids it never saw."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float

from gnncore.storage import CorruptFileError, read_json_lines
from gridstab.counted import counted
from gridstab.datasets.benchmark import BENCHMARK_SETS
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.learning.data import GridDataset
from gridstab.learning.evaluation import evaluate
from gridstab.learning.judged import Judged
from gridstab.learning.label_noise import noise_of
from gridstab.learning.landscape_metrics import snbs_of_images
from gridstab.learning.prediction_intervals import (
    PredictionIntervals,
    prediction_intervals,
    require_intervals,
)
from gridstab.learning.train import load_for_learning
from gridstab.learning.trained import Ensemble, TrainedModel
from gridstab.learning.training_folder import HISTORY, require_whole
from gridstab.report.bounds import bound_of
from gridstab.report.content import Report, ReportedGrid

_QUANTITIES = {
    "snbs": "SNBS",
    "survivability": "survivability",
    "max_frequency_deviation": "largest frequency deviation",
    "troublemaker": "troublemaker score",
    "landscape": "SNBS of the landscape",
}


def report_of_training(
    path: str | Path,
    data: str | Path | None = None,
    grid_id: int | None = None,
    *,
    intervals: float | None = None,
    normalised: bool = True,
) -> Report:
    """Predictions against labels on the test split, the training's history and its settings.

    Args:
        path: The training folder.
        data: What :func:`gridstab.learning.load_grid_dataset` reads; where the model was trained on
            a packaged set, that one unless given.
        grid_id: Number of the test grid that is drawn; the first of them unless given.
        intervals: Probability that the interval of a prediction is to hold the label; no intervals
            unless given.
        normalised: Let the widths of intervals follow the difficulty of the nodes.

    Raises:
        RunFolderError: No finished training at ``path``, or damaged data.
        InvalidParameterError: ``data`` is needed, the test split has no grid ``grid_id``, or the
            model has no such intervals.
        DatasetError: The data have no test split, or not the labels of the model's task.
        SavedModelError: The weights are damaged.
    """
    folder = Path(path)
    model = TrainedModel.load(folder)
    require_whole(folder, HISTORY)
    config, task = model.config, model.task
    alone = Ensemble((model,))
    if intervals is not None:
        require_intervals(alone, intervals)
    if data is None:
        if config.data.name not in BENCHMARK_SETS:
            raise InvalidParameterError(
                f"{str(folder)!r} was trained on {config.data.name!r}; "
                "give these or other labelled grids with --data"
            )
        data = config.data.name
    test = load_for_learning(data, model.features, task).split("test")
    judged = Judged.by(alone, test)
    test = test[judged.grids.tolist()]
    each = alone.predict_each(test)
    prediction, beyond = each[0]
    found = None
    if intervals is not None:
        found = prediction_intervals(alone, each, intervals, normalised=normalised)
    metrics = evaluate(prediction, test, task, threshold=model.threshold)
    if task.kind == "class":
        prediction = torch.sigmoid(prediction)
    elif task.kind == "image":
        prediction, test = snbs_of_images(prediction), test.with_target("snbs")
    ids = test.grid_ids
    drawn = ids[0] if grid_id is None else grid_id
    if drawn not in ids:
        raise InvalidParameterError(
            f"grid {drawn} is not among the {counted(len(ids), 'test grid')} of {test.name!r}, "
            f"which are {min(ids)} to {max(ids)}"
        )
    grids = reported_grids(test, prediction.double().numpy(), found)
    grids.sort(key=lambda reported: reported.grid_id != drawn)
    learnt = counted(config.data.grids.get("train", 0), "grid")
    seen = {
        "features": ", ".join((*model.features.node, *model.features.edge)),
        config.learnt: f"{learnt} of {config.data.name}",
        "tested on": f"{counted(len(ids), 'grid')} of {test.name}",
        "augment": config.augment,
        "sign_invariant": config.sign_invariant,
        "clip": config.clip,
        "specification": config.specification.model_dump(mode="json", exclude_none=True),
        "settings": config.settings.model_dump(mode="json", exclude_none=True),
    }
    return Report(
        title=f"{config.model} on {test.name}",
        subtitle=f"A model for {task.title}, {_tested_on(judged)}."
        + (f" Predictions are {beyond.text}." if beyond else ""),
        quantity=_QUANTITIES[task.target],
        higher_is_better=task.kind in ("share", "image"),
        grids=grids,
        facts=_facts(metrics, model, len(ids))
        + _said_of(found, test.store.tensors["y"].double().numpy()),
        metrics=metrics,
        history=read_history(folder / HISTORY),
        best_epoch=model.metrics.get("best_epoch"),
        configuration=seen,
        version=config.code_version,
    )


def reported_grids(
    dataset: GridDataset,
    prediction: Float[np.ndarray, " nodes"],
    intervals: PredictionIntervals | None = None,
) -> list[ReportedGrid]:
    """The grids of a data set with labels, their intervals where known, and predictions.

    Args:
        dataset: The grids.
        prediction: One a node.
        intervals: Those of the predictions, if there are any.
    """
    ends = None if intervals is None else np.stack([intervals.low, intervals.high], axis=1)
    shares = dataset.target in ("snbs", "survivability")
    noise = noise_of(dataset) if shares else None
    grids, end = [], 0
    for index, (grid_id, grid) in enumerate(
        zip(dataset.grid_ids, dataset.power_grids(), strict=True)
    ):
        start, end = end, end + grid.num_nodes
        graph = dataset[index]
        interval = None if noise is None else noise.interval[start:end]
        labels = dataset.grids[index]
        trouble: Bool[np.ndarray, " nodes"] | None = None
        if "troublemaker" in labels:
            trouble = labels.troublemaker.numpy() > 0
        value = graph.y.double().numpy()
        survived = None
        if "survivability" in labels and dataset.target != "survivability":
            survived = labels.survivability.double().numpy()
        grids.append(
            ReportedGrid(
                grid_id,
                grid,
                value,
                interval,
                prediction[start:end],
                trouble,
                survived,
                None if ends is None else ends[start:end],
                noise is not None and bool(noise.is_bound[start:end].any()),
            )
        )
    return grids


def read_history(path: Path) -> list[dict[str, float | None]]:
    """The rows of a training's ``history.jsonl``.

    Raises:
        StorageError: The file is missing.
        DatasetError: It is damaged.
    """
    try:
        rows = list(read_json_lines(path))
    except CorruptFileError as error:
        raise DatasetError(str(error)) from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(map(_is_number_or_none, row.values())):
            raise DatasetError(f"line {number} of {str(path)!r} is no row of a history")
    return rows


def _tested_on(judged: Judged) -> str:
    grids = counted(len(judged.grids), "grid")
    if not judged.is_new:
        return f"shown on {grids} from which it has learnt: how good it is shows on others"
    left_out = len(judged.num_nodes) - len(judged.grids)
    of = f", without {left_out} of the test split from which it has learnt" if left_out else ""
    return f"tested on {grids} on which it was not trained{of}"


def _is_number_or_none(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _said_of(
    intervals: PredictionIntervals | None, label: Float[np.ndarray, " nodes"]
) -> list[tuple[str, str]]:
    if intervals is None:
        return []
    held = float(intervals.covers(label).mean())
    level = f"{100 * intervals.level:g} % intervals"
    return [(level, f"{intervals.mean_width:.3f} wide"), ("labels that they hold", f"{held:.1%}")]


def _facts(metrics: dict[str, float], model: TrainedModel, grids: int) -> list[tuple[str, str]]:
    named = (
        ("ssim", "SSIM of the landscapes"),
        ("snbs_r2", "R² of the SNBS in them"),
        ("r2", "R²"),
        ("r2_ceiling", "R² that the labels' noise allows"),
        ("f2", "F2"),
    )
    facts = [
        (text, f"{bound_of(name, metrics)}{metrics[name]:.3f}")
        for name, text in named
        if name in metrics
    ]
    if "share_within_0.1" in metrics:
        facts.append(("nodes within 0.1", f"{metrics['share_within_0.1']:.1%}"))
    return [
        *facts,
        ("test grids", f"{grids:,}"),
        ("parameters", f"{model.model.num_parameters:,}"),
    ]
