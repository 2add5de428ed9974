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
    monkeypatch: pytest.MonkeyPatch, out: Path, networks: dict[str, Callable[[], Loaded]]
) -> dict[str, Any]:
    monkeypatch.setattr(weights_coverage, "REAL_NETWORKS", networks)
    monkeypatch.setattr(weights_coverage, "SMALL_CONFIGS", {})
    weights_coverage.main(only=None, threads=1, quick=False, json=out)
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
    assert result["tables"][0]["rows"][1] == ["refused", *["–"] * 7]
    assert "the operator is unknown" in result["sentences"][0]
    assert "1 of 2 networks" in result["sentences"][1]


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
