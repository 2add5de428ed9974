"""Populations of networks that were made instead of trained."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import GeneratorError
from graphwsl.populations.population import Function, Population
from graphwsl.zoo.checkpoint import Checkpoint, Scalar


def population_of(
    rows: Float[Tensor, "networks entries"],
    function: Function,
    name: str,
    known: Sequence[Mapping[str, Scalar]] | None = None,
) -> Population:
    """Networks of one function, named by what made them and their number.

    Args:
        rows: Their flattened states.
        function: What they do.
        name: Name of the generator, sampler or baseline.
        known: What else their configurations say, such as generating factors, a row a network.

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
        Checkpoint(f"{name}-{number:0{digits}d}", None, {**own, "generator": name}, {})
        for number, own in enumerate([{} for _ in rows] if known is None else known)
    ]
    return Population.alike(checkpoints, [*rows.detach().float().cpu()], function)
