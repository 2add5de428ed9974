"""Networks of a user's own, measured like a zoo: the same numbers as of single modules."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from graphwsl.errors import GraphwslError, LandscapeError, ZooError
from graphwsl.landscape import LandscapeSettings, cka, hessian_trace, largest_eigenvalues, measure
from graphwsl.landscape.own_networks import OwnNetworks
from graphwsl.zoo.data import load_images

SETTINGS = LandscapeSettings(
    metrics=("hessian", "similarity", "curves"), samples=32, probes=4, eigenvalues=2, curve_steps=2
)
NAME = "networks_of_this_test:made"


def network(seed: int, width: int = 5) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(seed)
    layers = nn.Flatten(), nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 10)
    return nn.Sequential(*layers), torch.zeros(2, 1, 8, 8)


def test_networks_have_the_numbers_of_their_modules() -> None:
    data = load_images("digits")
    networks = {"one": network(1), "two": network(2), "wide": network(3, 7)}
    found = measure(OwnNetworks(networks), SETTINGS, data=data)
    assert [one.model for one in found.networks] == list(networks)
    assert [cell.models for cell in found.cells] == [("one", "two"), ("wide",)]
    one, two = networks["one"][0], networks["two"][0]
    chosen = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(0))[:32]
    x, y = data.test[chosen], data.test_labels[chosen]
    generator = torch.Generator().manual_seed(0)
    trace = hessian_trace(one, functional.cross_entropy, [(x, y)], 4, generator)
    top = largest_eigenvalues(one, functional.cross_entropy, [(x, y)], count=2)
    metrics = found.networks[0].metrics
    assert metrics["test_hessian_trace"] == pytest.approx(trace, rel=1e-4)
    assert metrics["test_hessian_eigenvalue"] == pytest.approx(float(top[0]), rel=1e-2)
    assert metrics["test_hessian_eigenvalue_2"] == pytest.approx(float(top[1]), rel=1e-2)
    with torch.no_grad():
        assert found.cells[0].metrics["similarity"] == pytest.approx(cka(one(x), two(x)), rel=1e-4)
        wrong = (one(data.test).argmax(1) != data.test_labels).double().mean()
    assert metrics["test_error"] == pytest.approx(float(wrong))


def test_files_of_weights_belong_to_the_network_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("networks_of_this_test.py").write_text(
        "import torch\n"
        "def made():\n"
        "    return torch.nn.Sequential(torch.nn.Linear(4, 2)), torch.zeros(1, 4)\n",
        encoding="utf-8",
    )
    module = nn.Sequential(nn.Linear(4, 2))
    torch.save(module.state_dict(), "weights.pt")
    torch.save({"0.weight": torch.ones(3, 3)}, "other.pt")
    own = OwnNetworks.load(["weights.pt", NAME], NAME)
    assert torch.equal(own.weights(own.checkpoints[0])["0.weight"], module[0].weight)
    assert own.most_alike == 2
    assert [one.configuration["seed"] for one in own.checkpoints] == [0, 1]
    attempts: list[tuple[list[str], str | None, str]] = [
        (["weights.pt"], None, "holds weights alone; say by --network"),
        (["other.pt"], NAME, "the weights in 'other.pt' do not fit"),
        ([NAME, NAME], None, "is given twice"),
    ]
    for references, owner, message in attempts:
        with pytest.raises(GraphwslError, match=message):
            OwnNetworks.load(references, owner)
    with pytest.raises(ZooError, match="must be said: give --data"):
        own.images()
    with pytest.raises(LandscapeError, match="takes dict, and a landscape is measured on"):
        OwnNetworks({"a": (module, {"x": torch.ones(1)})})
    with pytest.raises(LandscapeError, match="there are no networks to measure"):
        OwnNetworks({})
