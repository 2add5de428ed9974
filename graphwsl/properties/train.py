"""Fit a predictor to a zoo, judge it once on the networks it never saw, and keep it in a folder.

training.json           what was asked for, and a hash of the networks
training/               the state between two epochs; gone once the predictor is there
predictor.json          what it is, what it was fitted to, and the split
predictor.safetensors   what was fitted
metrics.json            on validation and on the test part
manifest.json           checksums; its presence says that the folder is complete
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnncore.errors import TrainingError
from gnncore.storage import (
    LOCK_NAME,
    MANIFEST_NAME,
    Manifest,
    StorageError,
    WorkFolder,
    WorkKind,
    read_json,
    write_json,
)
from gnncore.storage.json_files import to_json
from gnncore.training.distributed import find_device
from graphwsl import arguments
from graphwsl.errors import PredictorError
from graphwsl.populations.population import Population
from graphwsl.populations.splits import beginning, split_models
from graphwsl.populations.targets import Target
from graphwsl.populations.training_request import look_for
from graphwsl.properties.evaluation import evaluate
from graphwsl.properties.predictor import ARRAYS, CONFIG, REQUEST, Predictor, SavedPredictor
from graphwsl.properties.predictors import load_predictor, load_saved, make_predictor
from graphwsl.zoo.checkpoint import Problem, Scalar
from graphwsl.zoo.layouts.registry import open_zoo

METRICS, WORK = "metrics.json", "training"
TRAINING = WorkKind(
    what="training",
    title="training folder",
    configuration=REQUEST,
    error_class=PredictorError,
    made_by="graphwsl train",
)
"""How the folders of predictors are claimed, resumed and refused."""

_FILES = (REQUEST, CONFIG, ARRAYS, METRICS, MANIFEST_NAME, LOCK_NAME)


@dataclass(frozen=True, eq=False)
class TrainedPredictor:
    """A fitted predictor and how good it is.

    Attributes:
        predictor: Ready to predict.
        metrics: ``valid`` and ``test``, each by name; ``parameters``; ``networks`` and
            ``checkpoints`` by part; ``seconds`` of the fit.
        left_out: Checkpoints of the zoo that could not be used, and why.
        repaired: What was there but not as it was written, and therefore made again: a line each.
    """

    predictor: Predictor
    metrics: dict[str, Any]
    left_out: list[Problem] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)


def train_predictor(
    zoo: str | Path,
    out: str | Path,
    *,
    target: str = "test_accuracy",
    predictor: str = "forward_propagation",
    seed: int = 0,
    split_seed: int = 0,
    epochs_of_zoo: Sequence[int] | None = None,
    together: Sequence[str] | None = None,
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
        seed: Seed of initial weights and batches.
        split_seed: Seed of the split of the networks.
        epochs_of_zoo: Checkpoints of these epochs only; None for all.
        together: See :func:`graphwsl.properties.split_models`, as for ``held_out``.
        held_out: Factors and values that are tested only.
        resume: Go on with what is in ``out``; start if there is nothing, and only read it if it
            is complete and nothing in it damaged or lost, which else is made again.
        progress: Show the progress on stderr.
        **options: Options of the predictor.

    Raises:
        PredictorError: A name that does not exist, a target or zoo that does not suit, ``out`` is
            not empty, or what is in it was asked for in another way, or of other networks.
        ZooError: There is no zoo.
        FolderInUseError: Another process works in the folder.
        StorageError: A file is damaged, or ``out`` cannot be written.
        TrainingError: The training diverged.
        KeyboardInterrupt: Ctrl-C was pressed; ``resume`` goes on from the last whole epoch.
    """
    folder = arguments.as_path("out", out)
    arguments.as_path("zoo", zoo)
    work = WorkFolder(folder, TRAINING)
    model = make_predictor(predictor, **options)
    try:
        find_device(str(model.options.get("device", "cpu")))
    except TrainingError as error:
        raise PredictorError(str(error)) from error
    _require_seed("seed", seed)
    _require_seed("split_seed", split_seed)
    found = open_zoo(zoo)
    together = beginning(found.checkpoints) if together is None else together
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
    _look(work, request, resume)
    kept = [
        checkpoint
        for checkpoint in found.checkpoints
        if epochs_of_zoo is None or checkpoint.epoch in epochs_of_zoo
    ]
    if epochs_of_zoo is not None and found.checkpoints and not kept:
        has = sorted({c.epoch for c in found.checkpoints if c.epoch is not None})
        chosen = sorted(epochs_of_zoo)
        raise PredictorError(f"the zoo has no checkpoints of the epochs {chosen}; it has {has}")
    known = list(found.problems)
    population, unusable = Population.load_usable(found, kept)
    left_out = [*known, *unusable]
    request["zoo_sha256"] = population.content_hash
    try:
        split = split_models(
            population.checkpoints, split_seed, together=together, held_out=held_out
        )
    except PredictorError as error:
        advice = ", or split those that began alike too (together=(), or --together '')"
        raise PredictorError(f"{error}{advice if together else ''}") from error
    wanted = Target.of(target, population.checkpoints)
    model.check(population, split, wanted)
    with work.claim(lambda: _look(work, request, resume)) as before:
        flaws = _flaws(work)
        if work.is_complete and not flaws:
            metrics = read_json(folder / METRICS)
            return TrainedPredictor(load_predictor(folder), metrics, left_out)
        write_json(folder / REQUEST, request if before is None else before)
        digest = hashlib.sha256(to_json(request if before is None else before).encode()).hexdigest()
        fitted = _fitted(folder, digest)
        if fitted is None:
            start = time.perf_counter()
            try:
                model.fit(population, split, wanted, seed, work=folder / WORK, progress=progress)
            except PredictorError:
                if before is None:
                    work.withdraw(WORK)
                raise
            model.report["seconds"] = time.perf_counter() - start
            model.save(folder, request=digest)
        else:
            model = fitted
        metrics = _judged(model, population)
        write_json(folder / METRICS, metrics)
        work.remove(WORK)
        Manifest.of(folder, (MANIFEST_NAME, LOCK_NAME)).write()
    return TrainedPredictor(model, metrics, left_out, flaws)


def judge(predictor: Predictor, population: Population) -> dict[str, float]:
    """Metrics of a fitted predictor on networks whose property is known.

    Raises:
        PredictorError: Not fitted, networks that it cannot read or whose property is not known.
    """
    if predictor.target is None:
        raise PredictorError(f"predictor {predictor.name!r} is not fitted; call fit first")
    label = predictor.target.values(population.checkpoints)
    return evaluate(predictor.predict(population), label, predictor.target)


def problems_of(folder: Path) -> list[str]:
    """Everything that is not as it should be in the folder of a predictor, one line each.

    Reads all files. A predictor that :meth:`Predictor.save` alone wrote is checked by its seal.

    Raises:
        PredictorError: The folder holds no predictor.
    """
    work = WorkFolder(folder, TRAINING)
    if not work.is_complete and (folder / REQUEST).exists():
        return ["unfinished: continue it with graphwsl train --resume"]
    problems = _flaws(work)
    if not problems:
        try:
            load_predictor(folder)
        except StorageError as error:
            problems.append(str(error))
    return problems


def _require_seed(name: str, seed: int) -> None:
    arguments.whole(name, seed, 0, 2**32 - 1)


def _judged(model: Predictor, population: Population) -> dict[str, Any]:
    assert model.split is not None
    metrics: dict[str, Any] = {
        "parameters": model.num_parameters,
        "seconds": model.report["seconds"],
        "networks": {},
        "checkpoints": {},
    }
    for part in ("train", "valid", "test"):
        members = population.select(model.split.numbers(part, population.checkpoints))
        metrics["networks"][part] = len(getattr(model.split, part))
        metrics["checkpoints"][part] = len(members)
        if part != "train":
            metrics[part] = judge(model, members)
    return metrics


def _fitted(folder: Path, request: str) -> Predictor | None:
    """The predictor in a folder, if it is whole and what was asked for."""
    try:
        # Without the manifest, which is not there yet or damaged: the seal says it all.
        saved = SavedPredictor.read(folder, by_manifest=False)
        return load_saved(saved) if saved.config.get("request") == request else None
    except (PredictorError, StorageError):
        return None


def _flaws(work: WorkFolder) -> list[str]:
    """What is no longer as the manifest says; nothing where there is none."""
    problems = [problem.text for problem in work.damage()]
    if problems or not work.is_complete:
        return problems
    lost = {REQUEST, CONFIG, ARRAYS, METRICS} - Manifest.read(work.path).entries.keys()
    return [f"the manifest does not list {name}" for name in sorted(lost)]


def _look(work: WorkFolder, request: dict[str, Any], resume: bool) -> dict[str, Any] | None:
    return look_for(work, request, files=_FILES, state=WORK, learnt="trained on", resume=resume)
