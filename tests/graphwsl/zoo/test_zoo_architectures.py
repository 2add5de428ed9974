"""The published architectures have the published sizes, names and order of layers."""

import pytest
import torch
from torch import nn

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.registry import build


def size(name: str, **configuration: int | str | float) -> int:
    return sum(parameter.numel() for parameter in build(name, configuration).parameters())


@pytest.mark.parametrize(
    ("name", "channels", "image_size", "parameters"),
    [
        ("cnn_s", 1, 28, 2464),
        ("cnn_s", 3, 28, 2864),
        ("cnn_l", 3, 32, 10853),
        ("cnn_l", 1, 32, 10565),
        ("unterthiner", 1, 28, 4970),
    ],
)
def test_published_numbers_of_parameters(
    name: str, channels: int, image_size: int, parameters: int
) -> None:
    assert size(name, in_channels=channels, image_size=image_size) == parameters


def test_names_and_places_of_the_small_network_are_the_published_ones() -> None:
    state = build("cnn_s", {}).state_dict()
    places = [0, 3, 6, 9, 11]
    assert list(state) == [f"module_list.{p}.{kind}" for p in places for kind in ("weight", "bias")]
    lengths = [
        state[f"module_list.{p}.weight"].numel() + state[f"module_list.{p}.bias"].numel()
        for p in places
    ]
    assert lengths == [208, 1206, 100, 740, 210]


@pytest.mark.parametrize(("dropout", "places"), [(0.0, [0, 3, 6, 9, 11]), (0.5, [0, 4, 8, 11, 14])])
def test_dropout_moves_the_names_of_the_small_network(dropout: float, places: list[int]) -> None:
    names = build("cnn_s", {"dropout": dropout}).state_dict()
    assert [int(name.split(".")[1]) for name in names if name.endswith("bias")] == places


def test_dropout_does_not_move_the_names_of_the_large_network() -> None:
    names = build("cnn_l", {"dropout": 0.0}).state_dict()
    assert [int(name.split(".")[1]) for name in names if name.endswith("bias")] == [0, 4, 8, 13, 16]


def test_pooling_comes_before_the_activation() -> None:
    kinds = [type(layer) for layer in build("cnn_s", {"activation": "relu"}).module_list]
    assert kinds[:3] == [nn.Conv2d, nn.MaxPool2d, nn.ReLU]


@pytest.mark.parametrize("name", ["cnn", "mlp", "vit"])
def test_width_and_depth_make_networks_larger(name: str) -> None:
    base = {"image_size": 8, "width": 4, "depth": 1, "patch_size": 4}
    assert size(name, **base) < size(name, **{**base, "depth": 2})
    assert size(name, **base) < size(name, **{**base, "width": 8})


@pytest.mark.parametrize("name", ["cnn", "mlp", "vit", "cnn_s", "cnn_l", "unterthiner"])
def test_networks_give_logits(name: str) -> None:
    configuration = {"in_channels": 2, "image_size": 28, "out_channels": 5}
    assert build(name, configuration)(torch.zeros(3, 2, 28, 28)).shape == (3, 5)


@pytest.mark.parametrize(
    ("name", "configuration", "message"),
    [
        ("cnn_xs", {}, "unknown architecture 'cnn_xs', did you mean 'cnn_s'"),
        ("mlp", {"width": 0}, "width of mlp must be at least 1, got 0"),
        (
            "cnn_s",
            {"image_size": 19},
            "image_size of cnn_s must be at least 20, got 19",
        ),
        ("vit", {"patch_size": 5}, "patch_size of vit must be a divisor of the image size 28, got"),
        ("vit", {"heads": 3}, "heads of vit must be a divisor of the width 32, got 3"),
        ("mlp", {"dropout": 1.0}, "dropout of mlp must be at least 0 and below 1, got 1.0"),
    ],
)
def test_what_cannot_be_built_is_said(
    name: str, configuration: dict[str, int | float], message: str
) -> None:
    with pytest.raises(ZooError, match=message):
        build(name, configuration)
