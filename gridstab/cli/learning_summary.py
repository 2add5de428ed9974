"""What a training or an evaluation found, as one dictionary and as a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridstab.learning.trained import TrainedModel

_NAMES = {
    "ssim": "SSIM of the landscapes",
    "pixel_r2": "R² of all pixels",
    "pixel_mse": "mean squared error of pixels",
    "pixel_accuracy": "pixels on the right side of 0.5",
    "snbs_r2": "R² of the SNBS in them",
    "snbs_mse": "mean squared error of that SNBS",
    "snbs_mae": "mean absolute error of it",
    "snbs_within_0.1": "share of it within 0.1",
    "r2": "R²",
    "r2_ceiling": "R² ceiling (label noise)",
    "mse": "mean squared error",
    "label_noise": "of it label noise",
    "excess_mse": "of it the model's",
    "mae": "mean absolute error",
    "share_within_0.1": "share within 0.1",
    "share_in_interval": "share in the label's 95 % interval",
    "f2": "F2",
    "average_precision": "average precision",
    "positive_share": "share of troublemakers",
}
"""Metrics by name, in the order of the table; others follow."""


def summarise_training(folder: Path, trained: "TrainedModel") -> dict[str, Any]:
    """Configuration and metrics; plain JSON values."""
    return {
        "run": str(folder),
        "title": trained.task.title,
        "config": trained.config.model_dump(mode="json"),
        **trained.metrics,
    }


def print_training(summary: dict[str, Any]) -> None:
    """The dictionary of :func:`summarise_training` for people, on stdout."""
    from gnncore.command_line.output import console as make_console
    from gnncore.command_line.output import printable
    from gridstab.counted import counted
    from gridstab.learning.training_folder import TrainingConfig

    config = summary["config"]
    grids = config["data"]["grids"]
    how = TrainingConfig.model_validate(config).learnt
    lines = (
        summary["run"],
        f"{config['model']}: {summary['parameters']:,} parameters, "
        f"{how} {counted(grids['train'], 'grid')} of {config['data']['name']}, "
        f"best of {counted(summary['epochs'], 'epoch')}: "
        f"{summary['best_epoch']}",
    )
    console = make_console()
    for line in lines:
        console.print(printable(line), soft_wrap=True)
    before = summary.get("before", {})
    print_metrics(
        f"{summary['title']}, predicted",
        {
            name: metrics
            for split in ("valid", "test")
            for name, metrics in (
                *([(f"{split}, before", before[split])] if before else []),
                (split, summary[split]),
            )
        },
    )
    if before and _is_better(before["valid"], summary["valid"]):
        console.print(
            "It was better on the validation grids before; a lower --learning-rate, or the grids "
            "of the first training along with these (--data first,second), may keep what it knew.",
            soft_wrap=True,
        )


def _is_better(one: dict[str, float], other: dict[str, float]) -> bool:
    for name in ("mse", "pixel_mse"):
        if name in one:
            return one[name] < other[name]
    return one["average_precision"] > other["average_precision"]


def print_metrics(title: str, metrics: dict[str, dict[str, float]]) -> None:
    """One column a split, one row a metric, on stdout."""
    from rich.table import Table

    from gnncore.command_line.output import cell, printable
    from gnncore.command_line.output import console as make_console
    from gridstab.report.bounds import IS_BOUND

    table = Table("metric")
    for split in metrics:
        table.add_column(split, justify="right")
    names = dict.fromkeys(name for values in metrics.values() for name in values)
    names.pop(IS_BOUND, None)
    for name in sorted(names, key=lambda name: list(_NAMES).index(name) if name in _NAMES else 99):
        row = [_number(values, name) for values in metrics.values()]
        table.add_row(cell(_NAMES.get(name, name)), *row)
    console = make_console()
    console.print(printable(title), soft_wrap=True)
    console.print(table)


def _number(values: dict[str, float], name: str) -> str:
    from gridstab.report.bounds import bound_of

    if name not in values:
        return ""
    return f"{bound_of(name, values)}{values[name]:.4g}"
