"""The columns of the scorecard: how good some networks are, how unlike, and how new."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.generators.aligned_zoo import AlignedZoo, Rows
from graphwsl.generators.behaviour import Behaviour
from graphwsl.generators.copying import three_sample_test
from graphwsl.generators.diversity import Disagreement, disagreement, dispersion
from graphwsl.generators.novelty import Novelty, novelty
from graphwsl.generators.verdicts import is_collapsed, is_copying


@dataclass(frozen=True)
class Score:
    """How some networks are judged. What cannot be told of so few of them is NaN.

    Distances of networks are Euclidean distances of their parameters after alignment.

    Attributes:
        networks: How many there are.
        finite: How many of them have finite weights and outputs; all else is of these.
        compared_with: Networks that were held out, with which they are compared.
        accuracy_mean: Mean accuracy.
        accuracy_best: The largest.
        accuracy_worst: The smallest.
        ensemble_accuracy: Ensemble accuracy of the mean of the probabilities of the first few
            networks, as many of every row of the card.
        dispersion: Root mean square distance from their mean, over that of the training networks.
        disagreement: Share of samples for which two networks of equal accuracy choose different
            classes, over all such pairs.
        relative_disagreement: The same over the error of the pairs, relative to that of the
            training networks.
        nearest_distance: Distance to the nearest training network, the mean.
        relative_distance: The median of that, over the median of held-out networks.
        nearest_error_overlap: Intersection over union of the errors with those of the training
            network where it is largest, the mean.
        relative_error_distance: The median of 1 less this overlap, over the median of held-out
            networks.
        copy_statistic: Copy statistic of the three-sample test, by distances.
        copy_statistic_errors: The same, by 1 less the overlap of errors.
        tuned_accuracy: Mean accuracy after so many epochs of tuning.
        accuracies: Accuracies of every finite network.
        distances: Distance of every finite network to its nearest training network.
    """

    networks: int
    finite: int
    compared_with: int
    accuracy_mean: float
    accuracy_best: float
    accuracy_worst: float
    ensemble_accuracy: float
    dispersion: float
    disagreement: float
    relative_disagreement: float
    nearest_distance: float
    relative_distance: float
    nearest_error_overlap: float
    relative_error_distance: float
    copy_statistic: float
    copy_statistic_errors: float
    tuned_accuracy: dict[int, float]
    accuracies: tuple[float, ...]
    distances: tuple[float, ...]

    @property
    def is_collapsed(self) -> bool | None:
        """Whether the networks are much more alike than those of the training."""
        return is_collapsed(self)

    @property
    def is_copying(self) -> bool | None:
        """Whether the networks are much nearer to the training than those that were held out."""
        return is_copying(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; None for what cannot be told. Values of single networks are left out."""
        values = {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in vars(self).items()
            if name not in ("tuned_accuracy", "accuracies", "distances")
        }
        tuned = {str(epochs): value for epochs, value in self.tuned_accuracy.items()}
        verdicts = {"is_collapsed": self.is_collapsed, "is_copying": self.is_copying}
        return {**values, **({"tuned_accuracy": tuned} if tuned else {}), **verdicts}


@dataclass(frozen=True, eq=False)
class Standard:
    """What networks are measured by: the training networks and those that were held out.

    Attributes:
        zoo: The training networks.
        behaviour: Their classes and errors on the samples.
        dispersion: Root mean square distance of the training networks from their mean.
        disagreement: How often two training networks choose different classes.
        held_out: Distances of the held-out networks to the training networks, and the overlap of
            their errors.
    """

    zoo: AlignedZoo
    behaviour: Behaviour
    dispersion: float
    disagreement: Disagreement
    held_out: Novelty

    @classmethod
    def of(
        cls, zoo: AlignedZoo, own: Behaviour, held_out: Rows, held_out_behaviour: Behaviour
    ) -> "Standard":
        """Measure training networks, all of them finite, and those that were held out.

        Args:
            zoo: The training networks.
            own: Their classes and errors.
            held_out: Rows of the finite networks that were held out, aligned.
            held_out_behaviour: Their classes and errors.
        """
        return cls(
            zoo,
            own,
            dispersion(zoo.rows[:, zoo.is_parameter]),
            disagreement(own.classes, own.is_wrong),
            novelty(zoo, held_out, held_out_behaviour.is_wrong, own.is_wrong),
        )

    def novelty(self, rows: Rows, own: Behaviour) -> Novelty:
        """Distances of other networks to the training networks.

        Args:
            rows: The finite ones, aligned.
            own: Their classes and errors.
        """
        return novelty(self.zoo, rows, own.is_wrong, self.behaviour.is_wrong)

    def score(
        self, rows: Rows, own: Behaviour, new: Novelty | None, tuned: dict[int, float]
    ) -> Score:
        """Judge some networks.

        Args:
            rows: The finite ones, aligned.
            own: Classes and errors of all.
            new: Their distances to the training networks; None for these themselves.
            tuned: Their mean accuracy after epochs of tuning.
        """
        spread = dispersion(rows[:, self.zoo.is_parameter])
        unlike = disagreement(own.classes, own.is_wrong)
        held_out = self.held_out
        nothing = torch.zeros(0)
        distance = nothing if new is None else new.distance
        error_distance = nothing if new is None else 1 - new.error_overlap
        held_out_errors = 1 - held_out.error_overlap
        return Score(
            networks=len(own.is_finite),
            finite=len(rows),
            compared_with=len(held_out.distance),
            accuracy_mean=float(own.accuracy.mean()),
            accuracy_best=float(own.accuracy.max()),
            accuracy_worst=float(own.accuracy.min()),
            ensemble_accuracy=own.ensemble_accuracy,
            dispersion=_ratio(spread, self.dispersion),
            disagreement=unlike.mean,
            relative_disagreement=_ratio(unlike.per_error, self.disagreement.per_error),
            nearest_distance=_mean(distance),
            relative_distance=_ratio(_median(distance), _median(held_out.distance)),
            nearest_error_overlap=1 - _mean(error_distance),
            relative_error_distance=_ratio(_median(error_distance), _median(held_out_errors)),
            copy_statistic=_copying(distance, held_out.distance),
            copy_statistic_errors=_copying(error_distance, held_out_errors),
            tuned_accuracy=tuned,
            accuracies=tuple(own.accuracy.tolist()),
            distances=tuple(distance.tolist()),
        )


def _mean(values: Float[Tensor, " networks"]) -> float:
    return float(values.mean()) if len(values) else math.nan


def _median(values: Float[Tensor, " networks"]) -> float:
    """The median; of an even number of values the mean of the two in the middle."""
    return float(values.double().quantile(0.5)) if len(values) else math.nan


def _ratio(value: float, standard: float) -> float:
    return value / standard if standard else math.nan


def _copying(distances: Tensor, held_out: Tensor) -> float:
    return three_sample_test(distances, held_out) if len(distances) else math.nan
