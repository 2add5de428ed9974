"""``graphwsl monitor`` and ``graphwsl history`` on zoos of several architectures, and of twins."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.errors import TrajectoryError
from graphwsl.sparsification import sparsify
from graphwsl.trajectories.histories import histories, histories_of_zoo
from graphwsl.zoo import Recipe, open_zoo, train_zoo

RECIPE = {
    "data": {"name": "digits"},
    "epochs": 2,
    "batch_size": 256,
    "keep": (0, 1, 2),
    "seeds": 4,
    "fixed": {"architecture": "mlp", "depth": 1, "learning_rate": 0.01},
    "grid": {"width": (3, 4)},
}


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("histories") / "zoo"
    train_zoo(Recipe.of(RECIPE), folder, workers=1)
    return folder


def test_each_training_of_a_zoo_of_several_shapes_has_an_order(zoo: Path, tmp_path: Path) -> None:
    picture = tmp_path / "paths.svg"
    found = json.loads(run("history", "order", zoo, "--json", "--picture", picture))["trainings"]
    assert list(found) == [f"{number:05d}" for number in range(8)]
    assert all(sorted(one["order"]) == ["0", "1", "2"] for one in found.values())
    assert picture.read_text(encoding="utf-8").count("first principal direction") == 2


def test_no_training_has_checkpoints_of_two_shapes(zoo: Path) -> None:
    groups = json.loads(run("history", "separate", zoo, "--json"))["trainings"]
    assert sorted(map(len, groups)) == [3] * 8
    assert all(len({name.split("/")[0] for name in group}) == 1 for group in groups)


def test_functions_of_one_architecture_refuse_several(zoo: Path) -> None:
    for refused in (lambda: histories(zoo), lambda: histories_of_zoo(open_zoo(zoo))):
        with pytest.raises(TrajectoryError, match=r"2 architectures, such as '00000' and '00004'"):
            refused()


def test_networks_that_share_no_shape_have_no_parents(zoo: Path) -> None:
    found = json.loads(run("history", "parents", zoo, "--json"))
    assert set(found["parents"].values()) == {None}
    assert list(found["parents"]) == [f"{number:05d}" for number in range(8)]


def test_each_shape_is_judged_by_its_own_normal_trainings(zoo: Path) -> None:
    found = json.loads(run("monitor", zoo, "--reference", zoo, "--rate", "0.4", "--json"))
    thresholds = [one["threshold"] for one in found["trainings"].values()]
    assert len(set(thresholds[:4])) == len(set(thresholds[4:])) == 1
    assert thresholds[0] != thresholds[4]
    assert found["threshold"] is None
    said = run("monitor", zoo, "--reference", zoo, "--rate", "0.1", code=2)
    assert "a rate of 0.1 of false alarms needs at least 18 normal trainings" in said


def test_trainings_of_one_checkpoint_are_named_and_twins_are_no_parents(
    zoo: Path, tmp_path: Path
) -> None:
    twins = sparsify(zoo, tmp_path / "twins", sparsity=(0.5, 0.8), epochs=1)
    said = run("history", "order", twins.zoo.folder.path, code=2)
    assert "training '00000-0.5' has one checkpoint, 3, and an order needs at least 2" in said
    result = CliRunner().invoke(app, ["history", "parents", str(twins.zoo.folder.path)])
    assert result.exit_code == 0
    assert "00000-0.8: from 00000-0.5 (uncertain)" in result.stdout
    assert "what they were pruned from is perhaps not among these" in result.stderr
