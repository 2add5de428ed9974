"""Phases of training, by rules whose thresholds are named.

Y. Yang, L. Hodgkinson, R. Theisen, J. Zou, J. E. Gonzalez, K. Ramchandran, M. W. Mahoney,
"Taxonomizing local versus global structure in neural network loss landscapes" (2021); K. Schürholt
et al., "A model zoo on phase transitions in neural networks" (2025). Where one phase ends and the
next begins neither says in numbers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gnncore.configuration import Configuration
from graphwsl.errors import LandscapeError

Share = Annotated[float, Field(ge=0, le=1)]

TITLES = {
    "I": "underfitted and undersized",
    "II": "underfitted",
    "III": "undersized",
    "IV-A": "overfitted",
    "IV-B": "generalising",
}
"""All phases and what they are called."""


class Thresholds(Configuration):
    """Where one phase ends and the next begins.

    Attributes:
        train_error: Share of wrong training samples above which networks are underfitted.
        connectivity: Curve connectivity of training errors, which are shares, that still counts as
            none: below its negative there is a barrier, above it the curve is better than its ends.
        similarity: CKA of outputs from which networks are alike.
    """

    error_class = LandscapeError

    train_error: Share = 0.05
    connectivity: Share = 0.03
    similarity: Share = 0.5


@dataclass(frozen=True)
class Phase:
    """A phase and why.

    Attributes:
        name: ``I``, ``II``, ``III``, ``IV-A`` or ``IV-B``; None where the rules do not decide.
        reasons: Every comparison that was made, with its threshold.
    """

    name: str | None
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """One line: the phase, its title, and the reasons."""
        title = "undecided" if self.name is None else f"{self.name}, {TITLES[self.name]}"
        return f"{title}: {'; '.join(self.reasons)}"


def phase_of(
    train_error: float,
    connectivity: float,
    similarity: float,
    thresholds: Thresholds | None = None,
) -> Phase:
    """The phase of networks that differ in their seeds alone.

    | train error | curve | similarity | phase |
    |---|---|---|---|
    | high | below its ends (negative) | | I |
    | high | above its ends (positive) | | II |
    | low | negative | | III |
    | low | as its ends, or above | low | IV-A |
    | low | as its ends, or above | high | IV-B |

    A high error with a curve as good as its ends is undecided.

    Args:
        train_error: Mean share of wrong training samples.
        connectivity: Curve connectivity of training errors, as shares.
        similarity: CKA of their outputs.
        thresholds: Where phases end; None for the defaults.

    Raises:
        LandscapeError: A threshold is out of its range.
    """
    limits = thresholds or Thresholds()
    known = (("train error", train_error), ("connectivity", connectivity))
    for name, value in known:
        if not math.isfinite(value):
            return Phase(None, (f"the {name} is not known",))
    is_high = train_error > limits.train_error
    sign = ">" if is_high else "≤"
    first = f"train error {train_error:.4g} {sign} {limits.train_error:g}"
    if abs(connectivity) <= limits.connectivity:
        second = f"connectivity {connectivity:.4g} within ±{limits.connectivity:g}"
    else:
        sign, limit = (
            ("<", -limits.connectivity) if connectivity < 0 else (">", limits.connectivity)
        )
        second = f"connectivity {connectivity:.4g} {sign} {limit:g}"
    if connectivity < -limits.connectivity:
        return Phase("I" if is_high else "III", (first, second))
    if is_high:
        return Phase("II" if connectivity > limits.connectivity else None, (first, second))
    if not math.isfinite(similarity):
        return Phase(None, (first, second, "the similarity is not known"))
    is_alike = similarity >= limits.similarity
    third = f"similarity {similarity:.4g} {'≥' if is_alike else '<'} {limits.similarity:g}"
    return Phase("IV-B" if is_alike else "IV-A", (first, second, third))


def phase_of_cell(metrics: Mapping[str, float], thresholds: Thresholds | None = None) -> Phase:
    """The phase of a cell of a zoo, of the numbers that :func:`graphwsl.landscape.measure` gives.

    Args:
        metrics: Numbers of the cell: ``train_error``, ``train_curve_error_connectivity`` and
            ``similarity``.
        thresholds: Where phases end; None for the defaults.
    """
    names = ("train_error", "train_curve_error_connectivity", "similarity")
    error, connectivity, similarity = (metrics.get(name, math.nan) for name in names)
    return phase_of(error, connectivity, similarity, thresholds)
