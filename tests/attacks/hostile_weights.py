"""Files of weights and of networks that are made to hurt, by name: the door and the bytes."""

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch

Made = dict[str, tuple[str, bytes]]
"""File name → the door that it is brought to, and its contents."""


class Calls:
    """Unpickling it calls a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def saved(content: object, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def archive(members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=how) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return buffer.getvalue()


def members_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


HONEST = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}
GADGET = {"w": torch.ones(1), "x": Calls(os.system, "touch executed")}


def with_pickle(data: bytes) -> bytes:
    """An honest archive with another pickle in it."""
    return archive(members_of(saved(HONEST)) | {"archive/data.pkl": data})


def two_directories() -> bytes:
    """One file that ``zipfile`` reads as honest, and torch as another archive."""
    hostile, honest = archive(members_of(saved(GADGET))), archive(members_of(saved(HONEST)))
    end = struct.Struct("<4s4H2LH")
    length, start = end.unpack(hostile[-end.size :])[5:7]
    first, second = hostile[: start + length], bytearray(honest[: -end.size])
    own = end.unpack(honest[-end.size :])[6]
    # zipfile adds to every offset how much later the directory comes than the end record says.
    shift = len(first) - (len(first) + own - start)
    position = own
    while position < len(second):
        lengths = struct.unpack_from("<3H", second, position + 28)
        offset = struct.unpack_from("<L", second, position + 42)[0]
        struct.pack_into("<L", second, position + 42, max(0, offset + shift))
        position += 46 + sum(lengths)
    count = len(members_of(honest))
    record = end.pack(b"PK\5\6", 0, 0, count, count, len(second) - own, start, 0)
    return first + bytes(second) + record


def two_end_records() -> bytes:
    """The 64-bit end record of torch's archives, moved so that its locator leads elsewhere."""
    data = bytearray(saved(HONEST))
    struct.pack_into("<Q", data, len(data) - 22 - 20 + 8, 100)
    return bytes(data)


def doubled(count: int) -> bytes:
    """((x, x), (x, x)), doubled so often by way of the memo, as the key of a dictionary."""
    tuples = b"".join(b"h\0h\0\x86q\0" for _ in range(count))
    return b"\x80\x02}q\x01)q\0" + tuples[4:] + b"h\0K\1s."


def nested(count: int) -> bytes:
    return b"\x80\x02})" + b"\x85" * count + b"K\1s."


def equal_names(count: int) -> bytes:
    """Whole numbers of one hash, the keys of a dictionary."""
    keys = (number * (2**61 - 1) for number in range(2, count))
    return b"\x80\x02}(" + b"".join(pickle.dumps(key, 2)[2:-1] + b"K\1" for key in keys) + b"u."


def promised(elements: int, *, legacy: bool) -> bytes:
    data = saved(HONEST, legacy=legacy)
    large = b"\x8a\x08" + elements.to_bytes(8, "little")
    if legacy:
        return data.replace(b"K\x06N", large + b"N", 1).replace(b"K\x06", large, 1)
    members = members_of(data)
    members["archive/data.pkl"] = members["archive/data.pkl"].replace(b"K\x06", large, 1)
    return archive(members)


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name in ("storages", "tensors", "pickle", "../escaped"):
            content = pickle.dumps(0, 2)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def npy(shape: str, data: bytes = b"", dtype: str = "'<f8'") -> bytes:
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + data


def of_torch() -> Made:
    big = {"w": torch.zeros(10**6)}
    honest = members_of(saved(HONEST))
    return {
        "gadget.pt": ("weights", saved(GADGET)),
        "gadget_alone.pt": ("weights", saved(Calls(os.system, "touch executed"))),
        "gadget.pth": ("weights", saved(GADGET, legacy=True)),
        "eval.pt": ("weights", saved({"w": Calls(eval, "open('executed', 'w')")})),
        "builtin_getattr.pt": ("weights", saved({"w": Calls(getattr, "x", "y")})),
        "two_directories.pt": ("weights", two_directories()),
        "prefix.pt": ("weights", b"PK\3\4" + bytes(60) + saved(HONEST)),
        "comment.pt": ("weights", saved(HONEST)[:-2] + b"\x01\x00!"),
        "two_end_records.pt": ("weights", two_end_records()),
        "twice.pt": ("weights", archive(honest | {"archive/DATA.pkl": b"."})),
        "nul_in_name.pt": ("weights", archive(honest).replace(b"byteorder", b"byte\0rder")),
        "deflated.pt": ("weights", archive(members_of(saved(big)), zipfile.ZIP_DEFLATED)),
        "lzma.pt": ("weights", archive(members_of(saved(big)), zipfile.ZIP_LZMA)),
        "torchscript.pt": ("weights", archive(honest | {"archive/constants.pkl": b"."})),
        "doubled_key.pt": ("weights", with_pickle(doubled(60))),
        "doubled_key.pth": ("weights", _legacy(doubled(60))),
        "deep_key.pt": ("weights", with_pickle(nested(10**6))),
        "keys_alike.pt": ("weights", with_pickle(equal_names(40_000))),
        "deep_list.pt": ("weights", with_pickle(b"\x80\x02" + b"]" * 10**5 + b"a" * 99_999 + b".")),
        "promise.pt": ("weights", promised(10**12, legacy=False)),
        "promise.pth": ("weights", promised(10**9, legacy=True)),
        "expanded.pt": ("weights", saved({"w": torch.ones(1).expand(10**9)})),
        "tar.pth": ("weights", tar()),
        "plain_pickle.pt": ("weights", pickle.dumps(HONEST["w"].tolist(), 2)),
        "keras.keras": ("weights", archive({"config.json": b"{}", "model.weights.h5": b"\x89HDF"})),
        "keras.h5": ("weights", b"\x89HDF\r\n\x1a\n" + bytes(200)),
        "empty.pt": ("weights", b""),
    }


def _legacy(last: bytes) -> bytes:
    """A file of the old format up to its fourth pickle, which is another one."""
    start = io.BytesIO(saved(HONEST, legacy=True))
    for _ in range(3):
        pickle.load(start)  # noqa: S301 - what is above
    return start.getvalue()[: start.tell()] + last + pickle.dumps([], 2)


def of_safetensors() -> Made:
    def file(header: object, data: bytes = b"") -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + data

    def tensor(shape: list[int], *ends: int, dtype: str = "F32") -> dict[str, Any]:
        return {"dtype": dtype, "shape": shape, "data_offsets": list(ends)}

    contents = {
        "wide": (2**62).to_bytes(8, "little") + b"{" + bytes(100),
        "overlap": file({"a": tensor([2], 0, 8), "b": tensor([2], 4, 12)}, bytes(12)),
        "missing": file({"a": tensor([4], 0, 16)}, bytes(8)),
        "large": file({"a": tensor([10**6, 10**6], 0, 4 * 10**12)}, bytes(8)),
        "product": file({"a": tensor([2**33, 2**33], 0, 8)}, bytes(8)),
        "deep": file(b'{"a":' + b"[" * 10**6),
        "unknown": file({"a": tensor([1], 0, 4, dtype="F3")}, bytes(4)),
        "digits": file(
            b'{"a":{"dtype":"F32","shape":[' + b"1" * 5000 + b'],"data_offsets":[0,4]}}'
        ),
        "metadata": file({"__metadata__": {"k": [1]}}),
    }
    return {
        f"{name}_{door}.safetensors": (door, data)
        for name, data in contents.items()
        for door in ("weights", "safetensors", "tensors")
    }


def of_numpy() -> Made:
    bomb, objects = io.BytesIO(), io.BytesIO()
    zeros = {key: np.zeros((2, 3000, 3000)) for key in ("x_train", "x_test")}
    np.savez_compressed(bomb, **zeros, y_train=np.zeros(2, int), y_test=np.zeros(2, int))
    np.savez(objects, x_train=np.array([{}], dtype=object))
    encrypted = bytearray(archive({"x_train.npy": npy("(1,)", bytes(8))}))
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        encrypted[encrypted.index(mark) + offset] |= 1
    honest = {
        "x_train.npy": npy("(2, 4, 4)", bytes(256)),
        "x_test.npy": npy("(2, 4, 4)", bytes(256)),
        "y_test.npy": npy("(2,)", bytes(16), "'<i8'"),
    }
    labels = npy("(2,)", (2**40).to_bytes(8, "little") * 2, "'<i8'")
    contents = {
        "bomb": bomb.getvalue(),
        "objects": objects.getvalue(),
        "encrypted": bytes(encrypted),
        "large": archive({"x_train.npy": npy("(1000000000000,)", bytes(8))}),
        "negative": archive({"x_train.npy": npy("(-1,)", bytes(8))}),
        "literal": archive({"x_train.npy": npy("(" * 5000)}),
        "digits": archive({"x_train.npy": npy("(" + "1" * 5000 + ",)")}),
        "text": archive({"x_train.npy": npy("(1,)", b"abcd", "'|S4'")}),
        "lzma": archive({"x_train.npy": npy("(1,)", bytes(8))}, zipfile.ZIP_LZMA),
        "damaged": archive({"x_train.npy": npy("(1,)", bytes(8))}, zipfile.ZIP_DEFLATED)[:-40],
        "empty": b"",
        "other": b"no archive at all, but some text",
        "fields": archive({"x_train.npy": npy("(1,)", bytes(8), "[('a', '<f8')]")}),
        "classes": archive(honest | {"y_train.npy": labels}),
        "infinite": archive(
            honest
            | {"x_train.npy": npy("(2, 4, 4)", struct.pack("<d", 1e308) * 32)}
            | {"y_train.npy": npy("(2,)", bytes(16), "'<i8'")}
        ),
    }
    return {f"{name}.npz": ("images", data) for name, data in contents.items()} | {
        f"{name}_weights.npz": ("weights", data)
        for name, data in contents.items()
        if name not in ("classes", "infinite")
    }


def of_onnx() -> Made:
    return {f"{name}.onnx": ("onnx", data) for name, data in _networks()}


def _networks() -> Iterator[tuple[str, bytes]]:
    import onnx
    from onnx import AttributeProto, TensorProto, helper, numpy_helper

    node, value = helper.make_node, helper.make_tensor_value_info
    image = value("x", TensorProto.FLOAT, [1, 4])
    opsets = [helper.make_opsetid("", 18)]

    def file(nodes: Any, weights: Any = (), inputs: Any = (image,), **more: Any) -> bytes:
        outputs = [onnx.ValueInfoProto(name="y")]
        graph = helper.make_graph(list(nodes), "g", list(inputs), outputs, list(weights))
        opset_imports = [*opsets, helper.make_opsetid("f", 1)]
        model = helper.make_model(graph, opset_imports=opset_imports, ir_version=10, **more)
        return model.SerializeToString()

    def numbers(name: str, *values: int) -> Any:
        return numpy_helper.from_array(np.array(values, np.int64), name)

    def loop(trips: int | None, *inner: Any) -> bytes:
        body = helper.make_graph(
            [node("Identity", ["go"], ["still"]), *(inner or [node("Identity", ["h"], ["h2"])])],
            "body",
            [onnx.ValueInfoProto(name=name) for name in ("turn", "go", "h")],
            [onnx.ValueInfoProto(name=name) for name in ("still", "h2")],
        )
        yes = numpy_helper.from_array(np.array(True), "yes")
        names = ["" if trips is None else "trips", "yes", "x"]
        weights = (
            [yes] if trips is None else [yes, numpy_helper.from_array(np.array(trips), "trips")]
        )
        return file([node("Loop", names, ["y"], body=body)], weights)

    yield "endless_loop", loop(None)
    yield "long_loop", loop(2**62)
    yield "growing_loop", loop(2**62, node("Concat", ["h", "h"], ["h2"], axis=0))

    def chain(make: Callable[[str, str], Any], count: int) -> list[Any]:
        names = ["x", *(f"h{number}" for number in range(count - 1)), "y"]
        return [make(a, b) for a, b in pairwise(names)]

    yield "concat", file(chain(lambda a, b: node("Concat", [a, a], [b], axis=0), 60))
    yield "concat_wide", file(chain(lambda a, b: node("Concat", [a] * 1000, [b], axis=0), 4))
    for name, dims in (
        ("constant_of_shape", (10**12,)),
        ("two", (2**31, 2**31)),
        ("ten", (10**10,)),
    ):
        shape = numbers("shape", *dims)
        nodes = [node("ConstantOfShape", ["shape"], ["c"]), node("Add", ["c", "x"], ["y"])]
        yield f"constant_of_shape_{name}", file(nodes, [shape])
    yield "expand", file([node("Expand", ["x", "e"], ["y"])], [numbers("e", 10**12, 4)])
    yield "tile", file([node("Tile", ["x", "t"], ["y"])], [numbers("t", 10**5, 10**6)])
    yield "pad", file([node("Pad", ["x", "p"], ["y"])], [numbers("p", 0, 0, 10**6, 10**6)])
    outer = [node("Reshape", ["big", "s"], ["col"]), node("MatMul", ["col", "big"], ["m"])]
    big = [node("Tile", ["x", "t"], ["big"]), *outer, node("Add", ["m", "x"], ["y"])]
    yield "outer_product", file(big, [numbers("t", 1, 10**6), numbers("s", -1, 1)])
    yield (
        "broadcast",
        file(
            [node("Tile", ["x", "t"], ["big"]), outer[0], node("Mul", ["col", "big"], ["y"])],
            [numbers("t", 1, 10**6), numbers("s", -1, 1)],
        ),
    )
    limits = [
        numpy_helper.from_array(np.array(n), k) for n, k in ((0, "a"), (10**12, "b"), (1, "d"))
    ]
    ranges = [node("Range", ["a", "b", "d"], ["r"]), node("Add", ["r", "x"], ["y"])]
    yield "range", file(ranges, limits)
    four = value("x", TensorProto.FLOAT, [1, 1, 4, 4])
    resize = [node("Resize", ["x", "", "", "sizes"], ["y"])]
    yield "resize", file(resize, [numbers("sizes", 1, 1, 10**6, 10**6)], [four])
    random = [node("RandomNormal", [], ["r"], shape=[10**12]), node("Add", ["r", "x"], ["y"])]
    yield "random", file(random)
    hann = [node("HannWindow", ["shape"], ["r"]), node("Add", ["r", "x"], ["y"])]
    yield "window", file(hann, [numpy_helper.from_array(np.array(10**11), "shape")])

    def function(number: int, *calls: int) -> Any:
        names = ["x", *(f"h{n}" for n in range(len(calls) - 1)), "y"]
        steps = zip(calls, pairwise(names), strict=False)
        nodes = [node(f"F{c}", [a], [b], domain="f") for c, (a, b) in steps]
        nodes = nodes or [node("Relu", ["x"], ["y"])]
        return helper.make_function("f", f"F{number}", ["x"], ["y"], nodes, opsets)

    call = [node("F0", ["x"], ["y"], domain="f")]
    unfolding = [function(n, n + 1, n + 1) for n in range(26)] + [function(26)]
    yield "unfolding", file(call, functions=unfolding)
    yield "recursive", file(call, functions=[function(0, 1), function(1, 0)])
    straight = [function(n, n + 1) for n in range(400)] + [function(400)]
    yield "nested_functions", file(call, functions=straight)

    sparse = onnx.AttributeProto(name="a", type=AttributeProto.SPARSE_TENSOR)
    relu = node("Relu", ["x"], ["y"])
    relu.attribute.append(sparse)
    yield "sparse_attribute", file([relu])
    typed = node("Relu", ["x"], ["y"])
    typed.attribute.append(onnx.AttributeProto(name="a", type=AttributeProto.TYPE_PROTO))
    yield "type_attribute", file([typed])
    outside = TensorProto(name="w", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    add = [node("Add", ["x", "w"], ["y"])]
    for name, location in (("nul", "a\0b"), ("long", "a" * 5000), ("outside", "../../etc/passwd")):
        tensor = TensorProto()
        tensor.CopyFrom(outside)
        tensor.external_data.add(key="location", value=location)
        yield f"location_{name}", file(add, [tensor])
    for name, dims in (("large", [10**12]), ("product", [2**40, 2**40]), ("negative", [-1])):
        yield f"dims_{name}", file(add, [TensorProto(name="w", data_type=1, dims=dims)])
    yield "input", file([node("Relu", ["x"], ["y"])], (), [value("x", 1, [10**12])])
    yield "sparse_type", file([node("Relu", ["x"], ["y"])], (), [onnx.ValueInfoProto(name="x")])
    yield "no_output", file([node("Relu", ["x"], [])])
    yield "no_constant", file([node("Constant", [], [], value_int=1)])
    yield "unknown", file([node("Unknown", ["x"], ["y"])])
    yield "empty", b""
    yield "text", b"this is no network"
    equal_names = [numpy_helper.from_array(np.ones(1, np.float32), "!" * n) for n in range(1, 1500)]
    sums = [node("Sum", ["x", *(one.name for one in equal_names)], ["z"])]
    yield "names_alike", file([*sums, node("Unknown", ["z"], ["y"])], equal_names)


def made() -> Made:
    """All files."""
    return of_torch() | of_safetensors() | of_numpy() | of_onnx()
