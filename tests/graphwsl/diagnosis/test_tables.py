"""Tables of metrics: what is read from CSV and JSON, and what is refused."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from graphwsl.diagnosis.table import (
    MAX_BYTES,
    as_table,
    column,
    matrix,
    numbers,
    read_table,
    select,
)
from graphwsl.errors import DiagnosisError


def test_one_table_written_in_all_ways_is_read_alike(tmp_path: Path) -> None:
    frame = pd.DataFrame({"network": ["a", "b,c"], "train_error": [1.5, 2e-3]})
    frame.to_csv(tmp_path / "with_index.csv")
    frame.to_csv(tmp_path / "plain.csv", index=False)
    frame.to_csv(tmp_path / "packed.csv.gz", index=False)
    frame.to_json(tmp_path / "records.json", orient="records")
    (tmp_path / "lists.json").write_text(json.dumps(frame.to_dict("list")))
    for path in sorted(tmp_path.iterdir()):
        table = read_table(path)
        assert numbers(table, "train_error").tolist() == [1.5, 2e-3], path
        assert column(table, "network").tolist() == ["a", "b,c"]


def test_one_object_is_one_network(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text('{"train_error": 3, "hessian_t": 5.5, "comment": null}')
    assert matrix(read_table(path), ("train_error", "hessian_t")).tolist() == [[3.0, 5.5]]


def cell(batch_size: int, **metrics: float | None) -> dict[str, object]:
    return {
        "configuration": {"batch_size": batch_size, "width": 8},
        "models": ["a", "b"],
        "metrics": {"train_error": 0.02, "test_error": 0.25, "similarity": 0.8} | metrics,
        "profiles": {"train_curve_error": [0.5, 0.1, 0.3, 0.2, 0.6]},
    }


def test_a_landscape_is_a_table_of_its_cells(tmp_path: Path) -> None:
    path = tmp_path / "landscape.json"
    cells = [cell(8, train_hessian_trace=np.e), cell(16, train_hessian_trace=np.e**2)]
    path.write_text(json.dumps({"kind": "landscape", "cells": cells, "networks": []}))
    table = read_table(path)
    names = ("batch_size", "width", "train_error", "test_acc", "mode_connectivity_peak")
    np.testing.assert_allclose(matrix(table, names), [[8, 8, 2, 75, -30], [16, 8, 2, 75, -30]])
    np.testing.assert_allclose(matrix(table, ("hessian_t", "CKA")), [[1, 0.8], [2, 0.8]])
    assert column(table, "network").tolist() == ["a, b", "a, b"]
    # What was not measured of all cells is no column.
    path.write_text(json.dumps({"kind": "landscape", "cells": [*cells, cell(32)]}))
    assert "hessian_t" not in read_table(path)
    for bad, message in (
        ([], "holds no cells"),
        ([cell(8, train_error=None)], "cell 1 of the landscape has no errors"),
        ([cells[0], cell(8, train_hessian_trace=-1.0)], "cell 2 .* has the trace -1"),
    ):
        path.write_text(json.dumps({"kind": "landscape", "cells": bad}))
        with pytest.raises(DiagnosisError, match=message):
            read_table(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "no row below the names"),
        ("a.csv", b"x,y\n", "no row below the names"),
        ("a.csv", b"x,y\n1,2\n3\n", "row 2 has 1 values, the columns are 2"),
        ("a.csv", b"x,x\n1,2\n", "two have the same name"),
        ("a.csv", b"x,\n1,2\n", "columns have no names"),
        ("a.csv", b'x,y\n"1,2\n', "not valid CSV"),
        ("a.csv", b"\xff\xfe\x00", "not valid CSV"),
        ("a.csv.gz", gzip.compress(b"x\n1\n", mtime=0)[:-3], "its end is missing"),
        ("a.csv.gz", b"\x1f\x8bnonsense here", "damaged"),
        ("a.csv", b"x\n1\x00\n", "byte 3 is 0"),
        ("a.json", b"[1, 2]", "different keys"),
        ("a.json", b"3", "no list of objects"),
        ("a.json", b'[{"x": 1}, {"y": 2}]', "different keys"),
        ("a.json", b'{"x": [1], "y": [1, 2]}', "different lengths"),
        ("a.json", b'{"x": {"z": 1}}', "list or object"),
        ("a.json", b'{"x": ', "not valid JSON"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DiagnosisError, match=message):
        read_table(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"x\n" + bytes(MAX_BYTES)))
    with pytest.raises(DiagnosisError, match="holds more than"):
        read_table(path)


def test_other_files_and_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DiagnosisError, match=r"must end in \.csv or \.json"):
        read_table(tmp_path / "metrics.xlsx")
    with pytest.raises(DiagnosisError, match="No such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DiagnosisError, match=r"is a folder; of a zoo.*graphwsl landscape .* --out"):
        read_table(tmp_path)
    with pytest.raises(DiagnosisError, match="must be a table with named columns"):
        as_table([1, 2])
    for values, shown in (([1.0, np.inf], "row 2 has inf"), (["1", "one"], "row 2 has 'one'")):
        with pytest.raises(DiagnosisError, match=shown):
            numbers({"x": values}, "x")
    with pytest.raises(DiagnosisError, match="row 1 has None"):
        numbers({"x": [None, 1.0]}, "x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([10**400], "row 1 has 1000"),
        ([1.5, 10**400], "row 2 has 1000"),
        (np.array(["1", "1_0"]), "row 2 has '1_0'"),
        ([b"1", b"1_0"], "row 2 has b'1_0'"),
        (["\u0661"], "row 1 has"),
        ([True, 1.0, None], "row 1 has True"),
        (np.array([True]), "must hold numbers, got bool"),
        (np.array([1j]), "must hold numbers, got complex128"),
        ([1j, None], "row 1 has 1j"),
        (np.array(["2026-01-01"], "M8[D]"), r"must hold numbers, got datetime64\[D\]"),
        (pd.to_datetime(pd.Series(["2026-01-01"])), "must hold numbers, got datetime64"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "got a MaskedArray of shape"),
        (np.ones((2, 2)), r"got shape \(2, 2\)"),
    ],
)
def test_what_is_no_number_is_refused(values: object, message: str) -> None:
    with pytest.raises(DiagnosisError, match=message):
        numbers(as_table({"x": values}), "x")
    with pytest.raises(DiagnosisError, match=message):
        numbers(select({"x": values}, np.arange(len(values))), "x")  # type: ignore[arg-type]


def test_json_of_no_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text, message in ((f"1{400 * '0'}", "row 1 has 1000"), ("true", "row 1 has True")):
        for values in (text, f"{text}, 1.5"):
            path.write_text(f'{{"x": [{values}]}}')
            with pytest.raises(DiagnosisError, match=message):
                numbers(read_table(path), "x")


@pytest.mark.parametrize("value", [1.0, np.float64(1.0), np.array(1.0), "1.0", None, {1.0}])
def test_columns_without_rows_are_refused(value: object) -> None:
    with pytest.raises(DiagnosisError, match="column 'train_error' must hold a value a row, got"):
        as_table({"train_error": value})


def test_names_may_be_numbers() -> None:
    table = as_table(pd.DataFrame(np.ones((2, 2))))
    assert numbers(table, "1").tolist() == [1, 1]
    with pytest.raises(DiagnosisError, match="names of their own, got"):
        as_table(pd.DataFrame(np.ones((1, 2)), columns=[1, "1"]))
