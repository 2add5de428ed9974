"""Arithmetic, comparison and activations equal onnxruntime's."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from graphwsl.imports.onnx.operators.arithmetic import BINARY, UNARY
from tests.graphwsl.imports.onnx.nodes import check, integers, values

X = values(3, 4)
POSITIVE = np.abs(X) + 1.5
WITHIN = np.tanh(X)
RANGES = {"Acosh": POSITIVE, "Log": POSITIVE, "Sqrt": POSITIVE, "Acos": WITHIN, "Asin": WITHIN}
RANGES |= {"Atanh": WITHIN, "Not": X > 0, "IsNaN": np.where(X > 0, X, np.nan).astype(np.float32)}


@pytest.mark.parametrize("name", sorted(UNARY))
def test_functions_of_one_value(name: str) -> None:
    check(name, [RANGES.get(name, X)])


@pytest.mark.parametrize("name", sorted(BINARY))
def test_functions_of_two_values_that_broadcast(name: str) -> None:
    a, b = values(2, 3, 4), values(4, seed=1)
    b[0] = a[0, 0, 0]
    if name in ("And", "Or", "Xor"):
        a, b = a > 0, b > 0
    check(name, [a, b])


@pytest.mark.parametrize("name", ["Relu", "Sigmoid", "Softplus", "Softsign", "Tanh", "HardSwish"])
def test_activations(name: str) -> None:
    check(name, [4 * X])


@pytest.mark.parametrize("name", ["LeakyRelu", "Elu", "Celu", "Selu", "ThresholdedRelu"])
@pytest.mark.parametrize("alpha", [None, 0.3])
def test_activations_with_a_slope(name: str, alpha: float | None) -> None:
    check(name, [4 * X], **({} if alpha is None else {"alpha": alpha}))


def test_other_activations() -> None:
    check("HardSigmoid", [4 * X])
    check("HardSigmoid", [4 * X], alpha=1 / 6, beta=0.4)
    check("Selu", [X], alpha=1.2, gamma=0.9)
    check("Gelu", [X], version=20)
    check("Gelu", [X], version=20, approximate="tanh")
    check("Mish", [X])
    check("PRelu", [values(2, 3, 4, 5)], [values(3, 1, 1, seed=1)])
    check("PRelu", [values(2, 3, 4, 5)], [values(4, 5, seed=1)])
    check("PRelu", [X], [values(1, seed=1)])


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("version", [11, 13])
def test_softmax_before_and_after_its_meaning_changed(name: str, axis: int, version: int) -> None:
    if version == 11 and axis < 0:
        axis = 2
    check(name, [values(2, 3, 4)], axis=axis, version=version)


def test_hardmax_takes_the_first_of_equals() -> None:
    check("Hardmax", [np.array([[1, 2, 2], [3, 3, 0]], dtype=np.float32)], version=13)


def test_quotients_and_remainders_of_integers() -> None:
    a, b = integers(7, -7, 7, -7), integers(2, 2, -2, -2)
    check("Div", [a, b])
    check("Mod", [a, b])
    check("Mod", [X, POSITIVE], fmod=1)
    check("Mod", [a, b], fmod=1)


def test_powers_keep_the_type_of_the_base() -> None:
    check("Pow", [POSITIVE, X])
    check("Pow", [integers(2, 3), np.array([2.0, 0.5], dtype=np.float32)])


@pytest.mark.parametrize("name", ["Sum", "Mean", "Max", "Min"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_functions_of_many_values(name: str, count: int) -> None:
    check(name, [values(3, 4, seed=k) for k in range(count)])


def test_bounds_as_inputs_and_as_attributes() -> None:
    low, high = np.array(-0.5, np.float32), np.array(0.5, np.float32)
    check("Clip", [X], [low, high])
    check("Clip", [X], [low])
    check("Clip", [X], [None, high])
    check("Clip", [X])
    check("Clip", [X], version=6, min=-0.5, max=0.5)


def test_casts_and_choices() -> None:
    from onnx import TensorProto

    check("Cast", [4 * X], to=TensorProto.INT64)
    check("Cast", [4 * X], to=TensorProto.FLOAT16)
    check("Cast", [X > 0], to=TensorProto.FLOAT)
    check("CastLike", [4 * X, integers(1)])
    check("Where", [X > 0, X, values(4, seed=1)])
    infinite = np.array([np.inf, -np.inf, 1], dtype=np.float32)
    check("IsInf", [infinite])
    check("IsInf", [infinite], detect_positive=0)
    check("Identity", [X])
    check("Dropout", [X], outputs=2, version=13)


@pytest.mark.parametrize("name", ["Add", "Mul", "Sub", "Div", "Pow"])
def test_the_broadcasting_of_old_files_starts_at_an_axis(name: str) -> None:
    from onnx import helper

    from graphwsl.imports.onnx.module import from_onnx
    from tests.graphwsl.imports.onnx.nodes import model_of, run

    x, w = np.abs(values(2, 3, 4)), values(3, seed=1)
    node = helper.make_node(name, ["x", "w"], ["y"], axis=1, broadcast=1)
    model = model_of([node], {"x": x}, {"w": w}, ["y"], version=6)
    function = {
        "Add": np.add,
        "Mul": np.multiply,
        "Sub": np.subtract,
        "Div": np.divide,
        "Pow": np.power,
    }
    (found,) = run(from_onnx(model.SerializeToString()), {"x": x})
    np.testing.assert_allclose(found, function[name](x, w[:, None]), rtol=1e-5)
