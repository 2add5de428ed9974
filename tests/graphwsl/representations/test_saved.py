"""The two files of a representation, and what is refused in their place."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from gnncore.storage import StorageError
from graphwsl.errors import RepresentationError
from graphwsl.representations.saved import ARRAYS, CONFIG, read_saved, write_saved


def arrays_of(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {"weight": generator.normal(size=(2, 3)), "bias": generator.normal(size=3)}


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    write_saved(tmp_path / "a" / "b", {"name": "sane", "sizes": [1, 2]}, arrays_of(0))
    config, arrays = read_saved(tmp_path / "a" / "b")
    assert {"name": "sane", "sizes": [1, 2]}.items() <= config.items()
    assert arrays.keys() == arrays_of(0).keys()
    for name, array in arrays_of(0).items():
        np.testing.assert_array_equal(arrays[name], array)


def test_files_of_two_representations_are_not_taken_for_one(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_saved(first, {"name": "sane"}, arrays_of(0))
    write_saved(second, {"name": "sane"}, arrays_of(1))
    shutil.copy(second / ARRAYS, first / ARRAYS)
    with pytest.raises(StorageError):
        read_saved(first)
    write_saved(first, {"name": "sane"}, arrays_of(0))
    text = (first / CONFIG).read_text(encoding="utf-8")
    (first / CONFIG).write_text(text.replace("sane", "hub"), encoding="utf-8")
    with pytest.raises(StorageError):
        read_saved(first)


def test_other_folders_hold_no_representation(tmp_path: Path) -> None:
    with pytest.raises(RepresentationError, match="holds no representation; give a folder"):
        read_saved(tmp_path)
    write_saved(tmp_path, {"name": "sane"}, arrays_of(0))
    text = (tmp_path / CONFIG).read_text(encoding="utf-8")
    (tmp_path / CONFIG).write_text(text.replace("graphwsl.representation", "other"))
    with pytest.raises(RepresentationError, match="no representation of this version"):
        read_saved(tmp_path)
