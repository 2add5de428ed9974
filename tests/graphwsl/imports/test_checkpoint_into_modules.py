"""Weights into modules: everything fits, or nothing is copied and the difference is named."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import Tensor, nn

from graphwsl.errors import ImportedModelError, StateMismatchError
from graphwsl.imports import from_checkpoint, from_safetensors, load_into


class Tied(nn.Module):
    """A language model's pattern: the last layer is the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embedding(x))


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))


def mismatch(module: nn.Module, state: dict[str, Tensor]) -> str:
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(StateMismatchError) as caught:
        load_into(module, state)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_fits_is_copied() -> None:
    source, target = network(0), network(1)
    assert load_into(target, source.state_dict()) is target
    x = torch.randn(8, 3)
    assert torch.equal(source.eval()(x), target.eval()(x))


def test_files_of_torch_and_of_safetensors(tmp_path: Path) -> None:
    truth = network(0).state_dict()
    torch.save({"model": truth}, tmp_path / "a.pt")
    save_file(truth, tmp_path / "a.safetensors")
    loaded = [
        from_checkpoint(network(1), tmp_path / "a.pt", entry="model"),
        from_checkpoint(network(2), tmp_path / "a.safetensors"),
        from_safetensors(network(3), tmp_path / "a.safetensors"),
    ]
    for module in loaded:
        state = module.state_dict()
        assert all(torch.equal(state[name], tensor) for name, tensor in truth.items())
    with pytest.raises(ImportedModelError, match="no file of safetensors"):
        from_safetensors(network(1), tmp_path / "a.pt")


def test_missing_and_additional_names_are_told() -> None:
    state = network(0).state_dict()
    state["0.weights"] = state.pop("0.weight")
    message = mismatch(network(1), state)
    assert "lack '0.weight' and have '0.weights' besides" in message
    assert "and 6 more" in mismatch(network(1), {})  # of nine names three are told


def test_shapes_are_told() -> None:
    state = network(0).state_dict() | {"3.weight": torch.zeros(4, 2)}
    assert "'3.weight' has shape [4, 2], the module needs [2, 4]" in mismatch(network(1), state)


def test_types_that_would_lose_digits_are_refused_and_others_are_not() -> None:
    state = network(0).state_dict()
    assert "'0.weight' is of type torch.float64" in mismatch(
        network(1), state | {"0.weight": state["0.weight"].double()}
    )
    half = state["0.weight"].bfloat16()
    module = load_into(network(1), state | {"0.weight": half})
    assert torch.equal(module.state_dict()["0.weight"], half.float())


def test_a_tied_weight_may_be_stored_once(tmp_path: Path) -> None:
    source, target = Tied(), Tied()
    save_model(source, str(tmp_path / "tied.safetensors"))
    from_safetensors(target, tmp_path / "tied.safetensors")
    assert torch.equal(source.head.weight, target.head.weight)
    assert target.head.weight is target.embedding.weight
    load_into(target, Tied().state_dict())


def test_a_tied_weight_has_one_value() -> None:
    state = Tied().state_dict()
    state["head.weight"] = state["head.weight"] + 1
    message = mismatch(Tied(), state)
    assert "ties 'embedding.weight' and 'head.weight'" in message


def test_layers_without_values_are_not_taken_for_tied() -> None:
    with torch.device("meta"):
        shell = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    state = nn.Sequential(nn.Linear(2, 2)).state_dict()
    with pytest.raises(StateMismatchError, match=r"lack '1\.weight', '1\.bias'"):
        load_into(shell, state)
