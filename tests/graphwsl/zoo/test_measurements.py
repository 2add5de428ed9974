"""Numbers beside a zoo: what is written is read, and what is of another zoo is not."""

import math
import os
from contextlib import suppress
from pathlib import Path

import pytest

from gnncore.storage import StorageError
from graphwsl.errors import ZooError
from graphwsl.zoo import measurements
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.measurements import Measured

CHECKPOINTS = [
    Checkpoint(model, epoch, {"width": 4}, {"test_accuracy": 0.5})
    for model in ("one", "two")
    for epoch in (0, 3)
]
VALUES: Measured = {("one", 0): 1.5, ("two", 3): -2.0}


@pytest.mark.parametrize(
    "values",
    [
        {},
        VALUES,
        {("", 0): 0.0, ("ä/\n", 2**40): -0.0, ("a", 1): 5e-324, ("a", 2): -1.7976931348623157e308},
    ],
)
def test_numbers_come_back_bitwise(tmp_path: Path, values: Measured) -> None:
    measurements.write(tmp_path, "sharpness", values)
    found = measurements.read(tmp_path, "sharpness")
    assert {key: value.hex() for key, value in found.items()} == {
        key: value.hex() for key, value in values.items()
    }


@pytest.mark.parametrize("name", ["", "1st", "_a", "a-b", "../a", "a/b", "a b", "ä", "a" * 101])
def test_names_are_words(tmp_path: Path, name: str) -> None:
    for call in (
        lambda: measurements.path_of(tmp_path, name),
        lambda: measurements.write(tmp_path, name, VALUES),
        lambda: measurements.read(tmp_path, name),
        lambda: measurements.add(tmp_path, name, VALUES, CHECKPOINTS),
    ):
        with pytest.raises(ZooError, match="a metric must have a name") as refused:
            call()
        assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_numbers_belong_to_their_name_and_zoo(tmp_path: Path) -> None:
    measurements.write(tmp_path, "sharpness", VALUES, "mine")
    assert measurements.read(tmp_path, "sharpness", "mine") == VALUES
    with pytest.raises(StorageError):
        measurements.read(tmp_path, "sharpness", "another")
    path = measurements.path_of(tmp_path, "sharpness")
    path.rename(measurements.path_of(tmp_path, "flatness"))
    with pytest.raises(StorageError):
        measurements.read(tmp_path, "flatness", "mine")
    with pytest.raises(StorageError):
        measurements.read(tmp_path, "sharpness", "mine")


def test_changed_bytes_are_seen(tmp_path: Path) -> None:
    measurements.write(tmp_path, "sharpness", VALUES)
    path = measurements.path_of(tmp_path, "sharpness")
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with suppress(StorageError):  # or nothing changes, where it is a blank of the header
            assert measurements.read(tmp_path, "sharpness") == VALUES


def test_links_lead_nowhere(tmp_path: Path) -> None:
    zoo, elsewhere = tmp_path / "zoo", tmp_path / "elsewhere"
    zoo.mkdir()
    measurements.write(elsewhere, "sharpness", VALUES)
    os.symlink(elsewhere / measurements.FOLDER, zoo / measurements.FOLDER)
    with pytest.raises(StorageError):
        measurements.read(zoo, "sharpness")
    before = measurements.path_of(elsewhere, "sharpness").read_bytes()
    with pytest.raises(StorageError):
        measurements.write(zoo, "sharpness", {})
    assert measurements.path_of(elsewhere, "sharpness").read_bytes() == before


def test_added_numbers_replace_former_ones_of_the_same_checkpoints(tmp_path: Path) -> None:
    assert measurements.names(tmp_path) == []
    measurements.add(tmp_path, "sharpness", VALUES, CHECKPOINTS)
    measurements.add(tmp_path, "sharpness", {("one", 0): 7.0, ("one", 3): 8.0}, CHECKPOINTS)
    expected = {("one", 0): 7.0, ("one", 3): 8.0, ("two", 3): -2.0}
    assert measurements.read(tmp_path, "sharpness") == expected
    measurements.add(tmp_path, "b", VALUES, CHECKPOINTS)
    assert measurements.names(tmp_path) == ["b", "sharpness"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_must_be_finite(tmp_path: Path, value: float) -> None:
    with pytest.raises(ZooError, match="'sharpness' of epoch 3 of model 'two'"):
        measurements.add(tmp_path, "sharpness", {**VALUES, ("two", 3): value}, CHECKPOINTS)
    assert measurements.names(tmp_path) == []


@pytest.mark.parametrize("name", ["epoch", "width", "test_accuracy"])
def test_what_the_zoo_says_itself_is_not_replaced(tmp_path: Path, name: str) -> None:
    with pytest.raises(ZooError, match=f"the zoo has a '{name}' of its own"):
        measurements.add(tmp_path, name, VALUES, CHECKPOINTS)
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_have_their_numbers_and_no_others(tmp_path: Path) -> None:
    unknown = Checkpoint("one", None, {}, {})
    measurements.add(tmp_path, "a", {("one", 0): 1.0, ("gone", 9): 5.0}, CHECKPOINTS)
    measurements.add(tmp_path, "b", {("one", 0): 2.0, ("two", 0): 3.0}, CHECKPOINTS)
    found, problems = measurements.with_measurements(tmp_path, [*CHECKPOINTS, unknown])
    assert problems == []
    assert [(c.model, c.epoch) for c in found[:-1]] == [(c.model, c.epoch) for c in CHECKPOINTS]
    assert [c.metrics for c in found] == [
        {"test_accuracy": 0.5, "a": 1.0, "b": 2.0},
        {"test_accuracy": 0.5},
        {"test_accuracy": 0.5, "b": 3.0},
        {"test_accuracy": 0.5},
        {},
    ]
    assert [c.metrics for c in CHECKPOINTS] == [{"test_accuracy": 0.5}] * 4


def test_damaged_numbers_are_problems_and_hinder_no_others(tmp_path: Path) -> None:
    measurements.add(tmp_path, "a", VALUES, CHECKPOINTS)
    measurements.add(tmp_path, "b", VALUES, CHECKPOINTS)
    measurements.path_of(tmp_path, "b").write_bytes(b"no numbers")
    (tmp_path / measurements.FOLDER / "not-a-name.safetensors").write_bytes(b"")
    found, problems = measurements.with_measurements(tmp_path, CHECKPOINTS)
    assert [c.metrics.get("a") for c in found] == [1.5, None, None, -2.0]
    assert all("b" not in c.metrics for c in found)
    assert [one.path for one in problems] == [
        "metrics/b.safetensors",
        "metrics/not-a-name.safetensors",
    ]
    assert all(one.reason and "\n" not in one.reason for one in problems)
    with pytest.raises(StorageError):
        measurements.add(tmp_path, "b", VALUES, CHECKPOINTS)
