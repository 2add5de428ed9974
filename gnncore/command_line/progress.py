"""A progress bar on stderr for people, a plain line now and then for log files."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from gnncore.command_line.heartbeat import spoke

SECONDS_PER_LINE = 10.0


@contextmanager
def work_progress(unit: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Gives what is to be called with the units that are done and the total of them.

    Args:
        unit: What is counted, in the plural.
        quiet: Show nothing; None is given then.
    """
    if quiet:
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines(unit)
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
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=4) as progress:
        task = progress.add_task(unit, total=None, rate="")
        meter = _Meter()

        def show(stored: int, total: int) -> None:
            spoke()
            rate = meter.rate(stored)
            progress.update(task, completed=stored, total=total, rate=f"{rate:,.0f} {unit}/s")

        yield show


class _Meter:
    """Units per second since the first result; what lay stored before does not count."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.first: int | None = None

    def rate(self, stored: int) -> float:
        if self.first is None:
            self.first = stored
        return (stored - self.first) / max(time.monotonic() - self.start, 1e-9)


def _plain_lines(unit: str) -> Callable[[int, int], None]:
    meter = _Meter()
    latest = time.monotonic()

    def show(stored: int, total: int) -> None:
        nonlocal latest
        rate = meter.rate(stored)
        if time.monotonic() - latest < SECONDS_PER_LINE:
            return
        latest = time.monotonic()
        spoke()
        left = f", {(total - stored) / rate:,.0f} s left" if rate > 0 else ""
        typer.echo(f"{stored:,} of {total:,} {unit}, {rate:,.0f} per second{left}", file=sys.stderr)

    return show
