"""The sparse twin of a zoo: every network pruned and tuned, at every sparsity.

The twin is a zoo of the same layout. Its networks have the generating factors of their originals
and, besides, ``original`` and ``original_epoch``, ``method`` and ``target_sparsity``; its files
hold the masks, and of the weights those that are left.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gnncore.storage import StorageError, first_difference, make_folder, write_json
from graphwsl import __version__
from graphwsl.arguments import as_path
from graphwsl.errors import ZooError
from graphwsl.sparsification.twins import Twins, check_choices, make_twins
from graphwsl.zoo.checkpoint import Checkpoint, Scalar
from graphwsl.zoo.layouts.native import CONFIG_NAME, KIND, ZooFolder
from graphwsl.zoo.layouts.native_chunks import CHUNKS
from graphwsl.zoo.layouts.registry import open_zoo
from graphwsl.zoo.store import StoredZoo
from graphwsl.zoo.sweep import NetworkConfig, chunks
from graphwsl.zoo.training.chunk import TrainedChunk
from graphwsl.zoo.training.chunks import LARGEST_CHUNK
from graphwsl.zoo.zoo import require_beside

OF_TWINS = ("original", "original_epoch", "method", "target_sparsity")
"""What a configuration says besides the generating factors."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class SparsifiedZoo:
    """What a call of :func:`sparsify` made.

    Attributes:
        zoo: The twins, complete.
        epochs: Epochs of networks that were trained by this call.
        seconds: What it took.
    """

    zoo: StoredZoo
    epochs: int
    seconds: float


@dataclass(frozen=True)
class _Member:
    """A twin to be made."""

    original: Checkpoint
    sparsity: float
    row: NetworkConfig


def sparsify(
    zoo: StoredZoo | str | Path,
    out: str | Path,
    *,
    method: str = "magnitude",
    sparsity: Sequence[float] = (0.8,),
    epochs: int = 10,
    resume: bool = False,
    on_progress: Progress | None = None,
) -> SparsifiedZoo:
    """Prune all networks of a zoo at their last epochs, and tune what is left of them.

    Networks of one shape are pruned and tuned together, at all sparsities. Chunks that are there
    are kept; the bytes depend on the arguments alone.

    Args:
        zoo: A zoo that this program trained, or its folder.
        out: The folder of the twin.
        method: ``magnitude`` keeps the largest weights; ``variational_dropout`` learns for half of
            the epochs which weights bear noise.
        sparsity: Shares of the weights that go; each makes a twin of every network.
        epochs: Passes over the training samples.
        resume: Continue the work that is there; without one, it starts all the same.
        on_progress: Called after every epoch with the epochs of networks that are done, and all.

    Raises:
        ZooError: A choice is wrong, the zoo cannot be trained on, or the folder holds something
            else or lies within the zoo; nothing was written.
        FolderInUseError: Another process works in the folder.
        StorageError: The disk is full or read-only, or the zoo is damaged.
    """
    started = time.perf_counter()
    given: Any = sparsity if isinstance(sparsity, list | tuple) else [sparsity]
    shares: list[float] = list(dict.fromkeys(given))
    if not shares:
        raise ZooError("there must be at least one sparsity; give 0.8, say")
    check_choices(method, shares, epochs)
    path = as_path("out", out)
    originals = _own(zoo, method)
    require_beside(path, originals.folder.path)
    members = _members(originals, method, shares)
    configuration = _configuration(originals, method, shares, epochs)
    folder, work = ZooFolder(path), ZooFolder(path).work

    def look() -> bool:
        return work.look(lambda: _difference(folder.config, configuration), resume=resume)

    look()
    by_name = {member.row.model: member for member in members}
    planned = _planned([member.row for member in members])
    done, trained, total = 0, 0, epochs * len(members)
    data = originals.images()
    with work.claim(look) as there:
        make_folder(path / CHUNKS)
        if not (path / CONFIG_NAME).exists():
            write_json(path / CONFIG_NAME, configuration)
        folder = ZooFolder(path)
        missing = folder.missing(len(planned), folder.flaws(planned))
        for number, rows in enumerate(planned):
            done += 0 if number in missing else epochs * len(rows)
        for number in missing:
            rows = planned[number]

            def count(models: int = len(rows)) -> None:
                nonlocal done, trained
                done, trained = done + models, trained + models
                if on_progress is not None:
                    on_progress(done, total)

            some = [by_name[row.model] for row in rows]
            try:
                _make(folder, originals, data, number, some, method, epochs, count)
            except (ZooError, StorageError):
                if not there:
                    work.withdraw(CHUNKS)
                raise
        if missing or not folder.is_complete:
            folder.finish(len(planned))
    found = StoredZoo(ZooFolder(path))
    return SparsifiedZoo(found, trained, time.perf_counter() - started)


def _make(
    folder: ZooFolder,
    zoo: StoredZoo,
    data: Any,
    number: int,
    members: list[_Member],
    method: str,
    epochs: int,
    on_epoch: Callable[[], None],
) -> None:
    """Make the twins of a chunk and store them."""
    states = [zoo.weights(member.original) for member in members]
    weights = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    before = int(members[0].original.epoch or 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the parallelism is in the networks
    try:
        twins = make_twins(
            [member.original.configuration for member in members],
            weights,
            data,
            method=method,
            sparsity=[member.sparsity for member in members],
            epochs=epochs,
            batch_size=zoo.folder.config["recipe"].get("batch_size", 32),
            epochs_before=before,
            on_epoch=on_epoch,
        )
    finally:
        torch.set_num_threads(threads)
    trained = _with_originals(twins, [member.original for member in members])
    rows = [member.row for member in members]
    folder.write_chunk(number, rows, [before + epochs], trained, twins.masks)


def _with_originals(twins: Twins, originals: Sequence[Checkpoint]) -> TrainedChunk:
    """The twins with what their originals had, so that the two are compared without the zoo."""
    metrics = dict(twins.trained.metrics)
    for name in ("test_accuracy", "test_loss"):
        if all(name in one.metrics for one in originals):
            values = [[one.metrics[name]] for one in originals]
            metrics[f"original_{name}"] = torch.tensor(values)
    return replace(twins.trained, metrics=metrics)


def _own(zoo: StoredZoo | str | Path, method: str) -> StoredZoo:
    opened = zoo if isinstance(zoo, StoredZoo) else open_zoo(as_path("zoo", zoo))
    if not isinstance(opened, StoredZoo):
        raise ZooError(
            f"{str(zoo)!r} is no zoo that graphwsl zoo train made, of which all is known that "
            "tuning needs; train one"
        )
    if not opened.folder.is_complete:
        raise ZooError(
            f"{str(opened.folder.path)!r} is unfinished; continue it with graphwsl zoo train "
            "--resume"
        )
    if not opened.checkpoints:
        raise ZooError(f"{str(opened.folder.path)!r} has no network that could be pruned")
    if any(name in opened.checkpoints[0].configuration for name in OF_TWINS):
        raise ZooError(f"{str(opened.folder.path)!r} is a sparse twin already; give its original")
    if method == "variational_dropout" and any(
        checkpoint.configuration.get("frozen") for checkpoint in opened.checkpoints
    ):
        raise ZooError(
            f"{str(opened.folder.path)!r} has networks that hold all but their heads as their "
            "parents have it ('frozen'), and variational_dropout prunes all; choose magnitude, "
            "which prunes the heads alone"
        )
    return opened


def _members(zoo: StoredZoo, method: str, shares: Sequence[float]) -> list[_Member]:
    last = {checkpoint.model: checkpoint for checkpoint in zoo.checkpoints}
    members = []
    for share in shares:
        for original in last.values():
            own: dict[str, Scalar] = {
                "original": original.model,
                "original_epoch": original.epoch,
                "method": method,
                "target_sparsity": float(share),
            }
            name = f"{original.model}-{float(share):g}"
            row = NetworkConfig(name, {**original.configuration, **own})
            members.append(_Member(original, float(share), row))
    return members


def _planned(rows: list[NetworkConfig]) -> list[list[NetworkConfig]]:
    """Networks that train together: of one shape, that have as many epochs behind them."""
    by_epoch: dict[Scalar, list[NetworkConfig]] = {}
    for row in rows:
        by_epoch.setdefault(row.configuration["original_epoch"], []).append(row)
    return [
        chunk
        for some in by_epoch.values()
        for chunk in chunks(some, {row.group: LARGEST_CHUNK for row in some})
    ]


def _difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """What is other about the twins in a folder than about those that are wanted, in words."""
    made, wanted = there.get("sparsified"), here["sparsified"]
    if not isinstance(made, dict):
        return "it was trained, and is no sparse twin"
    found = first_difference(made, wanted, ("zoo", "method", "sparsity", "epochs"))
    if found is None and made.get("identity") != wanted["identity"]:
        return f"its originals were another zoo {made.get('zoo')!r} than the one that is there now"
    return found or first_difference(there, here)


def _configuration(
    zoo: StoredZoo, method: str, shares: Sequence[float], epochs: int
) -> dict[str, Any]:
    config = zoo.folder.config
    return {
        "kind": KIND,
        "format": 1,
        "code_version": __version__,
        # Of the recipe what other commands look for; it is none that could be trained.
        "recipe": {"data": config["recipe"]["data"]},
        "data_sha256": config["data_sha256"],
        "sparsified": {
            "zoo": zoo.folder.path.name,
            "identity": zoo.folder.identity,
            "method": method,
            "sparsity": [float(share) for share in shares],
            "epochs": epochs,
        },
    }
