"""``gridstab pack``, ``export`` and ``import``: one file a set, and the published layouts."""

from pathlib import Path

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import quiet_option
from gnncore.command_line.outputs import file_option, folder_option
from gridstab.cli import app
from gridstab.cli.choices import LAYOUTS


@app.command()
def pack(
    run: Path = typer.Argument(help="Run folder, or folder of landscapes; complete."),
    out: Path = file_option("New file, such as labels.h5.", default=...),
    no_positions: bool = typer.Option(
        False, "--no-positions", help="Leave out where nodes are drawn, half of a small file."
    ),
    quiet: bool = quiet_option(),
) -> None:
    """Put all labels of a run into one small file with checksums, for --data of other commands."""
    from gnncore.command_line.progress import work_progress
    from gnncore.storage import leading_to
    from gridstab.counted import counted
    from gridstab.datasets.packed import pack as pack_run
    from gridstab.errors import InvalidParameterError

    if out.suffix != ".h5":
        raise InvalidParameterError(f"a packed set is a file that ends in .h5, got {str(out)!r}")
    if out.exists():
        raise InvalidParameterError(f"{str(out)!r} is there already; choose another file")
    grids = 0

    def count(done: int, total: int) -> None:
        nonlocal grids
        grids = done
        if on_progress is not None:
            on_progress(done, total)

    with work_progress("grids", quiet=quiet) as on_progress:
        pack_run(run, leading_to(out), positions=not no_positions, on_progress=count)
    if not quiet:
        size = out.stat().st_size / 1e6
        typer.echo(f"packed {counted(grids, 'grid')} into {out}, {size:.3g} MB")


@app.command()
def export(
    run: Path = typer.Argument(help="Run folder, complete."),
    out: Path = folder_option("New folder for the files.", default=...),
    layout: str = typer.Option(
        "v2", help="v0 (2021), v1 (2022) or v2 (2023).", autocompletion=one_of(*LAYOUTS)
    ),
) -> None:
    """Write a run in the layout of the published datasets."""
    from gridstab.datasets.transfer import export_run

    typer.echo(f"wrote {export_run(run, out, layout)}")


@app.command(name="import")
def import_(
    directory: Path = typer.Argument(help="Folder of published files."),
    out: Path = folder_option("New run folder.", default=...),
    layout: str | None = typer.Option(
        None, help="v0, v1 or v2. [default: recognised]", autocompletion=one_of(*LAYOUTS)
    ),
    samples: int | None = typer.Option(
        None,
        help="Trajectories a node behind each label. [default: 10000 are assumed]",
    ),
) -> None:
    """Make a run folder of published files."""
    from gridstab.counted import counted
    from gridstab.datasets.transfer import PUBLISHED_SAMPLES, import_labels

    folder = import_labels(directory, out, layout=layout, samples=samples)
    typer.echo(f"imported {counted(folder.num_grids, 'grid')} into {out}")
    if samples is None:
        typer.echo(
            f"assumed {PUBLISHED_SAMPLES:,} trajectories a node, on which all intervals rest; "
            "if there were others, import again with --samples",
            err=True,
        )
