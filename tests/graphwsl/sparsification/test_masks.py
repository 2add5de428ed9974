"""Which weights go, against pruning by PyTorch and at the boundaries."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from graphwsl.errors import ZooError
from graphwsl.sparsification.masks import PRUNED, highest, magnitude, prunable


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5))


@pytest.mark.parametrize("share", [0.013, 0.5, 0.87])
def test_masks_are_those_of_global_pruning_by_pytorch(share: float) -> None:
    models = [network(seed) for seed in range(3)]
    names = prunable(models[0])
    stacked = {
        name: torch.stack([model.get_parameter(name).detach() for model in models])
        for name in names
    }
    masks = highest(magnitude(stacked, names), torch.full((3,), share))
    for number, model in enumerate(models):
        theirs = copy.deepcopy(model)
        pruned = [(theirs[0], "weight"), (theirs[3], "weight")]
        prune.global_unstructured(pruned, pruning_method=prune.L1Unstructured, amount=share)
        for name in names:
            its = theirs.get_buffer(f"{name}_mask").bool()
            assert torch.equal(masks[name][number], its)


def test_nothing_and_all_may_go() -> None:
    scores = {"a": torch.rand(2, 3, 2), "b": torch.rand(2, 1)}
    masks = highest(scores, torch.tensor([0.0, 1.0]))
    assert all(bool(mask[0].all()) and not bool(mask[1].any()) for mask in masks.values())


def test_of_equal_scores_the_later_go() -> None:
    scores = {"a": torch.ones(1, 3), "b": torch.ones(1, 2)}
    masks = highest(scores, torch.tensor([0.6]))
    assert masks["a"].tolist() == [[True, True, False]]
    assert masks["b"].tolist() == [[False, False]]


@pytest.mark.parametrize("gone", range(11))
def test_exactly_so_many_go(gone: int) -> None:
    masks = highest({"a": torch.rand(1, 10)}, torch.tensor([gone / 10]))
    assert int((~masks["a"]).sum()) == gone


def test_masks_are_nested_and_do_not_depend_on_the_scale_of_a_network() -> None:
    values = torch.randn(1, 40, generator=torch.Generator().manual_seed(0))
    shares = torch.tensor([0.2, 0.5, 0.8])
    (masks,) = highest({"a": values.abs().repeat(3, 1)}, shares).values()
    assert not (masks[1] & ~masks[0]).any()
    assert not (masks[2] & ~masks[1]).any()
    scaled = values.abs() * torch.tensor([[1.0], [4.0], [0.25]])
    assert torch.equal(highest({"a": scaled}, shares)["a"], masks)


def test_the_sign_plays_no_part_in_magnitude_and_other_names_are_left_out() -> None:
    weights = {"a": torch.tensor([[-3.0, 1.0]]), "b": torch.tensor([[9.0]])}
    found = magnitude(weights, ["a"])
    assert list(found) == ["a"]
    assert found["a"].tolist() == [[3.0, 1.0]]


def test_layers_are_pruned_whatever_their_dimensions() -> None:
    parts = [nn.Linear(2, 2), *(layer(2, 2, 1) for layer in PRUNED[1:])]
    assert prunable(nn.Sequential(*parts)) == [f"{number}.weight" for number in range(7)]
    assert prunable(nn.Linear(2, 2)) == ["weight"]


def test_weights_that_an_embedding_and_a_layer_share_are_pruned_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(5, 3)
            self.head = nn.Linear(3, 5)
            self.head.weight = self.table.weight

    assert prunable(Tied()) == ["table.weight"]


@pytest.mark.parametrize("module", [nn.ReLU(), nn.Embedding(3, 2), nn.BatchNorm2d(3)])
def test_networks_without_such_layers_are_refused(module: nn.Module) -> None:
    with pytest.raises(ZooError, match=f"{type(module).__name__} has no linear layer or conv"):
        prunable(module)
