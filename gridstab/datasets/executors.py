"""Where work units run: the threads of one machine, or a Ray cluster."""

import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from threading import Event

from gnncore.errors import ExecutorUnavailableError
from gnncore.executors import Executor as Executor
from gnncore.executors import RayExecutor, Result, Unit
from gnncore.executors import stopping_on_interrupt as stopping_on_interrupt
from gnncore.registry import Registry
from gridstab.errors import EngineUnavailableError, InvalidParameterError


class Cancelled(Exception):  # noqa: N818 - an outcome, not an error
    """The unit had not started when the executor was asked to stop."""


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
                    done = wait(running, return_when=FIRST_COMPLETED).done
                    # In their order: what one thread leaves behind when it is stopped is the same
                    # every time.
                    for future in [each for each in running if each in done]:
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


def _on_ray(workers: int | None) -> Executor:
    try:
        return RayExecutor(workers)
    except ExecutorUnavailableError as error:
        raise EngineUnavailableError(str(error)) from error


EXECUTORS: Registry[Callable[[int | None], Executor]] = Registry(
    "executor",
    InvalidParameterError,
    {
        "local": lambda workers: LocalExecutor(workers or os.cpu_count() or 1),
        "ray": _on_ray,
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
