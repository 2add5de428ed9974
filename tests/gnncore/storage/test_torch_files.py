"""Weights in torch's format: read by torch alone, with nothing but tensors in it."""

from pathlib import Path

import pytest
import torch

from gnncore.storage import write_torch_state


def test_torch_reads_it_as_weights_only(tmp_path: Path) -> None:
    whole = torch.randn(100, 3)
    state = {"weight": whole[:2], "count": torch.tensor(3), "half": whole[:1].half()}
    write_torch_state(tmp_path / "state", state)
    read = torch.load(tmp_path / "state", weights_only=True)
    assert list(read) == list(state)
    assert all(torch.equal(read[name], value) for name, value in state.items())
    assert read["weight"].untyped_storage().nbytes() == 2 * 3 * 4
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("state", [{"weight": [1.0]}, {3: torch.zeros(1)}])
def test_what_is_no_tensor_by_name_is_not_written(state: dict, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="of a state must be a tensor, got"):
        write_torch_state(tmp_path / "state", state)
    assert not list(tmp_path.iterdir())
