import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from types import SimpleNamespace

import pytest

from gridstab.datasets import executors
from gridstab.datasets.executors import LocalExecutor, make_executor
from gridstab.errors import InvalidParameterError


def test_every_unit_comes_back_with_its_result() -> None:
    results = dict(LocalExecutor(3).map(lambda unit: unit * unit, range(100)))
    assert results == {unit: unit * unit for unit in range(100)}


def test_a_failing_unit_comes_back_with_its_exception() -> None:
    results = dict(LocalExecutor(2).map(lambda unit: 1 // unit, range(3)))
    assert isinstance(results[0], ZeroDivisionError)
    assert (results[1], results[2]) == (1, 0)


def test_units_are_taken_only_as_workers_ask_for_them() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with closing(LocalExecutor(2).map(lambda unit: unit, endless())) as results:
        seen = sum(1 for _, _ in zip(range(20), results, strict=False))
    assert seen == 20
    assert taken <= seen + 2 * 2 + 2


def test_workers_run_at_the_same_time() -> None:
    meet = threading.Barrier(3, timeout=30)
    results = dict(LocalExecutor(3).map(lambda unit: meet.wait() >= 0, range(3)))
    assert results == dict.fromkeys(range(3), True)


def test_one_worker_gives_its_results_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order of the set of those that got done while the caller was busy."""

    def backwards(running: dict[Future[int], int], return_when: str) -> SimpleNamespace:
        del return_when
        wait(running)
        return SimpleNamespace(done=[*running][::-1])

    monkeypatch.setattr(executors, "wait", backwards)
    assert [unit for unit, _ in LocalExecutor(1).map(abs, range(9))] == list(range(9))


def test_stop_finishes_what_runs_and_starts_nothing() -> None:
    executor = LocalExecutor(1)
    done = []
    for unit, _ in executor.map(lambda unit: unit, range(1000)):
        done.append(unit)
        executor.stop()
    assert 1 <= len(done) <= 3


def test_an_abandoned_map_leaves_no_unit_running() -> None:
    started: list[int] = []
    with closing(LocalExecutor(1).map(started.append, range(1000))) as results:
        next(results)
    count = len(started)
    assert count <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("simulate")]


@pytest.mark.parametrize(("name", "workers"), [("cloud", None), ("local", 0), ("local", -1)])
def test_unknown_executor_and_workers(name: str, workers: int | None) -> None:
    with pytest.raises(InvalidParameterError, match=name if workers is None else str(workers)):
        make_executor(name, workers)
