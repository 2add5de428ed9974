"""What a person sees of a training, and the logs that programs read."""

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from gnncore.command_line.heartbeat import spoke
from gnncore.errors import TrainingError
from gnncore.extras import install_command
from gnncore.storage import write_text
from gnncore.training.history import TIMES, Row, validation_metrics
from gnncore.training.settings import TrainingSettings

HISTORY_NAME = "history.jsonl"
_SECONDS_PER_LINE = 10.0


class Log(Protocol):
    """Is told how far a training has come."""

    def graphs(self, count: int) -> None:
        """So many training graphs have passed since the last call."""
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
        settings: Of the training.
        progress: Show a bar on a terminal, plain lines now and then elsewhere, both on stderr.
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
        if progress:
            meter = _Meter(select_by, graphs * settings.epochs, graphs * epochs_done)
            logs.append(stack.enter_context(_progress(meter)))
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


class _Meter:
    """Counts graphs, measures their rate and words the state of a training."""

    def __init__(self, select_by: str, total: int, done: int) -> None:
        self.select_by, self.total, self.done, self.before = select_by, total, done, done
        self.start = time.monotonic()
        self.metric = ""

    def add(self, count: int) -> None:
        self.done += count

    @property
    def rate(self) -> float:
        return (self.done - self.before) / max(time.monotonic() - self.start, 1e-9)

    def read(self, row: Row) -> None:
        value = validation_metrics(row)[self.select_by]
        self.metric = f"epoch {row['epoch']:.0f}, {self.select_by} {value:.4g}"


class _Lines:
    def __init__(self, meter: _Meter) -> None:
        self.meter = meter
        self.latest = time.monotonic()

    def graphs(self, count: int) -> None:
        self.meter.add(count)
        self._show()  # an epoch may take long

    def epoch(self, row: Row) -> None:
        self.meter.read(row)
        self._show()

    def _show(self) -> None:
        if time.monotonic() - self.latest < _SECONDS_PER_LINE:
            return
        self.latest = time.monotonic()
        spoke()
        left = (self.meter.total - self.meter.done) / self.meter.rate
        where = self.meter.metric or f"{self.meter.done:,} of {self.meter.total:,} graphs"
        print(
            f"{where}, {self.meter.rate:,.0f} graphs per second, {left:,.0f} s left",
            file=sys.stderr,
        )


@contextmanager
def _progress(meter: _Meter) -> Iterator[Log]:
    from rich.console import Console

    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield _Lines(meter)
        return
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[metric]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=4) as bar:
        task = bar.add_task("train", total=meter.total, completed=meter.done, metric="", rate="")

        class Bar:
            def graphs(self, count: int) -> None:
                spoke()
                meter.add(count)
                bar.update(task, completed=meter.done, rate=f"{meter.rate:,.0f} graphs/s")

            def epoch(self, row: Row) -> None:
                meter.read(row)
                bar.update(task, metric=meter.metric)

        yield Bar()
