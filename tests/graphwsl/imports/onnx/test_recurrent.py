"""Recurrent layers and control flow equal onnxruntime's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper

from graphwsl.errors import UnsupportedModelError
from graphwsl.imports.onnx.module import from_onnx
from tests.graphwsl.imports.onnx.nodes import check, integers, model_of, run, truth, values

LENGTH, BATCH, CHANNELS, HIDDEN = 4, 3, 5, 2
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@given(st.data(), st.sampled_from(sorted(GATES)))
@settings(max_examples=60, deadline=None)
def test_recurrent_layers_with_any_options(data: st.DataObject, name: str) -> None:
    direction = data.draw(st.sampled_from(["forward", "reverse", "bidirectional"]))
    count = 2 if direction == "bidirectional" else 1
    rows = GATES[name] * HIDDEN
    w, r = values(count, rows, CHANNELS, seed=1), values(count, rows, HIDDEN, seed=2)
    b = values(count, 2 * rows, seed=3) if data.draw(st.booleans()) else None
    lengths = np.array([4, 2, 1], np.int32) if data.draw(st.booleans()) else None
    states = 2 if name == "LSTM" else 1
    start: list[np.ndarray | None] = [
        values(count, BATCH, HIDDEN, seed=4 + k) if data.draw(st.booleans()) else None
        for k in range(states)
    ]
    attributes: dict[str, Any] = {"hidden_size": HIDDEN, "direction": direction}
    if name == "LSTM" and data.draw(st.booleans()):
        start.append(values(count, 3 * HIDDEN, seed=7))  # peepholes
    if name == "GRU":
        attributes["linear_before_reset"] = data.draw(st.sampled_from([0, 1]))
    if data.draw(st.booleans()):
        attributes["clip"] = 0.7
    if data.draw(st.booleans()):
        functions = {"RNN": ["Relu"], "GRU": ["Sigmoid", "Softsign"]}
        functions["LSTM"] = ["Sigmoid", "Softsign", "Tanh"]
        attributes["activations"] = functions[name] * count
    x = values(LENGTH, BATCH, CHANNELS)
    check(name, [x], [w, r, b, lengths, *start], outputs=1 + states, version=14, **attributes)


def test_batches_first() -> None:
    # onnxruntime has no layout 1; the same layer with the batch in the middle is the truth.
    x, w, r = (
        values(LENGTH, BATCH, CHANNELS),
        values(2, 6, CHANNELS, seed=1),
        values(2, 6, 2, seed=2),
    )
    options = {"hidden_size": HIDDEN, "direction": "bidirectional"}
    h = values(2, BATCH, HIDDEN, seed=3)
    results = []
    for layout in (0, 1):
        swap = (lambda a: a.swapaxes(0, 1)) if layout else (lambda a: a)
        node = helper.make_node(
            "GRU", ["x", "w", "r", "", "", "h"], ["y", "yh"], layout=layout, **options
        )
        weights = {"w": w, "r": r, "h": np.ascontiguousarray(swap(h))}
        fed = {"x": np.ascontiguousarray(swap(x))}
        model = model_of([node], fed, weights, ["y", "yh"], version=14)
        results.append(run(from_onnx(model.SerializeToString()), fed))
    np.testing.assert_array_equal(results[0][0].transpose(2, 0, 1, 3), results[1][0])
    np.testing.assert_array_equal(results[0][1].swapaxes(0, 1), results[1][1])


@pytest.mark.parametrize(
    ("attributes", "what"),
    [
        ({"input_forget": 1}, "input_forget"),
        ({"activations": ["Affine", "Tanh", "Tanh"]}, "the activation 'Affine'"),
        (
            {"activations": ["Sigmoid", "Tanh", "Tanh"], "activation_alpha": [0.1]},
            "activation_alpha",
        ),
    ],
)
def test_rare_options_are_refused(attributes: dict[str, Any], what: str) -> None:
    w, r = values(1, 8, CHANNELS), values(1, 8, HIDDEN)
    x = values(LENGTH, BATCH, CHANNELS)
    with pytest.raises(UnsupportedModelError, match=f"LSTM node 'node': {what}"):
        check("LSTM", [x], [w, r], hidden_size=HIDDEN, **attributes)


def branch(name: str, function: str) -> Any:
    weight = numpy_helper.from_array(values(4, seed=len(name)), f"{name}.weight")
    node = helper.make_node(function, ["x", weight.name], [f"{name}_y"])
    output = helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)
    return helper.make_graph([node], name, [], [output], [weight])


@pytest.mark.parametrize("flag", [True, False])
def test_branches_and_their_weights(flag: bool) -> None:
    node = helper.make_node(
        "If", ["flag"], ["y"], then_branch=branch("a", "Add"), else_branch=branch("bb", "Mul")
    )
    fed = {"flag": np.array(flag), "x": values(3, 4)}
    model = model_of([node], fed, {}, ["y"])
    module = from_onnx(model.SerializeToString())
    assert {name for name, _ in module.named_parameters()} == {"a.weight", "bb.weight"}
    np.testing.assert_allclose(run(module, fed)[0], truth(model, fed)[0], rtol=1e-6)


@pytest.mark.parametrize("trips", [1, 3])
def test_loops_carry_and_collect(trips: int) -> None:
    weight = numpy_helper.from_array(values(4, 4), "weight")
    nodes = [
        helper.make_node("MatMul", ["state", "weight"], ["moved"]),
        helper.make_node("Tanh", ["moved"], ["next"]),
        helper.make_node("Identity", ["going"], ["still"]),
    ]
    body = helper.make_graph(
        nodes,
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("moved", TensorProto.FLOAT, None),
        ],
        [weight],
    )
    node = helper.make_node("Loop", ["trips", "", "x"], ["y", "all"], body=body)
    fed = {"x": values(2, 4)}
    model = model_of([node], fed, {"trips": integers(trips)[0].reshape(())}, ["y", "all"])
    for found, expected in zip(
        run(from_onnx(model.SerializeToString()), fed), truth(model, fed), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
