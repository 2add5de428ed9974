"""The larger networks of published zoos: sizes as published, functions as torch's own parts say."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphwsl.errors import ZooError
from graphwsl.imports import load_into
from graphwsl.zoo import build, open_zoo
from graphwsl.zoo.architectures.resnet import BLOCKS
from graphwsl.zoo.architectures.vit import SmallVisionTransformer
from tests.graphwsl.zoo.layouts.published_layouts import configuration, result, write_trial

F = nn.functional


def parameters(name: str, **configuration: Any) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build(name, configuration).parameters())


def settled(module: nn.Module) -> nn.Module:
    """The module with running statistics and biases that are not those of the beginning."""
    torch.manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(
                torch.rand_like(tensor) + 0.5 if "var" in name else 0.2 * torch.randn_like(tensor)
            )
    return module.eval()


@pytest.mark.parametrize(
    ("name", "factors", "count"),
    [
        # Networks for small images with 10 classes, whose sizes are well known.
        # He et al. count 0.27 million for 20 layers of this family; with 8 it is 78 thousand.
        ("resnet8", {}, 78_042),
        ("resnet18", {}, 11_173_962),
        ("resnet34", {}, 21_282_122),
        ("resnet50", {}, 23_520_842),
        # ViT-S/16 of timm.
        ("vit_s_16", {}, 22_050_664),
        ("vit_s_16", {"out_channels": 100}, 21_704_164),
    ],
)
def test_sizes_are_the_known_ones(name: str, factors: dict[str, int], count: int) -> None:
    assert parameters(name, **factors) == count


def residual(state: dict[str, Tensor], x: Tensor, depths: tuple[int, ...], kernels: int) -> Tensor:
    """A residual network by its definition, from parameters named as torchvision names them."""

    def normalised(name: str, y: Tensor) -> Tensor:
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        scale = state[f"{name}.weight"] / (variance + 1e-5).sqrt()
        return (y - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][
            :, None, None
        ]

    x = F.relu(normalised("bn1", F.conv2d(x, state["conv1.weight"], padding=1)))
    for stage, depth in enumerate(depths):
        for block in range(depth):
            name = f"layer{stage + 1}.{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            y = x
            for number in range(1, kernels + 1):
                weight = state[f"{name}.conv{number}.weight"]
                strided = number == (2 if kernels == 3 else 1)
                y = F.conv2d(
                    y, weight, stride=stride if strided else 1, padding=weight.shape[-1] // 2
                )
                y = normalised(f"{name}.bn{number}", y)
                y = F.relu(y) if number < kernels else y
            if f"{name}.downsample.0.weight" in state:
                weight = state[f"{name}.downsample.0.weight"]
                x = normalised(f"{name}.downsample.1", F.conv2d(x, weight, stride=stride))
            x = F.relu(x + y)
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_residual_networks_follow_their_definition(name: str) -> None:
    factors = {"width": 2, "in_channels": 3, "out_channels": 7}
    module = settled(build(name, factors)).double()
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    truth = residual(module.state_dict(), x, BLOCKS[name], 3 if name == "resnet50" else 2)
    torch.testing.assert_close(module(x), truth)


def test_the_vision_transformer_follows_its_definition() -> None:
    """Its blocks are pre-norm encoder layers of torch, with parameters under other names."""
    width, heads, depth = 12, 3, 2
    module = settled(
        SmallVisionTransformer(
            out_channels=5, image_size=32, width=width, depth=depth, heads=heads, head_width=4
        )
    ).double()
    state = {k.removeprefix("vit."): v for k, v in module.state_dict().items()}
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    patches = F.unfold(x, 16, stride=16).transpose(1, 2)
    weight = state["patch_embed.proj.weight"].flatten(1)
    tokens = F.linear(patches, weight, state["patch_embed.proj.bias"])
    tokens = torch.cat([state["cls_token"].expand(2, 1, width), tokens], 1) + state["pos_embed"]
    for number in range(depth):
        block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
        ).double()
        names = {
            "self_attn.in_proj_": "attn.qkv.",
            "self_attn.out_proj.": "attn.proj.",
            "linear1.": "mlp.fc1.",
            "linear2.": "mlp.fc2.",
            "norm1.": "norm1.",
            "norm2.": "norm2.",
        }
        load_into(
            block,
            {
                torchs + kind: state[f"blocks.{number}.{ours}{kind}"]
                for torchs, ours in names.items()
                for kind in ("weight", "bias")
            },
        )
        tokens = block(tokens)
    token = F.layer_norm(tokens[:, 0], (width,), state["norm.weight"], state["norm.bias"], 1e-6)
    hidden = F.relu(F.linear(token, state["head.0.weight"], state["head.0.bias"]))
    truth = F.linear(hidden, state["head.2.weight"], state["head.2.bias"])
    torch.testing.assert_close(module(x), truth)


@pytest.mark.parametrize("kind", ["Resnet18_width", "Resnet50_width"])
def test_zoos_over_width_and_batch_size(tmp_path: Path, kind: str) -> None:
    """The layout of the phase-transition zoos, with measurements of the landscape at one epoch."""
    truth = {}
    landscape = {"log_hessian_trace": 5.2, "log_hessian_top_ev": 2.1, "curve_mc_test_error": -3.0}
    for width in (2, 4):
        config = configuration(
            kind,
            model__channels_in=3,
            model__o_dim=10,
            model__nlin="relu",
            model__init_type="kaiming_uniform",
            model__width=width,
            training__batchsize=1024,
        )
        name = f"NN_tune_trainable_0ada0_0000{width}_{width}_model_width={width},seed=0_2024-05-21"
        architecture = {"Resnet18_width": "resnet18", "Resnet50_width": "resnet50"}[kind]
        truth[width] = settled(build(architecture, {"width": width}))
        rows = [result(1, config), result(2, config, **landscape)]
        states = {epoch: truth[width].state_dict() for epoch in (1, 2)}
        write_trial(tmp_path / "zoo" / name, config, states, digits=6, results=rows)
    zoo = open_zoo(tmp_path / "zoo")
    assert zoo.problems == []
    assert [(c["width"], c.epoch, c["batch_size"]) for c in zoo.checkpoints] == [
        *((2, 1, 1024), (2, 2, 1024), (4, 1, 1024), (4, 2, 1024))
    ]
    assert "log_hessian_trace" not in zoo.checkpoints[0].metrics
    assert landscape.items() <= zoo.checkpoints[3].metrics.items()
    module = load_into(zoo.module(zoo.checkpoints[3]), zoo.weights(zoo.checkpoints[3]))
    x = zoo.example_inputs(zoo.checkpoints[3])
    assert torch.equal(module(x), truth[4](x))


def test_zoos_of_fine_tuned_transformers_lie_deeper(tmp_path: Path) -> None:
    """Pretrained and fine-tuned models, one of them with a hidden layer in its head."""
    shallow = {"depth": 1, "in_channels": 3}  # where the published ones have 12 blocks
    pretrained = build("vit_s_16", {**shallow, "out_channels": 8}).state_dict()
    finetuned = build("vit_s_16", {**shallow, "out_channels": 10, "head_width": 6}).state_dict()
    config = configuration(
        "vit_s_16",
        model__channels_in=3,
        model__nlin="gelu",
        model__o_dim=8,
        optim__optimizer="adamw",
        model__head__mlp=False,
        model__head__hidden_dim=None,
    )
    head = {"model::o_dim": 10, "model::head::mlp": True, "model::head::hidden_dim": 6}
    root = tmp_path / "dataset"
    for path, parameters, state in (
        ("pretraining/sl_42", config, pretrained),
        ("finetuning/sl_42/lr_0.001", {**config, **head}, finetuned),
    ):
        write_trial(root / path, parameters, {3: state}, digits=4, config_name="config.json")
    zoo = open_zoo(root)
    assert zoo.problems == []
    assert [c.model for c in zoo.checkpoints] == ["finetuning/sl_42/lr_0.001", "pretraining/sl_42"]
    assert [c["out_channels"] for c in zoo.checkpoints] == [10, 8]
    assert [c.configuration.get("head_width") for c in zoo.checkpoints] == [6, None]
    # Twelve blocks are expected; the stand-ins for them have one, and that is said.
    with pytest.raises(ZooError, match=r"lacks 'vit\.blocks\.1\.norm1\.weight'"):
        zoo.weights(zoo.checkpoints[0])
