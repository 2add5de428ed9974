"""Training the chunks of a zoo on a cluster: what is trained there is stored here."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gnncore.errors import TrainingError
from gnncore.executors import Executor, stopping_on_interrupt
from gnncore.storage import StorageError
from graphwsl.errors import GraphwslError
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.layouts.native import ZooFolder
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.sweep import NetworkConfig
from graphwsl.zoo.training.chunk import TrainedChunk
from graphwsl.zoo.training.fine_tuning import States, train_rows

Unit = tuple[int, list[NetworkConfig]]
"""The number of a chunk and its networks."""


@dataclass(frozen=True, eq=False)
class ChunkTask:
    """Trains a chunk in whichever process it is called, and writes nothing.

    Attributes:
        recipe: Recipe of the zoo.
        data: Its samples, which travel along: files of a user are not on other machines.
        modules: Those that register the architectures; they must be there.
        states: The parents of the networks; empty where they begin anew.
    """

    recipe: Recipe
    data: DataSet
    modules: Sequence[str]
    states: States = field(default_factory=dict)

    def __call__(self, unit: Unit) -> TrainedChunk:
        """The trained networks."""
        import torch

        from graphwsl.zoo.training.memory import keep_freed_memory

        for module in self.modules:
            importlib.import_module(module)
        torch.set_num_threads(1)
        keep_freed_memory()
        return train_rows(self.recipe, self.data, unit[1], self.states)


def train_on_cluster(
    executor: Executor,
    task: ChunkTask,
    chunks: Sequence[list[NetworkConfig]],
    folder: ZooFolder,
    missing: Sequence[int],
    show: Callable[[int], None],
) -> None:
    """Train chunks with an executor and store each as it comes back.

    Args:
        executor: Where they run.
        task: Trains one.
        chunks: The networks of each chunk of the zoo.
        folder: The zoo.
        missing: The chunks to train.
        show: Called with the epochs of networks that are done.

    Raises:
        GraphwslError: A chunk cannot be trained.
        TrainingError: A process of the cluster died.
        KeyboardInterrupt: Ctrl-C was pressed; chunks that were under way are stored.
    """
    done, recipe = 0, task.recipe
    units: list[Unit] = [(number, chunks[number]) for number in missing]
    with stopping_on_interrupt(executor) as interrupted:
        for (number, rows), result in executor.map(task, units):
            if isinstance(result, GraphwslError | StorageError):
                raise result
            if isinstance(result, Exception):
                reason = " ".join(str(result).split())
                raise TrainingError(
                    f"a task of the cluster failed with {type(result).__name__}: {reason}; try "
                    "again and resume what is there"
                ) from result
            folder.write_chunk(number, rows, recipe.kept, result)
            done += recipe.epochs * len(rows)
            show(done)
    if interrupted.is_set():
        raise KeyboardInterrupt
