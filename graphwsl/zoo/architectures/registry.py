"""The architectures of zoos, by name; the published ones with the parameter names that they have.

Each is built from a configuration, the generating factors of one network, of which it reads what
it was registered with. Whatever else is in the configuration belongs to the training.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import ZooError

# These register their architectures.
from graphwsl.zoo.architectures import adapted as adapted
from graphwsl.zoo.architectures import gpt as gpt
from graphwsl.zoo.architectures import layered as layered
from graphwsl.zoo.architectures import resnet as resnet
from graphwsl.zoo.architectures import vit as vit
from graphwsl.zoo.architectures.architecture import ARCHITECTURES as ARCHITECTURES
from graphwsl.zoo.architectures.architecture import FACTORS as FACTORS
from graphwsl.zoo.architectures.architecture import Architecture as Architecture
from graphwsl.zoo.architectures.architecture import register_architecture as register_architecture
from graphwsl.zoo.architectures.factors import LARGEST as LARGEST
from graphwsl.zoo.architectures.factors import LARGEST_FACTOR as LARGEST_FACTOR
from graphwsl.zoo.architectures.factors import ArchitectureFactors as ArchitectureFactors
from graphwsl.zoo.inputs import example_inputs, sample_shape

MOST_PARAMETERS, LARGEST_ACTIVATION = 2**30, 2**28
"""Numbers of a network, and of what one of its modules takes or gives for one sample, at most."""


def build(name: str, configuration: Mapping[str, Any]) -> nn.Module:
    """A network with random weights.

    Args:
        name: ``cnn_s``, ``cnn_l``, ``unterthiner``, ``cnn``, ``mlp``, ``adapted_mlp``, ``vit``,
            ``vit_s_16``, ``resnet8``, ``resnet18``, ``resnet34`` or ``resnet50``, ``gpt``, or
            one that was registered.
        configuration: The generating factors.

    Raises:
        ZooError: No such architecture, or a factor outside its range.
    """
    arguments.text("name", name)
    advice = "give the generating factors by name"
    arguments.instance("configuration", configuration, Mapping, "a mapping", advice)
    found = ARCHITECTURES.find(name)
    return found.make(ArchitectureFactors(name, configuration, found.factors))


def shapes_of(configuration: Mapping[str, Any]) -> dict[str, torch.Size]:
    """Names and shapes of the parameters and buffers of a network; takes no memory for them.

    Args:
        configuration: The generating factors, ``architecture`` among them.

    Raises:
        ZooError: It cannot be built, or it or its inputs are larger than what fits a file of
            weights.
    """
    name = str(configuration.get("architecture"))
    try:
        with torch.device("meta"):
            shell = build(name, configuration).eval()
        activation = 0
        if sample_shape(configuration) is not None:
            activation = largest_activation(shell, example_inputs(configuration, device="meta"))
    except ZooError:
        raise
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ZooError(f"its architecture cannot be built: {reason}") from error
    shapes = {name: tensor.shape for name, tensor in shell.state_dict().items()}
    for what, number, most in (
        ("parameters", sum(shape.numel() for shape in shapes.values()), MOST_PARAMETERS),
        ("numbers in one activation", activation, LARGEST_ACTIVATION),
    ):
        if number > most:
            raise ZooError(f"its architecture {name} has {number:,} {what}, more than {most:,}")
    return shapes


@torch.no_grad()
def largest_activation(shell: nn.Module, sample: Tensor) -> int:
    """The most numbers that a module takes or gives; the network itself runs only if inputs fit.

    Args:
        shell: A network without memory for its weights (on ``meta``), in evaluation mode.
        sample: What it takes, on ``meta``.
    """
    sizes = [sample.numel()]

    def note(module: nn.Module, inputs: object, output: object) -> None:
        sizes.append(output.numel() if isinstance(output, Tensor) else 0)

    for module in shell.modules():
        module.register_forward_hook(note)
    if sizes[0] <= LARGEST_ACTIVATION:
        shell(sample)
    return max(sizes)
