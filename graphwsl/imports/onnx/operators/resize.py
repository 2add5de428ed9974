"""Other sizes for feature maps."""

import numpy as np
from torch import Tensor
from torch.nn import functional

from graphwsl.imports.onnx.registry import Call, operator
from graphwsl.imports.onnx.values import to_tensor

HALF = np.float32(0.5)

MODES = {
    ("linear", 3): "linear",
    ("linear", 4): "bilinear",
    ("linear", 5): "trilinear",
    ("cubic", 4): "bicubic",
}


@operator("Resize", settings=(1, 2, 3))
def resize(
    call: Call,
    x: Tensor,
    region: np.ndarray | None = None,
    scales: np.ndarray | None = None,
    sizes: np.ndarray | None = None,
) -> Tensor:
    """Interpolation: nearest in every variant, linear and cubic in those that torch has."""
    if call.version < 11:  # the second input is the scales
        scales, region = region, None
    mode = call.attribute("mode", "nearest")
    default = "asymmetric" if call.version < 11 else "half_pixel"
    coordinates = call.attribute("coordinate_transformation_mode", default)
    if coordinates == "tf_crop_and_resize":
        raise call.refuse(f"the mode {coordinates!r}")
    if call.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise call.refuse("keep_aspect_ratio_policy")
    along = [axis % x.ndim for axis in call.attribute("axes", list(range(x.ndim)))]
    lengths, factors = list(x.shape), [1.0] * x.ndim
    if sizes is not None and sizes.size:
        for axis, length in zip(along, sizes.tolist(), strict=True):
            lengths[axis], factors[axis] = length, length / x.shape[axis]
    elif scales is not None and scales.size:
        for axis, scale in zip(along, scales.tolist(), strict=True):
            lengths[axis], factors[axis] = _length(x.shape[axis], scale), _decimal(scale)
    if mode == "nearest":
        return _nearest(call, x, lengths, factors, coordinates)
    return _smooth(call, x, lengths, factors, coordinates)


@operator("Upsample", settings=(1,))
def upsample(call: Call, x: Tensor, scales: np.ndarray | None = None) -> Tensor:
    """The resizing of version 9: from the upper left corner."""
    factors = call.attribute("scales") if scales is None else scales.tolist()
    lengths = [_length(n, scale) for n, scale in zip(x.shape, factors, strict=True)]
    if call.attribute("mode", "nearest") == "nearest":
        return _nearest(call, x, lengths, factors, "asymmetric", "floor")
    raise call.refuse(f"the mode {call.attribute('mode')!r}")


def _length(old: int, scale: float) -> int:
    """The new size of an axis; in float32 ten times 0.7 is 7."""
    return int(np.floor(np.float32(old) * np.float32(scale)))


def _decimal(scale: float) -> float:
    """What the author of a file wrote: the shortest decimal number of a float32."""
    return float(str(np.float32(scale)))


def _nearest(
    call: Call,
    x: Tensor,
    lengths: list[int],
    factors: list[float],
    coordinates: str,
    rounding: str | None = None,
) -> Tensor:
    default = "floor" if call.version < 11 else "round_prefer_floor"
    rounding = rounding or call.attribute("nearest_mode", default)
    for axis, (length, scale) in enumerate(zip(lengths, factors, strict=True)):
        if length == x.shape[axis] and scale == 1:
            continue
        where = _coordinates(call, length, x.shape[axis], scale, coordinates)
        rounded = {
            "floor": np.floor(where),
            "ceil": np.ceil(where),
            "round_prefer_floor": np.ceil(where - 0.5),
            "round_prefer_ceil": np.floor(where + 0.5),
        }[rounding]
        indices = np.clip(rounded, 0, x.shape[axis] - 1).astype(np.int64)
        x = x.index_select(axis, to_tensor(indices, x.device))
    return x


def _coordinates(call: Call, length: int, old: int, ratio: float, mode: str) -> np.ndarray:
    """Where each new element lies among the old ones."""
    # In float32, as everywhere else: a coordinate half-way between two elements may depend on it.
    new, scale = np.arange(length, dtype=np.float32), np.float32(ratio)
    if mode == "half_pixel":
        return (new + HALF) / scale - HALF
    if mode == "pytorch_half_pixel":
        return (new + HALF) / scale - HALF if length > 1 else np.zeros(1, np.float32)
    if mode == "align_corners":
        return new * (old - 1) / (length - 1) if length > 1 else np.zeros(1, np.float32)
    if mode == "asymmetric":
        return new / scale
    if mode == "half_pixel_symmetric":
        adjustment = length / (scale * old)
        return old / 2 * (1 - adjustment) + (new + HALF) / scale - HALF
    raise call.refuse(f"the mode {mode!r}")


def _smooth(
    call: Call, x: Tensor, lengths: list[int], factors: list[float], coordinates: str
) -> Tensor:
    mode = MODES.get((call.attribute("mode"), x.ndim))
    half_pixel = coordinates in ("half_pixel", "pytorch_half_pixel")
    same_channels = lengths[:2] == list(x.shape[:2])
    cubic = call.attribute("cubic_coeff_a", -0.75) == -0.75
    if mode is None or not same_channels or not cubic or call.attribute("exclude_outside", 0):
        raise call.refuse(f"{call.attribute('mode')} interpolation of {x.ndim} dimensions as asked")
    if not half_pixel and coordinates != "align_corners":
        raise call.refuse(f"the mode {coordinates!r} with {call.attribute('mode')} interpolation")
    if half_pixel and factors != [n / m for n, m in zip(lengths, x.shape, strict=True)]:
        # A scale that does not divide the size is not the ratio of the sizes.
        resized = functional.interpolate(
            x,
            scale_factor=factors[2:],
            mode=mode,
            align_corners=False,
            recompute_scale_factor=False,
        )
        if list(resized.shape) != lengths:
            raise call.refuse(f"interpolation from {list(x.shape)} to {lengths}")
        return resized
    return functional.interpolate(
        x,
        lengths[2:],
        mode=mode,
        align_corners=not half_pixel,
        antialias=bool(call.attribute("antialias", 0)),
    )
