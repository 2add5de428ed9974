"""What a person sees of a training, and the logs that programs read."""

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from gnncore.command_line.progress import ShowProgress, work_progress
from gnncore.errors import TrainingError
from gnncore.extras import install_command
from gnncore.storage import write_text
from gnncore.training.history import TIMES, Row, validation_metrics
from gnncore.training.settings import TrainingSettings

HISTORY_NAME = "history.jsonl"


class Log(Protocol):
    """Is told how far a training has come."""

    def graphs(self, count: int) -> None:
        """Count training graphs that have passed since the last call."""
        ...

    def epoch(self, row: Row) -> None:
        """An epoch has ended."""
        ...


@contextmanager
def open_logs(
    folder: Path | None,
    settings: TrainingSettings,
    progress: bool,
    select_by: str,
    graphs: int,
    epochs_done: int,
) -> Iterator[list[Log]]:
    """The logs of a training, closed at the end of the block.

    Args:
        folder: Where TensorBoard's events go.
        settings: Settings of the training.
        progress: Show a bar on a terminal, a line an epoch elsewhere, and one now and then within
            it, both on stderr.
        select_by: The metric to show.
        graphs: Training graphs an epoch.
        epochs_done: Epochs before this start.

    Raises:
        TrainingError: TensorBoard is not installed, or has no folder to write to.
    """
    with ExitStack() as stack:
        logs: list[Log] = []
        if settings.tensorboard:
            logs.append(stack.enter_context(_tensorboard(folder, epochs_done)))
        show = stack.enter_context(work_progress("graphs", quiet=not progress))
        if show is not None:
            total, done = graphs * settings.epochs, graphs * epochs_done
            logs.append(_Progress(show, select_by, total, done))
        yield logs


def write_history(folder: Path, history: list[Row]) -> None:
    """Create or replace ``history.jsonl``: one JSON object an epoch, null for what is not finite.

    Raises:
        StorageError: As :func:`gnncore.storage.write_with`.
    """
    lines = [
        json.dumps({name: value if math.isfinite(value) else None for name, value in row.items()})
        for row in history
    ]
    write_text(folder / HISTORY_NAME, "".join(line + "\n" for line in lines))


class _TensorBoard:
    def __init__(self, folder: Path | None, epochs_done: int) -> None:
        if folder is None:
            raise TrainingError("tensorboard needs a folder to write to; set out")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise TrainingError(
                f"TensorBoard is not installed; {install_command('tensorboard')}"
            ) from error
        self.writer = SummaryWriter(
            # Hides what a killed run wrote after its last checkpoint.
            str(folder / "tensorboard"),
            purge_step=epochs_done + 1,
        )

    def graphs(self, count: int) -> None:
        pass

    def epoch(self, row: Row) -> None:
        number = int(row["epoch"])
        for name, value in row.items():
            if name != "epoch":
                group = "seconds" if name in TIMES else "training"
                self.writer.add_scalar(f"{group}/{name}", value, number)
        self.writer.flush()


@contextmanager
def _tensorboard(folder: Path | None, epochs_done: int) -> Iterator[Log]:
    log = _TensorBoard(folder, epochs_done)
    try:
        yield log
    finally:
        log.writer.close()


class _Progress:
    """Counts graphs, and words the state of a training."""

    def __init__(self, show: ShowProgress, select_by: str, total: int, done: int) -> None:
        self.show, self.select_by, self.total, self.done = show, select_by, total, done
        self.show(done, total)

    def graphs(self, count: int) -> None:
        self.done += count
        self.show(self.done, self.total)  # an epoch may take long

    def epoch(self, row: Row) -> None:
        value = validation_metrics(row)[self.select_by]
        note = f"epoch {row['epoch']:.0f}, {self.select_by} {value:.4g}"
        self.show(self.done, self.total, note, milestone=True)
