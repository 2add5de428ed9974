"""Shapes, indices, reductions and resizing equal onnxruntime's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnxruntime")

from graphwsl.errors import UnsupportedModelError
from graphwsl.imports.onnx.operators.reductions import REDUCTIONS
from tests.graphwsl.imports.onnx.nodes import check, integers, values

X = values(2, 3, 4)


def test_shapes() -> None:
    check("Shape", [X])
    check("Shape", [X], start=1)
    check("Shape", [X], start=-2, end=-1)
    check("Size", [X])
    check("Flatten", [X])
    check("Flatten", [X], axis=0)
    check("Flatten", [X], axis=-1)
    check("Transpose", [X])
    check("Transpose", [X], perm=[1, 2, 0])


@pytest.mark.parametrize("shape", [(6, 4), (0, -1), (-1,), (2, 3, 2, 2), (0, 0, 2, -1)])
def test_reshaping(shape: tuple[int, ...]) -> None:
    check("Reshape", [X], [integers(*shape)])


def test_axes_of_size_one_before_and_after_they_became_inputs() -> None:
    x = values(1, 3, 1, 4)
    check("Squeeze", [x])
    check("Squeeze", [x], [integers(0, -2)])
    check("Squeeze", [x], axes=[2], version=11)
    check("Unsqueeze", [X], [integers(0, -1)])
    check("Unsqueeze", [X], [integers(3, 1)])
    check("Unsqueeze", [X], axes=[0, 2], version=11)


def test_joining_and_splitting() -> None:
    check("Concat", [X, values(2, 5, 4, seed=1)], axis=1)
    check("Concat", [X, X], axis=-1)
    check("Split", [values(6, 4)], outputs=2, version=13)
    check("Split", [values(7, 4)], outputs=3, num_outputs=3)
    check("Split", [values(6, 4)], [integers(1, 3)], axis=1, outputs=2)
    check("Split", [values(6, 4)], axis=1, split=[3, 1], outputs=2, version=11)


def test_repeating() -> None:
    check("Expand", [values(3, 1)], [integers(2, 1, 4)])
    check("Expand", [values(2, 3)], [integers(1)])
    check("Tile", [X], [integers(1, 2, 3)])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_slices_of_any_kind(data: st.DataObject) -> None:
    axes = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
    bound = st.sampled_from([-(2**31), -5, -2, -1, 0, 1, 2, 5, 2**31 - 1])
    starts, ends, steps = [], [], []
    for _ in axes:
        starts.append(data.draw(bound))
        ends.append(data.draw(bound))
        steps.append(data.draw(st.sampled_from([1, 2, -1, -2])))
    counted = [axis - 3 if data.draw(st.booleans()) else axis for axis in axes]
    check("Slice", [values(3, 4, 5)], [integers(*v) for v in (starts, ends, counted, steps)])


def test_slices_of_old_files() -> None:
    check("Slice", [X], axes=[1, 2], starts=[0, 1], ends=[2, -1], version=9)
    check("Slice", [X], [integers(1), integers(2)])


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_padding_in_every_mode(data: st.DataObject) -> None:
    mode = data.draw(st.sampled_from(["constant", "reflect", "edge", "wrap"]))
    amount = st.integers(-1 if mode == "constant" else 0, 2)
    pads = data.draw(st.lists(amount, min_size=6, max_size=6))
    value = [np.array(1.5, np.float32)] if mode == "constant" else []
    check("Pad", [values(3, 4, 5)], [integers(*pads), *value], mode=mode, version=19)


def test_padding_of_some_axes_and_of_old_files() -> None:
    check("Pad", [X], [integers(1, 2), None, integers(-1)])
    check("Pad", [X], pads=[0, 1, 0, 0, 0, 2], value=0.5, version=10)


def test_blocks_and_depth() -> None:
    x = values(2, 8, 3, 4)
    check("DepthToSpace", [x], blocksize=2)
    check("DepthToSpace", [x], blocksize=2, mode="CRD")
    check("SpaceToDepth", [values(2, 3, 4, 6)], blocksize=2)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize(
    "indices", [np.array(1, np.int64), integers(2, 0, -1), np.zeros((2, 2), np.int64)]
)
def test_looking_up(axis: int, indices: np.ndarray) -> None:
    weight = values(3, 3, 3)
    check("Gather", [weight, indices], axis=axis)
    check("Gather", [weight], [indices], axis=axis)
    check("Gather", [values(5, 4), indices], axis=0)


def test_elements_at_indices() -> None:
    indices = np.array([[0, 2], [1, -1]], dtype=np.int64)
    check("GatherElements", [values(3, 2), indices], axis=0)
    check("GatherND", [X, np.array([[0, 1], [1, 2]], dtype=np.int64)])
    check("ScatterElements", [values(3, 2), indices, values(2, 2, seed=1)], axis=0)
    check("ScatterElements", [values(3, 2), indices, values(2, 2, seed=1)], axis=0, reduction="add")
    check("ScatterElements", [values(3, 2), indices, values(2, 2, seed=1)], axis=0, reduction="max")
    where = np.array([[0], [1]], dtype=np.int64)
    check("ScatterND", [values(3, 2), where, values(2, 2, seed=1)])
    check("ScatterND", [values(3, 2), where, values(2, 2, seed=1)], reduction="add")


def test_masks_and_ranges() -> None:
    check("OneHot", [integers(0, 2, -1)], [integers(4), np.array([0.5, 2], np.float32)])
    check("OneHot", [integers(0, 2)], [integers(4), np.array([0, 1], np.float32)], axis=0)
    check("NonZero", [np.array([[1, 0], [2, 3]], dtype=np.float32)])
    check("Compress", [X], [np.array([True, False, True])], axis=1)
    check("Compress", [X], [np.array([True, False, True, True])])
    for upper in (0, 1):
        check("Trilu", [values(3, 4)], upper=upper)
        check("Trilu", [values(3, 4)], [np.array(-1, np.int64)], upper=upper)
    check("EyeLike", [values(3, 4)], k=1)
    start, limit, step = (np.array(n) for n in (1, 9, 3))
    check("Range", [start, limit, step])
    check("ConstantOfShape", [integers(2, 3)])


@pytest.mark.parametrize("name", sorted(REDUCTIONS))
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [None, (1,), (0, -1)])
def test_reductions(name: str, keep: int, axes: tuple[int, ...] | None) -> None:
    x = np.abs(X) + 0.5
    check(name, [x], [] if axes is None else [integers(*axes)], keepdims=keep)
    old = {} if axes is None else {"axes": [axis % 3 for axis in axes]}
    check(name, [x], keepdims=keep, version=9, **old)


def test_reductions_over_no_axis() -> None:
    check("ReduceSum", [X], noop_with_empty_axes=1)


@pytest.mark.parametrize("name", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("last", [0, 1])
def test_places_of_extremes(name: str, last: int) -> None:
    x = np.array([[1, 3, 3], [0, 0, 2]], dtype=np.float32)
    check(name, [x], axis=1, select_last_index=last)
    check(name, [x], axis=0, keepdims=0, select_last_index=last)


@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("exclusive", [0, 1])
def test_running_sums(reverse: int, exclusive: int) -> None:
    axis = np.array(1, np.int64)
    check("CumSum", [X], [axis], reverse=reverse, exclusive=exclusive)


def test_largest_values() -> None:
    check("TopK", [X], [integers(2)], outputs=2)
    check("TopK", [X], [integers(2)], axis=1, largest=0, outputs=2)


SIZES = [(7, 9), (3, 4), (5, 8), (10, 12)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "coordinates", ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]
)
@pytest.mark.parametrize("rounding", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
def test_nearest_neighbours(size: tuple[int, int], coordinates: str, rounding: str) -> None:
    if coordinates == "align_corners" and rounding.startswith("round"):
        size = (9, 11)  # coordinates of which none is half-way up to rounding
    check(
        "Resize",
        [values(1, 2, 5, 6)],
        [None, None, integers(1, 2, *size)],
        mode="nearest",
        coordinate_transformation_mode=coordinates,
        nearest_mode=rounding,
    )


@pytest.mark.parametrize("scale", [2.0, 1.5, 0.6])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_scales(scale: float, mode: str) -> None:
    scales = np.array([1, 1, scale, scale], dtype=np.float32)
    check("Resize", [values(1, 2, 5, 6)], [None, scales], mode=mode, nearest_mode="floor")
    if mode == "nearest" and scale > 1:
        check("Resize", [values(1, 2, 5, 6)], [scales], mode=mode, version=10)
        check("Upsample", [values(1, 2, 5, 6)], [scales], mode=mode, version=9)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners"])
def test_smooth_interpolation(size: tuple[int, int], mode: str, coordinates: str) -> None:
    check(
        "Resize",
        [values(1, 2, 5, 6)],
        [None, None, integers(1, 2, *size)],
        mode=mode,
        coordinate_transformation_mode=coordinates,
    )


@pytest.mark.parametrize(
    "attributes",
    [
        {"coordinate_transformation_mode": "tf_crop_and_resize"},
        {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
        {"mode": "cubic", "cubic_coeff_a": -0.5},
    ],
)
def test_interpolation_that_torch_does_not_have_is_refused(attributes: dict[str, Any]) -> None:
    scales = np.array([1, 1, 2, 2], dtype=np.float32)
    region = np.array([0, 0, 0, 0, 1, 1, 1, 1], dtype=np.float32)
    with pytest.raises(UnsupportedModelError, match="Resize node 'node'"):
        check("Resize", [values(1, 2, 3, 3)], [region, scales], **attributes)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_quantisation(kind: type) -> None:
    scale, zero = np.array(0.05, np.float32), np.array(3, dtype=kind)
    check("QuantizeLinear", [4 * X], [scale, zero])
    scales, zeros = np.array([0.1, 0.2, 0.3], np.float32), np.array([1, 2, 3], dtype=kind)
    check("QuantizeLinear", [4 * X], [scales, zeros], axis=1)
    table = np.arange(24, dtype=kind).reshape(2, 3, 4)
    check("DequantizeLinear", [table], [scales, zeros], axis=1)
    check("DequantizeLinear", [table], [scale])
