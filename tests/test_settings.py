"""All settings of all packages: a truth value or a text is no number."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from gnncore.configuration import Configuration
from gnncore.models.specification import (
    Head,
    LaplacianEncoding,
    ModelSpecification,
    RandomWalkEncoding,
)
from gnncore.training import TrainingSettings
from graphwsl.generators.aligned_flow.settings import AlignedFlowSettings
from graphwsl.generators.flow.settings import FlowSettings
from graphwsl.generators.lora.settings import PromptSettings
from graphwsl.generators.recurrent_diffusion.settings import RecurrentDiffusionSettings
from graphwsl.generators.settings import GeneratorSettings
from graphwsl.landscape.phases import Thresholds
from graphwsl.landscape.settings import LandscapeSettings
from graphwsl.representations.graph_settings import GraphSettings
from graphwsl.representations.settings import RepresentationSettings, TokenSettings
from graphwsl.zoo.recipe import Data, Factors, Recipe, factors_model
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.run_folder import Imported, RunConfig
from gridstab.learning.raster import Raster
from gridstab.learning.training_folder import DataOrigin, TrainingConfig

ROOT = Path(__file__).parents[1]
SETTINGS: list[type[Configuration]] = [
    AlignedFlowSettings,
    Campaign,
    Data,
    DataOrigin,
    Factors,
    FlowSettings,
    GeneratorSettings,
    GraphSettings,
    Head,
    Imported,
    LandscapeSettings,
    LaplacianEncoding,
    ModelSpecification,
    PromptSettings,
    RandomWalkEncoding,
    Raster,
    Recipe,
    RecurrentDiffusionSettings,
    RepresentationSettings,
    RunConfig,
    Thresholds,
    TokenSettings,
    TrainingConfig,
    TrainingSettings,
]


def kinds(annotation: Any) -> set[Any]:
    """The classes that an annotation is made of."""
    parts = [part for part in get_args(annotation) if part is not Ellipsis]
    return {annotation} if not parts else set().union(*map(kinds, parts))


NUMBERS = [
    pytest.param(model, name, id=f"{model.__name__}-{name}")
    for model in [*SETTINGS, factors_model()]
    for name, field in model.model_fields.items()
    if kinds(field.annotation) & {int, float} and not kinds(field.annotation) & {str, bool}
]


def refuses(model: type[Configuration], name: str, value: Any) -> bool:
    """Whether the value alone is refused, whatever else is missing."""
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        return any(problem["loc"][0] == name for problem in error.errors() if problem["loc"])
    return False


def test_no_settings_are_forgotten() -> None:
    found = {
        name
        for package in ("gnncore", "gridstab", "graphwsl")
        for file in (ROOT / package).rglob("*.py")
        for name in re.findall(
            r"^class (\w+)\((?:Configuration|GeneratorSettings|RepresentationSettings)\)",
            file.read_text("utf-8"),
            re.M,
        )
    }
    assert found == {model.__name__ for model in SETTINGS}
    assert len(NUMBERS) > 40


@pytest.mark.parametrize(("model", "name"), NUMBERS)
def test_truth_values_and_texts_are_no_numbers(model: type[Configuration], name: str) -> None:
    for value in (True, False, "1", [True], ["1"]):
        assert refuses(model, name, value), value


@pytest.mark.parametrize("model", SETTINGS)
def test_numbers_and_texts_are_no_truth_values(model: type[Configuration]) -> None:
    for name, field in model.model_fields.items():
        if kinds(field.annotation) <= {bool, type(None)}:
            assert refuses(model, name, 1)
            assert refuses(model, name, "true")


def test_files_are_read_so(tmp_path: Path) -> None:
    for text in ("samples = true", "samples = '1'", "horizon = true", "largest_component = 1"):
        (tmp_path / "campaign.toml").write_text(text)
        with pytest.raises(Exception, match="must be a valid") as caught:
            Campaign.resolve(tmp_path / "campaign.toml")
        assert type(caught.value) is Campaign.error_class
    (tmp_path / "campaign.toml").write_text("horizon = 3")
    assert Campaign.resolve(tmp_path / "campaign.toml").horizon == 3
