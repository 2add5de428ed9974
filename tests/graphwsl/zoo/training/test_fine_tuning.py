"""Zoos of two stages: children are their parents but for the head, and nothing changes that."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from graphwsl.cli import app
from graphwsl.errors import ZooError
from graphwsl.populations.splits import split_models
from graphwsl.zoo import (
    DataSet,
    Recipe,
    open_zoo,
    parents_of,
    register_data,
    train_zoo,
    write_ray_tune,
)
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.store import StoredZoo
from graphwsl.zoo.sweep import rows
from tests.graphwsl.zoo.training.zoo_training_cases import images


@register_data("family_before")
def before() -> DataSet:
    return images(8)


@register_data("family_after")
def after() -> DataSet:
    data = images(8)
    return replace(data, train_labels=3 - data.train_labels, test_labels=3 - data.test_labels)


@register_data("family_large")
def large() -> DataSet:
    return images(12)


TRUNK = {"architecture": "vit", "width": 8, "depth": 1, "patch_size": 4, "activation": "gelu"}
PRETRAINING: dict[str, Any] = {
    "data": {"name": "family_before"},
    "epochs": 1,
    "keep": [0, 1],
    "fixed": {**TRUNK, "head_width": 6},
    "grid": {"objective": ["labels", "contrastive"]},
}
TUNING: dict[str, Any] = {
    "data": {"name": "family_after"},
    "epochs": 1,
    "batch_size": 64,
    "fixed": {**TRUNK, "optimiser": "sgd", "learning_rate": 0.01},
    "grid": {"frozen": [False, True]},
    "seeds": 2,
    "pretraining": PRETRAINING,
}


def recipe(**changes: Any) -> Recipe:
    return Recipe.of({**TUNING, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stages") / "zoo"
    train_zoo(recipe(), path)
    return path


@pytest.fixture
def zoo(folder: Path) -> StoredZoo:
    return StoredZoo.open(folder)


def test_every_parent_has_the_same_children(zoo: StoredZoo) -> None:
    assert zoo.pretraining is not None
    parents = sorted({c.model for c in zoo.pretraining.checkpoints})
    assert parents == ["00000", "00001"]
    named = {c.model: c.configuration["parent"] for c in zoo.checkpoints}
    assert named == {f"{p}-0000{k}": p for p in parents for k in range(4)}
    seen: dict[str, list[int | None]] = {c.model: [] for c in zoo.checkpoints}
    for c in zoo.checkpoints:
        seen[c.model].append(c.epoch)
    assert set(map(tuple, seen.values())) == {(0, 1)}
    assert zoo.images().classes == zoo.pretraining.images().classes == 4
    assert not torch.equal(zoo.images().train_labels, zoo.pretraining.images().train_labels)


def test_children_begin_with_the_trunk_of_their_parent_and_the_frozen_keep_it(
    zoo: StoredZoo,
) -> None:
    home, parents = parents_of(zoo)
    assert home is zoo.pretraining
    for child in zoo.checkpoints:
        own, parent = zoo.weights(child), home.weights(parents[child.model])
        assert parents[child.model].epoch == 1
        trunk = [name for name in own if not name.startswith("head.")]
        assert len(trunk) == len(own) - 2
        assert {"head.0.weight", "head.2.weight"} < set(parent)
        same = [torch.equal(own[name], parent[name]) for name in trunk]
        keeps = child.epoch == 0 or child["frozen"]
        assert all(same) if keeps else not any(same)
    for before, after in zip(zoo.checkpoints[::2], zoo.checkpoints[1::2], strict=True):
        head = [name for name in zoo.weights(before) if name.startswith("head.")]
        assert not any(
            torch.equal(zoo.weights(before)[name], zoo.weights(after)[name]) for name in head
        )


def test_an_interrupted_training_ends_in_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"

    def stop(done: int, total: int) -> None:
        assert total == 2 + 8
        if done > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_zoo(recipe(), again, on_progress=stop)
    assert not open_zoo(again).checkpoints
    finished = train_zoo(recipe(), again, resume=True)
    assert finished.repaired == []
    assert finished.epochs == 8
    assert contents(again) == contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def test_damaged_parents_are_named_and_made_again(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    chunk = next((copy / "pretraining" / "chunks").iterdir())
    whole = bytearray(chunk.read_bytes())
    whole[-1] ^= 1
    chunk.write_bytes(whole)
    outcome = CliRunner().invoke(app, ["zoo", "verify", str(copy)])
    assert outcome.exit_code == 1
    assert f"pretraining: chunks/{chunk.name} has changed" in outcome.stdout
    repaired = train_zoo(recipe(), copy, resume=True).repaired
    assert [line.split(" has")[0] for line in repaired] == [f"pretraining: chunks/{chunk.name}"]
    assert contents(copy) == contents(folder)
    shutil.rmtree(copy / "pretraining")
    (problem,) = StoredZoo.open(copy).folder.problems()
    assert problem.endswith("pretraining' is no folder; give the folder of a zoo")
    with pytest.raises(ZooError, match="is no folder"):
        _ = StoredZoo.open(copy).pretraining


def test_children_of_a_parent_that_diverged_are_named(tmp_path: Path) -> None:
    fixed = {**TRUNK, "optimiser": "sgd"}
    before = {**PRETRAINING, "fixed": fixed, "grid": {"learning_rate": [1e-3, 1e30]}}
    diverging = recipe(pretraining=before, grid={}, seeds=1)
    zoo = train_zoo(diverging, tmp_path / "zoo").zoo
    assert {c.model for c in zoo.checkpoints} == {"00000-00000"}
    assert [(p.path, p.reason) for p in zoo.problems] == [
        ("00001-00000", "its parent 00001 diverged")
    ]
    assert zoo.verify() == zoo.problems
    assert train_zoo(diverging, tmp_path / "zoo", resume=True).repaired == []


def test_families_are_not_cut() -> None:
    named = rows(Recipe.resolve("vit_two_stage"))
    split = split_models([Checkpoint(row.model, 15, row.configuration, {}) for row in named])
    for part, families in ((split.train, 7), (split.valid, 1), (split.test, 2)):
        assert len({model.split("-")[0] for model in part}) == families
        assert len(part) == 24 * families
    # A parent in the same list, as in published zoos, is with its children.
    parents = [Checkpoint(f"{k:05d}", 15, {"seed": 1}, {}) for k in range(10)]
    children = [Checkpoint(f"{p.model}-a", 15, {"parent": p.model, "seed": 1}, {}) for p in parents]
    together = split_models([*parents, *children])
    for part in (together.train, together.valid, together.test):
        assert len(part) == 2 * len({model.split("-")[0] for model in part})


def test_the_published_layout_is_written_and_read(zoo: StoredZoo, tmp_path: Path) -> None:
    assert zoo.pretraining is not None
    written = write_ray_tune(zoo, tmp_path / "published")
    read = open_zoo(tmp_path / "published")
    assert list(read.problems) == []
    assert len(read.checkpoints) == written == 16 + 4
    home, parents = parents_of(read)
    assert home is read
    ours = {(c.model, c.epoch): c for c in zoo.checkpoints}
    for child in read.checkpoints:
        stage, *_, model = child.model.split("/")
        if stage == "pretraining":
            continue
        assert child.model == f"finetuning/{model.split('-')[0]}/{model}"
        own = ours[model, child.epoch]
        assert parents[child.model].model == f"pretraining/{own['parent']}"
        assert child.metrics == own.metrics
        known = {k: v for k, v in own.configuration.items() if v and k != "parent"}
        assert known.items() <= child.configuration.items()
        assert child["model::freeze_encoder"] == own["frozen"]
        theirs, expected = read.weights(child), zoo.weights(own)
        assert all(torch.equal(theirs[name], value) for name, value in expected.items())
    # The authors' programs read the weights with torch alone.
    file = tmp_path / "published/pretraining/00000/checkpoint_000001/checkpoints"
    state = torch.load(file, weights_only=True)
    assert file.stat().st_size < 2 * 4 * sum(v.numel() for v in state.values()) + 16_000
    last = next(c for c in zoo.pretraining.checkpoints if c.epoch == 1)
    assert all(torch.equal(state[k], v) for k, v in zoo.pretraining.weights(last).items())
    with pytest.raises(ZooError, match="is there already; choose another folder"):
        write_ray_tune(zoo, tmp_path / "published")
    with pytest.raises(ZooError, match="out must lie outside the zoo"):
        write_ray_tune(zoo, zoo.folder.path / "new")
    assert not (zoo.folder.path / "new").exists()


@pytest.mark.parametrize("is_there", [False, True])
def test_nothing_is_left_of_an_export_that_fails(
    zoo: StoredZoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    out = tmp_path / "published"
    if is_there:
        out.mkdir()
    last, weights = zoo.checkpoints[-1], StoredZoo.weights

    def failing(self: StoredZoo, checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
        if checkpoint == last:
            raise ZooError("not usable")
        return weights(self, checkpoint)

    monkeypatch.setattr(StoredZoo, "weights", failing)
    with pytest.raises(ZooError, match="not usable"):
        write_ray_tune(zoo, out)
    assert list(tmp_path.rglob("*")) == ([out] if is_there else [])
    monkeypatch.undo()
    assert write_ray_tune(zoo, out) == 16 + 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published"]
    assert sorted(path.name for path in out.iterdir()) == ["finetuning", "pretraining"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pretraining": None}, r"'frozen' needs \[pretraining\], whose networks it holds"),
        (
            {"fixed": {**TRUNK, "parent": "0"}},
            r"'parent' is one of each network of \[pretraining\]",
        ),
        (
            {"pretraining": {**PRETRAINING, "pretraining": PRETRAINING}},
            "a pretraining has none of its own",
        ),
        (
            {"pretraining": {**PRETRAINING, "keep": [0]}},
            r"pretraining.keep must name its last epoch 1, with which others begin, got \[0\]",
        ),
        (
            {"pretraining": {**PRETRAINING, "epochs": 0}},
            "pretraining.epochs must be greater than or equal to 1, got 0",
        ),
        (
            {"pretraining": {**PRETRAINING, "grid": {"learning_rate": [0.1, -1]}}},
            "learning_rate must be greater than 0, got -1",
        ),
        (
            {"fixed": {**TRUNK, "width": 16}},
            "networks have the trunk of their parents: width is 16, in the pretraining 8",
        ),
        (
            {"fixed": {**TRUNK, "activation": "relu"}},
            "networks have the trunk of their parents: activation is 'relu', in the pretraining",
        ),
        (
            {"data": {"name": "family_large"}},
            "networks have the trunk of their parents: image_size is 12, in the pretraining 8",
        ),
        (
            {
                "fixed": {"architecture": "mlp"},
                "pretraining": {**PRETRAINING, "fixed": {"architecture": "mlp"}, "grid": {}},
                "grid": {},
            },
            "networks of the architecture 'mlp' cannot be pretrained, for it names no head; take",
        ),
        (
            {"pretraining": {**PRETRAINING, "grid": {"objective": ["contrast"]}}},
            "unknown objective 'contrast', did you mean 'contrastive'",
        ),
    ],
)
def test_wrong_stages_are_refused_in_one_line_before_anything_is_written(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ZooError, match=message) as caught:
        train_zoo(recipe(**changes), tmp_path / "zoo")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "zoo").exists()


def test_a_zoo_without_parents_says_so(zoo: StoredZoo) -> None:
    assert zoo.pretraining is not None
    with pytest.raises(ZooError, match="no network of the zoo has a parent"):
        parents_of(zoo.pretraining)


def test_histories_take_the_first_stage_for_roots(folder: Path) -> None:
    """Heads differ in shape and are not compared."""
    result = CliRunner().invoke(app, ["history", "parents", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    trunks = ["pretraining/00000", "pretraining/00001"]
    children = {c.model: f"pretraining/{c['parent']}" for c in open_zoo(folder).checkpoints}
    assert found["parents"].keys() == {*children, *trunks}
    for child, trunk in children.items():
        ancestor = found["parents"][child]
        while ancestor not in trunks:  # children that hardly moved are taken for children of others
            ancestor = found["parents"][ancestor]
        assert ancestor == trunk
    assert found["root_is_certain"] == dict.fromkeys(trunks, True)
    # Whom the user names wins.
    child = next(iter(children))
    result = CliRunner().invoke(app, ["history", "parents", str(folder), "--json", "--root", child])
    assert json.loads(result.stdout)["parents"][child] is None


def test_the_sample_is_the_same_for_every_parent() -> None:
    names = [row.model for row in rows(Recipe.resolve("vit_two_stage"))]
    assert len(names) == 240
    family = [name.split("-")[1] for name in names]
    assert family[:24] * 10 == family


def test_batch_norms_of_a_frozen_trunk_keep_their_statistics(tmp_path: Path) -> None:
    fixed = {"architecture": "resnet8", "width": 1, "activation": "relu"}
    parents = {"data": {"name": "family_before"}, "epochs": 1, "fixed": fixed}
    zoo = train_zoo(
        recipe(fixed=fixed, grid={"frozen": [False, True]}, seeds=None, pretraining=parents),
        tmp_path / "zoo",
    ).zoo
    home, beginnings = parents_of(zoo)
    for child in (c for c in zoo.checkpoints if c.epoch == 1):
        own, parent = zoo.weights(child), home.weights(beginnings[child.model])
        statistics = [name for name in own if "running" in name or "tracked" in name]
        assert len(statistics) == 3 * len([name for name in own if name.endswith("running_var")])
        same = {torch.equal(own[name], parent[name]) for name in statistics}
        assert same == {child["frozen"]}
