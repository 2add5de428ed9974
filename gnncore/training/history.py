"""What a training leaves behind: one row an epoch, and what follows from the rows."""

from dataclasses import dataclass
from typing import Literal

Row = dict[str, float]
TIMES = ("training_seconds", "loading_seconds", "validation_seconds")


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of :func:`gnncore.training.fit`.

    Attributes:
        history: One row an epoch: ``epoch`` (from 1), ``learning_rate`` (of its last step),
            ``loss`` (mean over the training labels, as they were passed), ``validation_loss``, the
            objective's metrics as ``validation_<name>``, and ``training_seconds``,
            ``loading_seconds`` (part of them), ``validation_seconds``.
        best_epoch: The epoch whose weights the model holds.
        best_metrics: Metrics of that epoch on validation, ``loss`` among them.
        stopped_by: ``epochs``, or ``patience`` where that came first.
        samples_per_second: Training graphs a second, validation not counted.
        loader_share: Share of the training time in which batches were made, in [0, 1].
    """

    history: list[Row]
    best_epoch: int
    best_metrics: dict[str, float]
    stopped_by: Literal["epochs", "patience"]
    samples_per_second: float
    loader_share: float

    @classmethod
    def of(
        cls, history: list[Row], *, graphs: int, select_by: str, maximise: bool, epochs: int
    ) -> "TrainingResult":
        """The result that follows from the rows of a finished training.

        Args:
            history: At least one row.
            graphs: Training graphs an epoch.
            select_by: The metric that chooses the best epoch.
            maximise: Whether larger is better.
            epochs: Largest number of epochs.
        """
        best = best_epoch(history, select_by, maximise)
        training = sum(row["training_seconds"] for row in history)
        loading = sum(row["loading_seconds"] for row in history)
        return cls(
            history=history,
            best_epoch=best,
            best_metrics=validation_metrics(history[best - 1]),
            stopped_by="epochs" if len(history) == epochs else "patience",
            samples_per_second=graphs * len(history) / training if training else 0.0,
            loader_share=loading / training if training else 0.0,
        )


def best_epoch(history: list[Row], select_by: str, maximise: bool) -> int:
    """The first epoch of the best validation; 0 where there is none yet."""
    sign = -1.0 if maximise else 1.0
    ranked = [(sign * row[f"validation_{select_by}"], int(row["epoch"])) for row in history]
    return min(ranked)[1] if ranked else 0


def validation_metrics(row: Row) -> dict[str, float]:
    """The metrics of a row, by their names in the objective."""
    prefix = "validation_"
    return {
        name.removeprefix(prefix): value
        for name, value in row.items()
        if name.startswith(prefix) and name not in TIMES
    }
