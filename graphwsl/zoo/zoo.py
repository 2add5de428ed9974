"""The zoo: a population of networks, whatever the layout that it is stored in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import ZooError
from graphwsl.zoo.checkpoint import Checkpoint, Problem
from graphwsl.zoo.data_set import DataSet


@runtime_checkable
class Zoo(Protocol):
    """Checkpoints with their configurations and metrics at once, and their weights lazily."""

    @property
    def checkpoints(self) -> Sequence[Checkpoint]:
        """Every usable checkpoint, ordered by model and epoch."""
        ...

    @property
    def problems(self) -> Sequence[Problem]:
        """What was left out, with the reason: damaged files, trainings that diverged."""
        ...

    def weights(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """The state of a checkpoint; only now is it read.

        Raises:
            ZooError: The zoo has no such checkpoint.
            StorageError: Its file is damaged.
        """
        ...

    def module(self, checkpoint: Checkpoint) -> nn.Module:
        """The architecture of a checkpoint, in evaluation mode, with arbitrary weights."""
        ...

    def example_inputs(self, checkpoint: Checkpoint) -> Tensor:
        """One sample that :meth:`module` accepts, the same for every zoo.

        Standard normal numbers of shape ``(1, channels, height, width)`` for images, or
        ``(1, features)``; tokens of shape ``(1, length)`` for texts.
        """
        ...

    def images(self) -> DataSet:
        """The data that the networks were trained and tested on; only now are they read.

        Raises:
            ZooError: The zoo does not say what they are, they are not to be had, or are others
                by now.
        """
        ...

    def verify(self) -> Sequence[Problem]:
        """Read all weights once, and move what is bad from the checkpoints to the problems.

        Returns:
            All problems.
        """
        ...


def require_zoo(zoo: Any) -> None:
    """Refuse what is no zoo.

    Raises:
        InvalidArgumentError: It is none.
    """
    advice = "give graphwsl.zoo.open_zoo(folder)"
    arguments.instance("zoo", zoo, Zoo, "a zoo", advice)


def require_beside(out: Path, folder: Path) -> None:
    """Refuse to write into the folder of a zoo, whose manifest would no longer hold.

    Args:
        out: Where something is to be written.
        folder: The folder of the zoo.

    Raises:
        ZooError: It is that folder, or lies within.
    """
    if out.resolve().is_relative_to(folder.resolve()):
        raise ZooError(
            f"out must lie outside the zoo {str(folder)!r}, got {str(out)!r}; choose another folder"
        )
