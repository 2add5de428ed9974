"""Zoos of one's own: architectures with factors of their own, and data that are no images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.errors import ZooError
from graphwsl.populations import Population
from graphwsl.populations.splits import beginning
from graphwsl.zoo import ArchitectureFactors, Recipe, open_zoo, register_architecture, train_zoo
from graphwsl.zoo.architectures.activations import ACTIVATIONS
from graphwsl.zoo.architectures.architecture import ARCHITECTURES, FACTOR_TYPES, FACTORS
from graphwsl.zoo.data import REGISTERED, load_images, register_data
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.layouts.factors import RAY_TUNE_FACTORS, SMALL_CNN_FACTORS
from graphwsl.zoo.recipe import Factors
from graphwsl.zoo.sweep import rows
from graphwsl.zoo.training.chunk import Training, train_chunk
from graphwsl.zoo.training.initialisation import INITIALISATIONS
from graphwsl.zoo.training.train import _modules_of
from tests.graphwsl.zoo.training.zoo_training_cases import BATCH, EPOCHS, configuration, images
from tests.registries import restored


@register_architecture("in_groups", factors={"width": int, "groups": int, "read_out": str})
def grouped(factors: ArchitectureFactors) -> nn.Module:
    width, groups = factors.number("width", 4), factors.number("groups", 1)
    size = 2 if factors.choice("read_out", ("mean", "corners")) == "corners" else 1
    layers = [nn.Conv2d(1, width, 3), nn.Conv2d(width, width, 3, groups=groups), nn.Tanh()]
    read_out = nn.AdaptiveAvgPool2d(size), nn.Flatten(), nn.Linear(width * size**2, factors.classes)
    return nn.Sequential(*layers, *read_out)


@register_architecture("reader", factors={"width": int})
def reader(factors: ArchitectureFactors) -> nn.Module:
    """Reads texts, token by token or as a whole."""
    width = factors.number("width", 4)
    vocabulary = factors.number("vocabulary_size", 2)
    layers = [nn.Embedding(vocabulary, width), nn.Tanh(), nn.Linear(width, factors.classes)]
    return nn.Sequential(*layers)


@register_data("two sines")
def two_sines() -> DataSet:
    x = torch.linspace(-3, 3, 48)[:, None]
    y = torch.cat([x.sin(), (2 * x).cos()], dim=1)
    return DataSet(x[::2], y[::2], x[1::2], y[1::2])


@register_data("three signals")
def three_signals() -> DataSet:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(40, 2, generator=generator)
    waves = torch.stack([(points * k).sum(1, keepdim=True).sin() for k in (1.0, 4.0, 9.0)])
    return DataSet(points[:30], waves[:, :30], points[30:], waves[:, 30:], signals=3)


@register_data("letters")
def letters() -> DataSet:
    text = torch.randint(6, (40, 5), generator=torch.Generator().manual_seed(0))
    following = (text + 1) % 6
    return DataSet(text[:30], following[:30], text[30:], following[30:], classes=6, vocabulary=6)


def recipe(data: str, architecture: str, **changes: Any) -> Recipe:
    fixed = {"architecture": architecture, "learning_rate": 1e-2, **changes.pop("fixed", {})}
    base = {"data": {"name": data}, "epochs": 3, "batch_size": 8, "fixed": fixed}
    return Recipe.of({**base, **changes})


def test_factors_of_ones_own_are_swept_and_shape_what_trains_together(tmp_path: Path) -> None:
    grid = {"groups": [1, 2], "read_out": ["mean", "corners"]}
    swept = recipe("digits", "in_groups", epochs=1, batch_size=512, grid=grid, keep=[1])
    assert len({row.group for row in rows(swept)}) == 4
    zoo = train_zoo(swept, tmp_path / "zoo").zoo
    shapes = {}
    for checkpoint in zoo.checkpoints:
        model = zoo.module(checkpoint)
        model.load_state_dict(zoo.weights(checkpoint))
        shapes[checkpoint["groups"], checkpoint["read_out"]] = (
            model[1].weight.shape[1],
            model[-1].weight.shape[1],
        )
        data = zoo.images()
        accuracy = (model(data.test).argmax(1) == data.test_labels).double().mean()
        assert checkpoint["test_accuracy"] == pytest.approx(float(accuracy), abs=2e-3)
    assert shapes == {
        (1, "mean"): (4, 4), (1, "corners"): (4, 16), (2, "mean"): (2, 4), (2, "corners"): (2, 16),
    }  # fmt: skip
    assert {"groups", "read_out"} <= set(beginning(zoo.checkpoints))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fixed": {"groups": "two"}}, "groups must be a valid integer, got 'two'"),
        (
            {"fixed": {"group": 2}},
            "unknown factor 'group', did you mean 'groups'.* groups, read_out",
        ),
        ({"fixed": {"read_out": "sum"}}, "read_out of in_groups must be one of mean, corners, got"),
        ({"fixed": {"label_noise": 2}}, "label_noise must be less than or equal to 1, got 2"),
        ({"fixed": {"signal": 0}}, "there is no signal 0: the data have one signal"),
    ],
)
def test_wrong_factors_are_refused_before_any_training(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ZooError, match=message):
        train_zoo(recipe("digits", "in_groups", **changes), tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


@pytest.fixture
def _registries() -> Iterator[None]:
    names = set(ARCHITECTURES), set(REGISTERED)
    yield
    for registry, known in zip((ARCHITECTURES, REGISTERED), names, strict=True):
        for name in set(registry) - known:
            del registry[name]


@pytest.mark.usefixtures("_registries")
def test_an_architecture_cannot_read_a_factor_in_secret() -> None:
    @register_architecture("secretive", factors={"width": int})
    def secretive(factors: ArchitectureFactors) -> nn.Module:
        return nn.Linear(factors.number("groups", 1), 1)

    with pytest.raises(ZooError, match="'secretive' reads the factor 'groups', which it was regis"):
        ARCHITECTURES["secretive"].make(ArchitectureFactors("secretive", {}, {"width": int}))
    for name, factors, message in (
        ("mlp", {}, "architecture 'mlp' is already graphwsl.zoo.architectures.layered.mlp; choose"),
        ("other", {"seed": int}, "the factor 'seed' belongs to every network"),
        ("other", {"groups": float}, "the factor 'groups' is of another type in another archit"),
    ):
        with pytest.raises(ZooError, match=message):
            register_architecture(name, factors=factors)(lambda factors: nn.Identity())


def test_published_names_stand_for_factors_that_exist() -> None:
    known = {*FACTORS, *Factors.model_fields}
    foreign = {"momentum", "bias_initialisation", "initialisation_std"}
    for table in (RAY_TUNE_FACTORS, SMALL_CNN_FACTORS):
        assert set(table.values()) <= known | foreign


def test_regression_learns_numbers(tmp_path: Path) -> None:
    zoo = train_zoo(recipe("two sines", "mlp", epochs=20, seeds=2), tmp_path / "zoo").zoo
    data = zoo.images()
    assert data.content_hash == two_sines().content_hash
    first, last = zoo.checkpoints[0], zoo.checkpoints[20]
    assert set(last.metrics) == {"train_loss", "test_loss"}
    assert last["test_loss"] < 0.7 * first["test_loss"]
    model = zoo.module(last)
    model.load_state_dict(zoo.weights(last))
    expected = functional.mse_loss(model(data.test), data.test_labels)
    assert last["test_loss"] == pytest.approx(expected.item(), rel=1e-4)
    assert zoo.example_inputs(last).shape == (1, 1)
    assert len(Population.load(zoo)) == len(zoo.checkpoints)


def test_each_network_represents_its_signal(tmp_path: Path) -> None:
    zoo = train_zoo(
        recipe("three signals", "mlp", fixed={"width": 6}, grid={"signal": [0, 2]}), tmp_path / "z"
    ).zoo
    data = zoo.images()
    for checkpoint in zoo.checkpoints:
        model = zoo.module(checkpoint)
        model.load_state_dict(zoo.weights(checkpoint))
        labels = data.test_labels[checkpoint["signal"]]
        expected = functional.mse_loss(model(data.test), labels)
        assert checkpoint["test_loss"] == pytest.approx(expected.item(), rel=1e-4)
    assert "signal" in beginning(zoo.checkpoints)
    with pytest.raises(ZooError, match="no signal 3: the data have 3 signals, counted from 0"):
        train_zoo(recipe("three signals", "mlp", fixed={"signal": 3}), tmp_path / "none")


def test_texts_are_learnt_token_by_token(tmp_path: Path) -> None:
    zoo = train_zoo(
        recipe("letters", "reader", epochs=15, fixed={"width": 8, "learning_rate": 0.1}),
        tmp_path / "zoo",
    ).zoo
    data, last = zoo.images(), zoo.checkpoints[-1]
    assert last["test_accuracy"] > 0.9  # the letter that follows is a function of this one
    model = zoo.module(last)
    model.load_state_dict(zoo.weights(last))
    logits = model(data.test)
    loss = functional.cross_entropy(logits.flatten(0, 1), data.test_labels.flatten())
    assert last["test_loss"] == pytest.approx(loss.item(), rel=1e-3)
    right = (logits.argmax(-1) == data.test_labels).double().mean()
    assert last["test_accuracy"] == pytest.approx(float(right), abs=1e-6)
    assert zoo.example_inputs(last).dtype == torch.int64


def test_noise_of_all_labels_of_two_classes_is_training_on_the_other_ones() -> None:
    data = images(8)
    labels = [labels % 2 for labels in (data.train_labels, data.test_labels)]
    plain = DataSet(data.train, labels[0], data.test, labels[1], classes=2)
    swapped = DataSet(data.train, 1 - labels[0], data.test, labels[1], classes=2)
    noisy = configuration("mlp", plain, width=4, label_noise=1.0)
    clean = configuration("mlp", plain, width=4)
    ended = [
        train_chunk([c], d, epochs=EPOCHS, batch_size=BATCH, kept=range(EPOCHS + 1))
        for c, d in ((noisy, plain), (clean, swapped))
    ]
    for name, values in ended[0].weights.items():
        assert torch.equal(values, ended[1].weights[name])
    for name, values in ended[0].metrics.items():
        assert torch.equal(values, ended[1].metrics[name])


def test_noise_is_the_share_that_was_asked_for_and_every_networks_own() -> None:
    data = images(8, train=4000)
    shares = (0.0, 0.25, 0.25, 1.0)
    networks = [
        configuration("mlp", data, width=2, seed=seed, label_noise=share)
        for seed, share in enumerate(shares)
    ]
    labels = Training(networks, data, BATCH).train_labels
    changed = labels != data.train_labels
    assert changed.sum(1).tolist() == [round(4000 * share) for share in shares]
    assert not torch.equal(changed[1], changed[2])
    alone = Training(networks[2:3], data, BATCH).train_labels
    assert torch.equal(alone[0], labels[2])
    # Every other class is as likely: 4,000 draws of three.
    counts = ((labels[3] - data.train_labels) % 4).bincount()
    assert counts[0] == 0
    assert all(abs(count - 4000 / 3) < 150 for count in counts[1:].tolist())


def test_label_noise_needs_classes(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="label_noise needs data with one of several classes"):
        train_zoo(recipe("two sines", "mlp", fixed={"label_noise": 0.1}), tmp_path / "zoo")


def test_the_size_of_batches_is_a_factor() -> None:
    data = images(8)
    small, large = (configuration("mlp", data, width=4, batch_size=size) for size in (10, 30))
    options: dict[str, Any] = {"epochs": EPOCHS, "kept": range(EPOCHS + 1)}
    plain = configuration("mlp", data, width=4)
    for factors, size in ((small, 10), (large, 30)):
        own = train_chunk([factors], data, batch_size=7, **options).weights
        other = train_chunk([plain], data, batch_size=size, **options).weights
        assert all(torch.equal(values, other[name]) for name, values in own.items())
    swept = recipe("digits", "mlp", grid={"batch_size": [8, 16], "seed": [1, 2]})
    assert len({row.group for row in rows(swept)}) == 2


def test_the_size_of_batches_is_said_once(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'epochs = 1\n[data]\nname = "digits"\n[fixed]\narchitecture = "mlp"\n'
        "[grid]\nbatch_size = [8, 16]\n",
        encoding="utf-8",
    )
    assert len(rows(Recipe.resolve(file))) == 2
    with pytest.raises(ZooError, match="'batch_size' is both a key of the recipe and a factor"):
        Recipe.resolve(file, batch_size=32)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "float64": ({"train": torch.zeros(4, 2, dtype=torch.float64)}, "train .* must be float32"),
    "no samples": ({"test": torch.zeros(0, 2)}, "test of a data set must not be empty"),
    "labels": ({"train_labels": torch.zeros(3, 1)}, r"train_labels .* begin with \(4,\), got \(3,"),
    "infinite": ({"train": torch.full((4, 2), torch.inf)}, "train of a data set must be finite"),
    "no outputs": ({"train_labels": torch.zeros(4)}, r"train_labels .* cannot be of shape \(\)"),
    "others": ({"test": torch.zeros(3, 5)}, r"test .* must be samples of shape \(2,\)"),
    "arrays": (
        {"train": np.zeros((4, 2), np.float32)},
        "train of a data set must be a torch tensor, got a ndarray of shape .*; "
        r"give torch.as_tensor\(train\)",
    ),
    "array of labels": (
        {"test_labels": np.zeros((3, 1), np.float32)},
        "test_labels of a data set must be a torch tensor, got a ndarray",
    ),
    "forgotten classes": (
        {"train_labels": torch.zeros(4, dtype=torch.int64)},
        "train_labels of .* must be float32, got torch.int64; if they are classes, give classes",
    ),
    "forgotten vocabulary": (
        {"train": torch.zeros(4, 2, dtype=torch.int64)},
        "train of .* must be float32, got torch.int64; if they are tokens, give vocabulary",
    ),
    "classes": ({"classes": 2}, "train_labels of a data set must be int64, got torch.float32"),
    "a square": ({"train": torch.zeros(4, 2, 2), "test": torch.zeros(3, 2, 2)}, "a sample must be"),
}


@pytest.mark.parametrize("case", WRONG)
def test_data_that_do_not_fit_together_are_refused(case: str) -> None:
    right = {
        "train": torch.zeros(4, 2),
        "train_labels": torch.zeros(4, 1),
        "test": torch.zeros(3, 2),
        "test_labels": torch.zeros(3, 1),
    }
    assert DataSet(**right).outputs == 1
    changes, message = WRONG[case]
    with pytest.raises(ZooError, match=message):
        DataSet(**{**right, **changes})


@pytest.mark.usefixtures("_registries")
def test_names_of_data_are_taken_once() -> None:
    with pytest.raises(ZooError, match=r"data 'two sines' is already .*two_sines; choose another"):
        register_data("two sines")(three_signals)
    for name in ("digits", "mine.npz"):
        with pytest.raises(ZooError, match=f"there are data '{name}' already"):
            register_data(name)(lambda: two_sines())
    with pytest.raises(
        ZooError, match="data 'two sines' are taken as they are, without image_size"
    ):
        load_images("two sines", in_channels=3)


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


def test_activations_and_initialisations_of_ones_own(tmp_path: Path) -> None:
    with restored():
        ACTIVATIONS.register("square")(Square)
        INITIALISATIONS.register("ones")(nn.init.ones_)
        fixed = {"activation": "square", "initialisation": "ones", "width": 3, "depth": 1}
        own = recipe("two sines", "mlp", epochs=1, fixed=fixed)
        zoo = train_zoo(own, tmp_path / "zoo", workers=1).zoo
        begun = zoo.module(zoo.checkpoints[0])
        begun.load_state_dict(zoo.weights(zoo.checkpoints[0]))
        assert any(isinstance(layer, Square) for layer in begun.modules())
        weights = [p for p in begun.parameters() if p.ndim == 2]
        assert len(weights) == 2
        assert all(bool((weight == 1).all()) for weight in weights)
        x = load_images("two sines").test
        hidden = (x @ weights[0].T + 0.01) ** 2
        torch.testing.assert_close(begun(x), hidden @ weights[1].T + 0.01)
        assert Square.__module__ in _modules_of(own, [rows(own)])
    with pytest.raises(ZooError, match="unknown initialisation 'ones'"):
        train_zoo(own, tmp_path / "again", workers=1)


OWN = """
import torch
from torch import nn
from graphwsl.zoo import DataSet, register_architecture, register_data

@register_data("line")
def line():
    x = torch.linspace(0, 1, 20)[:, None]
    return DataSet(x[::2], 2 * x[::2], x[1::2], 2 * x[1::2])

@register_architecture("slope", factors={"squares": int})
def slope(factors):
    return nn.Sequential(nn.Flatten(), nn.Linear(factors.inputs, factors.classes))
"""
TOML = """
epochs = 2
seeds = 40
[data]
name = "line"
[fixed]
architecture = "slope"
[grid]
squares = [0, 1]
"""


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_the_command_line_knows_what_a_module_registers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # for processes that are started
    name = f"own_zoo_{workers}"
    Path(f"{name}.py").write_text(OWN, encoding="utf-8")
    Path("own.toml").write_text(TOML, encoding="utf-8")
    command = ["zoo", "train", "own.toml", "--quiet", "--workers", workers]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    assert "unknown architecture 'slope'" in refused.stderr
    assert "import the module that registers it (--import)" in refused.stderr
    try:
        result = CliRunner().invoke(app, [*command, "--import", name])
        assert (result.exit_code, result.stderr) == (0, "")
        zoo = open_zoo(Path("zoos", "own"))
        assert len(zoo.checkpoints) == 240
        assert zoo.verify() == []
    finally:
        forgotten = ((ARCHITECTURES, "slope"), (FACTOR_TYPES, "squares"), (REGISTERED, "line"))
        for registry, key in forgotten:
            registry.pop(key, None)


def test_data_that_have_changed_are_not_taken_for_those_of_the_zoo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = train_zoo(recipe("two sines", "mlp", epochs=1), tmp_path / "zoo").zoo
    monkeypatch.setitem(REGISTERED, "two sines", three_signals)
    with pytest.raises(ZooError, match=r"data 'two sines' are no longer what .* was trained on"):
        zoo.images()


def test_verification_moves_damaged_networks_to_the_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphwsl.zoo.training.chunks.LARGEST_CHUNK", 1)
    train_zoo(recipe("two sines", "mlp", epochs=1, seeds=2), tmp_path / "zoo")
    chunk = tmp_path / "zoo" / "chunks" / "00001.safetensors"
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"!")
    zoo = open_zoo(tmp_path / "zoo")
    assert len(zoo.checkpoints) == 4
    (problem,) = zoo.verify()
    assert problem.path == "chunks/00001.safetensors"
    assert "its SHA-256 differs" in problem.reason
    # The last byte is one of the last epoch.
    assert [(c.model, c.epoch) for c in zoo.checkpoints] == [
        ("00000", 0),
        ("00000", 1),
        ("00001", 0),
    ]
