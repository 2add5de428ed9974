"""An alarm when the data of a training shift, with a rate of false alarms that holds.

Schürholt and Borth (2020) suppose that length and curvature of the steps of a training tell shifts
of the domain. Here the step of each layer is compared with the same steps of normal trainings: how
many robust deviations it is off. The threshold is conformal: the quantile of the largest score in
trainings that were set aside, so that a normal training, exchangeable with those, raises any alarm
at all with at most the stated probability, whatever the scores are like (Vovk, Gammerman and
Shafer, "Algorithmic Learning in a Random World", 2005).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import TrajectoryError
from graphwsl.trajectories.movement import BEFORE, movements

RATE = 0.05
"""Share of normal trainings that may raise an alarm, unless it is given."""
_FLOOR = 0.02
"""Smallest deviation of a number: what never differed in the reference may differ so much."""


@dataclass(frozen=True, eq=False)
class DriftAlarm:
    """What normal trainings look like; make one by :meth:`of`.

    Attributes:
        sizes: Entries of each layer.
        names: Names of the layers.
        centre: Median of each number of each step. Shape ``(steps, layers, numbers)``.
        scale: Its robust deviation, likewise.
        largest: Largest score of each training that was set aside, ascending.
        rate: Share of normal trainings that may raise an alarm.
    """

    sizes: tuple[int, ...]
    names: tuple[str, ...]
    centre: Float[Tensor, "steps layers numbers"]
    scale: Float[Tensor, "steps layers numbers"]
    largest: Float[np.ndarray, " trainings"]
    rate: float

    @classmethod
    def of(
        cls,
        trainings: Float[Tensor, "trainings checkpoints entries"],
        sizes: Sequence[int],
        *,
        names: Sequence[str] = (),
        rate: float = RATE,
    ) -> "DriftAlarm":
        """Learn from normal trainings.

        Every second one is set aside for the threshold.

        Args:
            trainings: The weights of trainings at the same checkpoints, in any order of trainings
                that does not depend on what became of them.
            sizes: Entries of each layer, one after the other in a row.
            names: Names of the layers; their numbers by default.
            rate: Share of normal trainings that may raise an alarm, over all of their checkpoints.

        Raises:
            InvalidArgumentError: The rate is no positive number.
            TrajectoryError: There are too few trainings for the rate, weights that are not finite,
                less than three checkpoints, or sizes that do not add up.
        """
        arguments.positive("rate", rate)
        needed = math.ceil(1 / rate) - 1
        aside = len(trainings) // 2
        if not rate < 1 or aside < needed or len(trainings) < 4:
            raise TrajectoryError(
                f"a rate of {rate:g} of false alarms needs at least {max(2 * needed, 4)} normal "
                f"trainings, half of them set aside, got {len(trainings)}; give more, or a rate "
                "nearer to 1"
            )
        if not trainings.isfinite().all():
            raise TrajectoryError("normal trainings must have finite weights; leave out others")
        numbers = movements(trainings, sizes)
        centre, scale = _robust(numbers[::2])
        alarm = cls(
            tuple(sizes),
            tuple(names) or tuple(map(str, range(len(sizes)))),
            centre,
            scale,
            np.zeros(0),
            rate,
        )
        scores = alarm._by_layer(numbers[1::2]).amax((-2, -1))
        return cls(**{**vars(alarm), "largest": scores.sort().values.numpy()})

    @property
    def threshold(self) -> float:
        """Score above which there is an alarm."""
        rank = math.ceil((len(self.largest) + 1) * (1 - self.rate))
        return float(self.largest[rank - 1])

    @property
    def checkpoints(self) -> int:
        """Checkpoints of the normal trainings; there is no alarm beyond them."""
        return len(self.centre) + BEFORE

    def scores(
        self, path: Float[Tensor, "*trainings checkpoints entries"]
    ) -> Float[Tensor, "*trainings steps layers"]:
        """How unusual each layer's step is, from the third checkpoint on.

        Args:
            path: Weights from the first checkpoint on, at those of the normal trainings, which may
                be more.

        Raises:
            TrajectoryError: There are less than three checkpoints or more than the normal trainings
                have, or rows of another length.
        """
        if path.shape[-2] > self.checkpoints:
            raise TrajectoryError(
                f"the normal trainings have {self.checkpoints} checkpoints, and nothing is known "
                f"beyond; got {path.shape[-2]}"
            )
        return self._by_layer(movements(path, self.sizes))

    def scores_at(
        self, last: Float[Tensor, "three entries"], place: int
    ) -> Float[Tensor, " layers"]:
        """How unusual each layer's step to one checkpoint is.

        Args:
            last: Weights of the two checkpoints before and of this one.
            place: Its number, from 2, the third.
        """
        step = movements(last, self.sizes)[0]
        off = (step - self.centre[place - BEFORE]) / self.scale[place - BEFORE]
        return off.square().mean(-1).sqrt()

    def p_value(self, score: float) -> float:
        """Share of normal trainings that are as unusual anywhere, the one in question included."""
        return float((1 + (self.largest >= score).sum()) / (1 + len(self.largest)))

    def _by_layer(self, numbers: Tensor) -> Tensor:
        steps = numbers.shape[-3]
        off = (numbers - self.centre[:steps]) / self.scale[:steps]
        return off.square().mean(-1).sqrt()


def _robust(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Median and scaled median absolute deviation over trainings, the latter over three steps."""
    centre = numbers.quantile(0.5, 0)
    off = (numbers - centre).abs()
    around = torch.cat([off.roll(shift, 1) for shift in (-1, 0, 1)]) if off.shape[1] > 2 else off
    return centre, 1.4826 * around.quantile(0.5, 0) + _FLOOR
