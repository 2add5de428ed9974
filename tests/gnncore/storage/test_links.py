"""Links within our folders are refused; the folder itself may be reached by one."""

import os
from pathlib import Path

import pytest

from gnncore.storage import CorruptFileError, Manifest, exclusive_lock, refuse_links, write_text

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows asks for a right to make links")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "below" / "file").write_text("text")
    (tmp_path / "alias").symlink_to(tmp_path / "folder")
    return tmp_path / "alias"


def test_plain_and_missing_files_and_a_linked_folder_itself_pass(folder: Path) -> None:
    refuse_links(folder, "below", "below/file", "none/at/all")


@pytest.mark.parametrize("name", ["below", "below/file"])
def test_a_link_on_the_way_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / "elsewhere"
    (folder / name).rename(target)
    (folder / name).symlink_to(target)
    with pytest.raises(CorruptFileError, match=rf"{name}': it is a symbolic link"):
        refuse_links(folder, "below/file")


def test_a_linked_lock_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (folder / ".lock").symlink_to(tmp_path / "made by the lock")
    with pytest.raises(CorruptFileError, match="symbolic link; remove it"), exclusive_lock(folder):
        pytest.fail("locked a link")
    assert not (tmp_path / "made by the lock").exists()


def test_a_linked_manifest_is_not_followed(folder: Path, tmp_path: Path) -> None:
    Manifest.of(folder).write()
    (folder / "manifest.json").rename(tmp_path / "manifest.json")
    (folder / "manifest.json").symlink_to(tmp_path / "manifest.json")
    with pytest.raises(CorruptFileError, match="symbolic link"):
        Manifest.read(folder)


def test_what_is_used_must_be_as_listed(folder: Path, tmp_path: Path) -> None:
    manifest = Manifest.of(folder)
    manifest.require("below/file")
    manifest.require()
    for text, words in (("texts", "5 bytes instead of 4"), ("tent", "it has changed")):
        write_text(folder / "below/file", text)
        with pytest.raises(CorruptFileError, match=words):
            manifest.require("below/file")
    write_text(tmp_path / "text", "text")
    (folder / "below/file").unlink()
    (folder / "below/file").symlink_to(tmp_path / "text")
    with pytest.raises(CorruptFileError, match="symbolic link"):
        manifest.require("below/file")
    with pytest.raises(CorruptFileError, match="manifest lacks it"):
        manifest.require("below/other")
