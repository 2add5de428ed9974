"""``graphwsl monitor``: what changes between checkpoints, and whether the data shifted."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.options import json_option
from gnncore.command_line.outputs import picture_option
from graphwsl.cli import app
from graphwsl.cli.options import IMPORT

if TYPE_CHECKING:
    from graphwsl.trajectories import Change, Monitor
    from graphwsl.trajectories.reference import Reference


@app.command()
def monitor(
    folder: Path = typer.Argument(
        help="Folder of a zoo, or of the checkpoints of one training: .pt, .pth, .safetensors or "
        ".npz files, in the order of the numbers in their names."
    ),
    reference: Path | None = typer.Option(
        None,
        help="Folder of a zoo of normal trainings at the same epochs, from which an alarm knows "
        "what is usual. [default: no alarm]",
        show_default=False,
    ),
    rate: float | None = typer.Option(
        None,
        help="With --reference, share of normal trainings that may raise an alarm at any "
        "checkpoint. [default: 0.05]",
        show_default=False,
    ),
    follow: bool = typer.Option(
        False, "--follow", help="Wait for further checkpoints in the folder, until Ctrl-C."
    ),
    until: int | None = typer.Option(
        None, min=1, help="With --follow, end after so many checkpoints. [default: never]"
    ),
    seconds: float = typer.Option(2.0, min=0.01, help="With --follow, between two looks [s]."),
    picture: Path | None = picture_option("of the steps and the scores"),
    modules: list[str] = IMPORT,
    as_json: bool = json_option(),
) -> None:
    """Report, checkpoint by checkpoint, how far a training moved, where to, and in which layer.

    With a reference, each step is compared with those of normal trainings, and an alarm is raised
    where it is more unusual than their rate allows, as after a shift of the data.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from graphwsl.trajectories.histories import histories_by_layers, is_zoo
    from graphwsl.trajectories.monitoring import Monitor
    from graphwsl.trajectories.reference import Reference

    if rate is not None and not 0 < rate < 1:
        raise typer.BadParameter(f"--rate must be above 0 and below 1, got {rate:g}")
    if rate is not None and reference is None:
        raise typer.BadParameter("--rate is that of alarms, which need a --reference; give both")
    rate = 0.05 if rate is None else rate
    if until is not None and not follow:
        raise typer.BadParameter("--until says when --follow ends; give both")
    import_modules(modules)
    normal = None if reference is None else Reference(reference, rate)
    monitors: dict[str, Monitor] = {}
    if follow and not is_zoo(folder):
        monitors[folder.name] = _follow(folder, normal, until, seconds, quiet=as_json)
    else:
        parts = histories_by_layers(folder, like=normal.layers if normal else ())
        alone = sum(len(trainings) for _, trainings in parts) == 1
        for layers, trainings in parts:
            alarm = None if normal is None else normal.alarm(layers)
            for training in trainings:
                own = monitors[training.name] = Monitor(layers, alarm)
                for row, label in zip(training.rows, training.labels, strict=True):
                    change = own.see(row, label)
                    if not as_json:
                        _print(change, None if alone else training.name)
    if picture is not None:
        from gnncore.figures import save_figure
        from gnncore.storage import leading_to
        from graphwsl.trajectories.pictures import draw_changes

        save_figure(draw_changes(monitors), leading_to(picture))
    if as_json:
        thresholds = {own.alarm.threshold for own in monitors.values() if own.alarm is not None}
        echo_json(
            {
                "folder": str(folder),
                "rate": None if normal is None else rate,
                "threshold": thresholds.pop() if len(thresholds) == 1 else None,
                "trainings": {
                    name: {
                        "is_alarm": own.is_alarm,
                        "threshold": None if own.alarm is None else own.alarm.threshold,
                        "changes": [vars(c) for c in own.changes],
                    }
                    for name, own in monitors.items()
                },
            }
        )
    elif normal is not None:
        alarmed = sum(own.is_alarm for own in monitors.values())
        typer.echo(
            f"alarms in {alarmed} of {len(monitors)} trainings, {rate:.0%} are expected of normal "
            "ones at most"
        )


def _follow(
    folder: Path,
    normal: "Reference | None",
    until: int | None,
    seconds: float,
    *,
    quiet: bool,
) -> "Monitor":
    """See the files of a folder as they come."""
    import time

    from graphwsl.errors import ImportedModelError, TrajectoryError
    from graphwsl.trajectories.histories import checkpoint_files, layers_of_file, read_row
    from graphwsl.trajectories.monitoring import Monitor

    own: Monitor | None = None
    seen: list[Path] = []
    damaged: tuple[Path, int] | None = None
    try:
        while until is None or len(seen) < until:
            for file in [file for file in checkpoint_files(folder) if file not in seen]:
                size = file.stat().st_size
                try:
                    if own is None:
                        layers = layers_of_file(file, like=normal.layers if normal else ())
                        own = Monitor(layers, normal.alarm(layers) if normal else None)
                    row = read_row(own.layers, file)
                except ImportedModelError:
                    # It may still be written: damaged is what did not grow between two looks.
                    if damaged == (file, size):
                        raise
                    damaged = file, size
                    break
                change = own.see(row, file.name)
                seen.append(file)
                if not quiet:
                    _print(change, None)
                if len(seen) == until:
                    break
            else:
                damaged = None
            if until is None or len(seen) < until:
                time.sleep(seconds)
    except KeyboardInterrupt:
        pass
    if own is None:
        raise TrajectoryError(f"no checkpoint came into {str(folder)!r}")
    return own


def _print(change: "Change", training: str | None) -> None:
    from gnncore.command_line.output import say

    parts: list[Any] = [f"{training}, {change.label}:" if training else f"{change.label}:"]
    if change.length is None:
        say(f"{parts[0]} the first checkpoint")
        return
    by = f" by {change.relative:.2%} of its norm" if change.relative is not None else " from 0"
    parts.append(f"moved{by},")
    if change.faster is not None:
        parts.append(f"{change.faster:.2f} × the step before,")
    if change.turning is not None:
        parts.append(f"turned {change.turning:.0f}°,")
    parts.append(
        f"most in {change.layer}" if change.score is None else f"least usual {change.layer}"
    )
    if change.score is not None:
        parts.append(f"(score {change.score:.2f}, p = {change.p_value:.3f})")
    if change.is_alarm:
        parts.append("ALARM: unlike normal trainings")
    say(" ".join(parts))
