"""Numbers that are measured after the training: kept in the zoo's folder, predicted like others."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import ZooError
from graphwsl.zoo.checkpoint import Checkpoint, require_checkpoints
from graphwsl.zoo.rows import where
from graphwsl.zoo.zoo import Zoo


@runtime_checkable
class Measurable(Protocol):
    """A zoo in a folder, which numbers can be added to."""

    def add_metric(self, name: str, values: dict[tuple[str, int], float]) -> None:
        """Keep a number of checkpoints, by model and epoch, beside those it has of this name."""
        ...


def add(
    zoo: Zoo,
    name: str,
    values: Sequence[float] | Float[Tensor, " checkpoints"],
    checkpoints: Sequence[Checkpoint] | None = None,
) -> None:
    """Keep a number of each checkpoint in the zoo's folder, sealed against damage.

    From then on the number is among the ``metrics`` of the zoo's checkpoints, now and when it is
    opened again, and so a target of predictors. Numbers of the same name of other checkpoints stay,
    those of the same ones are replaced.

    Args:
        zoo: From :func:`graphwsl.zoo.open_zoo`.
        name: Letters, digits and underscores; none that the zoo has of its own.
        values: A finite number a checkpoint.
        checkpoints: What they are of; all of the zoo by default.

    Raises:
        ZooError: Numbers and checkpoints do not fit, a number is not finite, the zoo lacks a
            checkpoint or is in no folder, or the name cannot be.
        StorageError: The disk is full, the folder read-only, or what is there damaged.
    """
    if not isinstance(zoo, Measurable):
        raise ZooError(f"a {type(zoo).__name__} is in no folder that could keep numbers")
    chosen = list(zoo.checkpoints if checkpoints is None else checkpoints)
    require_checkpoints(chosen)
    try:
        numbers = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ZooError(
            f"{name!r} needs a number a checkpoint, got {arguments.described(values)}"
        ) from error
    if numbers.is_complex():
        raise ZooError(f"{name!r} must be real numbers, got complex ones")
    if numbers.shape != (len(chosen),) or not chosen:
        raise ZooError(f"{name!r} needs a number a checkpoint: {len(chosen)}, got {values!r:.60}")
    known = {(c.model, c.epoch) for c in zoo.checkpoints}
    for checkpoint in chosen:
        if (checkpoint.model, checkpoint.epoch) not in known:
            raise ZooError(f"the zoo has no {where(checkpoint)}")
    keys = [(c.model, c.epoch) for c in chosen if c.epoch is not None]
    if len(keys) < len(chosen):
        raise ZooError(f"{name!r} needs checkpoints of known epochs")
    if len(set(keys)) < len(keys):
        raise ZooError(f"{name!r} is given twice for a checkpoint; give each once")
    zoo.add_metric(name, dict(zip(keys, numbers.double().tolist(), strict=True)))
