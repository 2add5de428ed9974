"""Trainings of predictors under attack: kills, two in one folder, damage; the outcome counts."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from gnncore.errors import GnncoreError
from gnncore.storage import StorageError, is_leftover
from gnncore.training import loop
from graphwsl.cli import app
from graphwsl.errors import GraphwslError
from graphwsl.populations import Population
from graphwsl.properties import Predictor, load_predictor, train_predictor
from graphwsl.properties.train import problems_of
from graphwsl.zoo import Recipe, open_zoo, train_zoo
from tests.attacks.kills import every_kill
from tests.attacks.mutations import flip, mutate
from tests.attacks.pairs import race

RIDGE = {"predictor": "weight_statistics_ridge", "target": "test_accuracy", "together": ()}
SETS = {
    "predictor": "deep_sets",
    "target": "test_accuracy",
    "together": (),
    "epochs": 2,
    "hidden_channels": 8,
}
SWEEP = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Forked processes cannot use threads of torch that were started before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def zoos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A zoo, and one with other seeds."""
    folder = tmp_path_factory.mktemp("zoos")
    for name, first in (("one", 1), ("other", 7)):
        values = {
            "data": {"name": "digits"},
            "epochs": 1,
            "batch_size": 512,
            "fixed": {"architecture": "mlp", "width": 3, "depth": 1},
            "grid": {
                "seed": tuple(range(first, first + 6)),
                "learning_rate": (0.01, 0.001),
            },
        }
        train_zoo(Recipe.of(values), folder / name)
    return {name: folder / name for name in ("one", "other")}


@pytest.fixture(scope="module")
def trained(zoos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What undisturbed trainings give."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    for name, options in (("ridge", RIDGE), ("sets", SETS)):
        train(zoos["one"], folder / name, options)
    train(zoos["other"], folder / "other", RIDGE)
    return {name: folder / name for name in ("ridge", "sets", "other")}


def train(zoo: Path, out: Path, options: dict[str, Any], **more: Any) -> Any:
    return train_predictor(zoo, out, progress=False, **options, **more)


def names(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != ".lock"
    )


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file; None where it is none of its own."""
    return {
        name: (folder / name).read_bytes()
        if (folder / name).is_file() and not (folder / name).is_symlink()
        else None
        for name in names(folder)
    }


def result(folder: Path) -> bytes:
    return (folder / "predictor.safetensors").read_bytes()


def predictions(folder: Path, zoo: Path) -> Tensor:
    return load_predictor(folder).predict(Population.load(open_zoo(zoo)))


@dataclass
class Outcome:
    """What work gave, or what was said where it was refused."""

    value: Any = None
    refused: str | None = None


def outcome(work: Callable[..., Any], *given: Any, **options: Any) -> Outcome:
    try:
        return Outcome(work(*given, **options))
    except (GraphwslError, GnncoreError, StorageError) as error:
        return Outcome(refused=str(error))


@pytest.mark.parametrize(("kind", "stride"), [("ridge", 17), pytest.param("sets", 1, marks=SWEEP)])
def test_kills_at_steps_of_the_file_system_change_nothing(
    zoos: dict[str, Path], trained: dict[str, Path], tmp_path: Path, kind: str, stride: int
) -> None:
    options = RIDGE if kind == "ridge" else SETS
    path, kills = tmp_path / "predictor", 0
    for _ in every_kill(path, lambda: train(zoos["one"], path, options), stride=stride):
        kills += 1
        train(zoos["one"], path, options, resume=True)
        assert result(path) == result(trained[kind])
        assert names(path) == names(trained[kind])
        assert problems_of(path) == []
        shutil.rmtree(path)
    assert kills >= 30 // stride


def test_a_kill_before_the_manifest_costs_no_training(
    zoos: dict[str, Path], trained: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(trained["sets"], tmp_path / "predictor"))
    for name in ("manifest.json", "metrics.json"):
        (path / name).unlink()
    assert problems_of(path) == ["unfinished: continue it with graphwsl train --resume"]

    def fit(*given: Any, **options: Any) -> None:
        raise AssertionError("it was trained again")

    monkeypatch.setattr(Predictor, "fit", fit)
    again = train(zoos["one"], path, SETS, resume=True)
    assert result(path) == result(trained["sets"])
    assert (path / "metrics.json").read_bytes() == (trained["sets"] / "metrics.json").read_bytes()
    assert again.repaired == []
    assert problems_of(path) == []


def test_a_predictor_of_another_training_is_not_adopted(
    zoos: dict[str, Path], trained: dict[str, Path], tmp_path: Path
) -> None:
    path = Path(shutil.copytree(trained["ridge"], tmp_path / "predictor"))
    (path / "manifest.json").unlink()
    for name in ("predictor.json", "predictor.safetensors"):
        shutil.copyfile(trained["other"] / name, path / name)
    train(zoos["one"], path, RIDGE, resume=True)
    assert result(path) == result(trained["ridge"])


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("delays", [(0.0, 0.0), (0.1, 0.0), pytest.param(None, marks=SWEEP)])
def test_of_two_trainings_in_one_folder_one_wins(
    zoos: dict[str, Path],
    tmp_path: Path,
    delays: tuple[float, float] | None,
    resume: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    choose = random.Random(0)
    drawn = [(0.0, choose.uniform(0, 0.4)) for _ in range(40)]
    targets = ("learning_rate", "test_accuracy")

    def program(target: str) -> Callable[[], object]:
        arguments = ["train", str(zoos["one"]), "--target", target, "--out", "p", "--quiet"]
        arguments += ["--predictor", "weight_statistics_ridge", "--together", ""]
        return lambda: app([*arguments, *(["--resume"] if resume else [])])

    for pair in drawn if delays is None else [delays]:
        ended = race(*map(program, targets), folder=Path("output"), delays=pair)
        assert sorted(end.status for end in ended) == [0, 2]
        (loser,) = (end for end in ended if end.status == 2)
        assert loser.stderr.startswith("graphwsl: ")
        assert loser.stderr.count("\n") == 1
        (winner,) = (number for number, end in enumerate(ended) if end.status == 0)
        assert problems_of(Path("p")) == []
        target = load_predictor("p").target
        assert target is not None
        assert target.name == targets[winner]
        shutil.rmtree("p")


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=SWEEP)])
@pytest.mark.parametrize("kind", ["ridge", "sets", "saved alone"])
def test_no_single_bit_changes_a_prediction_in_silence(
    zoos: dict[str, Path], trained: dict[str, Path], tmp_path: Path, kind: str, count: int
) -> None:
    path, choose = tmp_path / "predictor", random.Random(count)
    if kind == "saved alone":
        load_predictor(trained["sets"]).save(path)
    else:
        shutil.copytree(trained[kind], path)
    population = Population.load(open_zoo(zoos["one"]))
    right = load_predictor(path).predict(population)
    read = [path / name for name in ("predictor.json", "predictor.safetensors", "manifest.json")]
    files = [file for file in read if file.exists()]
    for _ in range(count):
        file = choose.choice(files)
        data = file.read_bytes()
        file.write_bytes(flip(data, choose))
        found = outcome(lambda: load_predictor(path).predict(population))
        assert found.refused or torch.equal(found.value, right)
        file.write_bytes(data)


@pytest.mark.parametrize("count", [8, pytest.param(1000, marks=SWEEP)])
def test_damage_of_a_complete_folder_is_found_and_mended_or_refused(
    zoos: dict[str, Path], trained: dict[str, Path], tmp_path: Path, count: int
) -> None:
    choose, path = random.Random(count), tmp_path / "predictor"
    right = predictions(trained["ridge"], zoos["one"])
    for _ in range(count):
        shutil.copytree(trained["ridge"], path)
        before = contents(path)
        done = mutate(path, choose, donor=trained["other"])
        if contents(path) != before:
            found = outcome(problems_of, path)
            assert found.refused or found.value, f"not found: {done}"
        found = outcome(predictions, path, zoos["one"])
        assert found.refused or torch.equal(found.value, right), done
        found = outcome(train, zoos["one"], path, RIDGE, resume=True)
        if not found.refused:
            assert result(path) == result(trained["ridge"]), done
            assert names(path) == names(trained["ridge"]), done
            assert problems_of(path) == [], done
        for left in (path, path.with_name("predictor-elsewhere")):
            shutil.rmtree(left, ignore_errors=True)


@pytest.fixture(scope="module")
def stopped(zoos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training between two epochs."""
    path = tmp_path_factory.mktemp("stopped") / "predictor"
    validate, steps = loop.validate, iter((True, False))

    def once(*given: Any) -> Any:
        if next(steps):
            return validate(*given)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "validate", once)
        with pytest.raises(KeyboardInterrupt):
            train(zoos["one"], path, SETS)
    return path


@pytest.mark.parametrize("count", [5, pytest.param(500, marks=SWEEP)])
def test_damage_of_an_unfinished_folder_is_mended_or_refused(
    zoos: dict[str, Path], trained: dict[str, Path], stopped: Path, tmp_path: Path, count: int
) -> None:
    choose, path = random.Random(count), tmp_path / "predictor"
    for _ in range(count):
        shutil.copytree(stopped, path)
        done = mutate(path, choose, donor=trained["other"])
        if not outcome(train, zoos["one"], path, SETS, resume=True).refused:
            assert result(path) == result(trained["sets"]), done
            assert problems_of(path) == [], done
        for left in (path, path.with_name("predictor-elsewhere")):
            shutil.rmtree(left, ignore_errors=True)


@pytest.mark.parametrize("name", ["predictor.safetensors", "predictor.json", "metrics.json"])
def test_what_a_complete_training_lost_is_made_again(
    zoos: dict[str, Path], trained: dict[str, Path], tmp_path: Path, name: str
) -> None:
    path = Path(shutil.copytree(trained["ridge"], tmp_path / "predictor"))
    (path / name).unlink()
    assert train(zoos["one"], path, RIDGE, resume=True).repaired == [f"{name} is missing"]
    assert result(path) == result(trained["ridge"])
    assert problems_of(path) == []


def test_a_zoo_is_known_by_what_it_holds(
    zoos: dict[str, Path], trained: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(trained["ridge"], tmp_path / "predictor"))
    moved = Path(shutil.copytree(zoos["one"], tmp_path / "moved"))
    monkeypatch.chdir(tmp_path)
    assert train(Path("moved"), path, RIDGE, resume=True).repaired == []
    shutil.rmtree(moved)
    shutil.copytree(zoos["other"], moved)
    with pytest.raises(GraphwslError, match="was trained on other networks than 'moved' holds"):
        train(moved.relative_to(Path(os.getcwd())), path, RIDGE, resume=True)


def test_no_temporary_file_is_left(
    zoos: dict[str, Path], trained: dict[str, Path], stopped: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(stopped, tmp_path / "predictor"))
    for folder in (path, path / "training"):
        (folder / ".checkpoint.0123456789abcdef.part.safetensors").touch()
    train(zoos["one"], path, SETS, resume=True)
    assert result(path) == result(trained["sets"])
    assert not [name for name in names(path) if is_leftover(Path(name).name)]
    assert not (path / "training").exists()


def test_the_program_verifies_every_kind_of_folder(
    zoos: dict[str, Path], trained: dict[str, Path], stopped: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    load_predictor(trained["ridge"]).save(alone)
    for folder in (zoos["one"], trained["sets"], alone):
        done = CliRunner().invoke(app, ["verify", str(folder)])
        assert (done.exit_code, done.stdout) == (0, f"{folder}: all files are as they should be\n")
    done = CliRunner().invoke(app, ["verify", str(stopped)])
    assert done.exit_code == 1
    assert done.stdout.startswith("unfinished: continue it with graphwsl train --resume")
    for folder, name in (
        (shutil.copytree(zoos["one"], tmp_path / "zoo"), "zoo.json"),
        (shutil.copytree(trained["ridge"], tmp_path / "ridge"), "metrics.json"),
        (alone, "predictor.safetensors"),
    ):
        file = Path(folder, name)
        file.write_bytes(file.read_bytes().replace(b"1", b"2") + b" ")
        done = CliRunner().invoke(app, ["verify", str(folder)])
        assert done.exit_code == 1
        assert name in done.stdout
    done = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert done.exit_code == 2
