"""Train a zoo: cut it into chunks, train them in worker processes, store each once it is there.

What was stored is never trained again, however the process ended. Only unfinished chunks, a
minute's work each, are lost with it. What was stored and is no longer as it was is trained again.
"""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from gnncore.errors import TrainingError
from gnncore.executors import Executor, RayExecutor
from gnncore.storage import WorkFolder
from graphwsl.arguments import as_path, whole
from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.activations import ACTIVATIONS
from graphwsl.zoo.architectures.registry import ARCHITECTURES
from graphwsl.zoo.data import REGISTERED, load_images
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.layouts.native import PRETRAINING, WORK, Hashes, ZooFolder
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.store import StoredZoo
from graphwsl.zoo.sweep import NetworkConfig
from graphwsl.zoo.training.chunks import plan
from graphwsl.zoo.training.fine_tuning import States, parents_in, require_same_trunks, train_rows
from graphwsl.zoo.training.initialisation import INITIALISATIONS
from graphwsl.zoo.training.objectives.registry import OBJECTIVES
from graphwsl.zoo.training.on_cluster import ChunkTask, train_on_cluster
from graphwsl.zoo.training.worker import start_worker, train_in_worker

OnProgress = Callable[[int, int], None]
"""Called with the epochs of networks that are done, and those of the whole zoo."""

EXECUTORS = ("local", "ray")
"""Where chunks train: in processes of this machine, or on a Ray cluster."""

SECONDS_PER_LOOK = 0.2


@dataclass(frozen=True, eq=False)
class TrainedZoo:
    """What :func:`train_zoo` did.

    Attributes:
        zoo: The zoo.
        epochs: Epochs of networks trained by this call, those of a pretraining included.
        seconds: Wall time of this call [s].
        repaired: What was there but not as it was written, and therefore made again: a line each.
    """

    zoo: StoredZoo
    epochs: int
    seconds: float
    repaired: list[str] = field(default_factory=list)


def train_zoo(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    executor: str | Executor = "local",
    resume: bool = False,
    on_progress: OnProgress | None = None,
) -> TrainedZoo:
    """Train the networks of a recipe into a folder, or continue an interrupted training.

    The files depend on the recipe and its data alone: not on workers, executor or interruptions,
    on one kind of processor. Several
    workers are processes of one thread each, which import the program that started them; a script
    calls this under ``if __name__ == "__main__":``.

    Args:
        recipe: The recipe, its name, or its TOML file.
        out: The folder of the zoo.
        workers: Processes; None or 1 lets this one train. On a cluster chunks in flight, two a
            CPU by default.
        executor: ``local``, these processes of this machine, or ``ray``, a cluster: the one at
            ``RAY_ADDRESS``, a running one, or a fresh local one.
        resume: Continue the training that is there; without one, a new one starts all the same.
            All files are checked, and those that are damaged or lost are made again.
        on_progress: Called several times a second.

    Raises:
        ZooError: The recipe cannot be trained, or the folder holds something else; nothing was
            written.
        FolderInUseError: Another process works in the folder.
        StorageError: The disk is full or read-only.
        ExecutorUnavailableError: Ray is not installed, or no cluster answers.
        TrainingError: A worker process died.
        KeyboardInterrupt: Ctrl-C was pressed; the chunks that were there are kept.
    """
    path = as_path("out", out)
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.resolve(recipe)
    if workers is not None:
        whole("workers", workers, 1)
    if isinstance(executor, str) and executor not in EXECUTORS:
        known = ", ".join(EXECUTORS)
        raise ZooError(f"unknown executor {executor!r}; choose one of {known}")
    started = time.perf_counter()
    data = images_of(recipe)
    before = None if recipe.pretraining is None else images_of(recipe.pretraining)
    hashes = Hashes(data.content_hash, None if before is None else before.content_hash)
    there = ZooFolder(path)
    there.check(recipe, hashes, resume=resume)
    chunks = plan(recipe, data, there.large_network)
    epochs, epochs_before = recipe.epochs * sum(map(len, chunks)), 0
    if recipe.pretraining is not None and before is not None:
        parents = ZooFolder(path / PRETRAINING)
        parents.check(recipe.pretraining, Hashes(before.content_hash), resume=True)
        chunks_before = plan(recipe.pretraining, before, parents.large_network)
        require_same_trunks(chunks, chunks_before)
        epochs_before = recipe.pretraining.epochs * sum(map(len, chunks_before))
    cluster = RayExecutor(workers) if executor == "ray" else executor
    report = on_progress or (lambda done, total: None)
    trained, repaired = 0, []

    def look() -> ZooFolder:
        folder = ZooFolder(path)
        folder.check(recipe, hashes, resume=resume)
        folder.require_no_unexpected_entries(len(chunks))
        return folder

    with WorkFolder(path, WORK).claim(look) as folder:
        folder.create(recipe, hashes)
        if recipe.pretraining is not None:
            pretrained = train_zoo(
                recipe.pretraining,
                path / PRETRAINING,
                workers=workers,
                executor=cluster,
                resume=True,
                on_progress=lambda done, _: report(done, epochs_before + epochs),
            )
            trained = pretrained.epochs
            repaired = [f"{PRETRAINING}: {line}" for line in pretrained.repaired]
        flaws = folder.flaws(chunks)
        repaired += flaws.values()
        if flaws or not folder.is_complete:
            missing = folder.missing(len(chunks), flaws)
            here = recipe.epochs * sum(len(chunks[number]) for number in missing)
            trained += here

            def show(done: int) -> None:
                report(epochs_before + epochs - here + done, epochs_before + epochs)

            processes = min(workers or 1, len(missing))
            if not isinstance(cluster, str):
                modules = _modules_of(recipe, chunks)
                task = ChunkTask(recipe, data, modules, parents_in(folder))
                train_on_cluster(cluster, task, chunks, folder, missing, show)
            elif processes <= 1:
                _train_here(recipe, data, chunks, folder, missing, show)
            else:
                _train_apart(recipe, chunks, folder, missing, processes, show)
            folder.finish(len(chunks))
    seconds = time.perf_counter() - started
    return TrainedZoo(StoredZoo(ZooFolder(path)), trained, seconds, repaired)


def images_of(recipe: Recipe) -> DataSet:
    """The data of a recipe.

    Raises:
        ZooError: As :func:`graphwsl.zoo.data.load_images`.
    """
    data = recipe.data
    return load_images(data.name, image_size=data.image_size, in_channels=data.in_channels)


def _train_here(
    recipe: Recipe,
    data: DataSet,
    chunks: list[list[NetworkConfig]],
    folder: ZooFolder,
    missing: list[int],
    show: Callable[[int], None],
) -> None:
    done = 0
    states = parents_in(folder)
    with _one_thread():
        for number in missing:

            def count(models: int = len(chunks[number])) -> None:
                nonlocal done
                done += models
                show(done)

            train_one(recipe, data, chunks[number], folder, number, states, count)


def train_one(
    recipe: Recipe,
    data: DataSet,
    rows: list[NetworkConfig],
    folder: ZooFolder,
    number: int,
    states: States,
    on_epoch: Callable[[], None],
) -> None:
    """Train the networks of a chunk and store them.

    Args:
        recipe: Recipe of the zoo.
        data: Its samples.
        rows: The networks.
        folder: The zoo.
        number: Number of the chunk.
        states: The parents of the networks; empty where they begin anew.
        on_epoch: Called after every epoch; what it raises ends the training.
    """
    trained = train_rows(recipe, data, rows, states, on_epoch)
    folder.write_chunk(number, rows, recipe.kept, trained)


@contextmanager
def _one_thread() -> Iterator[None]:
    # Threads of torch would contend: the parallelism is in the networks.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train_apart(
    recipe: Recipe,
    chunks: list[list[NetworkConfig]],
    folder: ZooFolder,
    missing: list[int],
    workers: int,
    show: Callable[[int], None],
) -> None:
    context = multiprocessing.get_context("spawn")
    # Plain memory without locks: a worker that is killed could not release them. Every chunk has a
    # counter of its own.
    done, stop = context.RawArray("q", len(chunks)), context.RawValue("b")
    modules = _modules_of(recipe, chunks)
    arguments = (recipe, folder.path, done, stop, modules)
    pool = ProcessPoolExecutor(workers, context, start_worker, arguments)
    with pool:
        with _interrupts_ignored():
            running: set[Future[None]] = {
                pool.submit(train_in_worker, number, chunks[number]) for number in missing
            }
        try:
            while running:
                finished, running = wait(running, SECONDS_PER_LOOK, FIRST_COMPLETED)
                for future in finished:
                    future.result()
                show(sum(done))
        except BrokenProcessPool as error:
            raise TrainingError(
                "a worker process died, perhaps for lack of memory; try again with fewer workers, "
                "and resume what is there"
            ) from error
        except BaseException:
            stop.value = 1
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    # Workers that are started here inherit it: Ctrl-C reaches the whole group of processes, and
    # the parent alone decides what it means.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _modules_of(recipe: Recipe, chunks: Iterable[Iterable[NetworkConfig]]) -> list[str]:
    """The modules that register what networks and data are made by; workers import them too."""
    needed: set[object] = {REGISTERED.get(recipe.data.name)}
    for configuration in (row.configuration for rows in chunks for row in rows):
        needed.add(ARCHITECTURES[str(configuration["architecture"])].make)
        needed.add(ACTIVATIONS.get(str(configuration.get("activation"))))
        needed.add(OBJECTIVES.get(str(configuration.get("objective"))))
        needed.add(INITIALISATIONS.get(str(configuration["initialisation"])))
    return sorted({thing.__module__ for thing in needed if thing is not None})
