"""Two processes that start on one folder at once."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tests.attacks.kills import status_of


@dataclass(frozen=True)
class Ended:
    """How a process of a pair ended.

    Attributes:
        status: Its exit status; minus the signal where one ended it.
        stdout, stderr: What it printed.
    """

    status: int
    stdout: str
    stderr: str


def race(*works: Callable[[], object], folder: Path, delays: tuple[float, ...] = ()) -> list[Ended]:
    """Run works in forks of this process that leave a barrier together.

    Args:
        works: What each process does.
        folder: Where their output is kept, one file each.
        delays: What each process waits behind the barrier [s]; nothing unless given.
    """
    barrier = get_context("fork").Barrier(len(works))
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    children = []
    for number, work in enumerate(works):
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                for descriptor, name in ((1, "out"), (2, "err")):
                    file = os.open(
                        folder / f"{number}.{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC
                    )
                    os.dup2(file, descriptor)
                sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
                sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
                barrier.wait()
                time.sleep(delays[number] if delays else 0.0)
                os._exit(status_of(work))
            os._exit(71)
        children.append(child)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return [
        Ended(status, *((folder / f"{number}.{name}").read_text() for name in ("out", "err")))
        for number, status in enumerate(statuses)
    ]
