"""Zoos whose chunks train elsewhere: the same bytes, and failures that are said."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from gnncore.errors import ExecutorUnavailableError, TrainingError
from graphwsl.errors import ZooError
from graphwsl.zoo import Recipe, open_zoo, train_zoo

RECIPE = Recipe.of(
    {
        "data": {"name": "digits"},
        "epochs": 1,
        "batch_size": 256,
        "seeds": 2,
        "fixed": {"architecture": "mlp", "width": 4},
        "grid": {"activation": ["relu", "tanh", "gelu"]},
    }
)


def contents(path: Path) -> dict[str, bytes]:
    files = [file for file in path.rglob("*") if file.is_file() and file.name != ".lock"]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


class Elsewhere:
    """Runs units from the last to the first; functions and results travel as copies."""

    def __init__(self, change: Callable[[int, Any], Any] = lambda number, result: result) -> None:
        self.change, self.stopped = change, False

    def stop(self) -> None:
        self.stopped = True

    def map(
        self, function: Callable[[Any], Any], units: Iterable[Any]
    ) -> Generator[tuple[Any, Any]]:
        function = deepcopy(function)
        for unit in reversed(list(units)):
            if self.stopped:
                return
            yield unit, self.change(unit[0], deepcopy(function(unit)))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoos") / "here"
    train_zoo(RECIPE, path)
    return path


def test_bytes_do_not_depend_on_where_chunks_train(here: Path, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    trained = train_zoo(
        RECIPE,
        tmp_path / "zoo",
        executor=Elsewhere(),
        on_progress=lambda d, total: done.append((d, total)),
    )
    assert trained.epochs == 6
    assert done == [(2, 6), (4, 6), (6, 6)]
    assert contents(tmp_path / "zoo") == contents(here)


@pytest.mark.parametrize(
    ("failure", "raised", "message"),
    [
        (ZooError("no such factor"), ZooError, "no such factor"),
        (OSError("node\nlost"), TrainingError, "a task .* failed with OSError: node lost; try ag"),
    ],
)
def test_what_fails_elsewhere_is_said_and_the_rest_is_kept(
    here: Path, tmp_path: Path, failure: Exception, raised: type[Exception], message: str
) -> None:
    path = tmp_path / "zoo"
    fails = Elsewhere(lambda number, result: failure if number == 0 else result)
    with pytest.raises(raised, match=message):
        train_zoo(RECIPE, path, executor=fails)
    assert len(open_zoo(path).checkpoints) == 8
    assert train_zoo(RECIPE, path, resume=True).epochs == 2
    assert contents(path) == contents(here)


def test_an_interrupt_keeps_what_is_there(here: Path, tmp_path: Path) -> None:
    def interrupt(number: int, result: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return result

    path = tmp_path / "zoo"
    with pytest.raises(KeyboardInterrupt):
        train_zoo(RECIPE, path, executor=Elsewhere(interrupt))
    assert len(open_zoo(path).checkpoints) == 4
    train_zoo(RECIPE, path, resume=True)
    assert contents(path) == contents(here)


def test_executors_that_are_not_there_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ZooError, match="unknown executor 'slurm'; choose one of local, ray"):
        train_zoo(RECIPE, tmp_path / "zoo", executor="slurm")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExecutorUnavailableError, match="executor 'ray' needs the package ray: pip"):
        train_zoo(RECIPE, tmp_path / "zoo", executor="ray")
    assert not (tmp_path / "zoo").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own, of which it has many
def test_bytes_are_those_of_a_ray_cluster(here: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    recipe = tmp_path / "small.toml"
    recipe.write_text(
        'epochs = 1\nbatch_size = 256\nseeds = 2\n[data]\nname = "digits"\n[fixed]\n'
        'architecture = "mlp"\nwidth = 4\n[grid]\nactivation = ["relu", "tanh", "gelu"]\n',
        encoding="utf-8",
    )
    program = "from graphwsl.cli import main; main()"
    command = [sys.executable, "-c", program, "zoo", "train", str(recipe), "--quiet"]
    command += ["--executor", "ray", "--workers", "2", "--out", str(tmp_path / "zoo")]
    without = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    subprocess.run(command, env=without, check=True, timeout=300)
    assert contents(tmp_path / "zoo") == contents(here)
