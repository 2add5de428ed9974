"""How far work has come, on stderr: a bar for people, a plain line now and then for log files."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import typer

from gnncore.command_line.heartbeat import note_output

SECONDS_PER_LINE = 10.0


class ShowProgress(Protocol):
    """Is told how far the work has come."""

    def __call__(self, done: int, total: int, note: str = "", *, milestone: bool = False) -> None:
        """Show it.

        Args:
            done: Units that are done.
            total: All units.
            note: What else there is to say, as ``epoch 3, r2 0.71``; stays until another is given.
            milestone: Whether a log file gets a line now, however short the last one was ago.
        """
        ...


@contextmanager
def work_progress(unit: str, *, quiet: bool) -> Iterator[ShowProgress | None]:
    """Gives what is to be called with the units that are done and the total of them.

    What is done at the first call was there before; neither that nor the time until then, in which
    engines start and compile, counts for the rate.

    Args:
        unit: What is counted, in the plural.
        quiet: Show nothing; None is given then.
    """
    if quiet:
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield _Lines(unit)
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
        TextColumn("{task.fields[note]}", markup=False),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=4) as progress:
        task = progress.add_task(unit, total=None, rate="", note="")
        meter = _Meter()

        def show(done: int, total: int, note: str = "", *, milestone: bool = False) -> None:
            del milestone  # a bar shows everything
            note_output()
            rate = speed(meter.rate(done), unit, "/s", "/")
            progress.update(task, completed=done, total=total, rate=rate)
            if note:
                progress.update(task, note=note)

        yield show


class _Meter:
    """Units per second since the first call; what was done and prepared before does not count."""

    def __init__(self) -> None:
        self.first: tuple[float, int] | None = None

    def rate(self, done: int) -> float:
        now = time.monotonic()
        if self.first is None:
            self.first = now, done
        start, before = self.first
        return (done - before) / max(now - start, 1e-9)


class _Lines:
    def __init__(self, unit: str) -> None:
        self.unit, self.note = unit, ""
        self.meter = _Meter()
        self.latest = time.monotonic()

    def __call__(self, done: int, total: int, note: str = "", *, milestone: bool = False) -> None:
        rate = self.meter.rate(done)
        self.note = note or self.note
        if not milestone and time.monotonic() - self.latest < SECONDS_PER_LINE:
            return
        self.latest = time.monotonic()
        note_output()
        where = self.note or f"{done:,} of {total:,} {self.unit}"
        how_fast = speed(rate, self.unit, " per second", " per ")
        left = f", {how_fast}, {(total - done) / rate:,.0f} s left" if rate > 0 else ""
        typer.echo(f"{where}{left}", file=sys.stderr)


def speed(rate: float, unit: str, per_second: str, per: str) -> str:
    """Units in a second, or seconds of a unit where these are more; nothing if none is done.

    Args:
        rate: Units per second.
        unit: What is counted, in the plural.
        per_second: What follows the units.
        per: What follows the seconds, before one unit.

    >>> speed(20, "grids", " per second", " per "), speed(0.08, "parts", "/s", "/")
    ('20 grids per second', '12 s/part')
    """
    if rate <= 0:
        return ""
    if rate >= 1:
        return f"{rate:,.0f} {unit}{per_second}"
    first, space, others = unit.partition(" ")
    one = f"{first[:-3]}y" if first.endswith("ies") else first.removesuffix("s")
    return f"{1 / rate:,.{1 if rate > 0.1 else 0}f} s{per}{one}{space}{others}"
