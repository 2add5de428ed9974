"""Functions by their generating factors: what memory cannot hold is refused before it is built."""

import os
from dataclasses import replace
from typing import Any

import pytest

from graphwsl.errors import GraphwslError
from graphwsl.generators import functions
from graphwsl.generators.functions import Functions
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.checkpoint import Scalar

FACTORS: dict[str, Scalar] = {
    "architecture": "mlp", "width": 4, "depth": 2, "activation": "relu", "in_channels": 1,
    "image_size": 8,
}  # fmt: skip


@pytest.fixture
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(functions, "build", build)


@pytest.mark.usefixtures("nothing_is_built")
def test_what_memory_cannot_hold_is_refused_before_it_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = Functions([], [FACTORS])
    with pytest.raises(GraphwslError, match=r"1,000,0\d\d,000,010 parameters, more than") as caught:
        known.find({"width": 10**6})
    assert "\n" not in str(caught.value)
    pages = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    with pytest.raises(GraphwslError, match=r"numbers need more than .* GB; ask for smaller ones"):
        known.find({"width": 300})


def test_what_fits_is_built() -> None:
    function, factors = Functions([], [FACTORS]).find({"width": 3})
    assert factors["width"] == 3
    assert function.architecture.num_entries == 3 * 65 + 3 * 4 + 10 * 4


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"width": [1, 2]}, "factor 'width' must be a number, text, true or false, got a list"),
        ({"width": {}}, "factor 'width' must be a number, text, true or false, got a dict"),
        ({"architecture": ["mlp"]}, "factor 'architecture' must be"),
    ],
)
def test_factors_of_other_types_are_refused(asked: Any, message: str) -> None:
    with pytest.raises(GraphwslError, match=message) as caught:
        Functions([], [FACTORS]).find(asked)
    assert "\n" not in str(caught.value)


def test_what_weights_do_not_show_must_have_been_learnt() -> None:
    """Sigmoid networks would be those of ReLU with another name."""
    known = Functions([], [FACTORS])
    with pytest.raises(GraphwslError, match=r"no training network has activation 'sigmoid'.*relu$"):
        known.find({"activation": "sigmoid"})
    assert known.find({"activation": "relu", "width": 3})[1]["width"] == 3
    both = Functions([], [FACTORS, {**FACTORS, "activation": "gelu", "width": 6}])
    assert both.find({"width": 6})[1]["activation"] == "gelu"
    with pytest.raises(
        GraphwslError, match=r"differ in activation: relu, gelu; say beside width 9"
    ):
        both.find({"width": 9})
    assert both.find({"width": 9, "activation": "relu"})[1]["depth"] == 2


def test_what_no_training_network_has_is_said() -> None:
    known = Functions([], [FACTORS, {**FACTORS, "depth": 1, "width": 6}])
    assert known.beyond_training({"width": 4}) is None
    assert known.beyond_training({"width": 5, "depth": 1}) == "no training network has width 5"
    both = known.beyond_training({"width": 6, "depth": 2})
    assert both == "no training network has width 6 and depth 2"
    function, _ = known.find({"width": 6})
    assert known.beyond_training(function) is None
    other = replace(
        function, module=build("mlp", {**FACTORS, "depth": 1, "width": 6, "activation": "tanh"})
    )
    assert known.beyond_training(other) == "no training network computes what 'mlp' does"
