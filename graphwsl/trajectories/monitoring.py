"""What changed from checkpoint to checkpoint while a training runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import TrajectoryError
from graphwsl.trajectories.drift_alarm import DriftAlarm
from graphwsl.trajectories.histories import Layers
from graphwsl.trajectories.kinematics import motion
from graphwsl.trajectories.movement import BEFORE, STILL


@dataclass(frozen=True)
class Change:
    """What happened up to a checkpoint since the one before.

    Attributes:
        label: Name of the checkpoint.
        length: Length of the step; None of the first checkpoint.
        relative: The same over the norm of the weights before; None likewise.
        faster: Length over that of the step before; None of the first two, or if that was 0.
        turning: Angle with the step before [degrees]; None likewise.
        layer: The layer that is most unusual, or, without an alarm to compare with, that moved
            most, relative to its weights; None of the first checkpoint.
        score: How unusual that layer's step is; None without an alarm, of the first two
            checkpoints, and beyond the normal trainings.
        p_value: Share of normal trainings that are ever as unusual; None likewise.
        is_alarm: Whether the score is above the threshold; None likewise.
    """

    label: str
    length: float | None = None
    relative: float | None = None
    faster: float | None = None
    turning: float | None = None
    layer: str | None = None
    score: float | None = None
    p_value: float | None = None
    is_alarm: bool | None = None


class Monitor:
    """Sees the checkpoints of one training as they come.

    Args:
        layers: How weights lie in a row.
        alarm: What normal trainings look like; None reports movement without judging it.

    Raises:
        TrajectoryError: The normal trainings have other layers.
    """

    def __init__(self, layers: Layers, alarm: DriftAlarm | None = None) -> None:
        if alarm is not None and (alarm.sizes, alarm.names) != (layers.sizes, layers.names):
            raise TrajectoryError(
                "the normal trainings are of another architecture: they have layers "
                f"{listed(alarm.names, alarm.sizes)}, and not "
                f"{listed(layers.names, layers.sizes)}"
            )
        self.layers, self.alarm = layers, alarm
        self.changes: list[Change] = []
        self._last: list[Float[Tensor, " entries"]] = []

    @property
    def is_alarm(self) -> bool:
        """Whether there was an alarm at any checkpoint."""
        return any(change.is_alarm for change in self.changes)

    def see(self, row: Float[Tensor, " entries"], label: str) -> Change:
        """The next checkpoint, which must follow the last one in time.

        Args:
            row: Its weights.
            label: What it is called.

        Raises:
            TrajectoryError: The row is of another length, or not finite.
        """
        if row.shape != (sum(self.layers.sizes),) or not row.isfinite().all():
            raise TrajectoryError(
                f"{label} must be {sum(self.layers.sizes):,} finite weights, got "
                f"{row.numel():,}{'' if row.isfinite().all() else ', some of them not finite'}"
            )
        self._last = [*self._last, row][-1 - BEFORE :]
        change = self._change(label)
        self.changes.append(change)
        return change

    def _change(self, label: str) -> Change:
        if len(self._last) < 2:
            return Change(label)
        found = motion(torch.stack(self._last))
        length = float(found.step_lengths[-1])
        norms = [float(torch.linalg.vector_norm(x.double())) for x in self._last[-2:]]
        known: dict[str, Any] = {
            "length": length,
            "relative": length / norms[0] if norms[0] else None,
        }
        if len(found.step_lengths) == BEFORE:
            before = float(found.step_lengths[0])
            angle = float(found.turning[0])
            known["faster"] = length / before if before else None
            known["turning"] = math.degrees(angle) if math.isfinite(angle) else None
        judged = self._judged()
        layer = self._most_moved() if judged is None else judged[0]
        if judged is None or self.alarm is None:
            return Change(label, **known, layer=layer)
        score = judged[1]
        return Change(
            label,
            **known,
            layer=layer,
            score=score,
            p_value=self.alarm.p_value(score),
            is_alarm=score > self.alarm.threshold,
        )

    def _judged(self) -> tuple[str, float] | None:
        """The most unusual layer and its score; None where nothing can be said."""
        place = len(self.changes)
        alarm = self.alarm
        if alarm is None or len(self._last) <= BEFORE or place >= alarm.checkpoints:
            return None
        scores = alarm.scores_at(torch.stack(self._last), place)
        number = int(scores.argmax())
        return self.layers.names[number], float(scores[number])

    def _most_moved(self) -> str:
        before, after = (x.double().split(list(self.layers.sizes)) for x in self._last[-2:])
        moved = [_moved(a, b) for a, b in zip(before, after, strict=True)]
        return self.layers.names[moved.index(max(moved))]


def _moved(before: Float[Tensor, " entries"], after: Float[Tensor, " entries"]) -> float:
    """Length of a step over that of the weights before it, whatever the scale of both."""
    unit = torch.maximum(before.abs().max(), after.abs().max())
    if not unit:
        return 0.0
    before, after = before / unit, after / unit
    length, own = (float(torch.linalg.vector_norm(x)) for x in (after - before, before))
    return length / max(own, STILL)


def listed(names: Sequence[str], sizes: Sequence[int]) -> str:
    """The first layers and their sizes, for messages.

    Args:
        names: Names of the layers.
        sizes: Entries of each.
    """
    layers = [f"{name} ({size:,})" for name, size in zip(names, sizes, strict=True)]
    return ", ".join(layers[:6]) + (", …" if len(layers) > 6 else "")
