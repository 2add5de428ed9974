"""``graphwsl represent``: train, embed and rebuild, resumed and refused in one line."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from graphwsl.cli import app
from graphwsl.cli.choices import REPRESENTATIONS as CHOICES
from graphwsl.populations import Population, split_models
from graphwsl.populations.splits import beginning
from graphwsl.representations import REPRESENTATIONS, load
from graphwsl.representations.autoencoder import Autoencoder
from graphwsl.representations.quality import agreement
from graphwsl.zoo import Recipe, open_zoo, train_zoo

RECIPE = {
    "data": {"name": "digits"},
    "epochs": 2,
    "keep": (1, 2),
    "batch_size": 64,
    "seeds": 12,
    "fixed": {"architecture": "mlp", "width": 4, "depth": 1, "learning_rate": 0.01},
}
TINY = ("--option", "channels=16", "--option", "latent_channels=6", "--option", "blocks=1")


def graphwsl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("represent") / "zoo"
    train_zoo(Recipe.of(RECIPE), folder, workers=1)
    return folder


@pytest.fixture(scope="module")
def made(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "graph"
    result = graphwsl(
        "represent",
        "train",
        zoo,
        "--method",
        "graph_autoencoder",
        *TINY,
        "--epochs",
        3,
        "--out",
        out,
    )
    assert result.exit_code == 0, result.output
    assert "learnt from 16 checkpoints of 8 networks" in result.output
    assert "agreement" in result.output
    return out


def test_choices_are_all_methods() -> None:
    assert set(CHOICES) == set(REPRESENTATIONS)


def test_a_representation_is_kept_with_its_figures(made: Path, zoo: Path) -> None:
    names = {path.name for path in made.iterdir()} - {".lock"}
    assert names == {
        "request.json",
        "representation.json",
        "representation.safetensors",
        "metrics.json",
        "manifest.json",
    }
    again = graphwsl(
        "represent", "train", zoo, "--method", "graph_autoencoder", *TINY, "--epochs", 3,
        "--out", made, "--resume", "--json",
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    summary = json.loads(again.stdout)
    assert summary["networks"] == {"train": 8, "valid": 2, "test": 2}
    assert 0 <= summary["test"]["agreement"] <= 1
    assert summary["test"]["unexplained"] > 0
    assert summary["settings"]["latent_channels"] == 6


def test_damage_is_found(made: Path, tmp_path: Path) -> None:
    assert graphwsl("verify", made).exit_code == 0
    for name in made.iterdir():
        (tmp_path / name.name).write_bytes(name.read_bytes())
    path = tmp_path / "representation.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = graphwsl("verify", tmp_path)
    assert found.exit_code == 1
    assert "representation.safetensors" in found.output
    load(made).save(tmp_path / "alone")
    assert graphwsl("verify", tmp_path / "alone").exit_code == 0


def test_a_training_that_was_stopped_goes_on(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("represent", "train", zoo, "--method", "sane", *TINY, "--epochs", 3, "--epoch", 2,
                 "--quiet", "--out")  # fmt: skip
    assert graphwsl(*arguments, tmp_path / "whole").exit_code == 0
    original, calls = Autoencoder.forward, [0]

    def stopped(self: Autoencoder, *batch: Any) -> torch.Tensor:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        return original(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(Autoencoder, "forward", stopped)
        interrupted = graphwsl(*arguments, tmp_path / "stopped")
    assert interrupted.exit_code == 130, interrupted.output
    assert "--resume" in interrupted.output
    assert graphwsl(*arguments, tmp_path / "stopped").exit_code == 2
    assert graphwsl(*arguments, tmp_path / "stopped", "--resume").exit_code == 0
    first, second = (
        load_file(tmp_path / name / "representation.safetensors") for name in ("whole", "stopped")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_embeddings_are_those_of_python(made: Path, zoo: Path, tmp_path: Path) -> None:
    expected = load(made).embed(Population.load(open_zoo(zoo)))
    result = graphwsl("represent", "embed", made, zoo, "--out", tmp_path / "all.csv")
    assert result.exit_code == 0, result.output
    assert "graph_autoencoder: 24 networks, 44 numbers each" in result.output
    result = graphwsl("represent", "reconstruct", made, zoo, "--out", tmp_path / "rebuilt")
    assert "graph_autoencoder: 24 networks" in result.output
    one = tmp_path / "rebuilt" / "00000.safetensors"
    result = graphwsl("represent", "embed", made, one, "--out", tmp_path / "one.csv")
    assert "graph_autoencoder: 1 network, 44 numbers each" in result.output
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:3] == ["network", "model", "epoch"]
    values = torch.tensor([[float(value) for value in row[3:]] for row in rows[1:]])
    torch.testing.assert_close(values, expected)
    result = graphwsl(
        "represent", "embed", made, zoo, "--full", "--epoch", 2, "--json",
        "--out", tmp_path / "new" / "full.safetensors",
    )  # fmt: skip
    summary = json.loads(result.stdout)
    array = load_file(tmp_path / "new" / "full.safetensors")["embedding"]
    assert array.shape == (summary["networks"], summary["features"]) == (12, 14 * 6)


def test_rebuilt_networks_are_files_of_weights(made: Path, zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "rebuilt"
    result = graphwsl(
        "represent", "reconstruct", made, zoo, "--epoch", 2, "--data", "digits", "--out", out
    )
    assert result.exit_code == 0, result.output
    assert "of the choices of classes are the original ones, of 2 networks that" in result.output
    assert "it did not learn from; left out: 8 networks that it learnt from, 2 networks" in (
        result.output
    )
    index = json.loads((out / "networks.json").read_text())
    opened = open_zoo(zoo)
    last = [checkpoint for checkpoint in opened.checkpoints if checkpoint.epoch == 2]
    assert [row["model"] for row in index] == [checkpoint.model for checkpoint in last]
    rebuilt = load(made).reconstruct(Population.load(opened, last))
    state = load_file(out / index[3]["file"])
    assert {name: value.shape for name, value in state.items()} == {
        name: value.shape for name, value in opened.weights(last[3]).items()
    }
    flat = rebuilt.architectures[0].graph.flat(state, dtype=torch.float32)
    assert torch.equal(flat, rebuilt.states[3])
    split = split_models(opened.checkpoints, 0, together=beginning(opened.checkpoints))
    for row in index:
        part = next(part for part in ("train", "valid", "test") if row["model"] in
                    getattr(split, part))  # fmt: skip
        assert row["part"] == (None if part == "test" else part)
    chosen = agreement(Population.load(opened, last), rebuilt, opened.images().test)
    assert [row["agreement"] for row in index] == chosen.tolist()
    test = [row["agreement"] for row in index if row["model"] in split.test]
    summary = json.loads(
        graphwsl("represent", "reconstruct", made, zoo, "--epoch", 2, "--data", "digits",
                 "--out", tmp_path / "again", "--json").stdout
    )  # fmt: skip
    assert summary["agreement"] == pytest.approx(sum(test) / 2)
    assert summary["judged"]["train"] == {"checkpoints": 8, "networks": 8}
    assert summary["judged"]["others"] == {"checkpoints": 2, "networks": 2}
    file = out / index[3]["file"]
    one = graphwsl("represent", "embed", made, file, "--out", tmp_path / "one.safetensors")
    assert one.exit_code == 0, one.output
    embedded = load_file(tmp_path / "one.safetensors")["embedding"]
    torch.testing.assert_close(embedded, load(made).embed(rebuilt.select([3])))
    score = graphwsl("score", *sorted(out.glob("*.safetensors")), "--zoo", zoo, "--networks", 3,
                     "--baseline", "average")  # fmt: skip
    assert score.exit_code == 0, score.output


def test_a_representation_that_does_not_say_what_it_learnt_from(
    made: Path, zoo: Path, tmp_path: Path
) -> None:
    old = load(made)
    old.fitted_to, old.networks = None, []  # as of those that were saved before it was kept
    old.save(tmp_path / "old")
    out = tmp_path / "rebuilt"
    result = graphwsl("represent", "reconstruct", tmp_path / "old", zoo, "--epoch", 2,
                      "--data", "digits", "--out", out)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "does not say which networks it learnt from" in result.output
    refused = graphwsl("represent", "embed", tmp_path / "old", out / "00000.safetensors",
                       "--out", tmp_path / "one.csv")  # fmt: skip
    assert refused.exit_code == 2
    assert "no architecture is known" in refused.output
    assert "say by --network" in refused.output.replace("\n", " ")


def test_what_cannot_be_done_ends_in_one_line(made: Path, zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    out = ("--out", tmp_path / "new")
    again = ("train", zoo, "--method", "graph_autoencoder", *TINY, "--epochs", 3, "--out")
    attempts: list[tuple[tuple[object, ...], str]] = [
        (("train", tmp_path / "none", *out), "is no folder"),
        (("train", zoo, "--method", "sain", *out), "did you mean 'sane'"),
        (("train", zoo, "--size", "large", *out), "choose published or small"),
        (("train", zoo, "--option", "latents=3", *out), "latents"),
        (("train", zoo, "--option", "latent_channels", *out), "--option must be as"),
        (("train", zoo, "--epoch", 7, *out), "no checkpoints"),
        (("train", zoo, "--data", "digit", *out), "unknown data 'digit'"),
        (("train", zoo, "--device", "tpu", *out), "device"),
        (("train", zoo, "--out", tmp_path / "full"), "full"),
        ((*again, made), "resume it or choose another folder"),
        (("embed", tmp_path, zoo, "--out", tmp_path / "a.csv"), "holds no representation"),
        (("embed", made, zoo, "--out", tmp_path / "a.txt"), "a .csv or .safetensors file"),
        (("embed", made, tmp_path / "none.pt", "--out", tmp_path / "a.csv"), "none.pt"),
        (("reconstruct", made, zoo, "--out", tmp_path / "full"), "is not empty"),
    ]
    for arguments, message in attempts:
        result = graphwsl("represent", *arguments)
        assert result.exit_code == 2, (arguments, result.output)
        assert message in result.output.replace("\n", " "), (arguments, result.output)
        assert "Traceback" not in result.output
    assert not (tmp_path / "new").exists() or not any((tmp_path / "new").iterdir())
