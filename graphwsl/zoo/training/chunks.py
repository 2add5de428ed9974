"""Which networks train together, so that a chunk takes about a minute and fits the caches."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.registry import build, shapes_of
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.inputs import example_inputs
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.sweep import NetworkConfig, chunks, rows
from graphwsl.zoo.training.initialisation import INITIALISATIONS
from graphwsl.zoo.training.labels import require_labels
from graphwsl.zoo.training.objectives.registry import input_factors, objective_of

LARGEST_CHUNK = 16
OPERATIONS = 3e12
"""Floating-point operations of a chunk, about a minute of one core."""
LARGEST_FILE = 2**31
"""Bytes of the weights of a chunk."""
LARGE_NETWORK = 2**22
"""Bytes of the weights of one epoch above which every network has a file of its own."""


def plan(
    recipe: Recipe, data: DataSet, large_network: int = LARGE_NETWORK
) -> list[list[NetworkConfig]]:
    """The networks of a recipe, in chunks, which depend on the arguments alone.

    The configurations also say what the architecture takes from the data: ``in_channels``,
    ``image_size`` and ``out_channels`` for images, see :attr:`DataSet.factors`.

    Args:
        recipe: The recipe.
        data: Its data.
        large_network: Bytes of the weights of one epoch above which a network is a chunk alone.

    Raises:
        ZooError: The recipe asks for what cannot be built.
    """
    all_rows = [_completed(row, data) for row in rows(recipe)]
    require_labels([row.configuration for row in all_rows], data)
    for name in dict.fromkeys(str(row.configuration["initialisation"]) for row in all_rows):
        INITIALISATIONS.find(name)
    sizes: dict[tuple[Scalar, ...], int] = {}
    for row in all_rows:
        if row.group not in sizes:
            work = training_operations(row.configuration, recipe, data)
            fitting = _fitting(row.configuration, recipe, large_network)
            sizes[row.group] = max(1, min(LARGEST_CHUNK, fitting, round(OPERATIONS / work)))
    return list(chunks(all_rows, sizes))


def _completed(row: NetworkConfig, data: DataSet) -> NetworkConfig:
    return NetworkConfig(row.model, {**row.configuration, **input_factors(data, row.configuration)})


def _fitting(configuration: dict[str, Scalar], recipe: Recipe, large_network: int) -> int:
    """How many networks with all kept epochs belong into a file."""
    numbers = sum(shape.numel() for shape in shapes_of(configuration).values())
    size = 4 * numbers
    fitting = LARGEST_FILE // (size * len(recipe.kept))
    if fitting < 1:
        raise ZooError(
            f"{len(recipe.kept):,} epochs of a network of {numbers:,} parameters are more than "
            f"{LARGEST_FILE:,} bytes; keep fewer"
        )
    return 1 if size > large_network else fitting


def training_operations(configuration: dict[str, Scalar], recipe: Recipe, data: DataSet) -> float:
    """Floating-point operations of the training of one network, kept epochs evaluated.

    A multiplication with its addition counts as two; only matrix products and convolutions count,
    forward and backward, the gradient of the samples not being needed.
    """
    fraction = float(configuration["data_fraction"] or 1)
    samples = max(1, round(fraction * len(data.train)))
    forward, both = operations(configuration)
    evaluated = len(recipe.kept) * (samples + len(data.test))
    objective = objective_of(configuration)
    passes = 1 if objective is None else objective.passes
    return passes * (both * samples * recipe.epochs + forward * evaluated)


def operations(configuration: dict[str, Scalar]) -> tuple[int, int]:
    """Floating-point operations of one sample: forward, and forward with backward.

    Raises:
        ZooError: The architecture cannot be built.
    """
    with torch.device("meta"):
        module = build(str(configuration["architecture"]), configuration).eval()
    x = example_inputs(configuration, device="meta")
    with FlopCounterMode(display=False) as forward:
        y = module(x)
    with FlopCounterMode(display=False) as backward:
        y.sum().backward()
    return forward.get_total_flops(), forward.get_total_flops() + backward.get_total_flops()
