"""Learn a representation of a zoo, judge it once on networks it never saw, keep it in a folder.

request.json                what was asked for, and a hash of the networks
training/                   the state between two epochs; gone once the representation is there
representation.json         what it is
representation.safetensors  what was learnt
metrics.json                on validation and on the test part
manifest.json               checksums; its presence says that the folder is complete
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

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
from graphwsl.errors import RepresentationError, ZooError
from graphwsl.populations import training_folder
from graphwsl.populations.population import Population
from graphwsl.populations.training_folder import (
    STATE,
    TrainingFolder,
    networks_of_epochs,
    parts_of_zoo,
)
from graphwsl.representations.quality import agreement, unexplained
from graphwsl.representations.registry import load, make
from graphwsl.representations.representation import Representation
from graphwsl.representations.saved import ARRAYS, CONFIG
from graphwsl.zoo.checkpoint import Problem
from graphwsl.zoo.data import load_images
from graphwsl.zoo.layouts.registry import open_zoo
from graphwsl.zoo.zoo import Zoo

REQUEST, METRICS, WORK = "request.json", "metrics.json", STATE
TRAINING = WorkKind(
    what="training",
    title="training folder",
    configuration=REQUEST,
    error_class=RepresentationError,
    made_by="graphwsl represent train",
)
"""How the folders of representations are claimed, resumed and refused."""

QUERIES = 2048
"""Training samples on which behaviour may be compared; a step takes some of them."""

_FILES = (REQUEST, CONFIG, ARRAYS, METRICS, MANIFEST_NAME, LOCK_NAME)


@dataclass(frozen=True, eq=False)
class TrainedRepresentation:
    """A representation and how good it is.

    Attributes:
        representation: Ready to embed and rebuild.
        metrics: ``valid`` and ``test``, each with ``unexplained`` and, where the samples are known,
            ``agreement``; ``networks`` and ``checkpoints`` by part.
        left_out: Checkpoints of the zoo that could not be used, and why.
        repaired: What was there but not as it was written, and therefore made again: a line each.
    """

    representation: Representation
    metrics: dict[str, Any]
    left_out: list[Problem] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)


def train_representation(
    zoo: str | Path,
    out: str | Path,
    *,
    representation: str = "sane",
    size: str = "small",
    seed: int = 0,
    split_seed: int = 0,
    epochs_of_zoo: Sequence[int] | None = None,
    data: str | None = None,
    resume: bool = False,
    progress: bool = True,
    **options: Any,
) -> TrainedRepresentation:
    """Learn and keep a representation.

    Args:
        zoo: Folder of a zoo, of any layout.
        out: Folder of the representation; made if it is missing, and empty.
        representation: One of :data:`graphwsl.representations.REPRESENTATIONS`.
        size: ``published`` or ``small``.
        seed: Seed of initial weights, batches and augmentations.
        split_seed: Seed of the split of the networks.
        epochs_of_zoo: Checkpoints of these epochs only; None for all.
        data: Samples on which behaviour is compared; None for those of the zoo, if it has some.
        resume: Go on with what is in ``out``; start if there is nothing, and only read it if it
            is complete and nothing in it damaged or lost, which else is made again.
        progress: Show the progress on stderr.
        **options: Settings in place of those of that size.

    Raises:
        RepresentationError: A name that does not exist, a zoo that does not suit, ``out`` is not
            empty, or what is in it was asked for in another way, or of other networks.
        ZooError: There is no zoo, or no such data.
        FolderInUseError: Another process works in the folder.
        StorageError: A file is damaged, or ``out`` cannot be written.
        TrainingError: The training diverged.
        KeyboardInterrupt: Ctrl-C was pressed; ``resume`` goes on from the last whole epoch.
    """
    folder = arguments.as_path("out", out)
    arguments.as_path("zoo", zoo)
    work = WorkFolder(folder, TRAINING)
    model = make(representation, size, seed, **options)
    try:
        find_device(model.settings.device)
    except TrainingError as error:
        raise RepresentationError(str(error)) from error
    arguments.whole("split_seed", split_seed, 0, 2**32 - 1)
    found = open_zoo(zoo)
    request = {
        "zoo": str(zoo),
        "representation": representation,
        "size": size,
        "settings": model.settings.model_dump(exclude={"device"}),
        "seed": seed,
        "split_seed": split_seed,
        "epochs_of_zoo": None if epochs_of_zoo is None else list(epochs_of_zoo),
        "data": data,
    }
    asked = TrainingFolder(work, request, _FILES, "learnt from", resume)
    asked.look()
    population, left_out = networks_of_epochs(found, epochs_of_zoo, RepresentationError)
    request["zoo_sha256"] = population.content_hash
    parts = parts_of_zoo(population, split_seed)
    inputs, judging = _samples(found, data)

    def learn(state: Path) -> None:
        queries = inputs if model.settings.structure < 1 else None
        model.fit(parts["train"], parts["valid"], inputs=queries, work=state, progress=progress)
        model.save(folder)
        write_json(folder / METRICS, _judged(model, parts, judging))

    flaws = asked.fill(learn)
    metrics = read_json(folder / METRICS)
    if flaws is None:
        return TrainedRepresentation(load(folder), metrics, left_out)
    return TrainedRepresentation(model, metrics, left_out, flaws)


def problems_of(folder: Path) -> list[str]:
    """Everything that is not as it should be in the folder of a representation, one line each.

    Raises:
        RepresentationError: The folder holds no representation.
    """
    return training_folder.problems_of(WorkFolder(folder, TRAINING), load)


def _samples(zoo: Zoo, data: str | None) -> tuple[Tensor | None, Tensor | None]:
    """Samples to compare behaviour on in training and in the end; none where none are known."""
    try:
        images = zoo.images() if data is None else load_images(data)
    except ZooError:
        if data is not None:
            raise
        return None, None
    return images.train[:QUERIES], images.test[:QUERIES]


def _judged(
    model: Representation, parts: dict[str, Population], inputs: Tensor | None
) -> dict[str, Any]:
    metrics: dict[str, Any] = {"networks": {}, "checkpoints": {}}
    for name, part in parts.items():
        metrics["networks"][name] = len({checkpoint.model for checkpoint in part.checkpoints})
        metrics["checkpoints"][name] = len(part)
        if name == "train":
            continue
        aligned = model.aligned(part)
        rebuilt = model.reconstruct(part)
        metrics[name] = {"unexplained": float(unexplained(aligned, rebuilt, parts["train"]).mean())}
        if inputs is not None:
            metrics[name]["agreement"] = float(agreement(part, rebuilt, inputs).mean())
    return metrics
