"""ONNX files as modules: what is a weight, how it is named, and what is refused in one line."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnxruntime")

import onnx
from onnx import TensorProto, helper, numpy_helper

import graphwsl
from graphwsl.errors import ImportedModelError, UnsupportedModelError
from graphwsl.imports import from_onnx
from graphwsl.imports.onnx import OPERATORS, operator
from graphwsl.imports.onnx.weights import state_names
from graphwsl.testing import assert_exact
from tests.graphwsl.imports.onnx.nodes import integers, model_of, run, truth, values


def constant(name: str, array: np.ndarray) -> Any:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))


def convolutional(batch: str = "batch") -> Any:
    """A network as exporters write it: Constant-node weights, shapes that are computed."""
    x = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 2, 6, 6])
    nodes = [
        constant("kernel", values(4, 2, 3, 3)),
        constant("three", np.array(3, np.float32)),
        constant("zero", np.array(0, np.float32)),
        constant("six", np.array(6, np.float32)),
        constant("rest", integers(-1)),
        constant("first", integers(0)),
        constant("second", integers(1)),
        helper.make_node("Conv", ["image", "kernel"], ["a"]),
        helper.make_node("BatchNormalization", ["a", "g", "b", "m", "v"], ["n"], name="norm"),
        helper.make_node("Add", ["n", "three"], ["s"]),
        helper.make_node("Clip", ["s", "zero", "six"], ["c"]),
        helper.make_node("Shape", ["c"], ["shape"]),
        helper.make_node("Slice", ["shape", "first", "second"], ["size"]),
        helper.make_node("Concat", ["size", "rest"], ["flat_shape"], axis=0),
        helper.make_node("Reshape", ["c", "flat_shape"], ["flat"]),
        helper.make_node("Transpose", ["head.weight"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["flat", "turned"], ["y"]),
    ]
    weights = {
        "g": values(4, seed=1),
        "b": values(4, seed=2),
        "m": values(4, seed=3),
        "v": np.abs(values(4, seed=4)) + 0.5,
        "head.weight": values(3, 64, seed=5),
    }
    graph = helper.make_graph(
        nodes,
        "network",
        [x],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def test_weights_are_parameters_statistics_are_buffers_and_numbers_are_neither() -> None:
    module = from_onnx(convolutional().SerializeToString())
    assert {name for name, _ in module.named_parameters()} == {"g", "b", "head.weight", "kernel"}
    assert {name for name, _ in module.named_buffers()} == {"m", "v"}
    assert not module.training


def test_a_network_runs_as_in_onnxruntime_at_any_batch_size() -> None:
    model = convolutional()
    module = from_onnx(model.SerializeToString())
    for batch in (1, 5):
        fed = {"image": values(batch, 2, 6, 6)}
        np.testing.assert_allclose(run(module, fed)[0], truth(model, fed)[0], rtol=1e-4, atol=1e-5)


def test_a_network_is_traced_exactly() -> None:
    module = from_onnx(convolutional().SerializeToString())
    graph = graphwsl.neural_graph(module, module.example_inputs(), unknown="raise")
    assert_exact(graph, module)
    # Shapes were computed beforehand, so the program holds nothing but the network.
    names = {str(node.target) for node in graph.program.graph_module.graph.nodes}
    assert not any("int" in name or "scalar" in name.lower() for name in names)


def test_new_weights_take_the_place_of_those_of_the_file() -> None:
    module = from_onnx(convolutional().SerializeToString())
    (x,) = module.example_inputs()
    other = {name: torch.zeros_like(one) for name, one in module.named_parameters()}
    assert not torch.func.functional_call(module, other, (x,)).any()
    assert module(x).any()


def test_the_type_follows_the_module() -> None:
    module = from_onnx(convolutional().SerializeToString())
    (x,) = module.example_inputs()
    exact = copy.deepcopy(module).double()(x.double())
    assert exact.dtype == torch.float64
    torch.testing.assert_close(module(x).double(), exact, rtol=1e-4, atol=1e-4)


def test_a_network_exported_by_torch_keeps_its_names(tmp_path: Path) -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv1d(2, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(18, 2)
    )
    weights = {name: one.detach().numpy() for name, one in network.state_dict().items()}
    nodes = [
        helper.make_node("Conv", ["x", "0.weight", "0.bias"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "3.weight", "3.bias"], ["y"], transB=1),
    ]
    model = model_of(nodes, {"x": values(1, 2, 8)}, weights, ["y"])
    onnx.save(model, tmp_path / "network.onnx")
    module = from_onnx(tmp_path / "network.onnx")
    module.load_state_dict(network.state_dict())
    x = torch.randn(1, 2, 8)
    torch.testing.assert_close(module(x), network(x))


def test_scalars_are_numbers_unless_asked_for() -> None:
    node = helper.make_node("Mul", ["x", "temperature"], ["y"])
    weights = {"temperature": np.array(2.5, np.float32)}
    data = model_of([node], {"x": values(3)}, weights, ["y"]).SerializeToString()
    assert not list(from_onnx(data).parameters())
    assert dict(from_onnx(data, scalars=True).named_parameters()).keys() == {"temperature"}


def test_one_tensor_read_twice_is_one_parameter() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["y"]),
    ]
    data = model_of(nodes, {"x": values(1, 3)}, {"w": values(3, 3)}, ["y"]).SerializeToString()
    assert dict(from_onnx(data).named_parameters()).keys() == {"w"}


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_weights_of_other_precision(kind: str) -> None:
    code = {"float16": 10, "bfloat16": 16, "float64": 11}[kind]
    array = helper.tensor_dtype_to_np_dtype(code).type
    weight = numpy_helper.from_array(values(2, 3).astype(array), "w")
    node = helper.make_node("Cast", ["w"], ["y"], to=TensorProto.FLOAT)
    graph = helper.make_graph([node], "g", [], [onnx.ValueInfoProto(name="y")], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    module = from_onnx(model.SerializeToString())
    assert module.get_parameter("w").dtype == getattr(torch, kind)
    np.testing.assert_array_equal(run(module, {})[0], values(2, 3).astype(array).astype(np.float32))


def test_functions_of_the_model_are_inlined() -> None:
    opset = [helper.make_opsetid("", 18)]
    node = helper.make_node("Add", ["a", "a"], ["b"])
    function = helper.make_function("local", "Twice", ["a"], ["b"], [node], opset)
    call = helper.make_node("Twice", ["x"], ["y"], domain="local")
    fed = {"x": values(3)}
    model = model_of([call], fed, {}, ["y"], domain="local")
    model.functions.append(function)
    np.testing.assert_array_equal(run(from_onnx(model.SerializeToString()), fed)[0], 2 * fed["x"])


def test_a_user_adds_an_operator() -> None:
    node = helper.make_node("Twice", ["x"], ["y"], domain="com.example", name="n")
    fed = {"x": values(3)}
    data = model_of([node], fed, {}, ["y"], domain="com.example").SerializeToString()
    with pytest.raises(UnsupportedModelError, match=r"com.example.Twice node 'n'.*register"):
        from_onnx(data)
    operator("com.example.Twice")(lambda call, x: 2 * x)
    try:
        np.testing.assert_array_equal(run(from_onnx(data), fed)[0], 2 * fed["x"])
    finally:
        del OPERATORS["com.example.Twice"]


def test_inputs_are_told_by_position_and_name() -> None:
    nodes = [helper.make_node("Sub", ["a", "b"], ["y"])]
    data = model_of(nodes, {"a": values(2), "b": values(2, seed=1)}, {}, ["y"]).SerializeToString()
    module = from_onnx(data)
    a, b = module.example_inputs()
    torch.testing.assert_close(module(a, b=b), a - b)
    for arguments, named in (((a,), {}), ((a, b, a), {}), ((a, b), {"c": a})):
        with pytest.raises(UnsupportedModelError, match=r"the inputs are a, b; got"):
            module(*arguments, **named)


def test_shapes_that_the_file_leaves_open_can_be_given() -> None:
    module = from_onnx(convolutional().SerializeToString())
    assert module.example_inputs()[0].shape == (1, 2, 6, 6)
    assert module.example_inputs({"image": (3, 2, 6, 6)})[0].shape == (3, 2, 6, 6)
    with pytest.raises(UnsupportedModelError, match="no input 'picture'; the inputs are image"):
        module.example_inputs({"picture": (1,)})
    with pytest.raises(UnsupportedModelError, match="give their shapes: Conv node"):
        module.example_inputs({"image": (1, 5, 6, 6)})


@given(st.lists(st.text(st.sampled_from("ab.0/:_"), max_size=6), max_size=8, unique=True))
def test_names_fit_into_a_module_and_stay_different(names: list[str]) -> None:
    found = state_names([*names, "training", "forward.x", "graph"], {"graph"})
    assert len(set(found)) == len(found)
    root = torch.nn.Module()
    for name in found:
        *way, last = name.split(".")
        module = root
        for part in way:
            if part not in module._modules:
                module.add_module(part, torch.nn.Module())
            module = module.get_submodule(part)
        module.register_buffer(last, torch.zeros(1))
    assert set(root.state_dict()) == set(found)


def external(location: str, **entries: int) -> Any:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    model = model_of([helper.make_node("Add", ["x", "w"], ["y"])], {"x": values(3)}, {}, ["y"])
    model.graph.initializer.append(tensor)
    return model


def test_data_beside_the_file_are_read(tmp_path: Path) -> None:
    array = values(3)
    (tmp_path / "data.bin").write_bytes(b"head" + array.tobytes() + b"tail")
    path = tmp_path / "model.onnx"
    path.write_bytes(external("data.bin", offset=4, length=12).SerializeToString())
    np.testing.assert_array_equal(from_onnx(path).get_parameter("w").detach().numpy(), array)


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "link", "", "sub/../../secret"])
def test_data_elsewhere_are_not_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(values(3).tobytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "model.onnx").write_bytes(external(location).SerializeToString())
    with pytest.raises(ImportedModelError, match="outside its folder"):
        from_onnx(folder / "model.onnx")


@pytest.mark.parametrize("entries", [{"offset": 8}, {"offset": -1}, {"length": 99}, {"length": -4}])
def test_data_beyond_their_file_are_refused(tmp_path: Path, entries: dict[str, int]) -> None:
    (tmp_path / "data").write_bytes(values(3).tobytes())
    (tmp_path / "model.onnx").write_bytes(external("data", **entries).SerializeToString())
    with pytest.raises(ImportedModelError):
        from_onnx(tmp_path / "model.onnx")


def test_data_of_contents_have_no_folder() -> None:
    with pytest.raises(ImportedModelError, match="give the path of the file"):
        from_onnx(external("data").SerializeToString())


def damaged() -> dict[str, tuple[bytes, str]]:
    honest = convolutional()
    short, unordered, sparse = copy.deepcopy(honest), copy.deepcopy(honest), copy.deepcopy(honest)
    short.graph.initializer[0].raw_data = b"12"
    unordered.graph.node[-1].input[0] = "nowhere"
    sparse.graph.sparse_initializer.add()
    return {
        "empty": (b"", "no ONNX model"),
        "text": (b"\xff not a model", "no ONNX model, or damaged"),
        "cut": (honest.SerializeToString()[:-9], "no ONNX model, or damaged"),
        "short": (short.SerializeToString(), "tensor 'g' is damaged"),
        "unordered": (unordered.SerializeToString(), "reads 'nowhere', which nothing before"),
        "sparse": (sparse.SerializeToString(), "sparse initialisers"),
    }


@pytest.mark.parametrize("kind", sorted(damaged()))
def test_damaged_files_end_in_one_line(kind: str) -> None:
    data, message = damaged()[kind]
    with pytest.raises((ImportedModelError, UnsupportedModelError), match=message) as caught:
        from_onnx(data)(torch.zeros(1, 2, 6, 6))
    assert "\n" not in str(caught.value)


def test_files_that_are_missing_or_too_large_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportedModelError, match=r"cannot read .*missing.onnx"):
        from_onnx(tmp_path / "missing.onnx")
    data = convolutional().SerializeToString()
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(ImportedModelError, match="at most 100 are allowed"):
        from_onnx(tmp_path / "model.onnx", max_bytes=100)
    with pytest.raises(ImportedModelError, match="more than 100 bytes"):
        from_onnx(data, max_bytes=100)


def test_a_node_that_does_not_run_is_named() -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="head")
    data = model_of([node], {"x": values(1, 3)}, {"w": values(4, 2)}, ["y"]).SerializeToString()
    with pytest.raises(UnsupportedModelError, match=r"MatMul node 'head' does not run on inputs"):
        from_onnx(data)(torch.zeros(1, 3))


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import graphwsl.imports.onnx as package

    monkeypatch.setattr(package, "find_spec", lambda name: None)
    with pytest.raises(ImportedModelError, match="pip install 'onnx"):
        package.from_onnx  # noqa: B018
