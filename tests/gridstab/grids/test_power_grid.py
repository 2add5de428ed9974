"""Grids are checked at the door, and keep what their source calls the nodes."""

from dataclasses import replace

import numpy as np
import pytest

from gridstab import PowerGrid
from gridstab.errors import InvalidGridError

PATH = [(0, 1), (1, 2)]


def path_grid(**more: object) -> PowerGrid:
    return PowerGrid.from_arrays(PATH, [1.0, 0.0, -1.0], **more)


def test_labels_default_to_the_numbers_of_the_nodes() -> None:
    assert path_grid().labels == ("0", "1", "2")
    assert not path_grid().has_own_labels
    assert not path_grid(labels=["0", "1", "2"]).has_own_labels


def test_labels_are_kept_and_are_no_part_of_the_identity() -> None:
    grid = path_grid(labels=["Nord", "Süd 2", "7"])
    assert grid.labels == ("Nord", "Süd 2", "7")
    assert grid.has_own_labels
    assert grid.content_hash == path_grid().content_hash
    assert grid.with_name("other").labels == grid.labels
    assert replace(grid, power=-grid.power).labels == grid.labels


def test_the_hash_is_that_of_earlier_releases() -> None:
    assert path_grid().content_hash == (
        "a1154fbeadfde7d7bde6abf6d724318bb5cdc91081c58f2bd44af102bc5efc4e"
    )


def test_labels_of_an_array_are_plain_texts() -> None:
    labels = path_grid(labels=np.array(["a", "b", "c"])).labels
    assert [type(label) for label in labels] == [str] * 3


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("abc", "list of one text a node, got 'abc'"),
        (7, "list of one text a node, got 7"),
        (["a", "b"], r"one text a node \(3\), got 2"),
        (["a", "b", ""], "not empty, got '' at 2"),
        (["a", " ", "c"], "not empty, got ' ' at 1"),
        (["a", 5, "c"], "printable and not empty, got 5 at 1"),
        (["a", None, "c"], "got None at 1"),
        (["a", "b\x00", "c"], r"got 'b\\x00' at 1"),
        (["a", "\ud800", "c"], r"got '\\ud800' at 1"),
        (["a", "b\nc", "c"], r"got 'b\\nc' at 1"),
        (["a", "b", "a"], "unique, got 'a' at 0 and 2"),
        (["a", "x" * 201, "c"], "at most 200 characters, got 'x+ … of 201 at 1"),
    ],
)
def test_unusable_labels_are_refused_with_their_value(labels: object, said: str) -> None:
    with pytest.raises(InvalidGridError, match=said):
        path_grid(labels=labels)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"power": [1.0, np.nan, -1.0]}, "power must be finite, got nan at node B"),
        ({"inertia": [1.0, 1.0, 0.0]}, "inertia must be positive, got 0.0 at node C"),
        ({"damping": -1}, "damping must be zero or positive, got -1.0 at node A"),
        ({"coordinates": [[0, 0], [np.inf, 0], [1, 1]]}, r"coordinates .* at node B"),
        ({"power": ["1", "0", "-1"]}, "power must be numbers: got '1'"),
        ({"power": [1, None, 2]}, "power must be finite, got nan at node B"),
        ({"power": [1j, 0, 0]}, "power must be numbers: got"),
        ({"power": [10**400, 0, 0]}, "power must be numbers: int too large"),
        ({"power": {"A": 1}}, "power must be numbers"),
        ({"power": None}, "power must be"),
        ({"power": "grid"}, "power must be numbers: got 'grid'"),
        ({"coupling": np.array(["a", "b"])}, "coupling must be numbers: got 'a'"),
        ({"lines": [[0, 1], [2]]}, "lines must be integer node pairs"),
        ({"lines": None}, "lines must be integer node pairs"),
        ({"lines": "ab"}, "lines must be integer node pairs"),
        ({"lines": [(0, 1), (1, 1)]}, "line 1 is a self-loop at node B; remove it"),
        ({"lines": [(0, 3), (1, 2)]}, "line 0 joins 0 and 3, but nodes are 0 to 2"),
    ],
)
def test_what_is_no_grid_is_refused_by_its_name(arguments: dict[str, object], said: str) -> None:
    usable = {"lines": PATH, "power": [1.0, 0.0, -1.0], "labels": ["A", "B", "C"]}
    with pytest.raises(InvalidGridError, match=said):
        PowerGrid.from_arrays(**{**usable, **arguments})


def test_lines_are_named_by_their_position_in_the_callers_list() -> None:
    lines = [(2, 1), (1, 0), (2, 0)]
    with pytest.raises(InvalidGridError, match=r"got -5.0 at line 0, from 2 to 1"):
        PowerGrid.from_arrays(lines, [1.0, 0.0, -1.0], coupling=[-5.0, 1.0, 1.0])
    with pytest.raises(InvalidGridError, match=r"got nan at line 2, from 2 to 0"):
        PowerGrid.from_arrays(lines, [1.0, 0.0, -1.0], coupling=[5.0, 1.0, np.nan])
    with pytest.raises(InvalidGridError, match=r"0 and 2 are joined twice, by lines 2 and 3; "):
        PowerGrid.from_arrays([*lines, (0, 2)], [1.0, 0.0, -1.0])
