"""A network by a name that fits on a command line."""

from pathlib import Path

import numpy as np
import pytest
import torch

import graphwsl
from graphwsl.errors import ImportedModelError, UnsupportedModelError
from graphwsl.imports import load_model

FACTORIES = """
import torch
from graphwsl.errors import GraphwslError

network = torch.nn.Linear(3, 2)

def alone():
    return network

def both():
    return torch.nn.Linear(3, 2), torch.zeros(1, 3)

def named():
    return torch.nn.Linear(3, 2), {"input": torch.zeros(1, 3)}

def listed():
    return torch.nn.Linear(3, 2), [torch.zeros(1, 3)]

def bilinear():
    return torch.nn.Bilinear(3, 3, 2)

def nothing():
    return None

def failing():
    raise RuntimeError("no such\\nlayer")

def refusing():
    raise GraphwslError("the zoo is closed")

class Networks:
    @staticmethod
    def inner():
        return both()

constant = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "factories_for_tests.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "factories_for_tests", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", ["both", "named", "Networks.inner"])
def test_a_factory_returns_a_network_and_its_inputs(name: str) -> None:
    module, inputs = load_model(f"factories_for_tests:{name}")
    assert graphwsl.neural_graph(module, inputs).num_weights == 6


@pytest.mark.parametrize("name", ["alone", "network"])
def test_a_network_alone_needs_shapes(name: str) -> None:
    module, inputs = load_model(f"factories_for_tests:{name}", shapes={"input": (1, 3)})
    assert graphwsl.neural_graph(module, inputs).num_weights == 6
    with pytest.raises(ImportedModelError, match="without example inputs"):
        load_model(f"factories_for_tests:{name}")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("network.pt", r"'network.pt' is neither a file that ends in .onnx nor of the form"),
        ("factories_for_tests", "nor of the form package.module:factory"),
        (":both", "nor of the form"),
        ("factories_for_tests:", "nor of the form"),
        ("no_such_package.at_all:both", "gives no network: ModuleNotFoundError"),
        ("factories_for_tests:missing", "AttributeError.*missing"),
        ("factories_for_tests:failing", "RuntimeError: no such layer"),
        ("factories_for_tests:nothing", "must return a module.*got NoneType"),
        ("factories_for_tests:constant", "must return a module.*got int"),
        ("factories_for_tests:listed", "must be a tensor, a tuple or a dictionary, got list"),
    ],
)
def test_mistakes_end_in_one_line(reference: str, message: str) -> None:
    with pytest.raises(ImportedModelError, match=message) as caught:
        load_model(reference)
    assert "\n" not in str(caught.value)


def test_the_inputs_of_a_network_are_named() -> None:
    with pytest.raises(ImportedModelError, match=r"whose names are input \(--shape NAME=1,3\)"):
        load_model("factories_for_tests:alone")
    message = "'factories_for_tests:alone' has no input 'x'; .* whose names are input$"
    with pytest.raises(ImportedModelError, match=message):
        load_model("factories_for_tests:alone", shapes={"x": (1, 3)})
    message = "needs the input 'input2'; .* whose names are input1, input2$"
    with pytest.raises(ImportedModelError, match=message):
        load_model("factories_for_tests:bilinear", shapes={"input1": (1, 3)})


def test_a_missing_onnx_file_is_missing_whether_or_not_onnx_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graphwsl.imports.onnx, "find_spec", lambda name: None)
    with pytest.raises(ImportedModelError, match=r"'no\.onnx'.*No such file"):
        load_model("no.onnx")


def test_errors_of_the_library_pass_through() -> None:
    with pytest.raises(graphwsl.errors.GraphwslError, match=r"^the zoo is closed$"):
        load_model("factories_for_tests:refusing")


def test_an_onnx_file(folder: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((3, 2), np.float32), "weight")
    node = helper.make_node("MatMul", ["x", "weight"], ["y"])
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", "channels"])
    graph = helper.make_graph([node], "g", [x], [onnx.ValueInfoProto(name="y")], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    (folder / "network.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedModelError, match="give their shapes"):
        load_model("network.onnx")
    module, inputs = load_model(Path("network.onnx"), shapes={"x": (2, 3)})
    assert isinstance(inputs, tuple)
    torch.testing.assert_close(module(*inputs), inputs[0].sum(1, keepdim=True).expand(2, 2))
