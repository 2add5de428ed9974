"""When networks are called collapsed, and when copies: the rules and their thresholds."""

import math
from typing import Any, Protocol, runtime_checkable

from graphwsl.generators.copying import least_statistic

LEAST_DIVERSITY = 0.5
"""Least share of the diversity of training networks: networks with less are collapsed."""

LEAST_DISTANCE = 0.5
"""Least distance to the training networks, relative to that of held-out networks: nearer ones may
be copies."""

COPY_STATISTIC = -2.0
"""Least statistic of the three-sample test, in standard deviations, that chance may give."""

RULES: dict[str, dict[str, Any]] = {
    "is_collapsed": {
        "rule": "dispersion or relative_disagreement is below its threshold; "
        "it cannot be told of fewer than two networks",
        "dispersion": LEAST_DIVERSITY,
        "relative_disagreement": LEAST_DIVERSITY,
    },
    "is_copying": {
        "rule": "relative_distance and copy_statistic are below their thresholds, or "
        "relative_error_distance and copy_statistic_errors are; it cannot be told where the "
        "distances are below and there are too few networks for the statistic to be",
        "relative_distance": LEAST_DISTANCE,
        "copy_statistic": COPY_STATISTIC,
        "relative_error_distance": LEAST_DISTANCE,
        "copy_statistic_errors": COPY_STATISTIC,
    },
}
"""The two rules in words, with their thresholds, as the card shows them."""


@runtime_checkable
class Judged(Protocol):
    """What the rules look at, of a :class:`graphwsl.generators.score.Score`."""

    @property
    def finite(self) -> int:
        """How many networks are finite."""
        ...

    @property
    def compared_with(self) -> int:
        """How many held-out networks there are."""
        ...

    @property
    def dispersion(self) -> float:
        """Dispersion over that of the training networks."""
        ...

    @property
    def relative_disagreement(self) -> float:
        """Disagreement per error over that of the training networks."""
        ...

    @property
    def relative_distance(self) -> float:
        """Median distance to the training networks over that of held-out networks."""
        ...

    @property
    def relative_error_distance(self) -> float:
        """The same ratio of distances between errors."""
        ...

    @property
    def copy_statistic(self) -> float:
        """Statistic of the three-sample test of distances in weights."""
        ...

    @property
    def copy_statistic_errors(self) -> float:
        """Statistic of the three-sample test of distances between errors."""
        ...


def is_collapsed(score: Judged) -> bool | None:
    """Whether networks are much more alike than training networks; None where nobody can tell."""
    if math.isnan(score.dispersion):
        return None
    # A disagreement that is not known, for want of equally accurate pairs, decides nothing.
    return min(score.dispersion, _or_infinite(score.relative_disagreement)) < LEAST_DIVERSITY


def is_copying(score: Judged) -> bool | None:
    """Whether networks are much nearer to the training than others; None where nobody can tell.

    Small differences are significant for many networks, and large ones occur by chance among few:
    both a distance and a statistic must be low. Averages of many networks are near to all of them
    and copies of none; they are called collapsed.
    """
    near = False
    for distance, statistic in (
        (score.relative_distance, score.copy_statistic),
        (score.relative_error_distance, score.copy_statistic_errors),
    ):
        if distance < LEAST_DISTANCE:
            if statistic < COPY_STATISTIC:
                return True
            near = True
    can_detect = least_statistic(score.finite, score.compared_with) < COPY_STATISTIC
    if math.isnan(score.relative_distance) or (near and not can_detect):
        return None
    return False


def _or_infinite(value: float) -> float:
    return math.inf if math.isnan(value) else value
