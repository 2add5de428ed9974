"""How a training went: loss and metrics epoch by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gridstab.errors import InvalidParameterError
from gridstab.report.plots import LINE, SERIES, TEXT

_VALIDATION = "validation_"


def plot_learning_curve(
    history: Sequence[Mapping[str, float]], best_epoch: int | None = None
) -> Figure:
    """The loss of both splits above the deciding metric on validation.

    Args:
        history: One row an epoch: ``epoch``, ``loss``, ``validation_loss`` and further metrics as
            ``validation_<name>``, of which the first is drawn.
        best_epoch: The epoch whose weights were kept, marked by a dotted line.

    Raises:
        InvalidParameterError: No rows.
    """
    if not history:
        raise InvalidParameterError("history must hold at least one epoch, got none")
    metrics = [
        name
        for name in history[0]
        if name.startswith(_VALIDATION) and name not in ("validation_loss", "validation_seconds")
    ]
    figure = Figure(figsize=(6.4, 5.6 if metrics else 3.4), layout="constrained")
    axes = figure.subplots(2 if metrics else 1, sharex=True, squeeze=False).ravel()
    _curves(axes[0], history, {"loss": "training", "validation_loss": "validation"})
    axes[0].set_ylabel("loss", color=TEXT)
    if all(row.get(name, 1.0) > 0 for row in history for name in ("loss", "validation_loss")):
        axes[0].set_yscale("log")
    if metrics:
        name = metrics[0].removeprefix(_VALIDATION)
        _curves(axes[1], history, {metrics[0]: "validation"})
        axes[1].set_ylabel({"r2": "R²", "f_beta": "F2"}.get(name, name), color=TEXT)
        low, high = axes[1].get_ylim()
        if low < -0.1 < 0 < high:  # a few wild epochs would flatten all others
            axes[1].set_ylim(bottom=-0.1)
    for ax in axes:
        if best_epoch is not None:
            ax.axvline(best_epoch, color=TEXT, ls=":", lw=1.2)
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(LINE)
        ax.tick_params(which="both", color=LINE, labelcolor=TEXT)
    axes[0].legend(frameon=False, labelcolor=TEXT)
    axes[-1].set_xlabel("epoch", color=TEXT)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _curves(ax: Any, history: Sequence[Mapping[str, float]], names: Mapping[str, str]) -> None:
    for name, label in names.items():
        rows = [row for row in history if name in row]
        ax.plot(
            [row["epoch"] for row in rows],
            [row[name] for row in rows],
            color=SERIES[0] if label == "training" else SERIES[1],
            marker="o" if len(rows) == 1 else None,
            lw=1.8,
            label=label,
        )
