"""Zoos of Ray Tune in place: every model is usable, or named with what is wrong with it."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.errors import ZooError
from graphwsl.imports import load_into
from graphwsl.zoo import Zoo, open_zoo
from graphwsl.zoo.layouts.ray_tune import RayTuneZoo
from tests.graphwsl.zoo.layouts.published_layouts import (
    configuration,
    large,
    result,
    small,
    write_trial,
)

EXPERIMENT = "tune_zoo_mnist_uniform"


def reasons(zoo: Zoo) -> dict[str, str]:
    assert all("\n" not in problem.reason for problem in zoo.problems)
    return {problem.path: problem.reason for problem in zoo.problems}


@pytest.mark.parametrize(
    ("kind", "network", "size"), [("CNN", small, 28), ("CNN3", large, 32)], ids=["small", "large"]
)
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "sigmoid"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_compute_what_the_published_ones_do(
    tmp_path: Path,
    kind: str,
    network: Callable[..., nn.Module],
    size: int,
    activation: str,
    dropout: float,
    channels: int,
) -> None:
    truth = network(channels, activation, dropout).eval()
    config = configuration(
        kind, model__nlin=activation, model__dropout=dropout, model__channels_in=channels
    )
    write_trial(tmp_path / EXPERIMENT / "trial", config, {1: truth.state_dict()})
    zoo = open_zoo(tmp_path / EXPERIMENT)
    (checkpoint,) = zoo.checkpoints
    module = load_into(zoo.module(checkpoint), zoo.weights(checkpoint))
    x = torch.randn(2, channels, size, size)
    assert torch.equal(module(x), truth(x))
    assert zoo.example_inputs(checkpoint).shape == (1, channels, size, size)
    assert module(zoo.example_inputs(checkpoint)).shape == (1, 10)


@pytest.mark.parametrize("digits", [0, 6])
@pytest.mark.parametrize("config_name", ["params.json", "config.json"])
def test_epochs_and_metrics_belong_together(tmp_path: Path, digits: int, config_name: str) -> None:
    states = {epoch: small(1, "tanh", 0.0).state_dict() for epoch in (0, 2, 11)}
    trial = tmp_path / EXPERIMENT / "NN_tune_trainable_0ada0_00000_0_seed=1"
    write_trial(trial, configuration(), states, digits=digits, config_name=config_name)
    (tmp_path / EXPERIMENT / "config.json").write_text('{"seed": {"grid_search": [1, 2]}}')
    zoo = open_zoo(tmp_path / EXPERIMENT)
    assert isinstance(zoo, Zoo)
    assert zoo.problems == []
    assert [checkpoint.epoch for checkpoint in zoo.checkpoints] == [0, 2, 11]
    for checkpoint in zoo.checkpoints:
        assert checkpoint.model == trial.name
        assert checkpoint.metrics["test_accuracy"] == pytest.approx(0.4 + checkpoint.epoch / 100)
        weights = zoo.weights(checkpoint)
        assert all(torch.equal(weights[k], v) for k, v in states[checkpoint.epoch].items())
    # Before training nothing is measured on the training data: Ray's -999 is no accuracy.
    assert set(zoo.checkpoints[0].metrics) == {"test_loss", "test_accuracy"}
    assert zoo.checkpoints[1]["generalisation_gap"] == pytest.approx(0.1)
    assert set(zoo.checkpoints[1].metrics) == {
        *("train_loss", "train_accuracy", "test_loss", "test_accuracy", "generalisation_gap")
    }


def test_factors_have_both_names(tmp_path: Path) -> None:
    config = configuration(optim__momentum=0.9, model__h_dim=[30, 15], model__use_bias=True)
    write_trial(tmp_path / "zoo" / "a", config, {1: small(1, "tanh", 0.0).state_dict()})
    (checkpoint,) = open_zoo(tmp_path / "zoo").checkpoints
    assert checkpoint.configuration == {
        **config,
        "model::h_dim": "[30, 15]",
        "architecture": "cnn_s",
        "activation": "tanh",
        "dropout": 0.0,
        "initialisation": "uniform",
        "in_channels": 1,
        "image_size": 28,
        "out_channels": 10,
        "optimiser": "adam",
        "learning_rate": 0.0003,
        "weight_decay": 0,
        "momentum": 0.9,
        "batch_size": 10,
        "seed": 1,
    }


def test_the_results_may_hold_the_only_configuration(tmp_path: Path) -> None:
    state = small(1, "tanh", 0.0).state_dict()
    write_trial(tmp_path / "zoo" / "a", configuration(seed=5), {1: state})
    (tmp_path / "zoo" / "a" / "params.json").unlink()
    (checkpoint,) = open_zoo(tmp_path / "zoo").checkpoints
    assert checkpoint["seed"] == 5


def test_a_repeated_epoch_counts_as_the_resumed_run_had_it(tmp_path: Path) -> None:
    config = configuration()
    rows = [result(1, config), result(2, config, test_acc=0.1), result(2, config, test_acc=0.6)]
    state = small(1, "tanh", 0.0).state_dict()
    write_trial(tmp_path / "zoo" / "a", config, {2: state}, results=rows)
    assert open_zoo(tmp_path / "zoo").checkpoints[0]["test_accuracy"] == 0.6


def test_weights_of_data_parallel_lose_their_prefix(tmp_path: Path) -> None:
    truth = small(1, "tanh", 0.0).state_dict()
    state = {f"module.{name}": tensor for name, tensor in truth.items()}
    for name, parallel in (("plain", False), ("parallel", True)):
        config = configuration(model__data_parallel=parallel)
        write_trial(tmp_path / "zoo" / name, config, {1: state})
    zoo = open_zoo(tmp_path / "zoo")
    parallel, plain = zoo.checkpoints
    assert list(zoo.weights(parallel)) == list(truth)
    with pytest.raises(ZooError, match=r"lacks 'module_list\.0\.weight'"):
        zoo.weights(plain)


def test_measurements_of_the_loss_landscape_keep_their_names(tmp_path: Path) -> None:
    config = configuration()
    nan = float("nan")
    rows = [result(1, config, log_hessian_trace=4.5, representation_similarity=nan, note="x")]
    write_trial(
        tmp_path / "zoo" / "a", config, {1: small(1, "tanh", 0.0).state_dict()}, results=rows
    )
    zoo = open_zoo(tmp_path / "zoo")
    assert zoo.problems == []
    assert zoo.checkpoints[0]["log_hessian_trace"] == 4.5
    assert "representation_similarity" not in zoo.checkpoints[0].metrics


# What is wrong with a model is told, and the others are there.


class Attack:
    """Unpickling it runs a command."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, ("exit 1",)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A zoo whose training ``good`` is whole, and one training for each thing that can be wrong."""
    zoo = tmp_path / "zoo"
    good = small(1, "tanh", 0.0).state_dict()
    nan = {**good, "module_list.3.bias": torch.full((6,), torch.nan)}
    config = configuration()

    def trial(name: str, config: dict[str, Any] = config, **options: Any) -> Path:
        write_trial(zoo / name, config, {1: options.pop("state", good)}, **options)
        return zoo / name / "checkpoint_1" / "checkpoints"

    trial("good")
    trial("nan", state=nan)
    trial("shape", state={**good, "module_list.11.bias": torch.zeros(4)})
    trial("large", state=large(1, "tanh", 0.0).state_dict())
    trial("diverged", results=[result(1, config, train_loss=float("nan"))])
    trial("unknown", configuration("MiniAlexNet"))
    trial("elu", configuration(model__nlin="elu"))
    trial("epoch", results=[result(2, config)])
    file = trial("truncated")
    file.write_bytes(file.read_bytes()[:-30])
    trial("empty").write_bytes(b"")
    trial("missing").unlink()
    torch.save({"x": Attack()}, trial("hostile"))
    (trial("no_config").parents[1] / "params.json").write_text("{broken")
    (trial("no_results").parents[1] / "result.json").unlink()
    trial("half_line")
    with (zoo / "half_line" / "result.json").open("a") as file_of_results:
        file_of_results.write('{"training_iteration": 2, "tr')
    (zoo / "never_started").mkdir()
    (zoo / "never_started" / "params.json").write_text("{}")
    twice = trial("twice").parent
    (twice.parent / "checkpoint_000001").mkdir()
    (twice.parent / "checkpoint_000001" / "checkpoints").write_bytes(
        (twice / "checkpoints").read_bytes()
    )
    return zoo


AT_ONCE = {
    "diverged/checkpoint_1/checkpoints": "train_loss is nan; its training diverged",
    "unknown": "model::type 'MiniAlexNet' is no known architecture",
    "elu": "activation of cnn_s must be one of",
    "epoch/checkpoint_1/checkpoints": "result.json has no such epoch",
    "truncated/checkpoint_1/checkpoints": "the end of the archive is missing",
    "empty/checkpoint_1/checkpoints": "it is empty",
    "missing/checkpoint_1/checkpoints": "No such file",
    "no_config": "params.json is no JSON",
    "no_results": "cannot read 'result.json': No such file",
    "half_line/result.json": "line 3 is no result of an epoch",
    "never_started": "cannot read 'result.json': No such file",
    "twice/checkpoint_1/checkpoints": "epoch 1 is there twice",
}
ON_READING = {
    "nan/checkpoint_1/checkpoints": "'module_list.3.bias' holds values that are not finite",
    "shape/checkpoint_1/checkpoints": "'module_list.11.bias' has shape [4], architecture cnn_s",
    "large/checkpoint_1/checkpoints": "[16, 1, 3, 3], architecture cnn_s has [8, 1, 5, 5]",
    "hostile/checkpoint_1/checkpoints": "asks for 'posix.system'",
}


def test_a_listing_names_what_it_can_see(broken: Path) -> None:
    zoo = open_zoo(broken)
    found = reasons(zoo)
    assert found.keys() == AT_ONCE.keys()
    assert all(AT_ONCE[path] in found[path] for path in AT_ONCE)
    assert sorted(checkpoint.model for checkpoint in zoo.checkpoints) == sorted(
        ["good", "nan", "shape", "large", "hostile", "half_line", "twice"]
    )


def test_reading_all_names_the_rest(broken: Path) -> None:
    zoo = RayTuneZoo.open(broken)
    found = {problem.path: problem.reason for problem in zoo.verify()}
    assert found == reasons(zoo)
    assert found.keys() == AT_ONCE.keys() | ON_READING.keys()
    assert all(ON_READING[path] in found[path] for path in ON_READING)
    assert [checkpoint.model for checkpoint in zoo.checkpoints] == ["good", "half_line", "twice"]
    assert all(zoo.weights(checkpoint) for checkpoint in zoo.checkpoints)
    assert list(zoo.verify()) == list(zoo.problems)


def test_the_command_line_reads_all_as_well(broken: Path) -> None:
    outcome = CliRunner().invoke(app, ["zoo", "verify", str(broken)])
    assert outcome.exit_code == 1
    listed = outcome.stdout.splitlines()
    assert len(listed) == len(AT_ONCE) + len(ON_READING)
    for path, reason in ON_READING.items():
        assert any(line.startswith(f"{path}: ") and reason in line for line in listed)


def test_reading_one_names_it(broken: Path) -> None:
    zoo = open_zoo(broken)
    bad = next(checkpoint for checkpoint in zoo.checkpoints if checkpoint.model == "nan")
    for _ in range(2):
        with pytest.raises(ZooError, match=r"nan/checkpoint_1/checkpoints.*not finite"):
            zoo.weights(bad)
    assert len(zoo.problems) == len(AT_ONCE) + 1
    other = type(bad)("good", 7, bad.configuration, bad.metrics)
    with pytest.raises(ZooError, match="no checkpoint of 'good' at epoch 7"):
        zoo.weights(other)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
ANY = JSON | st.just(10**400) | st.just(-1)


@settings(max_examples=25, deadline=None)
@given(
    factors=st.dictionaries(st.sampled_from(sorted(configuration())), ANY) | JSON,
    rows=st.lists(
        st.dictionaries(st.sampled_from(["training_iteration", "test_acc", "x"]), ANY) | JSON,
        max_size=4,
    ),
    good=st.booleans(),
)
def test_anything_in_the_tables_is_listed_or_named(
    factors: Any, rows: list[Any], good: bool
) -> None:
    with TemporaryDirectory() as folder:
        _list_anything(Path(folder), factors, rows, good)


def _list_anything(zoo: Path, factors: Any, rows: list[Any], good: bool) -> None:
    config = {**configuration(), **factors} if isinstance(factors, dict) else factors
    results = [*rows, result(1, {})] if good else rows
    write_trial(zoo / "any", config, {1: small(1, "tanh", 0.0).state_dict()}, results=results)
    write_trial(zoo / "good", configuration(), {1: small(1, "tanh", 0.0).state_dict()})
    opened = open_zoo(zoo)
    assert opened.checkpoints[-1].model == "good"
    named = {problem.path.split("/")[0] for problem in opened.problems}
    assert named | {checkpoint.model for checkpoint in opened.checkpoints} == {"any", "good"}
    for checkpoint in opened.checkpoints:
        opened.module(checkpoint)


def test_listing_opens_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = small(1, "tanh", 0.0).state_dict()
    for number in range(3):
        write_trial(tmp_path / "zoo" / str(number), configuration(), {0: state, 1: state})
    monkeypatch.setattr(torch, "load", None)
    assert len(open_zoo(tmp_path / "zoo").checkpoints) == 6


def test_folders_that_cannot_be_listed_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/open", "b/locked"):
        write_trial(
            tmp_path / "zoo" / name, configuration(), {1: small(1, "tanh", 0.0).state_dict()}
        )
    listed = os.scandir

    def scandir(path: Path) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    zoo = open_zoo(tmp_path / "zoo")
    assert [checkpoint.model for checkpoint in zoo.checkpoints] == ["a/open"]
    assert reasons(zoo) == {"b/locked": "it cannot be listed: Permission denied"}


def test_other_folders_are_no_zoo(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c" / "d" / "checkpoint_1").mkdir(parents=True)  # too deep
    (tmp_path / ".hidden" / "checkpoint_1").mkdir(parents=True)
    with pytest.raises(ZooError, match="no zoo of a known layout"):
        open_zoo(tmp_path)
    with pytest.raises(ZooError, match="no training of Ray Tune"):
        RayTuneZoo.open(tmp_path)
