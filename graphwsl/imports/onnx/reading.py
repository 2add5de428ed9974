"""Reading ONNX files that nobody vouches for."""

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from gnncore.storage import StorageError, read_bytes
from graphwsl.errors import ImportedModelError
from graphwsl.imports.onnx.graph import MOST_NODES

MAX_BYTES = 2**31 - 1
"""Limit of the protobuf format on a message."""

_DEEPEST_CALL = 50
_LONGEST_LOCATION = 1000


def read_model(source: str | os.PathLike[str] | bytes, *, max_bytes: int = MAX_BYTES) -> ModelProto:
    """The model of a file or of the contents of one, complete: with its external data.

    Functions local to the model are replaced by their bodies. External data must lie in the folder
    of the file or below.

    Args:
        source: The file, or its contents.
        max_bytes: Limit on the file, and on each file of external data [bytes].

    Raises:
        ImportedModelError: The file is missing, too large, no ONNX, or refers to data that are
            missing or lie outside its folder.
    """
    if isinstance(source, bytes):
        name, data, folder = f"{len(source)} bytes", source, None
    else:
        path = Path(source)
        name, folder = repr(os.fspath(source)), path.parent
        try:
            data = read_bytes(path, max_bytes=max_bytes)
        except StorageError as error:
            raise ImportedModelError(str(error)) from error
    if len(data) > max_bytes:
        raise ImportedModelError(f"{name}: more than {max_bytes} bytes (max_bytes)")
    try:
        model = onnx.load_from_string(data)
    except (DecodeError, ValueError) as error:
        raise ImportedModelError(f"{name} is no ONNX model, or damaged: {error}") from error
    if not model.HasField("graph") or not model.graph.output:
        raise ImportedModelError(f"{name} is no ONNX model: it has no graph with an output")
    nodes = chain(model.graph.node, *(function.node for function in model.functions))
    for tensor in chain(model.graph.initializer, _tensors(nodes)):
        if tensor.data_location == TensorProto.EXTERNAL:
            _fill(tensor, name, folder, max_bytes)
    if model.functions:
        from onnx.inliner import inline_local_functions

        _require_small(model, name, max_bytes)
        model = inline_local_functions(model)
    return model


class _Cost(NamedTuple):
    """What nodes become once functions are expanded."""

    nodes: int = 0
    size: int = 0
    depth: int = 0


def _require_small(model: ModelProto, name: str, max_bytes: int) -> None:
    """Refuse functions that call themselves, or unfold to very much: each may call others twice."""
    bodies = {(one.domain, one.name, one.overload): one for one in model.functions}
    costs: dict[tuple[str, str, str], _Cost] = {}

    def cost_of(nodes: Iterable[NodeProto], calling: tuple[tuple[str, str, str], ...]) -> _Cost:
        total = _Cost()
        for node in nodes:
            key = (node.domain, node.op_type, node.overload)
            if key in calling or len(calling) > _DEEPEST_CALL:
                raise ImportedModelError(f"{name}: function {node.op_type!r} calls itself")
            if key in bodies and key not in costs:
                costs[key] = cost_of(bodies[key].node, (*calling, key))
            inner = costs.get(key, _Cost())
            within = [cost_of(graph.node, calling) for graph in _branches(node)]
            total = _Cost(
                total.nodes + 1 + inner.nodes + sum(cost.nodes for cost in within),
                # Branches are counted in the size of their node.
                total.size + node.ByteSize() + inner.size + sum(cost.size for cost in within),
                max(total.depth, 1 + inner.depth),
            )
            if total.nodes > MOST_NODES or total.size > max_bytes:
                raise ImportedModelError(
                    f"{name}: its functions unfold to more than {MOST_NODES:,} nodes or "
                    f"{max_bytes} bytes (max_bytes)"
                )
        return total

    cost_of(model.graph.node, ())


def _tensors(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    """The tensors among the attributes of nodes, and those of branches."""
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
        for graph in _branches(node):
            yield from graph.initializer
            yield from _tensors(graph.node)


def _branches(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _fill(tensor: TensorProto, name: str, folder: Path | None, max_bytes: int) -> None:
    """Put external data into the tensor, as ``onnx`` does, but from nowhere else."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    refer = f"{name}: tensor {tensor.name!r} refers to external data"
    if len(location) > _LONGEST_LOCATION:
        raise ImportedModelError(f"{refer} by a name of {len(location)} characters")
    if folder is None:
        raise ImportedModelError(f"{refer}; give the path of the file instead of its contents")
    try:
        path = (folder / location).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ImportedModelError(f"{refer} at no offset, {location[:200]!r}: {error}") from error
    if not location or not path.is_relative_to(folder.resolve()):
        raise ImportedModelError(f"{refer} outside its folder, {location!r}; it is not read")
    try:
        offset = int(entries.get("offset", 0))
        data = read_bytes(path, max_bytes=max_bytes)
        length = int(entries.get("length", len(data) - offset))
    except (StorageError, ValueError) as error:
        raise ImportedModelError(f"{refer} that cannot be read: {error}") from error
    if min(offset, length) < 0 or offset + length > len(data):
        raise ImportedModelError(
            f"{refer} at bytes {offset} to {offset + length}, but {location!r} has {len(data)}"
        )
    tensor.raw_data = data[offset : offset + length]
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]
