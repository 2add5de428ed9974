"""Data, factors and an architecture that tests of training share."""

from typing import Any

import torch
from torch import Tensor, nn

from graphwsl.zoo.architectures.registry import ArchitectureFactors, register_architecture
from graphwsl.zoo.data_set import DataSet

BATCH, EPOCHS = 24, 2


@register_architecture("normalised", factors={"width": int})
def normalised(factors: ArchitectureFactors) -> nn.Module:
    """Batch norm of images and of features."""
    width = factors.number("width", 3)
    convolution = nn.Conv2d(factors.number("in_channels", 1), width, 3, stride=2, bias=False)
    inputs = width * ((factors.number("image_size", 8) - 1) // 2) ** 2
    layers = [
        convolution,
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(inputs, 5, bias=False),
    ]
    return nn.Sequential(*layers, nn.BatchNorm1d(5), nn.Linear(5, factors.classes))


def images(size: int, channels: int = 1, train: int = 60, test: int = 30) -> DataSet:
    generator = torch.Generator().manual_seed(0)

    def draw(samples: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(samples, channels, size, size, generator=generator)
        return x, torch.randint(0, 4, (samples,), generator=generator)

    return DataSet(*draw(train), *draw(test), classes=4)


def configuration(architecture: str, data: DataSet, **factors: Any) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "seed": 1,
        "activation": "tanh",
        "initialisation": "kaiming_uniform",
        "optimiser": "adam",
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "dropout": 0.0,
        "data_fraction": 1.0,
        "in_channels": data.in_channels,
        "image_size": data.image_size,
        "out_channels": data.classes,
        **factors,
    }
