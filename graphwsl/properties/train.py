"""Fit a predictor to a zoo, judge it once on the networks it never saw, and keep it in a folder.

training.json           what was asked for
training/               the state between two epochs; gone once the training is complete
predictor.json          what it is, what it was fitted to, and the split
predictor.safetensors   what was fitted
metrics.json            on validation and on the test part
manifest.json           checksums; its presence says that the folder is complete
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnncore.storage import (
    LOCK_NAME,
    MANIFEST_NAME,
    Manifest,
    is_leftover,
    make_folder,
    read_json,
    write_json,
)
from graphwsl.errors import PredictorError
from graphwsl.properties.evaluation import evaluate
from graphwsl.properties.population import Population
from graphwsl.properties.predictor import Predictor
from graphwsl.properties.predictors import load_predictor, make_predictor
from graphwsl.properties.splits import BEGINNING, split_models
from graphwsl.properties.targets import Target
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.layouts import open_zoo

REQUEST, METRICS, WORK = "training.json", "metrics.json", "training"


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
    together: Sequence[str] = BEGINNING,
    held_out: Mapping[str, Sequence[Scalar]] | None = None,
    resume: bool = False,
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
        together: See :func:`graphwsl.properties.split_models`, as for ``held_out``.
        held_out: Factors and values that are tested only.
        resume: Go on with what is in ``out``; start if there is nothing, and only read it if it
            is complete.
        progress: Show the progress on stderr.
        **options: Of the predictor.

    Raises:
        PredictorError: A name that does not exist, a target or zoo that does not suit, ``out`` is
            not empty, or what is in it was asked for in another way.
        ZooError: There is no zoo.
        StorageError: A file is damaged, or ``out`` cannot be written.
        TrainingError: The training diverged.
        KeyboardInterrupt: Ctrl-C was pressed; ``resume`` goes on from the last whole epoch.
    """
    folder = Path(out)
    model = make_predictor(predictor, **options)
    request = {
        "zoo": str(zoo),
        "target": target,
        "predictor": predictor,
        "options": {name: value for name, value in model.options.items() if name != "device"},
        "seed": seed,
        "split_seed": split_seed,
        "epochs_of_zoo": None if epochs_of_zoo is None else list(epochs_of_zoo),
        "together": list(together),
        "held_out": {name: list(values) for name, values in (held_out or {}).items()},
    }
    _claim(folder, request, resume)
    if (folder / MANIFEST_NAME).exists():
        return TrainedPredictor(load_predictor(folder), read_json(folder / METRICS))
    found = open_zoo(zoo)
    kept = [
        checkpoint
        for checkpoint in found.checkpoints
        if epochs_of_zoo is None or checkpoint.epoch in epochs_of_zoo
    ]
    population = Population.load(found, kept)
    split = split_models(kept, split_seed, together=together, held_out=held_out)
    start = time.perf_counter()
    wanted = Target.of(target, kept)
    make_folder(folder)
    write_json(folder / REQUEST, request)
    model.fit(population, split, wanted, seed, work=folder / WORK, progress=progress)
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
    shutil.rmtree(folder / WORK, ignore_errors=True)
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


def _claim(folder: Path, request: dict[str, Any], resume: bool) -> None:
    """Nothing, if the folder is free or holds what was asked for in the same way before."""
    is_blank = not folder.exists() or (folder.is_dir() and all(map(_is_blank, folder.iterdir())))
    if is_blank:
        return
    if not resume:
        raise PredictorError(f"{str(folder)!r} is not empty; choose another folder or resume")
    if not (folder / REQUEST).is_file():
        raise PredictorError(f"{str(folder)!r} holds no training to resume; choose another folder")
    before = read_json(folder / REQUEST)
    for name, value in request.items():
        if before.get(name) != value:
            raise PredictorError(
                f"{str(folder)!r} was trained with {name} {before.get(name)!r}, not {value!r}; "
                "ask for the same or choose another folder"
            )


def _is_blank(entry: Path) -> bool:
    return entry.name == LOCK_NAME or is_leftover(entry.name)
