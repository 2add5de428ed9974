"""The coverage benchmark, on networks that take no time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from torch import Tensor, nn

pytest.importorskip("onnx")
pytest.importorskip("transformers")

from benchmarks import weights_coverage
from benchmarks.coverage_corpus.wheels import REAL_NETWORKS
from gnncore.storage import exclusive_lock
from graphwsl.errors import UnsupportedModelError

Loaded = tuple[nn.Module, Any]


def perceptron() -> Loaded:
    torch.manual_seed(0)
    layers = nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)
    return nn.Sequential(*layers), torch.zeros(1, 3)


def partly_read() -> Loaded:
    module, inputs = perceptron()
    module.register_parameter("spare", nn.Parameter(torch.ones(32)))
    return module, inputs


def refused() -> Loaded:
    raise UnsupportedModelError("Gather node 'g': the operator is unknown")


def run(
    monkeypatch: pytest.MonkeyPatch,
    out: Path,
    networks: dict[str, Callable[[], Loaded]],
    fresh: bool = False,
) -> dict[str, Any]:
    monkeypatch.setattr(weights_coverage, "REAL_NETWORKS", networks)
    monkeypatch.setattr(weights_coverage, "SMALL_CONFIGS", {})
    weights_coverage.main(json=out, out=out.parent, fresh=fresh)
    return json.loads(out.read_text(encoding="utf-8"))


def test_what_is_measured_of_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks = {"whole": perceptron, "partly": partly_read}
    result = run(monkeypatch, tmp_path / "result.json", networks)
    whole, partly = (result["measured"]["networks"][name] for name in networks)
    assert (whole["parameters"], whole["mapped"], whole["unread"]) == (32, 1.0, {})
    assert (partly["parameters"], partly["mapped"], partly["unread"]) == (64, 0.5, {"spare": 32})
    for record in (whole, partly):
        assert record["exact"]
        assert record["permutations"]["change"] > 0
        assert record["permutations"]["error"] < 1e-12
        assert record["scalings"]["change"] > 0
        assert record["signs"]["change"] == 0
    rows = result["tables"][0]["rows"]
    assert [row[2] for row in rows] == ["100.00 %", "50.00 %"]
    assert rows[0][6] == "none"
    assert "66.667 % of 96 parameters" in result["sentences"][0]


def test_the_gate_fails_for_a_network_that_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    with pytest.raises(typer.Exit):
        run(monkeypatch, out, {"whole": perceptron, "refused": refused})
    result = json.loads(out.read_text(encoding="utf-8"))
    assert list(result["measured"]["failures"]) == ["refused"]
    assert result["tables"][0]["rows"][1] == ["refused", *["–"] * 8]
    assert "the operator is unknown" in result["sentences"][0]
    assert "1 of 2 networks" in result["sentences"][1]


def test_what_has_been_measured_is_kept_and_what_was_refused_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded: list[str] = []

    def counted(name: str, load: Callable[[], Loaded]) -> Callable[[], Loaded]:
        def call() -> Loaded:
            loaded.append(name)
            return load()

        return call

    out = tmp_path / "result.json"
    networks = {"whole": counted("whole", perceptron), "other": counted("other", refused)}
    with pytest.raises(typer.Exit):
        run(monkeypatch, out, networks)
    networks["other"] = counted("other", partly_read)
    first = run(monkeypatch, out, networks)
    assert loaded == ["whole", "other", "other"]
    assert run(monkeypatch, out, networks)["tables"] == first["tables"]
    assert loaded == ["whole", "other", "other"]
    run(monkeypatch, out, networks, fresh=True)
    assert loaded == ["whole", "other", "other", "whole", "other"]


def test_a_network_that_another_process_measures_is_left_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "cells" / "MTCNN-P-Net"
    folder.mkdir(parents=True)
    with exclusive_lock(folder):
        record = weights_coverage.measured("MTCNN P-Net", perceptron, tmp_path, fresh=False)
    assert weights_coverage.failures_of(record) != []
    assert not list(folder.glob("*.json"))


def test_records_of_several_commits_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commits = iter([{"hash": "a" * 40, "modified": False}, {"hash": "b" * 40, "modified": True}])
    monkeypatch.setattr(weights_coverage, "commit", lambda: next(commits))
    result = run(monkeypatch, tmp_path / "result.json", {"first": perceptron, "second": perceptron})
    assert result["measured"]["networks"]["second"]["commit"]["hash"] == "b" * 40
    assert result["sentences"][-1] == f"Measured at several commits: {'a' * 12}, {'b' * 12}."


def test_the_gate_fails_for_a_changed_function_and_changed_bits() -> None:
    check = {"error": 0.0, "change": 0.5}
    good = {"exact": True, "permutations": check, "scalings": check, "signs": check}
    assert weights_coverage.failures_of(good) == []
    assert weights_coverage.failures_of({**good, "exact": False}) != []
    for error in (1e-3, float("nan"), float("inf")):
        assert weights_coverage.failures_of({**good, "signs": {**check, "error": error}}) != []


def test_small_architectures_have_random_values_everywhere() -> None:
    settings = {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1]}
    module, _ = weights_coverage.small("resnet", settings)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            assert tensor.unique().numel() == tensor.numel(), name
        if "running_var" in name:
            assert bool((tensor > 0).all())


def test_inputs_of_the_corpus_are_tensors() -> None:
    for load in REAL_NETWORKS.values():
        for argument in getattr(load, "args", ()):
            if isinstance(argument, tuple):
                assert all(isinstance(one, Tensor) for one in argument)
