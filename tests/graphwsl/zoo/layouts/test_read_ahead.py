"""Reading ahead gives what reading alone gives, and opens a file less often."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnncore.storage import CorruptFileError, TensorFile, save_tensors
from graphwsl.zoo.layouts import read_ahead
from graphwsl.zoo.layouts.read_ahead import ReadAhead

NETWORKS, EPOCHS = 4, 5
ENTRIES = [(network, epoch) for network in range(NETWORKS) for epoch in range(EPOCHS)]


def stored(folder: Path, name: str = "a", **others: np.ndarray) -> TensorFile:
    generator = np.random.default_rng(len(name))
    arrays = {
        "weight": generator.standard_normal((NETWORKS, EPOCHS, 3, 2)).astype(np.float32),
        "bias": generator.standard_normal((NETWORKS, EPOCHS, 3)),
        "count": generator.integers(9, size=(NETWORKS, EPOCHS)),
    }
    path = folder / f"{name}.safetensors"
    save_tensors(path, {**arrays, **others})
    return TensorFile.of(path)


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[TensorFile]:
    folder = tmp_path_factory.mktemp("chunks")
    return [stored(folder, "a"), stored(folder, "bb")]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many checkpoints each opening of a file read."""
    counts: list[int] = []
    parts = TensorFile.parts

    def noted(self: TensorFile, index: tuple[int, ...], count: int) -> dict[str, np.ndarray]:
        counts.append(count)
        return parts(self, index, count)

    monkeypatch.setattr(TensorFile, "parts", noted)
    return counts


@settings(deadline=None)
@given(
    ahead=st.sampled_from([0, 300, 2**20]),
    runs=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, len(ENTRIES) - 1), st.integers(1, 7)),
        max_size=8,
    ),
)
def test_a_checkpoint_is_that_of_the_file(
    files: list[TensorFile], ahead: int, runs: list[tuple[int, int, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_ahead, "AHEAD", ahead)
        reader = ReadAhead()
        for chosen, start, length in runs:
            for entry in ENTRIES[start : start + length]:
                assert_equal(reader.part(files[chosen], entry), files[chosen].part(entry))


def test_what_is_read_in_order_is_opened_twice(tmp_path: Path, opened: list[int]) -> None:
    file, reader = stored(tmp_path), ReadAhead()
    for entry in ENTRIES:
        reader.part(file, entry)
    assert opened == [1, len(ENTRIES) - 1]


def test_what_is_not_read_in_order_is_read_alone(tmp_path: Path, opened: list[int]) -> None:
    file, reader = stored(tmp_path), ReadAhead()
    for entry in ENTRIES[::-2]:
        reader.part(file, entry)
    assert opened == [1] * (len(ENTRIES) // 2)


def test_large_networks_are_read_alone(
    tmp_path: Path, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "AHEAD", 100)  # a checkpoint has 56 bytes
    file, reader = stored(tmp_path), ReadAhead()
    for entry in ENTRIES:
        reader.part(file, entry)
    assert opened == [1] * len(ENTRIES)


def test_what_is_given_is_the_caller_s(tmp_path: Path) -> None:
    file, reader = stored(tmp_path), ReadAhead()
    for entry in ENTRIES[:2]:
        reader.part(file, entry)
    for _ in range(2):
        found = reader.part(file, ENTRIES[2])
        assert_equal(found, file.part(ENTRIES[2]))
        found["weight"][:] = 0


def test_only_the_checkpoint_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    bias = np.zeros((NETWORKS, EPOCHS, 3))
    bias[ENTRIES[7]] = np.inf
    file, reader = stored(tmp_path, bias=bias), ReadAhead()
    for number, entry in enumerate(ENTRIES):
        if number == 7:
            with pytest.raises(CorruptFileError, match="'bias' is not finite"):
                reader.part(file, entry)
        else:
            assert_equal(reader.part(file, entry), file.part(entry))


def test_arrays_of_other_networks_and_epochs_have_no_common_order(tmp_path: Path) -> None:
    file = stored(tmp_path, odd=np.arange(70.0).reshape(7, 10))
    reader = ReadAhead()
    for entry in ENTRIES:
        assert_equal(reader.part(file, entry), file.part(entry))


def test_a_file_that_was_replaced_is_another_one(tmp_path: Path) -> None:
    former, reader = stored(tmp_path), ReadAhead()
    for entry in ENTRIES[:3]:
        reader.part(former, entry)
    file = stored(tmp_path, bias=np.ones((NETWORKS, EPOCHS, 3)))
    for entry in ENTRIES[:3]:
        assert (reader.part(file, entry)["bias"] == 1).all()


def test_there_is_no_checkpoint_beyond_the_last_epoch(tmp_path: Path) -> None:
    file, reader = stored(tmp_path), ReadAhead()
    for entry in ENTRIES[:EPOCHS]:
        reader.part(file, entry)
    for entry in ((0, EPOCHS), (NETWORKS, 0)):
        assert not reader.holds(file, entry)
        with pytest.raises(CorruptFileError, match="cannot read"):
            reader.part(file, entry)
