"""Recipes, and the rows and chunks that they unfold to."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from graphwsl.errors import ZooError
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.sweep import chunks, rows
from graphwsl.zoo.training.chunks import operations, plan
from graphwsl.zoo.training.train import images_of
from tests import ROOT

SMALL: dict[str, Any] = {"data": {"name": "digits"}, "epochs": 2, "fixed": {"architecture": "mlp"}}


def recipe(**changes: Any) -> Recipe:
    return Recipe.of({**SMALL, **changes})


@pytest.mark.parametrize(
    ("name", "networks"),
    [
        ("mnist_seed", 1000),
        ("mnist_hyperparameters", 2560),
        ("mnist_epochs", 700),
        ("mnist_perceptron", 1200),
        ("cnn_l", 1200),
        ("cluttered_hyperparameters", 240),
        ("cluttered_seed", 120),
        ("cluttered_resnet", 48),
        ("unterthiner", 2000),
        ("vit", 120),
        ("vit_two_stage", 240),
        ("phases_gpt", 60),
        ("phases_mlp", 147),
        ("phases_pinn", 90),
        ("phases_resnet", 75),
        ("phases_vit", 75),
        ("mixed", 1000),
        ("digits_seed", 100),
        ("digits_late", 15),
        ("digits_adapters", 320),
        ("digits_resnet", 60),
        ("digits_hyperparameters", 200),
        ("digits_mixed", 200),
        ("digits_width", 400),
        ("digits_sizes", 360),
        ("perceptron_depths", 900),
        ("perceptron_widths", 1800),
        ("digits_epochs", 240),
        ("digits_rotated", 200),
    ],
)
def test_recipes_have_their_networks(name: str, networks: int) -> None:
    unfolded = rows(Recipe.resolve(name))
    assert len(unfolded) == networks
    assert len({row.model for row in unfolded}) == networks


def test_every_shipped_recipe_is_listed() -> None:
    folder = ROOT / "graphwsl" / "zoo" / "recipes"
    assert Recipe.names() == sorted(file.stem for file in folder.glob("*.toml"))


@pytest.mark.parametrize(
    "name", ["digits_seed", "digits_hyperparameters", "digits_mixed", "digits_width"]
)
def test_recipes_of_digits_can_be_built(name: str) -> None:
    shipped = Recipe.resolve(name)
    parts = plan(shipped, images_of(shipped))
    for part in parts:
        assert len({row.group for row in part}) == 1
        assert len(part) <= 16
    assert sorted(row.model for part in parts for row in part) == [
        row.model for row in rows(shipped)
    ]


def test_the_last_factor_changes_fastest_and_the_seed_faster_still() -> None:
    grid = {"learning_rate": (0.1, 0.2), "activation": ("tanh", "relu")}
    unfolded = [row.configuration for row in rows(recipe(grid=grid, seeds=2))]
    assert [(c["learning_rate"], c["activation"], c["seed"]) for c in unfolded] == [
        (rate, activation, seed)
        for rate in (0.1, 0.2)
        for activation in ("tanh", "relu")
        for seed in (1, 2)
    ]


def test_a_sample_is_part_of_the_whole_and_keeps_the_names() -> None:
    grid = {"learning_rate": tuple(0.1 + 0.01 * k for k in range(20))}
    whole = {row.model: row.configuration for row in rows(recipe(grid=grid, seeds=5))}
    drawn = rows(recipe(grid=grid, seeds=5, sample=30))
    assert len({row.model for row in drawn}) == 30
    assert all(whole[row.model] == row.configuration for row in drawn)
    again = rows(recipe(grid=grid, seeds=5, sample=30, sample_seed=1))
    assert {row.model for row in again} != {row.model for row in drawn}


def test_chunks_share_what_shapes_the_training() -> None:
    grid = {"width": (4, 8), "learning_rate": (0.1, 0.2), "dropout": (0.0, 0.1, 0.2)}
    unfolded = rows(recipe(grid=grid))
    parts = list(chunks(unfolded, {row.group: 3 for row in unfolded}))
    assert Counter(len(part) for part in parts) == {2: 2, 3: 2, 1: 2}
    assert all(len({bool(row.configuration["dropout"]) for row in part}) == 1 for part in parts)
    assert all(len({row.configuration["width"] for row in part}) == 1 for part in parts)


def test_operations_of_the_small_network_are_those_of_its_layers() -> None:
    configuration = rows(Recipe.resolve("mnist_seed"))[0].configuration
    configuration |= {"in_channels": 1, "image_size": 28, "out_channels": 10}
    first, rest = 8 * 25 * 24 * 24, 6 * 200 * 8 * 8 + 4 * 24 * 9 + 36 * 20 + 20 * 10
    # The gradient of the weights and that of the inputs cost as much as the outputs; the first
    # layer needs no gradient of its inputs.
    assert operations(configuration) == (2 * (first + rest), 2 * (2 * first + 3 * rest))


def test_kept_epochs() -> None:
    assert recipe().kept == (0, 1, 2)
    assert recipe(keep=[2, 0, 2]).kept == (0, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be greater than or equal to 1, got 0"),
        ({"epoch": 3}, r"unknown key 'epoch', did you mean 'epochs'\? The keys are data, epochs, "),
        ({"data": {"name": "digits", "size": 3}}, r"unknown key 'data.size'; the keys are name, "),
        ({"fixed": {}}, "architecture is missing; set it"),
        ({"keep": [3]}, r"keep must name epochs from 0 to 2, got \[3\]; set keep \(--keep\)"),
        ({"keep": []}, r"keep must name epochs from 0 to 2, got \[\]"),
        ({"grid": {"lr": [1.0]}}, "unknown factor 'lr'; the factors are architecture, seed, "),
        (
            {"fixed": {"architecture": "slope"}, "grid": {"squares": [1]}},
            r"unknown architecture 'slope'; .*, or import the module that registers it",
        ),
        (
            {"fixed": {}, "grid": {"architecture": ["mlp", "slope"], "squares": [1]}},
            "unknown architecture 'slope'; choose one of ",
        ),
        (
            {"grid": {"optimiser": ["adam", "rmsprop"]}},
            "optimiser must be 'adam', 'adamw' or 'sgd', got 'rm",
        ),
        ({"grid": {"learning_rate": [0.1, -1]}}, "learning_rate must be greater than 0, got -1"),
        ({"grid": {"width": []}}, "the grid of 'width' is empty"),
        ({"grid": {"architecture": ["cnn"]}}, "'architecture' is both fixed and in the grid"),
        ({"seeds": 2, "grid": {"seed": [1]}}, "'seed' and 'seeds' exclude each other"),
    ],
)
def test_wrong_recipes_are_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ZooError, match=message) as caught:
        recipe(**changes)
    assert "\n" not in str(caught.value)


def test_a_sample_cannot_exceed_the_grid() -> None:
    with pytest.raises(ZooError, match="the zoo cannot have 9 networks: the grid has 2"):
        rows(recipe(seeds=2, sample=9))


def test_recipes_of_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'epochs = 3\n[data]\nname = "digits"\n[fixed]\narchitecture = "mlp"\n', encoding="utf-8"
    )
    assert Recipe.resolve(file, epochs=None, seeds=4) == recipe(epochs=3, seeds=4)
    file.write_text("epochs = ", encoding="utf-8")
    with pytest.raises(ZooError, match="is no valid TOML"):
        Recipe.resolve(file)
    with pytest.raises(ZooError, match="No such file"):
        Recipe.resolve(tmp_path / "none.toml")
    with pytest.raises(ZooError, match="unknown recipe 'none'; choose one of cluttered_"):
        Recipe.resolve("none")


def test_unknown_initialisations_are_refused_before_any_training() -> None:
    odd = recipe(grid={"initialisation": ("default", "orthogonal")})
    with pytest.raises(ZooError, match="unknown initialisation 'orthogonal'"):
        plan(odd, images_of(odd))
