"""Files of generators that were edited and sealed again: what cannot be is refused when loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphwsl.errors import GeneratorError
from graphwsl.generators import Generator, load
from graphwsl.generators.saved import GENERATOR
from tests.graphwsl.generators.lora.test_prompt_to_lora import fitted as fitted_to_prompts
from tests.graphwsl.generators.method_cases import METHODS, fitted
from tests.graphwsl.generators.test_data_set_conditions import fitted as fitted_to_data

Edit = Callable[[dict[str, Any]], None]


def edited(made: Generator, folder: Path, edit: Edit) -> Path:
    made.save(folder)
    config, arrays = GENERATOR.read(folder)
    edit(config)
    GENERATOR.write(folder, config, arrays)
    return folder


def require_refused(made: Generator, folder: Path, edit: Edit) -> None:
    with pytest.raises(GeneratorError) as caught:
        load(edited(made, folder, edit))
    assert "\n" not in str(caught.value)


def put(*path: str | int, value: Any) -> Edit:
    def edit(config: dict[str, Any]) -> None:
        place: Any = config
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return edit


CONDITIONS = [
    put("conditions", value=[]),
    put("conditions", "known", value={}),
    put("conditions", "known", value=[]),
    put("conditions", "known", value=[[]]),
    put("conditions", "known", value=[["x"]]),
    put("conditions", "known", value=[[None]]),
    put("conditions", "known", value=[[[]]]),
    put("conditions", "known", value=[[0.5, 0.5]]),
    put("conditions", "spreads", value=[]),
    put("conditions", "spreads", value=[1.0, 1.0]),
    put("conditions", "spreads", value=[-1.0]),
    put("conditions", "centers", value="x"),
    put("conditions", "centers", value=[]),
    put("conditions", "targets", value=[]),
    put("conditions", "targets", value=[[3, None]]),
    put("conditions", "targets", value=[["test_accuracy", ["a", "b"]]]),
]


@pytest.mark.parametrize("edit", CONDITIONS)
def test_conditions_that_cannot_be(tmp_path: Path, edit: Edit) -> None:
    require_refused(fitted("aligned_flow", condition="test_accuracy"), tmp_path, edit)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "edit",
    [
        put("networks", value=[{}]),
        put("networks", value=[[]]),
        put("networks", value={"architecture": "mlp"}),
        put("networks", 0, "width", value=[4]),
        put("built", value=[]),
        put("settings", value=None),
        put("fitted_to", value=3),
        put("history", value=3),
    ],
)
def test_other_values_that_cannot_be(tmp_path: Path, name: str, edit: Edit) -> None:
    require_refused(fitted(name), tmp_path, edit)


@pytest.mark.parametrize("value", [[], 3, None, {"hidden": "x"}, {"hidden": None}])
def test_widths_that_cannot_be(tmp_path: Path, value: Any) -> None:
    require_refused(fitted("equivariant_flow"), tmp_path, put("built", "widths", value=value))


def test_noise_beyond_that_of_ddpm(tmp_path: Path) -> None:
    edit = put("settings", "eta", value=1e308)
    require_refused(fitted("recurrent_diffusion"), tmp_path, edit)


@pytest.mark.parametrize(
    "edit",
    [
        put("conditions", "known", value=[]),
        put("conditions", "known", value=[["low", "low"]]),
        put("conditions", "known", value=[["none"]]),
        put("conditions", "known", value=[[["low"]]]),
        put("conditions", "sets", value=[]),
        put("conditions", "sets", "vectors", value=[]),
        put("conditions", "sets", "vectors", value=[["low", [1.0]], ["high", [1.0]]]),
        put("conditions", "sets", "center", value=[0.0]),
        put("conditions", "sets", "spread", value=[]),
        put("conditions", "sets", "spread", 0, value=0.0),
        put("conditions", "sets", "size", value=-1),
        put("conditions", "sets", "apart", value=0.0),
        put("conditions", "sets", "classes", value=0),
    ],
)
def test_data_sets_that_cannot_be(tmp_path: Path, edit: Edit) -> None:
    require_refused(fitted_to_data(), tmp_path, edit)


@pytest.mark.parametrize(
    "edit",
    [
        put("conditions", "known", value=[]),
        put("conditions", "known", value={}),
        put("conditions", "known", value=[[]]),
        put("conditions", "known", value=[["two", "three"]]),
        put("conditions", "known", value=[[3]]),
        put("conditions", "known", value=[["  "]]),
        put("conditions", "known", value=["text"]),
        put("conditions", "known", value=[["another text, which is one"]]),
        put("built", "shapes", value=[]),
        put("built", "entries", value="x"),
        put("built", "entries", value=None),
        put("built", "network", value=3),
        put("built", "adapters", value=1),
    ],
)
def test_prompts_that_cannot_be(tmp_path: Path, edit: Edit) -> None:
    require_refused(fitted_to_prompts(), tmp_path, edit)


def test_what_is_not_edited_is_loaded(tmp_path: Path) -> None:
    makers = [
        *(fitted(name, condition="test_accuracy") for name in METHODS),
        fitted_to_data(),
        fitted_to_prompts(),
    ]
    for number, made in enumerate(makers):
        load(edited(made, tmp_path / str(number), lambda config: None))
