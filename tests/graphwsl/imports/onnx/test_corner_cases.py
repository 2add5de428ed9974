"""Ties, ends of ranges, single numbers and roundings equal onnxruntime's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

pytest.importorskip("onnxruntime")

from tests.graphwsl.imports.onnx.nodes import check, integers, values

FEW = settings(max_examples=12, deadline=None)
TIED = np.array([[3, 1, 3, 2, 3, 1, 2, 3], [0, 0, 0, 0, 0, 0, 0, 0]], dtype=np.float32)
SMALL = arrays(np.float32, array_shapes(min_dims=1, max_dims=3, max_side=5),
               elements=st.integers(-2, 2).map(float))  # fmt: skip


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_of_equal_values_those_with_lower_indices_come_first(largest: int, axis: int) -> None:
    count = 2 if axis == 0 else 5
    check("TopK", [TIED], [integers(count)], axis=axis, largest=largest, outputs=2)


@given(SMALL, st.data())
@FEW
def test_best_values_of_any_axis(x: np.ndarray, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    count = data.draw(st.integers(1, x.shape[axis]))
    check("TopK", [x], [integers(count)], axis=axis, outputs=2)
    for name in ("ArgMax", "ArgMin"):
        last = data.draw(st.integers(0, 1))
        check(name, [x], axis=axis, select_last_index=last, keepdims=data.draw(st.integers(0, 1)))


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_indices_beyond_the_depth_are_of_no_class(axis: int) -> None:
    indices, depth = integers(-5, -4, -1, 0, 3, 4, 9), integers(4)
    check("OneHot", [indices], [depth, np.array([2.0, 5.0], np.float32)], axis=axis)
    several = np.arange(-6, 6).reshape(3, 4)
    check("OneHot", [several], [np.array(3), integers(0, 1)], axis=axis)


@pytest.mark.parametrize("size", [3, 7, 10])
def test_sizes_are_rounded_as_single_precision_rounds(size: int) -> None:
    """Ten times 0.7 is 7 there, and less in double precision."""
    x = values(1, 1, size)
    for scale in (0.4, 0.7, 1.1, 1.3, 1.7, 2.2):
        if int(size * scale + 1e-3) == size:  # which onnxruntime copies, whatever the scale
            continue
        scales = np.array([1, 1, scale], np.float32)
        check("Resize", [x], [None, scales], mode="linear")
        check("Resize", [x], [None, scales], mode="nearest", nearest_mode="floor",
              coordinate_transformation_mode="asymmetric")  # fmt: skip
        if scale > 1:
            check("Upsample", [x], [scales], version=9)


@given(
    st.sampled_from(["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]),
    st.sampled_from(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel",
                     "half_pixel_symmetric"]),
    st.integers(1, 6),
    st.integers(1, 9),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_nearest_in_every_variant(rounding: str, coordinates: str, old: int, new: int) -> None:
    check("Resize", [values(1, 2, old)], [None, None, integers(1, 2, new)], version=19,
          mode="nearest", nearest_mode=rounding,
          coordinate_transformation_mode=coordinates)  # fmt: skip


def test_norms_and_sums_of_nothing() -> None:
    x = values(3, 4)
    x[1] = 0
    for p in (1, 2):
        for axis in (0, -1):
            check("LpNormalization", [x], p=p, axis=axis)
    for name in ("ReduceSum", "ReduceProd", "ReduceL1", "ReduceSumSquare"):
        check(name, [np.zeros((2, 0, 3), np.float32)], [integers(1)])
        check(name, [integers(3, -2, 5)], [integers(0)], keepdims=0)
    for name in ("ReduceMax", "ReduceMin"):
        check(name, [integers(3, -2, 5)], [integers(-1)])


@given(SMALL, st.data())
@FEW
def test_running_sums_from_either_end(x: np.ndarray, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    for exclusive in (0, 1):
        for reverse in (0, 1):
            check("CumSum", [x], [np.array(axis)], exclusive=exclusive, reverse=reverse)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_slices_of_any_ends_and_steps(data: st.DataObject) -> None:
    x = values(3, 5, 4)
    axes = data.draw(st.permutations([0, -2, 2]))[: data.draw(st.integers(1, 3))]
    end = st.one_of(st.integers(-7, 7), st.sampled_from([2**31 - 1, 2**63 - 1, -(2**31)]))
    step = st.sampled_from([1, 2, 3, -1, -2])
    starts, ends, steps = (
        integers(*(data.draw(kind) for _ in axes)) for kind in (st.integers(-7, 7), end, step)
    )
    check("Slice", [x], [starts, ends, integers(*axes), steps])


@given(st.data(), st.sampled_from(["constant", "reflect", "edge", "wrap"]))
@settings(max_examples=30, deadline=None)
def test_any_padding(data: st.DataObject, mode: str) -> None:
    x = values(3, 4, 5)
    axes = data.draw(st.permutations([0, 1, -1]))[: data.draw(st.integers(1, 3))]
    low = -1 if mode == "constant" else 0
    pads = [data.draw(st.integers(low, 2)) for _ in range(2 * len(axes))]
    filling = np.array(1.5, np.float32) if mode == "constant" else None
    check("Pad", [x], [integers(*pads), filling, integers(*axes)], mode=mode, version=19)


def test_indices_from_the_end_and_single_ones() -> None:
    x = values(3, 4, 5)
    for axis in (0, 1, -1):
        check("Gather", [x, np.array(-1)], axis=axis)
        check("Gather", [x, np.array([[0, -2], [-3, 1]])], axis=axis)
        indices = np.array([[[-1], [0], [2], [1]]])
        check("GatherElements", [x, np.broadcast_to(indices, (1, 4, 5)).copy() % 3], axis=axis)
    check("Gather", [values(3, 4), np.array(-1)])
    check("GatherND", [x, np.array([[0, -1], [-3, 2]])])
    check("GatherND", [x, np.array([[[0, -1, 4]], [[1, 2, -5]]])])
    check("Compress", [x], [np.array([True, False, True])], axis=-2)
    check("Compress", [x], [np.array([False, True])])


@pytest.mark.parametrize("how", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize("axis", [0, -1])
def test_writing_elements(how: str, axis: int) -> None:
    x, updates = values(3, 4), values(2, 2, seed=1)
    indices = np.array([[0, -1], [1, 2]]) if axis == 0 else np.array([[0, -4 + 3], [2, -3]])
    attributes: dict[str, Any] = {} if how == "none" else {"reduction": how}
    check("ScatterElements", [x, indices, updates], axis=axis, **attributes)
    if how in ("none", "add"):
        points = np.array([[0, -1], [2, 1]])
        check("ScatterND", [x, points, values(2, seed=2)], **attributes)
        check("ScatterND", [x, np.array([[-1], [0]]), values(2, 4, seed=2)], **attributes)


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [-4, -1, 0, 2, 5])
def test_triangles_of_any_diagonal(upper: int, k: int) -> None:
    check("Trilu", [values(2, 3, 4)], [np.array(k)], upper=upper)


def test_blocks_of_pixels_in_both_orders() -> None:
    for mode in ("DCR", "CRD"):
        check("DepthToSpace", [values(2, 8, 3, 5)], blocksize=2, mode=mode)
    check("SpaceToDepth", [values(2, 3, 4, 6)], blocksize=2)


@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("pads", [(0, 0), (1, 1), (1, 0), (0, 1)])
def test_means_of_windows_at_the_edge(ceil_mode: int, counted: int, pads: tuple[int, int]) -> None:
    for size in (5, 6, 7):
        check("AveragePool", [values(1, 2, size)], kernel_shape=[3], strides=[2], pads=list(pads),
              ceil_mode=ceil_mode, count_include_pad=counted, version=19)  # fmt: skip


@given(st.data())
@FEW
def test_products_with_everything(data: st.DataObject) -> None:
    left, right = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 1))
    a, b = values(*(3, 2) if left else (2, 3)), values(*(4, 3) if right else (3, 4), seed=1)
    shape = data.draw(st.sampled_from([(), (1,), (4,), (2, 1), (1, 4), (2, 4)]))
    check("Gemm", [a], [b, values(*shape, seed=2)], transA=left, transB=right, alpha=0.5, beta=-2.0)
    check("Gemm", [a], [b], transA=left, transB=right)


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((3,), (2, 3, 4)), ((2, 5, 3), (3,)),
                                    ((2, 1, 5, 3), (4, 3, 2))])  # fmt: skip
def test_products_of_vectors_and_stacks(shapes: tuple[tuple[int, ...], ...]) -> None:
    check("MatMul", [values(*shapes[0]), values(*shapes[1], seed=1)])


def test_roundings_to_few_bits_saturate() -> None:
    x = np.array([[-900, -1.5, -0.5, 0.5], [1.5, 2.5, 126.5, 900]], np.float32)
    for zero in (np.uint8(128), np.int8(-3)):
        check("QuantizeLinear", [x], [np.array(1, np.float32), np.array(zero)])
    check("QuantizeLinear", [x], [np.array(0.25, np.float32)])
    scales = np.array([0.5, 2, 1, 3], np.float32)
    check("QuantizeLinear", [x], [scales, np.array([0, 1, 2, 255], np.uint8)], axis=-1)
    levels = np.array([[0, 3, 128, 255], [7, 9, 1, 0]], np.uint8)
    check("DequantizeLinear", [levels], [np.array(0.1, np.float32), np.array(128, np.uint8)])
    check("DequantizeLinear", [levels], [scales, np.array([0, 1, 2, 255], np.uint8)], axis=1)
    check("DequantizeLinear", [levels], [np.array([1, 2], np.float32)], axis=0)


def test_halves_signs_and_what_is_no_number() -> None:
    x = np.array([-2.5, -1.5, -0.5, -0.0, 0.5, 1.5, 2.5, np.nan, np.inf, -np.inf], np.float32)
    check("Sign", [x[np.isfinite(x)]])
    for name in ("Round", "Floor", "Ceil", "Abs", "Neg", "Relu", "IsNaN", "IsInf"):
        check(name, [x])
    check("IsInf", [x], detect_negative=0)
    check("IsInf", [x], detect_negative=0, detect_positive=0)
    for name in ("Max", "Min"):
        check(name, [x, np.zeros(1, np.float32)])
        check(name, [integers(3, -1), integers(2, 2)])
    check("Clip", [integers(-5, 0, 5)], [np.array(-1), np.array(2)])
    check("Clip", [x], [np.array(1, np.float32), np.array(-1, np.float32)])


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_normalisation_from_an_axis_on(axis: int) -> None:
    x = values(2, 3, 4, 5)
    shape = x.shape[axis:]
    scale, bias = values(*shape, seed=1), values(*shape, seed=2)
    check("LayerNormalization", [x], [scale, bias], axis=axis, epsilon=0.1)
    check("LayerNormalization", [x], [scale], axis=axis)


def test_normalisation_of_images() -> None:
    x = values(2, 6, 3, 4)
    for size in (1, 3, 5, 7):
        check("LRN", [x], size=size, alpha=0.3, beta=0.6, bias=1.5)
    check("MeanVarianceNormalization", [x])
    check("MeanVarianceNormalization", [x], axes=[0, 1])
    few, many = (values(n, seed=1) for n in (2, 6))
    check("GroupNormalization", [x], [few, few], num_groups=2, version=18)
    check("GroupNormalization", [x], [many, -many], num_groups=2, version=21)
    check("InstanceNormalization", [x], [many, -many], epsilon=0.1)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_largest_of_windows(data: st.DataObject) -> None:
    size, stride = (data.draw(st.integers(1, 3)) for _ in range(2))
    attributes: dict[str, Any] = {"auto_pad": data.draw(st.sampled_from(["SAME_UPPER", "VALID"]))}
    if data.draw(st.booleans()):
        pads = [data.draw(st.integers(0, size - 1)) for _ in range(2)]
        dilation = data.draw(st.integers(1, 3))
        attributes = {"pads": pads, "ceil_mode": data.draw(st.integers(0, 1))}
        attributes["dilations"] = [dilation]
    x = values(1, 2, data.draw(st.integers(7, 9)))
    check("MaxPool", [x], kernel_shape=[size], strides=[stride], **attributes)


@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("how", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("length", [5, 6, 7])
def test_means_of_windows_that_keep_the_size(how: str, counted: int, length: int) -> None:
    for size in (2, 3, 4):
        check("AveragePool", [values(1, 2, length, 4)], kernel_shape=[size, 2], strides=[2, 1],
              auto_pad=how, count_include_pad=counted)  # fmt: skip


def test_numbers_that_are_made() -> None:
    check("EyeLike", [values(3, 4)], k=-1)
    check("EyeLike", [integers(1, 2, 3)[None]], k=1)
    check("Expand", [values(3, 1)], [integers(3, 4)])
    check("Expand", [np.array(2.0, np.float32)], [integers(2, 3)])
    check("Where", [np.array([[True], [False]]), values(3), np.array(0, np.float32)])
    check("NonZero", [np.array([0, 2, 0, -1], np.float32)])
    check("Einsum", [values(2, 3), values(3, 4, seed=1)], equation="ij,jk->ki")
    check("Einsum", [values(3, 3)], equation="ii->i")
