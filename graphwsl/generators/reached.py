"""What generated networks were asked for, beside what they have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.generators.behaviour import Behaviour
from graphwsl.populations.population import Population

MEASURED: dict[str, Callable[[Behaviour], Float[Tensor, " finite"]]] = {
    "test_accuracy": lambda own: own.accuracy,
    "test_loss": lambda own: own.loss,
}
"""Conditions that the samples of a card measure."""


@dataclass(frozen=True)
class Reached:
    """What finite networks were asked for, and what they have, of one condition.

    Attributes:
        asked: Mean of what was asked for.
        reached: Mean of what they have on the samples that judge them.
        mean_absolute_error: Mean absolute difference of the two, network by network.
    """

    asked: float
    reached: float
    mean_absolute_error: float

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name, for a file."""
        return dict(vars(self))


def reached(samples: Population, own: Behaviour) -> dict[str, Reached]:
    """Compare networks with what they were asked for, as far as samples can tell.

    Args:
        samples: The networks; their configurations say what was asked for
            (``asked_test_accuracy``).
        own: What they do.

    Returns:
        By condition; nothing of conditions that were not asked for or cannot be measured.
    """
    finite = own.is_finite.nonzero()[:, 0].tolist()
    found = {}
    for name, measure in MEASURED.items():
        asked = [samples.checkpoints[n].configuration.get(f"asked_{name}") for n in finite]
        numbers = [one for one in asked if isinstance(one, int | float)]
        if len(numbers) == len(finite):
            wanted, has = torch.tensor(numbers).double(), measure(own).double()
            error = float((has - wanted).abs().mean())
            found[name] = Reached(float(wanted.mean()), float(has.mean()), error)
    return found


def lines(found: Mapping[str, Reached]) -> list[str]:
    """The comparison in words, a line each condition.

    Args:
        found: Comparisons by condition.
    """
    return [
        f"{name}: {one.reached:.3f} on average, asked for {one.asked:.3f} "
        f"(mean absolute error {one.mean_absolute_error:.3f})"
        for name, one in found.items()
    ]
