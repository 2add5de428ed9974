"""Files of weights from anyone: honest ones are read bitwise, all others end in one line."""

import io
import os
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from graphwsl.errors import ImportedModelError
from graphwsl.imports import read_state_dict
from graphwsl.imports.checkpoint import damage
from graphwsl.imports.safetensors import read_safetensors


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))


def torch_bytes(content: object, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def rewritten(
    data: bytes, change: Callable[[str, bytes], bytes], how: int = zipfile.ZIP_STORED
) -> bytes:
    """A torch archive whose members went through ``change(name, contents)``."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(buffer, "w", compression=how) as new,
    ):
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return buffer.getvalue()


@pytest.fixture
def put(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "weights.pt"
        path.write_bytes(data)
        return path

    return write


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(ImportedModelError) as caught:
        read_state_dict(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert repr(str(path)) in message
    return message


def assert_equal(state: dict[str, Tensor], truth: dict[str, Tensor]) -> None:
    assert list(state) == list(truth)
    for name, tensor in truth.items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor)


@pytest.mark.parametrize("legacy", [False, True])
def test_files_of_torch_are_read_bitwise(put: Callable[[bytes], Path], legacy: bool) -> None:
    truth = network().state_dict()
    path = put(torch_bytes(truth, legacy=legacy))
    assert_equal(read_state_dict(path), truth)
    assert damage(path) is None


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.bfloat16, torch.float16, torch.int8, torch.bool, torch.complex64]
)
def test_types_survive(put: Callable[[bytes], Path], dtype: torch.dtype) -> None:
    truth = {"w": torch.tensor([[0, 1], [1, 0]]).to(dtype)}
    assert_equal(read_state_dict(put(torch_bytes(truth))), truth)


def test_parameters_become_plain_tensors(put: Callable[[bytes], Path]) -> None:
    state = read_state_dict(put(torch_bytes(OrderedDict(w=nn.Parameter(torch.ones(2))))))
    assert type(state["w"]) is Tensor
    assert not state["w"].requires_grad


def test_safetensors_are_read_bitwise(tmp_path: Path) -> None:
    truth = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1.5], dtype=torch.bfloat16)}
    path = tmp_path / "no_suffix"
    save_file(truth, path)
    assert_equal(dict(sorted(read_state_dict(path).items())), truth)
    assert_equal(dict(sorted(read_safetensors(path).items())), truth)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_numpy_are_read(tmp_path: Path, save: Callable[..., None]) -> None:
    arrays = {"w": np.arange(6, dtype=">f4").reshape(2, 3), "n": np.int64(3)}
    save(tmp_path / "weights.npz", **arrays)
    state = read_state_dict(tmp_path / "weights.npz")
    assert torch.equal(state["w"], torch.arange(6.0).reshape(2, 3))
    assert state["n"].item() == 3


def test_read_safetensors_unpickles_nothing(put: Callable[[bytes], Path]) -> None:
    with pytest.raises(ImportedModelError, match="no file of safetensors"):
        read_safetensors(put(torch_bytes(network().state_dict())))


# What a training script leaves beside the weights.


def test_entries_are_asked_for(put: Callable[[bytes], Path]) -> None:
    truth = network().state_dict()
    path = put(torch_bytes({"epoch": 3, "state_dict": truth, "optimizer": {"lr": 0.1}}))
    assert "'epoch' (int)" in refusal(path)
    assert "entry='state_dict'" in refusal(path)
    assert "no entry 'model'" in refusal(path, entry="model")
    assert "not a state dict" in refusal(path, entry="optimizer")
    assert_equal(read_state_dict(path, entry="state_dict"), truth)


def test_prefixes_are_taken_off_on_request_alone(put: Callable[[bytes], Path]) -> None:
    truth = network().state_dict()
    path = put(torch_bytes({f"module.{name}": tensor for name, tensor in truth.items()}))
    assert all(name.startswith("module.") for name in read_state_dict(path))
    assert_equal(read_state_dict(path, strip_prefix="module."), truth)
    mixed = put(torch_bytes({"module.a": torch.ones(1), "b": torch.ones(1)}))
    assert "'b' does not begin with 'module.'" in refusal(mixed, strip_prefix="module.")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"w": torch.eye(3).to_sparse()}, "'w' is sparse"),
        ({"w": torch.ones(1).expand(10**9)}, "repeats its values"),
        ({"w": torch.empty(3, device="meta")}, "asks for 'torch._utils._rebuild_meta_tensor"),
        ([torch.ones(1)], "an object of type list"),
        (torch.ones(1), "an object of type Tensor"),
        ({3: torch.ones(1)}, "the name 3 is no text"),
        ({"w": 1.0}, "it holds 'w' (float)"),
        (network(), "asks for 'torch.nn.modules.container.Sequential'"),
    ],
    ids=["sparse", "expanded", "meta", "list", "tensor", "number", "float", "module"],
)
def test_other_contents_are_refused(
    put: Callable[[bytes], Path], content: object, reason: str
) -> None:
    assert reason in refusal(put(torch_bytes(content)))


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_quantised_tensors_are_refused(put: Callable[[bytes], Path]) -> None:
    quantised = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    assert "quantised" in refusal(put(torch_bytes({"w": quantised})))


# Hostile files.


class Calls:
    """Unpickling it calls a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_a_pickle_that_runs_a_command_does_not(tmp_path: Path, legacy: bool, inside: bool) -> None:
    victim = tmp_path / "ran"
    attack = Calls(os.system, f"touch {victim}")
    content = {"w": torch.ones(1), "x": attack} if inside else attack
    path = tmp_path / "weights.pt"
    path.write_bytes(torch_bytes(content, legacy=legacy))
    assert ".system'" in refusal(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    "function", [eval, getattr, torch.load, torch.hub.load, np.load, subprocess.run, Path]
)
def test_every_other_function_is_refused(
    put: Callable[[bytes], Path], function: Callable[..., object]
) -> None:
    assert "asks for" in refusal(put(torch_bytes({"w": Calls(function, "x")})))


def test_nothing_happens_while_hostile_files_are_read(tmp_path: Path) -> None:
    """A process that records what Python's audit hooks see finds no sign of an attack."""
    path = tmp_path / "weights.pt"
    path.write_bytes(torch_bytes({"w": Calls(os.system, "true"), "v": torch.ones(2)}))
    program = """
import sys
from graphwsl.imports import read_state_dict
import safetensors.torch
seen = []
sys.addaudithook(lambda event, _: seen.append(event))
try:
    read_state_dict(sys.argv[1])
except ValueError as error:
    print(error)
bad = ("os.system", "subprocess", "socket", "shutil", "pickle.find_class", "exec", "compile")
print([event for event in seen if event.startswith(bad)])
"""
    out = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "system" in out[0]
    assert out[1:] == ["[]"]


def test_a_compressed_archive_is_refused(put: Callable[[bytes], Path]) -> None:
    data = rewritten(
        torch_bytes({"w": torch.zeros(10**6)}), lambda _, content: content, zipfile.ZIP_DEFLATED
    )
    assert len(data) < 20_000
    assert "compressed" in refusal(put(data))


def test_members_that_share_their_bytes_are_refused(put: Callable[[bytes], Path]) -> None:
    """Many entries of the directory may point at one member (an overlapping zip bomb)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", b"x" * 1000)
        first = archive.infolist()[0]
        for number in range(50):
            copy = zipfile.ZipInfo(f"a/data/{number}")
            copy.file_size, copy.compress_size, copy.CRC = 1000, 1000, first.CRC
            copy.header_offset = first.header_offset
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy
    assert "contradicts the directory" in refusal(put(buffer.getvalue()))


def test_a_pickle_that_torch_would_find_in_another_place_is_refused(
    put: Callable[[bytes], Path],
) -> None:
    honest, hostile = torch_bytes({"w": torch.ones(1)}), torch_bytes({"w": Calls(os.system, "")})
    with zipfile.ZipFile(io.BytesIO(hostile)) as archive:
        content = archive.read("archive/data.pkl")
    for first, second in (("archive/DATA.PKL", "archive/data.pkl"), ("b/data.pkl", "b/c/data.pkl")):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as new, zipfile.ZipFile(io.BytesIO(honest)) as old:
            new.writestr(first, content)
            new.writestr(second, old.read("archive/data.pkl"))
            for name in old.namelist()[1:]:
                new.writestr(name, old.read(name))
        assert "one " in refusal(put(buffer.getvalue()))


def test_arrays_that_unpack_to_very_much_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", w=np.zeros(10**7))
    assert "would unpack to" in refusal(tmp_path / "bomb.npz")


def test_arrays_may_not_unpack_to_more_than_is_allowed(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "w.npz", w=np.arange(10**5) % 97)
    assert "more than 400000" in refusal(tmp_path / "w.npz", max_bytes=400_000)


def test_arrays_that_promise_more_than_there_is_are_refused(tmp_path: Path) -> None:
    header = np.lib.format.header_data_from_array_1_0(np.zeros(1)) | {"shape": (10**12,)}
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, header)
    with zipfile.ZipFile(tmp_path / "short.npz", "w") as archive:
        archive.writestr("w.npy", member.getvalue() + b"\0" * 8)
    refusal(tmp_path / "short.npz")


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", w=np.array([{}], dtype=object))
    assert "allow_pickle" in refusal(tmp_path / "objects.npz")


# In the legacy format torch corrects a promise of too little by itself.
@pytest.mark.parametrize(
    ("numel", "legacy"),
    [(5, False), (7, False), (2**31 - 1, False), (7, True), (2**31 - 1, True)],
)
def test_storages_of_another_size_than_promised_are_refused(
    put: Callable[[bytes], Path], numel: int, legacy: bool
) -> None:
    honest = b"K\x06"  # the pickle's way to write 6, the number of elements

    def lie(name: str, content: bytes) -> bytes:
        if not name.endswith("data.pkl"):
            return content
        assert honest in content
        return content.replace(honest, b"J" + numel.to_bytes(4, "little"), 1)

    data = torch_bytes({"w": torch.zeros(2, 3)}, legacy=legacy)
    refusal(put(lie("data.pkl", data) if legacy else rewritten(data, lie)))


def test_messages_stay_short(put: Callable[[bytes], Path]) -> None:
    assert len(refusal(put(torch_bytes({"x" * 10**5: 1.0})))) < 1000


def test_limits_are_kept(put: Callable[[bytes], Path]) -> None:
    path = put(torch_bytes({"w": torch.zeros(1000)}))
    assert "max_bytes" in refusal(path, max_bytes=1000)
    shared = torch.zeros(1000)
    path = put(torch_bytes({str(number): shared for number in range(9)}))
    assert "its tensors have 36000 bytes" in refusal(path, max_bytes=20_000)


# Damaged files.


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "pipe"])
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.pt"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "missing":
        path.write_text("" if kind == "empty" else "no weights at all, but long enough a text")
    message = refusal(path)
    assert damage(path) is not None
    expected = {
        "missing": "No such file",
        "folder": "not a regular file",
        "pipe": "not a regular file",
        "empty": "it is empty",
        "text": "no file of torch, safetensors or NumPy",
    }
    assert expected[kind] in message


def _example(kind: str) -> bytes:
    state = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}
    if kind in ("torch", "legacy"):
        return torch_bytes(state, legacy=kind == "legacy")
    buffer = io.BytesIO()
    if kind == "npz":
        np.savez(buffer, **{name: tensor.numpy() for name, tensor in state.items()})
        return buffer.getvalue()
    from safetensors.torch import save

    return save(state)


EXAMPLES = {kind: _example(kind) for kind in ("torch", "legacy", "npz", "safetensors")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(EXAMPLES)), data=st.data())
def test_truncated_files_are_refused(folder: Path, kind: str, data: st.DataObject) -> None:
    whole = EXAMPLES[kind]
    path = folder / "weights"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    refusal(path)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(EXAMPLES)), data=st.data())
def test_changed_bytes_raise_the_one_error_or_change_values(
    folder: Path, kind: str, data: st.DataObject
) -> None:
    content = bytearray(EXAMPLES[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = folder / "weights"
    path.write_bytes(content)
    try:
        state = read_state_dict(path, max_bytes=10**6)
    except ImportedModelError as error:
        lines = str(error).count("\n")
    else:
        lines = 0
        assert all(isinstance(tensor, Tensor) for tensor in state.values())
    assert lines == 0


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x10" + b"\0" * 7])
)
def test_random_bytes_are_refused(folder: Path, data: bytes, start: bytes) -> None:
    path = folder / "weights"
    path.write_bytes(start + data)
    refusal(path)
