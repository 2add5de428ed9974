"""Where units of work run: what every executor does, and the one that runs them on a Ray cluster.

An executor maps a function over units and gives back results as they finish, in any order. It
keeps a bounded number of units in flight, so that memory does not grow with the work, and never
writes a file: that is the caller's business.
"""

import os
import signal
import socket
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from threading import Event, current_thread, main_thread
from typing import Any, Protocol, TypeVar, runtime_checkable

from gnncore.errors import ExecutorUnavailableError
from gnncore.extras import install_command

Unit = TypeVar("Unit")
Result = TypeVar("Result")

SECONDS_TO_ANSWER = 10.0
"""How long the address of a cluster may take to accept a connection."""


@runtime_checkable
class Executor(Protocol):
    """Runs a function on units in parallel."""

    def map(
        self, function: Callable[[Unit], Result], units: Iterable[Unit]
    ) -> Generator[tuple[Unit, Result | Exception]]:
        """Every unit with its result, or with the exception that its function raised."""
        ...

    def stop(self) -> None:
        """Start no further unit; those that run are finished and given back."""
        ...


class RayExecutor:
    """Tasks of a Ray cluster: the one at ``RAY_ADDRESS``, a running one, or a fresh local one.

    Args:
        workers: Units in flight; None keeps two a CPU of the cluster.

    Raises:
        ExecutorUnavailableError: Ray is not installed, or no cluster answers at ``RAY_ADDRESS``.
    """

    def __init__(self, workers: int | None = None) -> None:
        try:
            import ray
        except ImportError as error:
            raise ExecutorUnavailableError(
                f"executor 'ray' needs the package ray: {install_command('cluster')}"
            ) from error
        self._ray = ray
        self._stopped = Event()
        if not ray.is_initialized():
            _connect(ray, workers)
        self.workers = workers or 2 * int(ray.cluster_resources().get("CPU", 1))

    def stop(self) -> None:
        """Start no further unit."""
        self._stopped.set()

    def map(
        self, function: Callable[[Unit], Result], units: Iterable[Unit]
    ) -> Generator[tuple[Unit, Result | Exception]]:
        """See :class:`Executor`."""
        ray = self._ray
        task = ray.remote(num_cpus=1)(_call)
        shared = ray.put(function)
        waiting = iter(units)
        running: dict[Any, Unit] = {}
        while True:
            room = 0 if self._stopped.is_set() else self.workers - len(running)
            running.update((task.remote(shared, unit), unit) for unit in islice(waiting, room))
            if self._stopped.is_set():
                for reference in running:
                    ray.cancel(reference)
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1, fetch_local=True)
            unit = running.pop(done[0])
            try:
                result = ray.get(done[0])
            except ray.exceptions.TaskCancelledError:
                continue
            except ray.exceptions.RayTaskError as error:
                yield unit, error.cause if isinstance(error.cause, Exception) else error
            except ray.exceptions.RayError as error:
                yield unit, error
            else:
                yield unit, result


def _connect(ray: Any, workers: int | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    address = os.environ.get("RAY_ADDRESS", "auto")
    _require_answer(address)
    try:
        ray.init(address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        if "RAY_ADDRESS" in os.environ:
            raise ExecutorUnavailableError(
                f"no Ray cluster answers at RAY_ADDRESS {address!r}: {error}"
            ) from error
        ray.init(num_cpus=workers, include_dashboard=False, **quiet)


def _require_answer(address: str) -> None:
    """Ray itself would try for two minutes.

    Raises:
        ExecutorUnavailableError: Nobody takes a connection at ``[ray://]host:port``.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        return  # "auto", "local" and whatever else Ray knows
    try:
        with socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER):
            pass
    except (OSError, OverflowError) as error:
        raise ExecutorUnavailableError(
            f"no Ray cluster answers at RAY_ADDRESS {address!r}: {error}"
        ) from error


@contextmanager
def stopping_on_interrupt(executor: Executor) -> Iterator[Event]:
    """Let the first Ctrl-C stop the executor gently; a second one acts as ever."""
    interrupted = Event()
    if current_thread() is not main_thread():
        yield interrupted
        return
    former = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: object) -> None:
        del number, frame
        interrupted.set()
        executor.stop()
        signal.signal(signal.SIGINT, former)

    signal.signal(signal.SIGINT, stop)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, former)


def _call(function: Callable[[Unit], Result], unit: Unit) -> Result:
    return function(unit)
