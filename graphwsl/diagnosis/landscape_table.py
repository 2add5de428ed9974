"""The table of a measured zoo: what ``graphwsl landscape ZOO --out FILE.json`` found of its cells.

A cell is the networks that differ in their seeds alone; it becomes a row, with its factors as
columns. Landscapes hold shares and plain traces, tables percent and logarithms.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from graphwsl.errors import DiagnosisError
from graphwsl.landscape.landscape import KIND

CURVE = "train_curve_error"
"""The profile of training errors along the curves between networks of a cell."""

SHOWN = 4
"""Networks of a cell whose names are all shown."""


def is_landscape(content: Any) -> bool:
    """Whether the value of a JSON file is a landscape."""
    return isinstance(content, Mapping) and content.get("kind") == KIND


def columns_of_landscape(content: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The columns of a landscape, one entry a cell.

    They are ``network``, the names of the networks of the cell, the factors that all cells have,
    ``train_error``, ``test_error`` and ``test_acc`` [%],
    and, where all cells have been measured so, ``mode_connectivity_peak`` [%], ``hessian_t``
    (natural logarithm) and ``CKA``.

    Args:
        content: The value of the file.

    Raises:
        DiagnosisError: It has no cells, or not their errors; or a trace is not positive, so that
            it has no logarithm.
    """
    cells = content.get("cells")
    if not isinstance(cells, list) or not cells:
        raise DiagnosisError("the landscape holds no cells; resume it until it is done")
    rows = [_row(number, cell) for number, cell in enumerate(cells, 1)]
    shared = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: [row[name] for row in rows] for name in shared}


def _row(number: int, cell: Any) -> dict[str, Any]:
    try:
        metrics, profiles = cell["metrics"], cell["profiles"]
        row = {**cell["configuration"], "network": _named(cell["models"])}
        train, test = float(metrics["train_error"]), float(metrics["test_error"])
    except (KeyError, TypeError, ValueError) as error:
        raise DiagnosisError(
            f"cell {number} of the landscape has no errors of classes; measure networks that "
            "choose classes"
        ) from error
    row |= {"train_error": 100 * train, "test_error": 100 * test, "test_acc": 100 - 100 * test}
    if metrics.get("train_hessian_trace") is not None:
        trace = float(metrics["train_hessian_trace"])
        if not trace > 0:
            raise DiagnosisError(
                f"cell {number} of the landscape has the trace {trace:g}, which has no logarithm; "
                "measure it with more probes and samples"
            )
        row["hessian_t"] = math.log(trace)
    if metrics.get("similarity") is not None:
        row["CKA"] = float(metrics["similarity"])
    between = [float(error) for error in profiles.get(CURVE, [])[1:-1] if error is not None]
    if between:
        row["mode_connectivity_peak"] = -100 * max(between)
    return row


def _named(models: Sequence[str]) -> str:
    """The networks of a cell in a few words."""
    if len(models) <= SHOWN:
        return ", ".join(map(str, models))
    return f"{', '.join(map(str, models[: SHOWN - 1]))} and {len(models) - SHOWN + 1} more"
