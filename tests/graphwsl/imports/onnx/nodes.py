"""Single ONNX nodes as models, run by onnxruntime and by torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import helper, numpy_helper  # noqa: E402

from graphwsl.imports.onnx.module import OnnxModule, from_onnx  # noqa: E402

IR_VERSION = 10
VERSION = 18


def values(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def integers(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def model_of(
    nodes: Sequence[Any],
    inputs: dict[str, np.ndarray],
    weights: dict[str, np.ndarray],
    outputs: Sequence[str],
    version: int = VERSION,
    domain: str = "",
) -> Any:
    """A model of nodes; inputs are fed, weights are initialisers."""
    declared = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in inputs.items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "test",
        declared,
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", version)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def truth(model: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs of a model, or of the contents of a file, by onnxruntime."""
    data = model if isinstance(model, bytes) else model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options)
    result: list[np.ndarray] = session.run(None, inputs)
    return result


def run(module: OnnxModule, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs by torch."""
    with torch.no_grad():
        found = module(**{name: torch.from_numpy(array) for name, array in inputs.items()})
    return [one.numpy() for one in ((found,) if isinstance(found, Tensor) else found)]


def check(
    operator: str,
    inputs: Sequence[np.ndarray | None],
    weights: Sequence[np.ndarray | None] = (),
    *,
    version: int = VERSION,
    outputs: int | Sequence[str] = 1,
    **attributes: Any,
) -> OnnxModule:
    """A node by torch equals the node by onnxruntime, outputs, shapes and types.

    Args:
        operator: The node's operator.
        inputs: What is fed, None for an input that is left out.
        weights: Initialisers that follow the inputs, None for one that is left out.
        version: Of the operator set.
        outputs: How many, or their names, empty for one that is left out.
        attributes: Of the node.
    """
    fed = {f"x{k}": one for k, one in enumerate(inputs) if one is not None}
    kept = {f"w{k}": one for k, one in enumerate(weights) if one is not None}
    names = ["" if one is None else f"x{k}" for k, one in enumerate(inputs)]
    names += ["" if one is None else f"w{k}" for k, one in enumerate(weights)]
    results = [f"y{k}" for k in range(outputs)] if isinstance(outputs, int) else list(outputs)
    node = helper.make_node(operator, names, results, name="node", **attributes)
    model = model_of([node], fed, kept, [name for name in results if name], version)
    module = from_onnx(model.SerializeToString())
    for found, expected in zip(run(module, fed), truth(model, fed), strict=True):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6)
    return module
