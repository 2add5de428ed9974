"""A sign of life from every command that is silent for long, terminal or not."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SECONDS = 25.0
"""Longest silence [s]."""

_latest = 0.0
_activity: list[str] = []


def note_output() -> None:
    """Something was shown, so that no sign of life is needed for a while."""
    global _latest
    _latest = time.monotonic()


@contextmanager
def doing(activity: str) -> Iterator[None]:
    """Name what is being done, for the sign of life.

    Args:
        activity: As in "computing features of 7,000 grids".
    """
    _activity.append(activity)
    try:
        yield
    finally:
        _activity.remove(activity)


@contextmanager
def heartbeat(program: str, *, quiet: bool = False) -> Iterator[None]:
    """Say on stderr what is being done, whenever nothing was shown for :data:`SECONDS`.

    Args:
        program: The name that lines begin with.
        quiet: Say nothing.
    """
    if quiet:
        yield
        return
    stop = threading.Event()
    started = time.monotonic()
    note_output()

    def report_silence() -> None:
        while not stop.wait(max(_latest + SECONDS - time.monotonic(), 0.01)):
            if time.monotonic() - _latest < SECONDS:
                continue
            note_output()
            what = _activity[-1] if _activity else "at work"
            with suppress(OSError, ValueError):  # nobody is left to be told
                seconds = time.monotonic() - started
                print(f"{program}: {what}, {seconds:,.0f} s so far", file=sys.stderr, flush=True)

    thread = threading.Thread(target=report_silence, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
