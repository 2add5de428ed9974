"""What a trained model was wrong by on validation grids, from which its intervals follow.

    calibration.safetensors    beside the weights, with a checksum in the manifest

Predictions and labels of the validation grids are kept themselves, not a quantile of their
errors, so that intervals of any probability follow, and those of ensembles whose members were
trained apart: their mean is calibrated on what each member said of the same grids.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from gnncore.storage import CorruptFileError, parse_tensors, save_tensors
from gridstab.errors import InvalidParameterError
from gridstab.learning.conformal import conformal_quantile, highest_level, require_level
from gridstab.learning.difficulty import ExpectedError, difficulty

CALIBRATION = "calibration.safetensors"

_NODES = ("prediction", "label", "widening")
_KNOTS = ("knot", "error")


@dataclass(frozen=True, eq=False)
class Calibration:
    """How one model did on its validation grids.

    Attributes:
        prediction: What it says of their nodes, as it predicts elsewhere.
        label: Their labels.
        widening: The :func:`gridstab.learning.difficulty.widening` of the nodes.
        pointer: Where each grid begins, and at last where all of them end.
        expected: The error that it has by its prediction, on the training grids.
    """

    prediction: Float[np.ndarray, " nodes"]
    label: Float[np.ndarray, " nodes"]
    widening: Float[np.ndarray, " nodes"]
    pointer: Int[np.ndarray, " ends"]
    expected: ExpectedError

    @property
    def grids(self) -> int:
        """Number of the validation grids."""
        return len(self.pointer) - 1

    def save(self, path: Path) -> None:
        """Write it to a file.

        Raises:
            StorageError: The file cannot be written.
        """
        save_tensors(
            path,
            {
                **{name: getattr(self, name) for name in _NODES},
                "pointer": self.pointer.astype(np.int64),
                "knot": self.expected.prediction,
                "error": self.expected.error,
            },
            {"calibration": json.dumps({"format": 1})},
        )

    @classmethod
    def parse(cls, data: bytes, path: Path) -> "Calibration":
        """The inverse of :meth:`save`, of the contents of its file.

        Args:
            data: The contents.
            path: The file that they come from, for messages.

        Raises:
            CorruptFileError: They are not what :meth:`save` writes.
        """
        arrays, metadata = parse_tensors(data, path, require_finite=True)
        if metadata.get("calibration") != json.dumps({"format": 1}):
            raise CorruptFileError.because("read", path, "it is no calibration of this version")
        try:
            nodes = {name: arrays[name].astype(np.float64) for name in _NODES}
            pointer = arrays["pointer"].astype(np.int64)
            knot, error = (arrays[name].astype(np.float64) for name in _KNOTS)
            sizes = {len(column) for column in nodes.values()}
            good = sizes == {int(pointer[-1])} and int(pointer[0]) == 0 and len(pointer) > 1
            good = good and bool((np.diff(pointer) > 0).all()) and len(knot) == len(error) > 0
            good = good and bool((np.diff(knot) >= 0).all() and (error > 0).all())
            if not (good and bool((nodes["widening"] >= 1).all())):
                raise ValueError("its columns do not fit together")
        except (LookupError, TypeError, ValueError) as failure:
            raise CorruptFileError.because(
                "read", path, f"it is no calibration: {failure}"
            ) from failure
        return cls(**nodes, pointer=pointer, expected=ExpectedError(knot, error))


@dataclass(frozen=True, eq=False)
class JointCalibration:
    """How the mean of several models did on the validation grids that all of them had.

    Attributes:
        members: The calibration of every model, at least one.

    Raises:
        InvalidParameterError: They were calibrated on different grids.
    """

    members: tuple[Calibration, ...]

    def __post_init__(self) -> None:
        first = self.members[0]
        for number, other in enumerate(self.members[1:], 2):
            same = np.array_equal(first.pointer, other.pointer)
            if not (same and np.array_equal(first.label, other.label)):
                raise InvalidParameterError(
                    f"models 1 and {number} were calibrated on different validation grids, so "
                    "that nothing is known of the errors of their mean; ask for intervals of "
                    "models that were trained on the same data"
                )

    @property
    def grids(self) -> int:
        """Number of the validation grids."""
        return self.members[0].grids

    @property
    def nodes(self) -> int:
        """Number of their nodes."""
        return len(self.members[0].label)

    def half_width(
        self,
        predictions: Float[np.ndarray, "members nodes"],
        widenings: Float[np.ndarray, "members nodes"],
        level: float,
        *,
        normalised: bool = True,
    ) -> Float[np.ndarray, " nodes"]:
        """By how much labels may differ from the mean of the predictions, either way.

        Args:
            predictions: What every member predicts, one a node of any grids.
            widenings: The widening of every member there.
            level: Probability that an interval is to hold the label.
            normalised: Scale the widths by the difficulty of the nodes; otherwise all are equal.

        Raises:
            InvalidParameterError: ``level`` is no probability, or needs more validation grids.
        """
        self.require(level)
        error = np.abs(self._predictions.mean(axis=0) - self.members[0].label)
        expected = [member.expected for member in self.members]
        scale, seen = np.ones(predictions.shape[1]), np.ones(self.nodes)
        if normalised:
            there = np.stack([member.widening for member in self.members])
            seen = difficulty(self._predictions, expected, there)
            scale = difficulty(predictions, expected, widenings)
        return scale * conformal_quantile(error / seen, self.members[0].pointer, level)

    def require(self, level: object) -> float:
        """The probability, if there are validation grids enough for it.

        Raises:
            InvalidParameterError: It is none, or there are not.
        """
        wanted, most = require_level(level), highest_level(self.grids)
        if wanted > most + 1e-12:
            needed = int(np.ceil(wanted / (1 - wanted) - 1e-9))
            raise InvalidParameterError(
                f"intervals of {wanted:g} need at least {needed} validation grids, but the model "
                f"was calibrated on {self.grids}; ask for at most {_rounded_down(most)}, or train "
                "on more grids"
            )
        return wanted

    @cached_property
    def _predictions(self) -> Float[np.ndarray, "members nodes"]:
        return np.stack([member.prediction for member in self.members])


def joint(calibrations: Sequence[Calibration | None]) -> JointCalibration:
    """The calibration of the mean of several models.

    Raises:
        InvalidParameterError: A model has none, or they were calibrated on different grids.
    """
    known = tuple(one for one in calibrations if one is not None)
    if len(known) < len(calibrations):
        raise InvalidParameterError(
            "the model has no calibration, which intervals need, for a former version trained it; "
            "train it again in another folder"
        )
    return JointCalibration(known)


def _rounded_down(level: float) -> str:
    return f"{np.floor(1000 * level) / 1000:g}"
