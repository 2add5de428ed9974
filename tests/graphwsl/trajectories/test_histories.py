"""Checkpoints in folders: their order, their layers, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories.histories import (
    History,
    Layers,
    checkpoint_files,
    even,
    histories,
    is_zoo,
    layers_of_file,
    read_row,
)


def network(seed: int = 0) -> nn.Sequential:
    """Ten and more modules, of which names in the order of the alphabet are not in that of use."""
    torch.manual_seed(seed)
    layers = [part for _ in range(6) for part in (nn.Linear(3, 3), nn.Tanh())]
    return nn.Sequential(*layers, nn.BatchNorm1d(3))


def test_layers_are_modules_and_their_sizes_add_up_to_those_of_tensors() -> None:
    layers = Layers({"a.weight": (2, 3), "a.bias": (2,), "scale": (), "b.c.weight": (4,)})
    assert layers.names == ("a", "scale", "b.c")
    assert layers.sizes == (8, 1, 4)
    assert layers.tensor_sizes == (6, 2, 1, 4)


def test_a_row_holds_tensors_in_the_order_of_layers_whatever_the_order_of_the_state() -> None:
    layers = Layers({"a.weight": (2, 2), "a.bias": (2,)})
    state = {"a.bias": torch.tensor([5.0, 6.0]), "a.weight": torch.arange(1.0, 5).view(2, 2)}
    assert layers.row(state, "it").tolist() == [1, 2, 3, 4, 5, 6]


def test_counts_of_batches_are_no_weights() -> None:
    layers = Layers({"weight": (2,)})
    state = {"weight": torch.ones(2), "num_batches_tracked": torch.tensor(7)}
    assert layers.row(state, "it").tolist() == [1, 1]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, r"it is of another architecture: 'a' has shape None instead of \(2,\)"),
        ({"a": torch.ones(3)}, r"'a' has shape \(3,\) instead of \(2,\)"),
        ({"a": torch.ones(2), "b": torch.ones(1)}, r"'b' has shape \(1,\) instead of None"),
        ({"a": torch.tensor([1.0, torch.inf])}, "it has weights that are not finite; leave it out"),
    ],
)
def test_states_of_others_are_refused(state: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(TrajectoryError, match=message):
        Layers({"a": (2,)}).row(state, "it")


@pytest.mark.parametrize("ending", ["pt", "safetensors", "npz"])
def test_every_format_gives_the_same_layers_and_the_same_row(tmp_path: Path, ending: str) -> None:
    """Formats keep tensors in different orders; all of a module lie together all the same."""
    model = network()
    state = {name: value.detach() for name, value in model.state_dict().items()}
    file = tmp_path / f"epoch_0.{ending}"
    if ending == "pt":
        torch.save(dict(reversed(state.items())), file)
    elif ending == "npz":
        np.savez(file, **{name: value.numpy() for name, value in state.items()})
    else:
        save_file(state, file)
    layers = layers_of_file(file)
    assert layers.names == ("0", "2", "4", "6", "8", "10", "12")
    assert layers.sizes == (12,) * 7
    expected = [
        state[f"{number}.{name}"].flatten()
        for number in range(0, 14, 2)
        for name in sorted(
            ["bias", "weight", *(["running_mean", "running_var"] if number == 12 else [])]
        )
    ]
    assert torch.equal(read_row(layers, file), torch.cat(expected))


def test_weights_lie_as_those_that_they_are_compared_with(tmp_path: Path) -> None:
    state = {name: value.detach() for name, value in network().state_dict().items()}
    save_file(state, tmp_path / "1.safetensors")
    floating = {name: value for name, value in state.items() if value.is_floating_point()}
    known = Layers({name: tuple(value.shape) for name, value in floating.items()})
    layers, (history,) = histories(tmp_path, like=[known])
    assert list(layers.shapes) == list(floating)
    assert torch.equal(history.rows[0], torch.cat([one.flatten() for one in floating.values()]))
    other, _ = histories(tmp_path, like=[Layers({"0.weight": (3, 3)})])
    assert (other.names, other.sizes) == (known.names, known.sizes)


def test_files_are_in_the_order_of_numbers_and_other_files_play_no_part(tmp_path: Path) -> None:
    names = ["run2_e10.pt", "run2_e9.npz", "run10_e1.pth", "run2_e009.pt", "a.safetensors"]
    for name in [*names, "notes.txt", "e3.pt.tmp", "README"]:
        (tmp_path / name).touch()
    found = [file.name for file in checkpoint_files(tmp_path)]
    assert found[0] == "a.safetensors"
    assert set(found[1:3]) == {"run2_e9.npz", "run2_e009.pt"}
    assert found[3:] == ["run2_e10.pt", "run10_e1.pth"]


def test_folders_that_are_none_and_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in ("file", "nowhere"):
        assert not is_zoo(tmp_path / path)
        with pytest.raises(TrajectoryError, match=f"{path}' is no folder to read: "):
            histories(tmp_path / path)
    with pytest.raises(TrajectoryError, match="holds neither a zoo nor checkpoints"):
        histories(tmp_path)


def test_trainings_become_one_tensor_if_they_have_the_same_checkpoints() -> None:
    rows = torch.arange(12.0).view(2, 3, 2)
    trainings = [History(str(n), ["0", "1", "5"], some) for n, some in enumerate(rows)]
    assert torch.equal(even(trainings), rows)
    with pytest.raises(TrajectoryError, match="there are no trainings to learn from"):
        even([])
    with pytest.raises(TrajectoryError, match="'0' has 3 and 'c' 2 or others; leave out"):
        even([*trainings, History("c", ["0", "1"], rows[0, :2])])
    with pytest.raises(TrajectoryError, match="'0' has 3 and 'd' 3 or others"):
        even([*trainings, History("d", ["0", "1", "6"], rows[0])])
