"""Convolutions, pooling, normalisation and products equal onnxruntime's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnxruntime")

from graphwsl.errors import UnsupportedModelError
from tests.graphwsl.imports.onnx.nodes import check, values

AUTOMATIC = ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]


@st.composite
def windows(draw: Any, dims: int) -> dict[str, Any]:
    """Kernel sizes, strides and padding."""
    size = st.integers(1, 3)
    shape = draw(st.lists(size, min_size=dims, max_size=dims))
    how = draw(st.sampled_from(AUTOMATIC))
    attributes = {
        "kernel_shape": shape,
        "strides": draw(st.lists(size, min_size=dims, max_size=dims)),
        "auto_pad": how,
    }
    if how == "NOTSET":
        pad = st.integers(0, 2)
        attributes["pads"] = draw(st.lists(pad, min_size=2 * dims, max_size=2 * dims))
    return attributes


@given(st.data(), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_convolutions_with_any_window(data: st.DataObject, dims: int) -> None:
    attributes = data.draw(windows(dims))
    groups = data.draw(st.sampled_from([1, 2]))
    if attributes["auto_pad"] in ("NOTSET", "VALID"):
        dilation = st.lists(st.integers(1, 2), min_size=dims, max_size=dims)
        attributes["dilations"] = data.draw(dilation)
    x = values(2, 4, *range(6, 6 + dims))
    weight = values(6, 4 // groups, *attributes["kernel_shape"], seed=1)
    bias = values(6, seed=2) if data.draw(st.booleans()) else None
    check("Conv", [x], [weight, bias] if bias is not None else [weight], group=groups, **attributes)


@given(st.data(), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_transposed_convolutions_with_any_window(data: st.DataObject, dims: int) -> None:
    attributes = data.draw(windows(dims))
    attributes["auto_pad"] = "NOTSET"
    kernel, strides = attributes["kernel_shape"], attributes["strides"]
    pads = attributes.setdefault("pads", [0] * 2 * dims)
    # What is cut off must be less than what there is.
    assume(all(pads[k] + pads[k + dims] < kernel[k] + 2 * strides[k] for k in range(dims)))
    extra = [data.draw(st.integers(0, strides[k] - 1)) for k in range(dims)]
    groups = data.draw(st.sampled_from([1, 2]))
    x = values(2, 4, *(3,) * dims)
    weight = values(4, 6 // groups, *kernel, seed=1)
    check(
        "ConvTranspose",
        [x],
        [weight, values(6, seed=2)],
        group=groups,
        output_padding=extra,
        **attributes,
    )


@pytest.mark.parametrize("how", ["SAME_UPPER", "SAME_LOWER", "NOTSET"])
def test_transposed_convolutions_to_a_wanted_shape(how: str) -> None:
    x, weight = values(1, 2, 4, 5), values(2, 3, 3, 3, seed=1)
    shape = {"output_shape": [8, 10]} if how != "NOTSET" else {"output_shape": [9, 10]}
    check("ConvTranspose", [x], [weight], strides=[2, 2], auto_pad=how, **shape)


@given(st.data(), st.integers(1, 3), st.sampled_from(["MaxPool", "AveragePool"]))
@settings(max_examples=60, deadline=None)
def test_pooling_with_any_window(data: st.DataObject, dims: int, name: str) -> None:
    attributes = data.draw(windows(dims))
    pads = attributes.get("pads", [0] * 2 * dims)
    assume(all(pad < size for pad, size in zip(pads, 2 * attributes["kernel_shape"], strict=True)))
    if attributes["auto_pad"].startswith("SAME"):  # onnxruntime computes negative padding
        sizes = zip(attributes["kernel_shape"], attributes["strides"], strict=True)
        assume(all(size >= stride for size, stride in sizes))
    if name == "AveragePool":
        attributes["count_include_pad"] = data.draw(st.sampled_from([0, 1]))
    elif attributes["auto_pad"] in ("NOTSET", "VALID"):
        attributes["dilations"] = data.draw(
            st.lists(st.integers(1, 2), min_size=dims, max_size=dims)
        )
    check(name, [values(2, 3, *range(6, 6 + dims))], **attributes)


@pytest.mark.parametrize("name", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("size", [6, 7, 8])
def test_pooling_that_rounds_up(name: str, size: int) -> None:
    check(name, [values(1, 2, size, size)], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)


def test_pooling_over_everything() -> None:
    x = values(2, 3, 4, 5)
    check("GlobalAveragePool", [x])
    check("GlobalMaxPool", [x])


def test_places_of_maxima_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="MaxPool node 'node': the output of indices"):
        check("MaxPool", [values(1, 1, 4, 4)], kernel_shape=[2, 2], outputs=2)


def test_normalisation() -> None:
    x = values(2, 4, 5, 3)
    scale, bias, mean = (values(4, seed=k) for k in (1, 2, 3))
    variance = np.abs(values(4, seed=4)) + 0.5
    module = check("BatchNormalization", [x], [scale, bias, mean, variance], epsilon=1e-3)
    assert dict(module.named_buffers()).keys() == {"w2", "w3"}
    check("InstanceNormalization", [x], [scale, bias], epsilon=1e-3)
    check("LayerNormalization", [x], [values(3, seed=5), values(3, seed=6)], version=17)
    check("LayerNormalization", [x], [values(5, 3, seed=5)], axis=2, version=17, epsilon=1e-2)
    groups = [values(2, seed=7), values(2, seed=8)]
    check("GroupNormalization", [x], groups, num_groups=2, version=18)
    check("GroupNormalization", [x], [scale, bias], num_groups=2, version=21)
    check("LpNormalization", [x], axis=1, p=1)
    check("LpNormalization", [x])
    check("MeanVarianceNormalization", [x], axes=[0, 2, 3])


@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_response_normalisation(size: int) -> None:
    check("LRN", [values(2, 7, 3, 3)], size=size, alpha=0.3, beta=0.6, bias=1.2)


def test_root_mean_square_normalisation() -> None:
    x, scale = values(2, 3, 4), values(4, seed=1)
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * scale
    from onnx import helper

    from graphwsl.imports.onnx.module import from_onnx
    from tests.graphwsl.imports.onnx.nodes import model_of, run

    node = helper.make_node("RMSNormalization", ["x", "w"], ["y"])
    model = model_of([node], {"x": x}, {"w": scale}, ["y"], version=23)
    (found,) = run(from_onnx(model.SerializeToString()), {"x": x})
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "shapes", [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (5, 4, 2))]
)
def test_matrix_products(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    check("MatMul", [values(*shapes[0])], [values(*shapes[1], seed=1)])


def test_matrix_products_with_vectors() -> None:
    check("MatMul", [values(4)], [values(4, 5, seed=1)])
    check("MatMul", [values(3, 4), values(4, seed=1)])


@given(
    st.booleans(),
    st.booleans(),
    st.sampled_from([1.0, 0.5]),
    st.sampled_from([1.0, 2.0]),
    st.sampled_from([None, (5,), (3, 1), (3, 5), (1,)]),
)
@settings(max_examples=30, deadline=None)
def test_gemm(
    trans_a: bool, trans_b: bool, alpha: float, beta: float, shape: tuple[int, ...] | None
) -> None:
    a = values(4, 3) if trans_a else values(3, 4)
    b = values(5, 4, seed=1) if trans_b else values(4, 5, seed=1)
    weights = [b] if shape is None else [b, values(*shape, seed=2)]
    check("Gemm", [a], weights, transA=trans_a, transB=trans_b, alpha=alpha, beta=beta)


@pytest.mark.parametrize("equation", ["bij, bjk -> bik", "bij,bjk->ik", "bij,bjk"])
def test_einstein_sums(equation: str) -> None:
    check("Einsum", [values(2, 3, 4), values(2, 4, 5, seed=1)], equation=equation)
