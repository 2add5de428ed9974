"""JSON: canonical when written, bounded when read."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnncore import storage

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text("abθ"), children),
)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=plain)
def test_what_is_written_is_read(value: object, tmp_path: Path) -> None:
    storage.write_json(tmp_path / "a.json", value)
    assert storage.read_json(tmp_path / "a.json") == value
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == value


def test_the_form_is_canonical(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "a.json", {"ω": np.float32(0.5), "K": np.arange(2)})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == (
        '{\n  "K": [\n    0,\n    1\n  ],\n  "ω": 0.5\n}\n'
    )


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (float("nan"), ValueError),
        (np.array([1.0, np.inf]), ValueError),
        ({1, 2}, TypeError),
    ],
)
def test_what_json_cannot_hold_is_refused(
    value: object, error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        storage.write_json(tmp_path / "a.json", value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[NaN]",
        b"[Infinity]",
        b"[1e999]",
        b'{"a": 1, "a": 2}',
        b"\xff",
        b"{}x",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"[" * 200_000 + b"]" * 200_000,
        b"9" * 10_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_json_is_corrupt(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(storage.CorruptFileError) as caught:
        storage.read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "a.json") in str(caught.value)


def test_files_over_the_limit_are_not_read(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "a.json", "x" * 100)
    assert storage.read_json(tmp_path / "a.json", max_bytes=103) == "x" * 100
    with pytest.raises(storage.CorruptFileError, match="103 bytes, at most 102"):
        storage.read_json(tmp_path / "a.json", max_bytes=102)


def test_a_missing_file_is_not_called_corrupt(tmp_path: Path) -> None:
    with pytest.raises(storage.StorageError, match="No such file") as caught:
        storage.read_json(tmp_path / "a.json")
    assert not isinstance(caught.value, storage.CorruptFileError)
