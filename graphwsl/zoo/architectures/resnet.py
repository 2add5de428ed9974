"""Residual networks of any width, as the published zoos of them have it."""

from jaxtyping import Float
from torch import Tensor, nn

from graphwsl.zoo.architectures.architecture import SHARED, register_architecture
from graphwsl.zoo.architectures.factors import ArchitectureFactors

BLOCKS: dict[str, tuple[int, ...]] = {
    "resnet8": (1, 1, 1),
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
}


class ResidualBlock(nn.Module):
    """Two or three convolutions beside a shortcut, which is a convolution where shapes change.

    He et al., "Deep Residual Learning for Image Recognition", 2016; the stride of the version with
    three convolutions lies on the 3 × 3 one, as in torchvision, whose names the parameters have.

    Args:
        in_channels: Channels of the input.
        width: Channels of the 3 × 3 convolutions.
        stride: Stride of the block.
        bottleneck: Whether 1 × 1 convolutions narrow and then widen to ``4 * width`` channels.
    """

    def __init__(self, in_channels: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        out_channels = 4 * width if bottleneck else width
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        strides = (1, stride, 1) if bottleneck else (stride, 1)
        channels = (in_channels, *(width for _ in kernels[1:]), out_channels)
        self.depth = len(kernels)
        for number, kernel in enumerate(kernels):
            inputs, outputs = channels[number : number + 2]
            convolution = nn.Conv2d(
                inputs, outputs, kernel, strides[number], padding=kernel // 2, bias=False
            )
            self.add_module(f"conv{number + 1}", convolution)
            self.add_module(f"bn{number + 1}", nn.BatchNorm2d(outputs))
        self.relu = nn.ReLU()
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
            if stride != 1 or in_channels != out_channels
            else nn.Identity()
        )

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels2 height2 width2"]:
        """The rectified sum of both ways."""
        y = x
        for number in range(1, self.depth + 1):
            y = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(y))
            if number < self.depth:
                y = self.relu(y)
        return self.relu(y + self.downsample(x))


class ResidualNetwork(nn.Module):
    """A residual network for small images: its first convolution is 3 × 3, and none pools before.

    Args:
        name: ``resnet8``, ``resnet18``, ``resnet34`` or ``resnet50``.
        width: Channels of the first stage, doubled at each further one; 16 is usual for
            ``resnet8``, which is the smallest of the family for small images of He et al., and 64
            for the others.
        in_channels: Channels of the image.
        out_channels: Classes.
    """

    def __init__(self, name: str, *, width: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        bottleneck = name == "resnet50"
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        channels, self.stages = width, len(BLOCKS[name])
        for stage, depth in enumerate(BLOCKS[name]):
            blocks = []
            for number in range(depth):
                stride = 2 if stage and not number else 1
                blocks.append(ResidualBlock(channels, width * 2**stage, stride, bottleneck))
                channels = width * 2**stage * (4 if bottleneck else 1)
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, out_channels)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        x = self.relu(self.bn1(self.conv1(x)))
        for stage in range(self.stages):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return self.fc(self.avgpool(x).flatten(1))


@register_architecture(*BLOCKS, factors={"width": SHARED["width"]}, head="fc")
def resnet(factors: ArchitectureFactors) -> nn.Module:
    """A residual network of the phase-transition zoos, or a smaller one.

    ``width`` is that of its first stage.
    """
    return ResidualNetwork(
        factors.name,
        width=factors.number("width", 16 if factors.name == "resnet8" else 64),
        in_channels=factors.number("in_channels", 3),
        out_channels=factors.classes,
    )
