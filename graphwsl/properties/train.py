"""Fit a predictor to a zoo, judge it once on the networks it never saw, and keep it in a folder.

predictor.json          what it is, what it was fitted to, and the split
predictor.safetensors   what was fitted
metrics.json            on validation and on the test part
manifest.json           checksums; its presence says that the folder is complete
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnncore.storage import LOCK_NAME, MANIFEST_NAME, Manifest, is_leftover, write_json
from graphwsl.errors import PredictorError
from graphwsl.properties.evaluation import evaluate
from graphwsl.properties.population import Population
from graphwsl.properties.predictor import Predictor
from graphwsl.properties.predictors import make_predictor
from graphwsl.properties.splits import split_models
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.layouts import open_zoo

METRICS = "metrics.json"


@dataclass(frozen=True, eq=False)
class TrainedPredictor:
    """A fitted predictor and how good it is.

    Attributes:
        predictor: Ready to predict.
        metrics: ``valid`` and ``test``, each by name; ``parameters``; ``networks`` and
            ``checkpoints`` by part; ``seconds`` of the fit.
    """

    predictor: Predictor
    metrics: dict[str, Any]


def train_predictor(
    zoo: str | Path,
    out: str | Path,
    *,
    target: str = "test_accuracy",
    predictor: str = "forward_propagation",
    seed: int = 0,
    split_seed: int = 0,
    epochs_of_zoo: Sequence[int] | None = None,
    held_out: Mapping[str, Sequence[Scalar]] | None = None,
    progress: bool = True,
    **options: Any,
) -> TrainedPredictor:
    """Train and keep a predictor.

    Args:
        zoo: Folder of a zoo, of any layout.
        out: Folder of the predictor; made if it is missing, and empty.
        target: What to predict.
        predictor: One of :data:`graphwsl.properties.PREDICTORS`.
        seed: Of initial weights and batches.
        split_seed: Of the split of the networks.
        epochs_of_zoo: Checkpoints of these epochs only; None for all.
        held_out: See :func:`graphwsl.properties.split_models`.
        progress: Show the progress on stderr.
        **options: Of the predictor.

    Raises:
        PredictorError: A name that does not exist, a target or zoo that does not suit, or ``out``
            is not empty.
        ZooError: There is no zoo.
        StorageError: A file is damaged, or ``out`` cannot be written.
        TrainingError: The training diverged.
    """
    folder = Path(out)
    if folder.exists() and not (folder.is_dir() and all(map(_is_blank, folder.iterdir()))):
        raise PredictorError(f"{str(folder)!r} is not empty; choose another folder")
    model = make_predictor(predictor, **options)
    found = open_zoo(zoo)
    kept = [
        checkpoint
        for checkpoint in found.checkpoints
        if epochs_of_zoo is None or checkpoint.epoch in epochs_of_zoo
    ]
    population = Population.load(found, kept)
    split = split_models(kept, split_seed, held_out=held_out)
    start = time.perf_counter()
    model.fit(population, split, target, seed, progress=progress)
    metrics: dict[str, Any] = {
        "parameters": model.num_parameters,
        "seconds": time.perf_counter() - start,
        "networks": {},
        "checkpoints": {},
    }
    for part in ("train", "valid", "test"):
        members = population.select(split.numbers(part, kept))
        metrics["networks"][part] = len(getattr(split, part))
        metrics["checkpoints"][part] = len(members)
        if part != "train":
            metrics[part] = judge(model, members)
    model.save(folder)
    write_json(folder / METRICS, metrics)
    Manifest.of(folder, (MANIFEST_NAME, LOCK_NAME)).write()
    return TrainedPredictor(model, metrics)


def judge(predictor: Predictor, population: Population) -> dict[str, float]:
    """Metrics of a fitted predictor on networks whose property is known.

    Raises:
        PredictorError: Not fitted, networks that it cannot read or whose property is not known.
    """
    if predictor.target is None:
        raise PredictorError(f"predictor {predictor.name!r} is not fitted; call fit first")
    label = predictor.target.values(population.checkpoints)
    return evaluate(predictor.predict(population), label, predictor.target)


def _is_blank(entry: Path) -> bool:
    return entry.name == LOCK_NAME or is_leftover(entry.name)
