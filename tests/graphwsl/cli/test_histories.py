"""``graphwsl monitor`` and ``graphwsl history`` on zoos and on folders of checkpoints."""

import json
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.zoo import Recipe, train_zoo
from tests.graphwsl.trajectories.paths import brownian


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def write(path: torch.Tensor, folder: Path, first: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    for number, row in enumerate(path):
        state = {"a.weight": row[:20].clone(), "b.weight": row[20:].clone()}
        save_file(state, folder / f"epoch_{first + number}.safetensors")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_folder_is_reported_by_the_numbers_in_its_names() -> None:
    path = brownian(11, 50, 0)
    write(path, Path("run"))
    code, out, _ = run("monitor", "run", "--json", "--picture", "run.png")
    changes = json.loads(out)["trainings"]["run"]["changes"]
    assert (code, len(changes), Path("run.png").exists()) == (0, 12, True)
    assert [one["label"] for one in changes][:3] == [f"epoch_{n}.safetensors" for n in range(3)]
    assert changes[10]["length"] == pytest.approx(float((path[10] - path[9]).norm()), rel=1e-5)
    assert changes[5]["is_alarm"] is None


def test_a_folder_is_followed_while_checkpoints_come() -> None:
    path = brownian(4, 50, 0)
    write(path[:2], Path("run"))

    def later() -> None:
        time.sleep(0.2)
        write(path[2:], Path("run"), first=2)

    writer = threading.Thread(target=later)
    writer.start()
    code, out, _ = run("monitor", "run", "--follow", "--until", "5", "--seconds", "0.02")
    writer.join()
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()] == [
        f"epoch_{n}.safetensors" for n in range(5)
    ]


def test_order_and_separation_of_a_folder() -> None:
    path = brownian(7, 400, 0)
    shuffled = [3, 0, 6, 1, 7, 2, 5, 4]
    write(path[shuffled], Path("run"))
    code, out, _ = run("history", "order", "run", "--json", "--picture", "run.svg")
    found = [
        shuffled[int(name.split("_")[1].split(".")[0])]
        for name in json.loads(out)["trainings"]["run"]["order"]
    ]
    assert code == 0
    assert found in (list(range(8)), list(range(7, -1, -1)))
    (mixed := Path("mixed")).mkdir()
    write(brownian(3, 400, 1) / 10 + brownian(0, 400, 1), mixed)
    write(brownian(3, 400, 2) / 10 + brownian(0, 400, 2), mixed, first=4)
    groups = json.loads(run("history", "separate", "mixed", "--json")[1])["trainings"]
    assert [len(group) for group in groups] == [4, 4]


def test_parents_of_a_zoo_in_two_stages() -> None:
    """Trunks that begin with one initialisation, and networks with other heads."""
    vit = {"architecture": "vit", "width": 8, "depth": 1, "patch_size": 4}
    before = {
        "data": {"name": "digits_even"},
        "epochs": 1,
        "batch_size": 256,
        "fixed": {**vit, "head_width": 8, "learning_rate": 0.01},
        "grid": {"objective": ["labels", "contrastive"]},
    }
    recipe = {
        "data": {"name": "digits_odd"},
        "epochs": 1,
        "batch_size": 256,
        "fixed": vit,
        "grid": {"head_width": [0, 8], "frozen": [False, True]},
        "pretraining": before,
    }
    train_zoo(Recipe.of(recipe), "family")
    found = json.loads(run("history", "parents", "family", "--json")[1])["parents"]
    assert len(found) == 2 + 2 * 4
    assert found == {name: f"pretraining/{name[:5]}" if "-" in name else None for name in found}


def test_parents_of_a_folder() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(400, generator=generator)
    moved = root + 0.2 * torch.randn(6, 400, generator=generator)
    write(torch.cat([moved[:3], root[None], moved[3:]]), Path("tuned"))
    out = run("history", "parents", "tuned", "--json")[1]
    parents = json.loads(out)["parents"]
    assert parents.pop("epoch_3.safetensors") is None
    assert set(parents.values()) == {"epoch_3.safetensors"}
    assert "epoch_0.safetensors: from epoch_3.safetensors" in run("history", "parents", "tuned")[1]


def test_what_cannot_be_told_ends_in_one_line() -> None:
    write(brownian(0, 50, 0), Path("single"))
    write(brownian(2, 50, 0), Path("nan"))
    save_file({"a.weight": torch.full((20,), torch.nan)}, "nan/epoch_0.safetensors")
    write(brownian(2, 50, 0), Path("mixed"))
    save_file({"a.weight": torch.ones(7)}, "mixed/epoch_9.safetensors")
    Path("empty").mkdir()
    for arguments, message in (
        (("history", "order", "single"), "training 'single' has one checkpoint, epoch_0"),
        (("history", "order", "nan"), "has weights that are not finite"),
        (("monitor", "nan"), "has weights that are not finite"),
        (("monitor", "mixed"), "is of another architecture"),
        (("monitor", "mixed", "--until", "3"), "--until says when --follow ends"),
        (("monitor", "empty"), "holds neither a zoo nor checkpoints"),
        (("monitor", "nowhere"), "No such file"),
        (("monitor", "single", "--reference", "single"), "needs at least"),
        (("history", "parents", "single", "--root", "x"), "there is no network 'x'"),
    ):
        code, out, err = run(*arguments)
        assert (code, err.count("\n")) == (2, 1), err
        assert message in err
        assert out == ""


@pytest.mark.parametrize("rate", ["7", "nan", "0"])
def test_a_rate_that_is_none_is_refused_without_a_reference_too(rate: str) -> None:
    write(brownian(2, 50, 0), Path("run"))
    code, _, error = run("monitor", "run", "--rate", rate)
    assert code == 2
    assert f"got {rate}" in error


def test_a_rate_of_no_alarm_is_refused() -> None:
    write(brownian(2, 50, 0), Path("run"))
    code, out, error = run("monitor", "run", "--rate", "0.1")
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert "need a --reference" in error


def test_a_checkpoint_without_weights_is_refused() -> None:
    Path("run").mkdir()
    save_file({"count": torch.ones(2, dtype=torch.int64)}, "run/epoch_0.safetensors")
    code, _, error = run("monitor", "run")
    assert code != 0
    assert "epoch_0.safetensors' holds no weights in floating point" in error
