"""The published architectures have the published sizes, names and order of layers."""

from typing import Any

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
    indices = [0, 3, 6, 9, 11]
    assert list(state) == [
        f"module_list.{p}.{kind}" for p in indices for kind in ("weight", "bias")
    ]
    lengths = [
        state[f"module_list.{p}.weight"].numel() + state[f"module_list.{p}.bias"].numel()
        for p in indices
    ]
    assert lengths == [208, 1206, 100, 740, 210]


@pytest.mark.parametrize(
    ("dropout", "indices"), [(0.0, [0, 3, 6, 9, 11]), (0.5, [0, 4, 8, 11, 14])]
)
def test_dropout_moves_the_names_of_the_small_network(dropout: float, indices: list[int]) -> None:
    names = build("cnn_s", {"dropout": dropout}).state_dict()
    assert [int(name.split(".")[1]) for name in names if name.endswith("bias")] == indices


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
            "mlp",
            {"width": 0.1},
            "width of mlp must be a whole number of at least 1 .read fractions by .*value.*0.1",
        ),
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


TRANSFORMERS: dict[str, tuple[dict[str, int], dict[str, Any], list[str]]] = {
    "vit": (
        {"width": 8, "depth": 2, "heads": 2, "patch_size": 7, "out_channels": 10},
        {"patches": "patches", "tokens": ["class_token", "positions"], "hidden": 2},
        ["attention.qkv", "attention.projection", "mlp.0", "mlp.2"],
    ),
    "vit_s_16": (
        {"image_size": 32, "in_channels": 1, "depth": 1, "out_channels": 10},
        {
            "patches": "vit.patch_embed.proj",
            "tokens": ["vit.cls_token", "vit.pos_embed"],
            "hidden": 4,
        },
        ["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"],
    ),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_seeds_give_both_transformers_what_they_always_did(name: str) -> None:
    """Parameters have the names, and are drawn in the order, of the zoos that there are."""
    factors, parts, layers = TRANSFORMERS[name]
    home = parts["tokens"][0].rpartition(".")[0]
    prefix = f"{home}." if home else ""
    width, patch = factors.get("width", 384), factors.get("patch_size", 16)
    tokens = (factors.get("image_size", 28) // patch) ** 2 + 1
    torch.manual_seed(7)
    drawn: dict[str, torch.Tensor] = {}

    def note(path: str, module: nn.Module) -> None:
        drawn.update({f"{path}.{key}": value for key, value in module.state_dict().items()})

    note(parts["patches"], nn.Conv2d(1, width, patch, stride=patch))
    for key, shape in zip(parts["tokens"], [(1, 1, width), (1, tokens, width)], strict=True):
        drawn[key] = 0.02 * torch.randn(shape)
    sizes = [(width, 3 * width), (width, width), (width, parts["hidden"] * width)]
    sizes.append(sizes[-1][::-1])
    for block in range(factors["depth"]):
        for norm in ("norm1", "norm2"):
            note(f"{prefix}blocks.{block}.{norm}", nn.LayerNorm(width))
        for layer, (inputs, outputs) in zip(layers, sizes, strict=True):
            note(f"{prefix}blocks.{block}.{layer}", nn.Linear(inputs, outputs))
    note(f"{prefix}norm", nn.LayerNorm(width))
    note(f"{prefix}head", nn.Linear(width, 10))
    torch.manual_seed(7)
    state = build(name, factors).state_dict()
    assert state.keys() == drawn.keys()
    assert [key.removeprefix(prefix) for key in state][:2] == [
        key.removeprefix(prefix) for key in parts["tokens"]
    ]
    for key, values in drawn.items():
        assert torch.equal(state[key], values), key
