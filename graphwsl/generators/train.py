"""Fit a generator to a zoo, judge it once on networks that it never saw, keep it in a folder.

generating.json         what was asked for, and a hash of the networks
training/               the state between two epochs; gone once the generator is there
generator.json          what it is
generator.safetensors   what was learnt
metrics.json            how many networks it learnt from, and which were held out
manifest.json           checksums; its presence says that the folder is complete
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnncore.errors import TrainingError
from gnncore.storage import (
    LOCK_NAME,
    MANIFEST_NAME,
    WorkFolder,
    WorkKind,
    read_json,
    write_json,
)
from gnncore.training.distributed import find_device
from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.generator import Generator
from graphwsl.generators.registry import load, make
from graphwsl.generators.saved import GENERATOR
from graphwsl.generators.saved import REQUEST as REQUEST
from graphwsl.populations import training_folder
from graphwsl.populations.training_folder import (
    TrainingFolder,
    networks_of_epochs,
    parts_of_zoo,
)
from graphwsl.zoo.checkpoint import Problem
from graphwsl.zoo.layouts.registry import open_zoo
from graphwsl.zoo.zoo import Zoo

METRICS = "metrics.json"
TRAINING = WorkKind(
    what="training",
    title="training folder",
    configuration=REQUEST,
    error_class=GeneratorError,
    made_by="graphwsl generate train",
)
"""How the folders of generators are claimed, resumed and refused."""

FILES = (REQUEST, GENERATOR.config, GENERATOR.arrays, METRICS, MANIFEST_NAME, LOCK_NAME)


@dataclass(frozen=True, eq=False)
class TrainedGenerator:
    """A generator and what it learnt from.

    Attributes:
        generator: Ready to sample.
        metrics: ``networks`` and ``checkpoints`` by part.
        left_out: Checkpoints of the zoo that could not be used, and why.
        repaired: What was there but not as it was written, and therefore made again: a line each.
    """

    generator: Generator
    metrics: dict[str, Any]
    left_out: list[Problem] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)


def train_generator(
    zoo: str | Path,
    out: str | Path,
    *,
    method: str = "equivariant_flow",
    size: str = "small",
    seed: int = 0,
    split_seed: int = 0,
    condition: Sequence[str] | None = None,
    epochs_of_zoo: Sequence[int] | None = None,
    resume: bool = False,
    progress: bool = True,
    **options: Any,
) -> TrainedGenerator:
    """Learn and keep a generator.

    Args:
        zoo: Folder of a zoo, of any layout.
        out: Folder of the generator; made if it is missing, and empty.
        method: One of :data:`graphwsl.generators.GENERATORS`.
        size: ``published`` or ``small``.
        seed: Seed of initial weights, batches and noise.
        split_seed: Seed of the split: 70 % of the networks are learnt from, 15 % choose the epoch
            (unless ``held_out`` of the settings is 0), and 15 % are held out for the scorecard.
        condition: Properties by which networks can be asked for; None for no condition.
        epochs_of_zoo: Checkpoints of these epochs; None for the last alone.
        resume: Go on with what is in ``out``; start if there is nothing, and only read it if it
            is complete and nothing in it damaged or lost, which else is made again.
        progress: Show the progress on stderr.
        **options: Settings in place of those of that size.

    Raises:
        GeneratorError: A name that does not exist, a zoo that does not suit, ``out`` is not empty,
            or what is in it was asked for in another way, or of other networks.
        ZooError: There is no zoo.
        FolderInUseError: Another process works in the folder.
        StorageError: A file is damaged, or ``out`` cannot be written.
        TrainingError: The training diverged.
        KeyboardInterrupt: Ctrl-C was pressed; ``resume`` goes on from the last whole epoch.
    """
    folder = arguments.as_path("out", out)
    arguments.as_path("zoo", zoo)
    model = make(method, size, seed, **options)
    try:
        find_device(model.settings.device)
    except TrainingError as error:
        raise GeneratorError(str(error)) from error
    arguments.whole("split_seed", split_seed, 0, 2**32 - 1)
    found = open_zoo(zoo)
    chosen = last_epoch(found) if epochs_of_zoo is None else list(epochs_of_zoo)
    request = {
        "zoo": str(zoo),
        "method": method,
        "size": size,
        "settings": model.settings.model_dump(mode="json", exclude={"device"}),
        "seed": seed,
        "split_seed": split_seed,
        "condition": None if condition is None else list(condition),
        "epochs_of_zoo": chosen,
    }
    asked = TrainingFolder(WorkFolder(folder, TRAINING), request, FILES, "learnt from", resume)
    asked.look()
    population, left_out = networks_of_epochs(found, chosen, GeneratorError)
    request["zoo_sha256"] = population.content_hash
    parts = parts_of_zoo(model.read(population, found), split_seed, model.together)

    def learn(state: Path) -> None:
        others = parts["valid"] if model.settings.held_out else None
        model.fit(parts["train"], condition, valid=others, work=state, progress=progress)
        model.save(folder)
        counts = {
            "networks": {n: len({c.model for c in p.checkpoints}) for n, p in parts.items()},
            "checkpoints": {n: len(p) for n, p in parts.items()},
        }
        write_json(folder / METRICS, counts)

    flaws = asked.fill(learn)
    metrics = read_json(folder / METRICS)
    if flaws is None:
        return TrainedGenerator(load(folder), metrics, left_out)
    return TrainedGenerator(model, metrics, left_out, flaws)


def last_epoch(zoo: Zoo) -> list[int] | None:
    """The last epoch of a zoo; None where its networks are of no known epoch."""
    known = [c.epoch for c in zoo.checkpoints if c.epoch is not None]
    return [max(known)] if known else None


def epochs_learnt_from(folder: Path, zoo: Zoo) -> list[int] | None:
    """The epochs of a zoo that a generator learnt from; the last where its folder does not say.

    Args:
        folder: Folder of the generator.
        zoo: The zoo.

    Raises:
        StorageError: What was asked for cannot be read.
    """
    if not (folder / REQUEST).exists():
        return last_epoch(zoo)
    asked: list[int] | None = read_json(folder / REQUEST).get("epochs_of_zoo")
    return asked


def problems_of(folder: Path) -> list[str]:
    """Everything that is not as it should be in the folder of a generator, one line each.

    Raises:
        GeneratorError: The folder holds no generator.
    """
    return training_folder.problems_of(WorkFolder(folder, TRAINING), load)
