"""The scorecard: generated networks against held-out ones, and against baselines."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnncore.storage import make_folder, write_json
from graphwsl.generators.reached import Reached
from graphwsl.generators.score import Score
from graphwsl.generators.table import as_text
from graphwsl.generators.verdicts import RULES

ALIGNMENT = (
    "each network is aligned to the training network closest to the mean of all, and once more to "
    "the training networks that are nearest to it in weights then, and in errors"
)
"""What distances are after."""


@dataclass(frozen=True)
class Scorecard:
    """What :func:`~graphwsl.generators.scorecard` says; printed as a table by its ``str``.

    Attributes:
        samples: The networks that are judged.
        train: The training networks, which are not new.
        held_out: Networks that were trained like those, and held out.
        baselines: Scores of baselines, networks that are made without a generator, by name.
        ensemble_size: Networks of an ensemble.
        scratch: Mean accuracy of networks that are trained from their initialisation, by epochs;
            empty without tuning.
        seconds: What the parts of the work took.
        reached: What the samples were asked for and what they have, by condition; of
            ``test_accuracy`` and ``test_loss``, which the samples of the card measure.
    """

    samples: Score
    train: Score
    held_out: Score
    baselines: dict[str, Score]
    ensemble_size: int
    scratch: dict[int, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    reached: dict[str, Reached] = field(default_factory=dict)

    @property
    def is_collapsed(self) -> bool | None:
        """Whether the samples are collapsed; see :data:`~graphwsl.generators.verdicts.RULES`."""
        return self.samples.is_collapsed

    @property
    def is_copying(self) -> bool | None:
        """Whether the samples are copies; see :data:`~graphwsl.generators.verdicts.RULES`."""
        return self.samples.is_copying

    @property
    def rows(self) -> dict[str, Score]:
        """All that is compared, by name, the samples first."""
        standards = {"samples": self.samples, "held_out": self.held_out, "train": self.train}
        return {**standards, **self.baselines}

    def to_dict(self) -> dict[str, Any]:
        """Plain values: those of the samples, and by name those of all others."""
        scratch = {str(epochs): value for epochs, value in self.scratch.items()}
        found = {name: one.to_dict() for name, one in self.reached.items()}
        return {
            **self.samples.to_dict(),
            "train": self.train.to_dict(),
            "held_out": self.held_out.to_dict(),
            "baselines": {name: score.to_dict() for name, score in self.baselines.items()},
            **({"scratch": {"tuned_accuracy": scratch}} if scratch else {}),
            **({"reached": found} if found else {}),
            "ensemble_size": self.ensemble_size,
            "alignment": ALIGNMENT,
            "rules": RULES,
            "seconds": self.seconds,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`to_dict` as JSON.

        Raises:
            StorageError: The disk is full, or the folder read-only.
        """
        make_folder(Path(path).parent)
        write_json(Path(path), self.to_dict())

    def __str__(self) -> str:
        return as_text(self)
