"""Where work units run: the threads of one machine, or a Ray cluster.

An executor maps a function over units and gives back results as they finish, in any order. It
keeps a bounded number of units in flight, so memory does not grow with the campaign, and never
writes a file: that is the caller's business.
"""

import os
import signal
import socket
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from threading import Event, current_thread, main_thread
from typing import Any, Protocol, TypeVar, runtime_checkable

from gnncore.extras import install_command
from gnncore.registry import Registry
from gridstab.errors import EngineUnavailableError, InvalidParameterError

Unit = TypeVar("Unit")
Result = TypeVar("Result")

SECONDS_TO_ANSWER = 10.0
"""How long the address of a cluster may take to accept a connection."""


class Cancelled(Exception):  # noqa: N818 - an outcome, not an error
    """The unit had not started when the executor was asked to stop."""


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


class LocalExecutor:
    """Threads of this process; for functions that release the GIL, as the engines do."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._stopped = Event()

    def stop(self) -> None:
        """Start no further unit."""
        self._stopped.set()

    def map(
        self, function: Callable[[Unit], Result], units: Iterable[Unit]
    ) -> Generator[tuple[Unit, Result | Exception]]:
        """See :class:`Executor`."""

        def run(unit: Unit) -> Result:
            if self._stopped.is_set():
                raise Cancelled
            return function(unit)

        waiting = iter(units)
        running: dict[Future[Result], Unit] = {}
        with ThreadPoolExecutor(self.workers, thread_name_prefix="simulate") as pool:
            try:
                while True:
                    # Twice as many as threads: none idles while the caller stores a result.
                    room = 0 if self._stopped.is_set() else 2 * self.workers - len(running)
                    running.update((pool.submit(run, unit), unit) for unit in islice(waiting, room))
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        unit = running.pop(future)
                        error = future.exception()
                        if error is None:
                            yield unit, future.result()
                        elif not isinstance(error, Exception):
                            raise error
                        elif not isinstance(error, Cancelled):
                            yield unit, error
            finally:
                self.stop()


class RayExecutor:
    """Tasks of a Ray cluster: the one at ``RAY_ADDRESS``, a running one, or a fresh local one.

    Args:
        workers: Units in flight; None keeps two a CPU of the cluster.

    Raises:
        EngineUnavailableError: Ray is not installed, or no cluster answers at ``RAY_ADDRESS``.
    """

    def __init__(self, workers: int | None = None) -> None:
        try:
            import ray
        except ImportError as error:
            raise EngineUnavailableError(
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
            raise EngineUnavailableError(
                f"no Ray cluster answers at RAY_ADDRESS {address!r}: {error}"
            ) from error
        ray.init(num_cpus=workers, include_dashboard=False, **quiet)


def _require_answer(address: str) -> None:
    """Ray itself would try for two minutes.

    Raises:
        EngineUnavailableError: Nobody takes a connection at ``[ray://]host:port``.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        return  # "auto", "local" and whatever else Ray knows
    try:
        with socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER):
            pass
    except (OSError, OverflowError) as error:
        raise EngineUnavailableError(
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


EXECUTORS: Registry[Callable[[int | None], Executor]] = Registry(
    "executor",
    InvalidParameterError,
    {
        "local": lambda workers: LocalExecutor(workers or os.cpu_count() or 1),
        "ray": RayExecutor,
    },
)
"""One line an executor: its name and how to make it for a number of workers (None: all)."""


def make_executor(name: str, workers: int | None = None) -> Executor:
    """The executor of that name.

    Raises:
        InvalidParameterError: No such executor, or a number of workers below one.
        EngineUnavailableError: Its package is not installed.
    """
    make = EXECUTORS.find(name)
    if workers is not None and workers < 1:
        raise InvalidParameterError(f"workers must be at least 1, got {workers}")
    return make(workers)
