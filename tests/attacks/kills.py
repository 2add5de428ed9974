"""Kills at chosen steps of the file system, in child processes.

A child announces every step on a file below a folder (opening, renaming, removing, making a
folder, flushing) before it is taken. Killed before step 1, 2, 3 … until it comes to its end, work
has been interrupted between every two things that it does to its files.
"""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}
"""Audit events of Python that stand for a step; flushing has none and is wrapped."""

FAILED = 70
"""Exit status of a child whose work raised an exception."""


def in_child(work: Callable[[], object]) -> int:
    """Run work in a fork of this process, which never returns into the tests.

    Returns:
        The exit status: 0, ``FAILED``, what a ``SystemExit`` said, or minus the signal.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os._exit(status_of(work))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step: int, folder: Path, work: Callable[[], object]) -> bool:
    """Run work in a child that is killed before its ``step``-th step (from 1) below a folder.

    Returns:
        Whether it was killed; False where the work had come to its end before.

    Raises:
        AssertionError: The work failed by itself.
    """

    def run() -> None:
        _die_at(step, folder)
        work()

    status = in_child(run)
    assert status in (0, -signal.SIGKILL), f"the work ended with status {status}"
    return status != 0


def every_kill(folder: Path, work: Callable[[], object], *, stride: int = 1) -> Iterator[int]:
    """Kill work before step 1, 1 + stride, … until it comes to its end.

    After each kill the number of the step is given; what the work left lies in the folder, which
    the caller is to look at and to empty.
    """
    step = 1
    while killed_at(step, folder, work):
        yield step
        step += stride


def status_of(work: Callable[[], object]) -> int:
    """Do work; the exit status that a program of it would have."""
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return FAILED
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    return 0


def _die_at(step: int, folder: Path) -> None:
    root, taken = str(folder.absolute()), 0

    def count() -> None:
        nonlocal taken
        taken += 1
        if taken == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        path = arguments[0] if event in STEPS and arguments else None
        named = isinstance(path, str | bytes | os.PathLike)
        if named and os.path.abspath(os.fsdecode(path)).startswith(root):
            count()

    flush = os.fsync

    def fsync(descriptor: Any) -> None:
        count()
        flush(descriptor)

    os.fsync = fsync
    sys.addaudithook(hook)
