"""``gridstab info``: what a folder of a run or of a training, or a packed set, holds."""

from pathlib import Path
from typing import Any

import typer

from gnncore.command_line.options import json_option
from gnncore.command_line.outputs import file_option
from gridstab.cli import app

_OF_SAMPLES = ("samples", "sampler", "scrambles", "precision")
"""What says nothing of landscapes, whose perturbations are the centres of their pixels."""


@app.command()
def info(
    run: Path = typer.Argument(
        help="Run folder, packed set by file or name (as ds20-large), folder of landscapes or of a "
        "training."
    ),
    csv: Path | None = file_option(
        "CSV file to write, with the labels of all nodes and their names."
    ),
    as_json: bool = json_option("one JSON object, of a run with the labels of all nodes"),
) -> None:
    """Show the configuration and the labels of a run, or the metrics of a training."""
    from gridstab.cli.folders import is_training, place_of
    from gridstab.datasets.landscape_folder import holds_landscapes

    place = place_of(run)
    if is_training(run):
        if csv is not None:
            raise typer.BadParameter(
                f"{str(run)!r} is a training, which has no labels", param_hint="--csv"
            )
        _training(run, as_json=as_json)
    elif place.is_file() or holds_landscapes(place):
        if csv is not None and place.is_file() and csv.exists() and csv.samefile(place):
            raise typer.BadParameter(
                f"cannot write {str(csv)!r}: it is the packed set {str(run)!r}; name another file",
                param_hint="--csv",
            )
        _packed(run, place, csv, as_json=as_json)
    else:
        _run(run, csv, as_json=as_json)


def _training(path: Path, *, as_json: bool) -> None:
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import say
    from gridstab.cli.learning_summary import print_training, summarise_training
    from gridstab.learning.trained import TrainedModel

    summary = summarise_training(path, TrainedModel.load(path))
    if as_json:
        echo_json(summary)
        return
    print_training(summary)
    for name, value in summary["config"]["settings"].items():
        say(f"{name} = {value}")
    say(f"code version = {summary['config']['code_version']}")


def _run(path: Path, csv: Path | None, *, as_json: bool) -> None:
    from gnncore.command_line.output import say
    from gridstab.cli.summary import print_json, print_summary, results, summarise, write_csv
    from gridstab.datasets.run_folder import RunFolder

    folder = RunFolder.open(path)
    rows = None if csv is None else write_csv(results(folder), csv)
    summary = summarise(folder)
    if as_json:
        print_json(summary, results(folder))
        return
    print_summary(summary)
    config = summary["config"]
    for section in ("campaign", "imported"):
        for name, value in config.get(section, {}).items():
            say(f"{name} = {value}")
    typer.echo(f"code version = {config['code_version']}")
    if rows is not None:
        typer.echo(f"wrote {csv} ({rows:,} nodes)")


def _packed(run: Path, path: Path, csv: Path | None, *, as_json: bool) -> None:
    """What a packed set or a folder of landscapes holds, by the name that it was asked for by."""
    import numpy as np

    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import say
    from gnncore.storage import StorageError
    from gridstab.cli.summary import packed_results, write_csv
    from gridstab.counted import counted
    from gridstab.datasets.landscape_folder import LandscapeFolder
    from gridstab.datasets.landscape_labels import read_landscape_grids
    from gridstab.datasets.packed import origin, unpack
    from gridstab.errors import RunFolderError

    try:
        if path.is_file():
            config, grids = origin(path), unpack(path)
        else:
            folder = LandscapeFolder.open(path)
            config, grids = folder.config, list(read_landscape_grids(folder))
    except StorageError as error:
        raise RunFolderError(str(error)) from error
    if not grids:
        raise RunFolderError(f"{str(run)!r} has no landscapes yet; go on with --resume")
    snbs = np.concatenate([item.snbs for item in grids])
    samples = [item.n_samples for item in grids if item.n_samples is not None]
    summary: dict[str, Any] = {
        "run": str(run),
        "config": config.model_dump(mode="json", exclude_none=True),
        "grids": len(grids),
        "nodes": len(snbs),
        "samples": int(sum(one.sum() for one in samples)),
        "landscapes": grids[0].landscape is not None,
        "mean_snbs": float(snbs.mean()),
    }
    rows = None if csv is None else write_csv(packed_results(grids), csv)
    if as_json:
        echo_json(summary)
        return
    what = "a packed set" if path.is_file() else "a folder of landscapes"
    say(f"{run}: {what} of {counted(len(grids), 'grid')} with {len(snbs):,} nodes")
    say(f"mean SNBS {summary['mean_snbs']:.4f}")
    landscape = grids[0].landscape
    if landscape is not None:
        say(f"landscapes of {' × '.join(map(str, landscape.shape[1:]))} pixels")
    for section in ("campaign", "imported"):
        for name, value in summary["config"].get(section, {}).items():
            if landscape is None or name not in _OF_SAMPLES:
                say(f"{name} = {value}")
    if rows is not None:
        typer.echo(f"wrote {csv} ({rows:,} nodes)")
