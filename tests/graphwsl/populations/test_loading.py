"""Networks that are named: zoos, files of weights, functions that make them, all in one."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from graphwsl.errors import ImportedModelError, PredictorError, ZooError
from graphwsl.populations.loading import Homes, load_networks
from graphwsl.zoo import build
from tests.graphwsl.zoo.layouts.published_layouts import configuration, small, write_trial

FACTORS = {"architecture": "mlp", "width": 4, "depth": 1, "image_size": 4, "out_channels": 3}


def own() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(5)
    return build("mlp", {**FACTORS, "activation": "relu"}), torch.zeros(1, 1, 4, 4)


def broken() -> tuple[nn.Module, Tensor]:
    module, inputs = own()
    nn.init.constant_(next(module.parameters()), torch.inf)
    return module, inputs


OWN, BROKEN = f"{__name__}:own", f"{__name__}:broken"


def numbers(state: dict[str, Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in state.values()])


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks of two epochs; the last of the second is damaged."""
    folder = tmp_path_factory.mktemp("zoos") / "zoo"
    for model in ("a", "b"):
        states = {epoch: small(1, "tanh", 0.0).state_dict() for epoch in (0, 1)}
        if model == "b":
            states[1]["module_list.0.bias"][0] = torch.nan
        write_trial(folder / model, configuration(), states)
    return folder


def test_all_that_is_named_is_there_in_order(zoo: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    save_file(own()[0].state_dict(), file)
    loaded = load_networks([OWN, str(zoo), str(file)], homes=Homes(network=OWN))
    population = loaded.population
    assert loaded.names == [OWN, *[str(zoo)] * 3, str(file)]
    known = [(c.model, c.epoch) for c in population.checkpoints]
    assert known == [(OWN, None), ("a", 0), ("a", 1), ("b", 0), (str(file), None)]
    (problem,) = loaded.left_out
    assert problem.path.startswith(f"{zoo}: ")
    assert "not finite" in problem.reason
    assert torch.equal(population.states[0], numbers(own()[0].state_dict()))
    assert torch.equal(population.states[4], population.states[0])
    assert population.kind.tolist() == [0, 1, 1, 1, 0]
    assert len(population.architectures) == 2


def test_epochs_can_be_chosen(zoo: Path) -> None:
    loaded = load_networks([str(zoo)], epochs=[1])
    assert [(c.model, c.epoch) for c in loaded.population.checkpoints] == [("a", 1)]
    with pytest.raises(PredictorError, match=r"has no checkpoints of the epochs \[7\]"):
        load_networks([str(zoo)], epochs=[7])
    with pytest.raises(PredictorError, match="there are no networks; name at least one"):
        load_networks([])


def test_what_cannot_be_used_is_left_out_unless_it_is_all(zoo: Path, tmp_path: Path) -> None:
    loaded = load_networks([BROKEN, OWN, "none.pt"])
    assert loaded.names == [OWN]
    assert [problem.path for problem in loaded.left_out] == [BROKEN, "none.pt"]
    with pytest.raises(PredictorError, match=r"are not finite in single precision; and 1 more"):
        load_networks([BROKEN, "none.pt"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ZooError):
        load_networks([OWN, str(tmp_path / "empty")])


def test_a_folder_of_weights_names_its_files(zoo: Path, tmp_path: Path) -> None:
    files = [tmp_path / "made" / f"{name}.safetensors" for name in ("b", "a")]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        save_file(own()[0].state_dict(), file)
    (tmp_path / "made" / "networks.json").write_text("[]")
    loaded = load_networks([str(files[0].parent), str(zoo)], homes=Homes(network=OWN))
    assert loaded.names == [*map(str, sorted(files)), *[str(zoo)] * 3]
    given_alone = load_networks([*map(str, sorted(files))], homes=Homes(network=OWN))
    assert given_alone.names == loaded.names[:2]
    files[1].write_bytes(b"no weights")
    loaded = load_networks([str(files[0].parent)], homes=Homes(network=OWN))
    assert loaded.names == [str(files[0])]
    assert [problem.path for problem in loaded.left_out] == [str(files[1])]


@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_find_the_network_that_they_fit(wrapped: bool, tmp_path: Path) -> None:
    state = build("mlp", {**FACTORS, "activation": "tanh"}).state_dict()
    file = tmp_path / "some.pt"
    torch.save(
        {f"module.{name}" if wrapped else name: value for name, value in state.items()}, file
    )
    others = [{**FACTORS, "width": 5}, {**FACTORS, "depth": 2}, {"architecture": "of_nobody"}]
    homes = Homes(known=[*others, {**FACTORS, "activation": "tanh"}])
    population = homes.read(str(file))
    assert torch.equal(population.states[0], numbers(state))
    (function,) = population.functions
    assert function.inputs.shape == (1, 1, 4, 4)
    x = torch.randn(2, 1, 4, 4)
    expected = build("mlp", {**FACTORS, "activation": "tanh"})
    expected.load_state_dict(state)
    function.module.load_state_dict(state)
    torch.testing.assert_close(function.module(x), expected(x))
    with pytest.raises(ImportedModelError, match="of none of the networks that were learnt from"):
        Homes(known=others).read(str(file))


def test_the_activation_matters_to_those_who_run_networks(tmp_path: Path) -> None:
    file = tmp_path / "some.pt"
    torch.save(build("mlp", FACTORS).state_dict(), file)
    both = [{**FACTORS, "activation": name} for name in ("tanh", "relu")]
    assert len(Homes(known=both).read(str(file))) == 1
    with pytest.raises(ImportedModelError, match="may be of mlp with tanh, mlp with relu; say by"):
        Homes(known=both, by_activation=True).read(str(file))


def test_weights_must_be_those_of_the_network_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "other.pt"
    torch.save(build("mlp", {**FACTORS, "width": 5}).state_dict(), file)
    with pytest.raises(PredictorError, match=r"module_list.1.weight has shape \(5, 16\)"):
        load_networks([str(file)], homes=Homes(network=OWN))


def test_a_named_network_is_made_once(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.pt" for number in range(2)]
    for file in files:
        torch.save(own()[0].state_dict(), file)
    homes = Homes(network=OWN)
    first, second = (homes.read(str(file)) for file in files)
    assert first.functions[0] is second.functions[0]
