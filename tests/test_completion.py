"""Both programs complete commands, options and values in shells, and load nothing heavy for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from graphwsl.cli import choices as graphwsl_choices
from graphwsl.diagnosis.questions import QUESTIONS
from graphwsl.generators.baselines import BASELINES
from graphwsl.landscape.settings import METRICS as LANDSCAPE_METRICS
from graphwsl.properties.predictors import PREDICTORS
from graphwsl.zoo.data import NAMES
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.training.chunk import METRICS
from gridstab.cli import choices as gridstab_choices
from gridstab.datasets.benchmark import BENCHMARK_SETS
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.executors import EXECUTORS
from gridstab.datasets.layouts import LAYOUTS
from gridstab.dynamics.engine import STOP_RULES
from gridstab.dynamics.engines import ENGINES
from gridstab.dynamics.sampling import SAMPLERS
from gridstab.features.feature_set import FEATURE_SETS
from gridstab.grids.case import SETTINGS, Setting
from gridstab.learning.published import PUBLISHED_MODELS
from gridstab.learning.splits import SPLITS
from gridstab.learning.tasks import TASKS

HEAVY = {"torch", "numpy", "scipy", "numba", "h5py", "matplotlib"}


def program(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it as its script in the environment's folder of programs does, and say what it loaded."""
    code = (
        f"import sys; sys.argv = {[name, *arguments]!r}\n"
        f"from {name}.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )


def completed(line: str) -> list[str]:
    """What bash is offered for the last word of a line, which may be empty."""
    words = line.split(" ")
    done = program(
        words[0],
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
        **{f"_{words[0].upper()}_COMPLETE": "complete_bash"},
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stderr.split()) & HEAVY == set()
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gridstab sim", ["simulate"]),
        ("gridstab e", ["export", "evaluate", "engines"]),
        ("gridstab simulate --se", ["--setting", "--seed"]),
        ("gridstab simulate --setting ", ["homogeneous", "case"]),
        ("gridstab simulate --setting c", ["case"]),
        ("gridstab basin-map --node 3 --engine native", ["native", "native64"]),
        ("gridstab predict run --setting h", ["homogeneous"]),
        ("gridstab train --model tag", ["tagnet01", "tagnet13", "tag_7x25x4", "tag_9x10x4"]),
        ("gridstab train --task ", ["snbs", "survivability", "troublemaker"]),
        ("graphwsl zoo ", ["train", "info", "verify"]),
        ("graphwsl zoo train digits", None),
        ("graphwsl train zoo --predictor de", ["deep_sets"]),
        ("graphwsl train zoo --target test", ["test_loss", "test_accuracy"]),
        ("graphwsl predict predictor zoo --ep", ["--epoch"]),
        # Files are the shell's own business, which it does where nothing is offered.
        ("gridstab simulate --case ", []),
        ("gridstab verify ", []),
        ("gridstab simulate --out ", []),
    ],
)
def test_bash_is_offered(line: str, words: list[str] | None) -> None:
    if words is None:
        words = [name for name in Recipe.names() if name.startswith("digits")]
        assert len(words) > 2
    offered = completed(line)
    assert offered[: len(words)] == words
    assert line.endswith(" ") or len(offered) == len(words)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_offered_the_same(shell: str) -> None:
    done = program(
        "gridstab",
        _GRIDSTAB_COMPLETE=f"complete_{shell}",
        _TYPER_COMPLETE_ARGS="gridstab simulate --stop c",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    assert done.returncode == 0
    assert "certified" in done.stdout
    assert "published" not in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize("name", ["gridstab", "graphwsl"])
def test_installing_makes_bash_complete(name: str, tmp_path: Path) -> None:
    """The shell itself runs what was installed, and calls the program with the words typed."""
    home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = program(name, "--install-completion", "bash", **home)
    assert done.returncode == 0, done.stderr
    shown = program(name, "--show-completion", "bash", **home).stdout
    installed = tmp_path / ".bash_completions" / f"{name}.sh"
    assert installed.read_text(encoding="utf-8").strip() == shown.strip()
    caller = tmp_path / name
    caller.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c \'import sys; sys.argv[0] = "{name}"\n'
        f'from {name}.cli import main; main()\' "$@"\n'
    )
    caller.chmod(0o755)
    script = (
        f"source ~/.bashrc; COMP_WORDS=({name} ver); COMP_CWORD=1; "
        f"_{name}_completion {caller}; echo ${{COMPREPLY[*]}}"
    )
    answer = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | home,
        timeout=60,
    )
    assert answer.stdout.split() == ["verify"]


def test_what_is_offered_is_what_there_is() -> None:
    ours, theirs = gridstab_choices, graphwsl_choices
    assert SETTINGS == ours.SETTINGS == get_args(Setting)
    # Other tests of this process may have added theirs.
    engines = [name for name, make in ENGINES.items() if make.__module__.startswith("gridstab.")]
    assert (*engines, "auto") == (*ours.ENGINES[1:], ours.ENGINES[0])
    assert set(ours.STOP_RULES) == set(STOP_RULES)
    assert set(ours.STOP_RULES) == set(get_args(Campaign.model_fields["stop"].annotation))
    assert tuple(SAMPLERS) == ours.SAMPLERS
    assert tuple(EXECUTORS) == ours.EXECUTORS
    assert set(ours.LAYOUTS) == set(LAYOUTS)
    assert ("default", *PUBLISHED_MODELS) == ours.MODELS
    assert tuple(TASKS) == ours.TASKS
    assert tuple(FEATURE_SETS) == ours.FEATURES
    assert (*SPLITS, "all") == ours.SPLITS
    assert tuple(BENCHMARK_SETS) == (*ours.TRAINING_SETS, "texas")
    assert set(theirs.PREDICTORS) == set(PREDICTORS)
    assert tuple(BASELINES) == theirs.BASELINES
    assert tuple(QUESTIONS) == theirs.QUESTIONS
    assert LANDSCAPE_METRICS == theirs.METRICS
    assert tuple(Recipe.names()) == theirs.RECIPES
    assert NAMES == theirs.DATA
    assert set(theirs.TARGETS) == {*METRICS, "generalisation_gap", "epoch"}
