"""Populations of networks that were made instead of trained."""

from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import GeneratorError
from graphwsl.populations.population import Function, Population
from graphwsl.zoo.checkpoint import Checkpoint


def population_of(
    rows: Float[Tensor, "networks entries"], function: Function, name: str
) -> Population:
    """Networks of one function, named by what made them and their number.

    Args:
        rows: Their flattened states.
        function: What they do.
        name: Name of the sampler or baseline.

    Raises:
        GeneratorError: The rows are not as long as a state of the architecture.
    """
    length = function.architecture.num_entries
    if rows.ndim != 2 or rows.shape[1] != length:
        raise GeneratorError(
            f"networks of {function.architecture.name!r} have {length:,} numbers each, {name!r} "
            f"made a tensor of shape {tuple(rows.shape)}"
        )
    digits = max(5, len(str(len(rows) - 1)))
    checkpoints = [
        Checkpoint(f"{name}-{number:0{digits}d}", None, {"generator": name}, {})
        for number in range(len(rows))
    ]
    return Population.alike(checkpoints, [*rows.detach().float().cpu()], function)
