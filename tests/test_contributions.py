"""Layer, model, architecture, rule, predictor, engine: each is one file that commands know of."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

# What the commands import anyway, so that its registries are there to be restored.
import graphwsl.properties.predictors
import graphwsl.zoo.training
import gridstab.dynamics.engines
from gnncore.command_line.importing import import_modules
from graphwsl.cli import app as graphwsl
from graphwsl.neural_graph import neural_graph
from graphwsl.neural_graph.rules.registry import RULES
from graphwsl.populations import Population
from graphwsl.properties import load_predictor
from graphwsl.symmetries import symmetries
from graphwsl.zoo.layouts import open_zoo
from gridstab.cli import app as gridstab
from gridstab.datasets import RunFolder
from gridstab.dynamics.sampling import perturbations
from gridstab.learning import TrainedModel
from tests.contributions import CHANGES, FOLDER
from tests.registries import restored

PROGRAMS = {"graphwsl": graphwsl, "gridstab": gridstab}
RECIPE = """
epochs = 1
batch_size = 256
seeds = 4
[data]
name = "digits"
[fixed]
architecture = "own_funnel"
[grid]
narrowing = [1, 4]
"""


@pytest.fixture(autouse=True)
def _their_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with restored():
        yield
    for name in CHANGES.values():
        sys.modules.pop(Path(name).stem, None)


def contribute(change: str) -> str:
    """Put the one file of a change into the working folder; its name as modules have it."""
    file = CHANGES[change]
    shutil.copy(FOLDER / file, file)
    return Path(file).stem


def run(command: str) -> str:
    program, *arguments = command.split()
    result = CliRunner().invoke(PROGRAMS[program], arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_change_has_its_file() -> None:
    files = {path.name for path in FOLDER.iterdir() if path.stem.startswith("own_")}
    assert files == set(CHANGES.values())


def test_a_layer() -> None:
    module = contribute("layer")
    Path("mine.toml").write_text(
        'layer = "own_sum"\nhidden_channels = 3\nnum_layers = 1\n[training]\nepochs = 1\n',
        encoding="utf-8",
    )
    run(
        "gridstab train --model mine.toml --data ds20 --train-grids 4 --out trained --quiet "
        f"--import {module}"
    )
    model = TrainedModel.load("trained").model
    assert type(model.blocks[0].layer).__name__ == "OwnSum"
    assert json.loads(run(f"gridstab predict trained --case case30 --json --import {module}"))


def test_a_model() -> None:
    contribute("model")
    run("gridstab train --model own_model.toml --data ds20 --train-grids 4 --out trained --quiet")
    specification = TrainedModel.load("trained").model.specification
    assert (specification.layer, specification.hidden_channels) == ("tag", 5)


def test_an_engine() -> None:
    module = contribute("engine")
    listed = json.loads(run(f"gridstab engines --json --import {module}"))
    assert listed["own_threshold"] == {"usable": True, "why": "", "version": "1.0"}
    run(
        "gridstab simulate --nodes 6 --samples 20 --seed 3 --engine own_threshold --workers 1 "
        f"--no-picture --quiet --out run --import {module}"
    )
    drawn = [perturbations(3, 1, node, 0, 20).domega for node in range(6)]
    returned = [int((abs(domega) < 5.0).sum()) for domega in drawn]
    assert RunFolder.open("run").result(1).n_stable.tolist() == returned
    run(
        f"gridstab basin-map --node 0 --nodes 6 --resolution 4 --engine own_threshold "
        f"--out map.png --import {module}"
    )
    assert Path("map.png").stat().st_size > 1000


def test_an_architecture_and_a_predictor_of_its_zoo() -> None:
    architecture, predictor = contribute("architecture"), contribute("predictor")
    Path("recipe.toml").write_text(RECIPE, encoding="utf-8")
    run(f"graphwsl zoo train recipe.toml --quiet --workers 1 --out zoo --import {architecture}")
    zoo = open_zoo(Path("zoo"))
    widths = {tuple(zoo.module(one)[4].weight.shape) for one in zoo.checkpoints}
    assert widths == {(8, 8), (2, 8)}
    run(
        "graphwsl train zoo --predictor own_norm --target epoch --quiet --out fitted "
        f"--import {architecture} --import {predictor}"
    )
    found = json.loads(
        run(f"graphwsl predict fitted zoo --json --import {architecture} --import {predictor}")
    )
    assert len(found["rows"]) == 16
    population = Population.load(zoo)
    slope, intercept = load_predictor("fitted").line
    norms = [float(state.norm()) for state in population.states]
    predicted = load_predictor("fitted").predict(population).flatten().tolist()
    assert predicted == pytest.approx([slope * norm + intercept for norm in norms], rel=1e-5)


def test_a_rule() -> None:
    module = contribute("rule")
    assert "100.00%" in run(f"graphwsl graph {module}:network")
    network = sys.modules[module].network
    assert [len(orbit.nodes) for orbit in symmetries(neural_graph(*network())).orbits] == [5]
    del RULES["bump"]
    assert symmetries(neural_graph(*network())).orbits == []


def test_a_module_may_come_twice_but_no_name_may_be_taken() -> None:
    module = contribute("engine")
    import_modules([module])
    del sys.modules[module]
    import_modules([module])
    Path("another.py").write_text(
        (FOLDER / "own_engine.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    result = CliRunner().invoke(gridstab, ["engines", "--import", "another"])
    assert result.exit_code == 2
    assert "engine 'own_threshold' is already own_engine.ThresholdEngine" in result.output
    sys.modules.pop("another", None)
