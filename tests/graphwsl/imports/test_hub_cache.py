"""Caches of the Hugging Face Hub: what is in them is listed or refused, and nothing is run."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from graphwsl.errors import ImportedModelError
from graphwsl.imports import download_hub_model, find_hub_model, list_hub_cache
from graphwsl.imports.hub_files import licence_of
from tests.graphwsl.imports.hub_cases import REVISION, card, model, repository, tensors

OTHER = "b" * 40


def problem(cache: Path) -> str:
    """Why the only repository cannot be used, found by its name as well."""
    listing = list_hub_cache(cache)
    assert not listing.models
    ((folder, reason),) = listing.problems.items()
    repo_id = folder.removeprefix("models--").replace("--", "/")
    with pytest.raises(ImportedModelError) as caught:
        find_hub_model(repo_id, cache)
    assert str(caught.value) == f"{repo_id}: {reason}"
    assert "\n" not in reason
    return reason


def test_models_are_listed_with_licence_size_and_duplicates(tmp_path: Path) -> None:
    repository(tmp_path, "owner/first", model())
    repository(tmp_path, "owner/second", model(1, README__md=b"# no head"))
    repository(tmp_path, "third", model(0, README__md=card("apache-2.0")), links=False)
    (tmp_path / "datasets--owner--first").mkdir()
    (tmp_path / "version.txt").write_text("1")
    listing = list_hub_cache(tmp_path)
    assert not listing.problems
    assert [(one.repo_id, one.licence, one.same_as) for one in listing] == [
        ("owner/first", "mit", None),
        ("owner/second", None, None),
        ("third", "apache-2.0", "owner/first"),
    ]
    assert [one.repo_id for one in listing.distinct()] == ["owner/first", "owner/second"]
    first = listing.models[0]
    assert first.num_entries == 8 + 12 + 4
    assert first.num_bytes == len(model()["model.safetensors"])
    assert first.config == {"model_type": "invented"}
    assert first.shapes == {name: tuple(one.shape) for name, one in tensors().items()}
    state = first.state()
    assert state.keys() == tensors().keys()
    assert all(torch.equal(one, state[name]) for name, one in tensors().items())
    lines = str(listing).splitlines()
    assert lines[2].split()[:3] == ["owner/second", "unknown", "invented"]
    assert lines[3].split()[-1] == "owner/first"
    found = find_hub_model("owner/second", tmp_path)
    assert (found.digest, found.same_as) == (listing.models[1].digest, None)


def test_shards_are_one_model(tmp_path: Path) -> None:
    state = tensors()
    names = list(state)
    parts = {"a.safetensors": names[:1], "b.safetensors": names[1:]}
    index = {"weight_map": {name: part for part, own in parts.items() for name in own}}
    files: dict[str, Any] = {
        part: save({name: state[name] for name in own}) for part, own in parts.items()
    }
    repository(tmp_path, "a/whole", {**files, "model.safetensors.index.json": index})
    found = find_hub_model("a/whole", tmp_path).state()
    assert all(torch.equal(found[name], one) for name, one in state.items())


def test_a_part_that_is_missing_or_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    index = {"weight_map": {"x": "../../secret.safetensors"}}
    repository(tmp_path, "a/b", {"model.safetensors.index.json": index})
    assert "'../../secret.safetensors', which model.safetensors.index.json names" in problem(
        tmp_path
    )


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"pytorch_model.bin": b"pickle"}, r"pickles \(pytorch_model.bin\), which can run code"),
        ({"config.json": {}}, "it has no weights in safetensors"),
        (
            {"a.safetensors": save(tensors()), "b.safetensors": save(tensors(1))},
            "which weights are the model's is not said: 'a.safetensors', 'b.safetensors'",
        ),
        ({"model.safetensors": b"\x10\0\0\0\0\0\0\0"}, "no whole file of safetensors"),
        ({"model.safetensors": b"\x02\0\0\0\0\0\0\0[]"}, "has no header of safetensors"),
        ({"model.safetensors": save({})}, "holds no tensors"),
        ({"model.safetensors": save(tensors())[:-3]}, "is cut short or too long"),
        ({"model.safetensors": save(tensors()) + b"x"}, "is cut short or too long"),
        ({**model(), "config.json": b"{"}, "is not valid JSON"),
        ({**model(), "config.json": b"[]"}, "config.json is no mapping"),
        ({"model.safetensors.index.json": {}}, "has no weight_map"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, files: Any, reason: str) -> None:
    import re

    repository(tmp_path, "owner/name", files)
    assert re.search(reason, problem(tmp_path))


def test_damage_is_seen_by_the_name_of_the_blob(tmp_path: Path) -> None:
    snapshot = repository(tmp_path, "owner/name", model())
    path = Path(os.path.realpath(snapshot / "model.safetensors"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "is damaged: its contents are not those of its name" in problem(tmp_path)


def test_a_file_that_changes_after_the_listing_is_not_read(tmp_path: Path) -> None:
    snapshot = repository(tmp_path, "owner/name", model(), links=False)
    (found,) = list_hub_cache(tmp_path)
    (snapshot / "model.safetensors").write_bytes(save(tensors(1)))
    with pytest.raises(ImportedModelError, match=r"owner/name: .* is another file than it was"):
        found.state()
    with pytest.raises(ImportedModelError, match="at most 10 are allowed"):
        found.state(max_bytes=10)


@pytest.mark.parametrize("where", ["absolute", "outside", "chain", "nowhere", "folder"])
def test_links_lead_into_the_blobs_alone(tmp_path: Path, where: str) -> None:
    secret = tmp_path / "secret.safetensors"
    secret.write_bytes(save(tensors()))
    snapshot = repository(tmp_path / "cache", "owner/name", {"config.json": {}})
    blobs = snapshot.parents[1] / "blobs"
    link = snapshot / "model.safetensors"
    if where == "chain":
        os.symlink(secret, blobs / "chained")
    if where == "folder":
        os.symlink(tmp_path, blobs / "folder")
    targets = {
        "absolute": secret,
        "outside": "../../../../secret.safetensors",
        "chain": "../../blobs/chained",
        "nowhere": "../../blobs/nothing",
        "folder": "../../blobs/folder/secret.safetensors",
    }
    os.symlink(targets[where], link)
    assert "'model.safetensors' is a link" in problem(tmp_path / "cache")


@pytest.mark.parametrize("part", ["", "blobs", "snapshots", "refs", f"snapshots/{REVISION}"])
def test_folders_are_no_links(tmp_path: Path, part: str) -> None:
    snapshot = repository(tmp_path / "cache", "owner/name", model())
    repo = snapshot.parents[1]
    moved = repo / part if part else repo
    elsewhere = tmp_path / "elsewhere"
    moved.rename(elsewhere)
    os.symlink(elsewhere, moved)
    assert "is a link" in problem(tmp_path / "cache")


def test_a_missing_reference_is_no_harm_where_there_is_one_snapshot(tmp_path: Path) -> None:
    repository(tmp_path, "owner/name", model(), reference=None)
    assert find_hub_model("owner/name", tmp_path).revision == REVISION
    repository(tmp_path, "owner/name", model(1), revision=OTHER, reference=None)
    assert "there is no refs/main, and 2 snapshots; name a revision" in problem(tmp_path)
    found = find_hub_model("owner/name", tmp_path, revision=OTHER)
    assert torch.equal(found.state()["layers.2.weight"], tensors(1)["layers.2.weight"])
    with pytest.raises(ImportedModelError, match="is not there; download it"):
        find_hub_model("owner/name", tmp_path, revision="c" * 40)


@pytest.mark.parametrize("reference", ["../../elsewhere", "main", "", OTHER])
def test_references_name_a_revision_that_is_there(tmp_path: Path, reference: str) -> None:
    repository(tmp_path, "owner/name", model(), reference=reference)
    expected = "is not there" if reference == OTHER else "is no revision"
    assert expected in problem(tmp_path)


def test_names_are_no_paths(tmp_path: Path) -> None:
    for name in ("../owner", "a/b/c", "owner/..", ""):
        with pytest.raises(ImportedModelError, match="names no model"):
            find_hub_model(name, tmp_path)
    with pytest.raises(ImportedModelError, match="is not in"):
        find_hub_model("owner/name", tmp_path)
    with pytest.raises(ImportedModelError, match="is no folder"):
        list_hub_cache(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ("---\nlicense:\n- mit\n- gpl\n---\n", "mit, gpl"),
        ("---\nlicense: other\nlicense_name: own\n---\n", "own"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\ntags: [a]\n---\n", None),
        ("---\nlicense: [mit\n---\n", None),
        ("---\nlicense: mit\n", None),
        ("---\n- a\n---\n", None),
        ("---\nlicense: !!python/object/apply:os.getcwd []\n---\n", None),
        ("license: mit", None),
        ("", None),
    ],
)
def test_licences_are_those_of_the_head_of_the_card(text: str, licence: str | None) -> None:
    assert licence_of(text) == licence


def test_a_download_asks_for_weights_and_descriptions_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def snapshot_download(repo_id: str, **options: Any) -> str:
        asked.update(options)
        if repo_id == "owner/nothing":
            raise OSError("there is\nno network")
        return str(repository(options["cache_dir"], repo_id, model()))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    found = download_hub_model("owner/name", tmp_path, revision="main")
    assert found.revision == REVISION
    assert asked["revision"] == "main"
    assert not [one for one in asked["allow_patterns"] if one.endswith((".bin", ".pt", ".py", "*"))]
    with pytest.raises(ImportedModelError, match="cannot be downloaded: there is no network"):
        download_hub_model("owner/nothing", tmp_path)
