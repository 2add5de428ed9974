"""Both sides of the structure, field by field."""

import ctypes
import re

import numpy as np

from gridstab.dynamics.engine import Perturbations, stop_rule
from gridstab.dynamics.julia.find import find_source
from gridstab.dynamics.julia.request import Problem, Request, make_problem
from gridstab.dynamics.swing import SwingModel
from gridstab.grids.power_grid import PowerGrid

KINDS = {"Int64": ctypes.c_int64, "Float64": ctypes.c_double}
OUTPUTS = {"status": np.int8, "reason": np.int8, "stop_time": float, "max_frequency": float}


def problem() -> Problem:
    model = SwingModel.of(PowerGrid.from_arrays([(0, 1), (1, 2)], [2.0, -1.0, -1.0]))
    # Every other entry: not contiguous.
    perturbations = Perturbations(*(np.arange(8)[::2] % 3 * one for one in (1, 0.5, 0.25)))
    return make_problem(
        model,
        perturbations,
        method="dop853",
        tolerance=1e-8,
        stop=stop_rule("fast"),
        horizon=200.0,
        threads=2,
    )


def test_julia_has_the_same_fields() -> None:
    text = (find_source().parent / "request.jl").read_text(encoding="utf-8")
    fields = re.findall(
        r"^    (\w+)::(\S+)", text.split("struct Request")[1].split("\nend")[0], re.M
    )
    assert [name for name, _ in fields] == [name for name, _ in Request._fields_]
    for (name, julia), (_, python) in zip(fields, Request._fields_, strict=True):
        assert python is KINDS.get(julia, ctypes.c_void_p), name
    assert ctypes.sizeof(Request) == 8 * len(fields) == 344


def test_the_structure_points_at_the_arrays() -> None:
    asked = problem()
    outputs = {name: np.zeros(4, kind) for name, kind in OUTPUTS.items()}
    done, cancel = np.zeros(1, np.int64), np.zeros(1, np.int64)
    message = ctypes.create_string_buffer(64)
    request = asked.request(outputs, done=done, cancel=cancel, message=message)
    assert (request.nodes, request.lines, request.trajectories) == (3, 2, 4)
    assert (request.method, request.threads, request.horizon) == (2, 2, 200.0)
    assert request.message_length == 64
    for name, array in {**asked.inputs, **outputs, "done": done, "cancel": cancel}.items():
        kind = np.ctypeslib.as_ctypes_type(array.dtype)
        pointer = ctypes.cast(getattr(request, name), ctypes.POINTER(kind))
        if array.flags.writeable:
            array[-1] = 1
        assert np.ctypeslib.as_array(pointer, array.shape).tolist() == array.tolist()


def test_every_field_is_filled() -> None:
    asked = problem()
    given = {*asked.inputs, *asked.numbers, *OUTPUTS, "nodes", "lines", "trajectories"}
    assert given | {"done", "cancel", "message", "message_length"} == {
        name for name, _ in Request._fields_
    }


def test_the_inputs_are_converted() -> None:
    asked = problem()
    assert asked.inputs["node"].tolist() == [0, 2, 1, 0]
    assert asked.inputs["domega"].tolist() == [0.0, 0.5, 0.25, 0.0]
    assert asked.inputs["line_ends"].tolist() == [[0, 1], [1, 2]]
    assert {array.dtype for array in asked.inputs.values()} == {np.dtype("i8"), np.dtype("f8")}
