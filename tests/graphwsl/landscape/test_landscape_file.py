"""What is kept of a landscape: every number comes back, and no other file is taken for one."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from gnncore.storage import StorageError
from graphwsl.errors import GraphwslError, LandscapeError
from graphwsl.landscape import Landscape, LandscapeSettings, Thresholds
from graphwsl.landscape.landscape import (
    MeasuredCell,
    MeasuredNetwork,
    ResultFile,
    number_or_nan,
    plain,
)


def cell(error: float, curve: float, alike: float, **factors: Any) -> MeasuredCell:
    metrics = {"train_error": error, "train_curve_error_connectivity": curve, "similarity": alike}
    return MeasuredCell(factors, ("a", "b"), metrics, {"test_line_error": [0.1, math.nan, 0.3]})


def landscape() -> Landscape:
    networks = (
        MeasuredNetwork("a", 3, {"width": 2, "seed": 1}, {"train_error": 0.1, "x": math.nan}),
        MeasuredNetwork("b", None, {"width": 2, "seed": 2}, {"train_error": 0.2, "x": math.inf}),
    )
    cells = (cell(0.2, -0.1, 0.9, width=2), cell(0.01, 0.0, math.nan, width=4))
    return Landscape(LandscapeSettings(samples=8), networks, cells, {"hessian": 0.5})


def test_all_comes_back_as_it_was_but_for_what_is_no_number(tmp_path: Path) -> None:
    measured, path = landscape(), tmp_path / "found.json"
    file = ResultFile(path, {"zoo": "1"})
    file.finish(measured.to_dict())
    text = path.read_text("utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text
    back = Landscape.load(path)
    assert back.settings == measured.settings
    assert back.networks[0].metrics["train_error"] == 0.1
    assert back.networks[1].epoch is None
    assert all(math.isnan(one.metrics["x"]) for one in back.networks)
    assert math.isnan(back.cells[0].profiles["test_line_error"][1])
    assert back.cells[0].models == ("a", "b")
    assert back.to_dict() == measured.to_dict()
    assert repr(back).startswith("Landscape(2 networks, 2 cells: hessian, similarity")
    assert back.axes == ("width",)


def test_phases_are_told_by_the_thresholds_that_are_given() -> None:
    by_default, other = (landscape().to_dict(t) for t in (None, Thresholds(train_error=0.5)))
    assert [one["phase"] for one in by_default["cells"]] == ["I", None]
    assert [one["phase"] for one in other["cells"]] == ["III", None]
    assert other["thresholds"]["train_error"] == 0.5
    assert by_default["cells"][1]["reasons"][-1] == "the similarity is not known"
    nothing = MeasuredCell({}, (), {}, {})
    assert nothing.phase().name is None


def test_plain_values_are_those_of_json() -> None:
    given = {1: (1.5, math.nan, -math.inf), "x": {"y": None, "z": "text", "t": True, "n": 3}}
    expected = {"1": [1.5, None, None], "x": {"y": None, "z": "text", "t": True, "n": 3}}
    assert plain(given) == expected
    assert json.loads(json.dumps(plain(given), allow_nan=False)) == expected
    assert math.isnan(number_or_nan(None))
    assert number_or_nan(2) == 2.0


def test_parts_are_kept_at_once_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    first = ResultFile(path, {"zoo": "1", "settings": {"samples": 8}})
    first.open(resume=False)
    assert not path.exists()
    first.keep("hessian 0000", {"trace": 1.0})
    again = ResultFile(path, {"zoo": "1", "settings": {"samples": 8}})
    again.open(resume=True)
    assert again.parts == {"hessian 0000": {"trace": 1.0}}
    with pytest.raises(LandscapeError, match="is not done yet; resume it"):
        Landscape.load(path)
    before = path.read_bytes()
    for identity, resume, message in (
        (first.identity, False, "exists; resume it or choose another file"),
        ({**first.identity, "zoo": "2"}, True, "is of other zoo; choose another file"),
        (
            {"zoo": "2", "settings": {}},
            True,
            r"is of other zoo and other settings \(samples is 8 there and None here\); choose",
        ),
        ({"zoo": "1"}, True, "is of other work; choose another file"),
    ):
        with pytest.raises(LandscapeError, match=message) as caught:
            ResultFile(path, identity).open(resume=resume)
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = ResultFile(None, {})
    file.open(resume=False)
    file.keep("a", 1)
    file.finish({})
    assert file.parts == {"a": 1}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "holds no landscape"),
        ('{"kind": "representation"}', "holds no landscape"),
        ('{"kind": "landscape", "parts": {}}', "is not done yet"),
        ('{"kind": "landscape", "networks": []}', "is not as it was written: KeyError 'settings'"),
        ('{"kind": "landscape", "networks": 3, "settings": {}}', "is not as it was written"),
        ('{"kind": "landscape", "networks": [3], "settings": {}}', "is not as it was written"),
        ('{"kind": "landscape", "networks": [], "settings": {"samples": 1}}', "samples"),
        ("{", "found.json"),
        ("", "found.json"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "found.json"
    path.write_text(content)
    with pytest.raises((GraphwslError, StorageError), match=message) as caught:
        Landscape.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["metrics", "profiles"])
def test_numbers_that_are_texts_are_refused(tmp_path: Path, field: str) -> None:
    content = {"kind": "landscape", **landscape().to_dict()}
    bad: Any = {"metrics": {"train_error": "high"}, "profiles": {"line": ["low"]}}[field]
    content["cells"][0][field] = bad
    path = tmp_path / "found.json"
    path.write_text(json.dumps(content))
    with pytest.raises(LandscapeError, match="is not as it was written"):
        Landscape.load(path)


@pytest.mark.parametrize("content", ['{"kind": "other"}', '{"kind": "landscape"}', "[]"])
def test_nothing_else_is_resumed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "found.json"
    path.write_text(content)
    with pytest.raises(LandscapeError, match="choose another file"):
        ResultFile(path, {}).open(resume=True)
    assert path.read_text() == content
