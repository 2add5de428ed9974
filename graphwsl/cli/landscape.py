"""``graphwsl landscape``: how the losses of a zoo's networks lie around them and between them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import ALONE, json_option, quiet_option
from gnncore.command_line.outputs import file_option, picture_option
from graphwsl.cli import app
from graphwsl.cli.choices import DATA, METRICS
from graphwsl.cli.options import IMPORT, LARGEST_SEED, LISTED, counted

if TYPE_CHECKING:
    from graphwsl.landscape import Landscape, Thresholds
    from graphwsl.zoo import Zoo

_METRIC = one_of(*METRICS)


@app.command()
def landscape(
    networks: list[str] = typer.Argument(
        help="Folder of a zoo, of any layout; or networks of your own, as module:factory, ONNX "
        "files, or files of weights, or folders of these."
    ),
    metric: list[str] = typer.Option(
        [],
        help="Measure only this: hessian, similarity, curves, lines or averages; may be given "
        "several times. [default: all]",
        show_default=False,
        autocompletion=_METRIC,
    ),
    epoch: int | None = typer.Option(
        None, min=0, help="Epoch of the networks. [default: the last]", show_default=False
    ),
    data: str | None = typer.Option(
        None,
        help="What they are measured on: digits, mnist_5000, an .npz file, or your own. "
        "[default: the zoo's own]",
        show_default=False,
        autocompletion=one_of(*DATA),
    ),
    network: str | None = typer.Option(
        None,
        help="What files of weights belong to: an ONNX file, or module:factory.",
        show_default=False,
    ),
    samples: int | None = typer.Option(
        None, help="Samples of Hessians and similarities. [default: 512]", show_default=False
    ),
    probes: int | None = typer.Option(
        None, help="Random vectors a trace. [default: 32]", show_default=False
    ),
    eigenvalues: int | None = typer.Option(
        None, help="Of each Hessian, from the largest on. [default: 1]", show_default=False
    ),
    layer: list[str] = typer.Option(
        [],
        help="Measure this layer's block of the Hessian too, as module_list.0; may be given "
        "several times.",
        show_default=False,
    ),
    activation: list[str] = typer.Option(
        [],
        help="Compare the outputs of this module too, as module_list.2; may be given several "
        "times.",
        show_default=False,
    ),
    pairs: int | None = typer.Option(
        None,
        help="Pairs of networks that differ in their seeds alone, of each cell. [default: 3]",
        show_default=False,
    ),
    curve_steps: int | None = typer.Option(
        None, help="Steps of the training of a curve. [default: 1000]", show_default=False
    ),
    train_error: float | None = typer.Option(
        None,
        help="Share of wrong training samples above which networks are underfitted. "
        "[default: 0.05]",
        show_default=False,
    ),
    connectivity: float | None = typer.Option(
        None,
        help="Curve connectivity of errors that still counts as none. [default: 0.03]",
        show_default=False,
    ),
    similarity: float | None = typer.Option(
        None, help="CKA from which networks are alike. [default: 0.5]", show_default=False
    ),
    seed: int | None = typer.Option(
        None, min=0, max=LARGEST_SEED, help="Seed of all that is drawn. [default: 0]"
    ),
    out: Path | None = file_option(
        "JSON file of all numbers, which keeps what is done. [default: none]"
    ),
    resume: bool = typer.Option(False, "--resume", help="Continue in that file."),
    picture: Path | None = picture_option(
        "of every number in the plane of two factors, or along the only one"
    ),
    spectra: Path | None = picture_option("of the largest eigenvalues"),
    ways: Path | None = picture_option("of errors along curves and lines"),
    modules: list[str] = IMPORT,
    as_json: bool = json_option(ALONE),
    quiet: bool = quiet_option(),
) -> None:
    """Measure curvature, similarity and connections of all networks of a zoo, and their phases.

    Networks of one architecture are measured together. The numbers depend on the zoo, its data and
    the options alone, not on interruptions. Networks of your own are measured on --data, those of
    one architecture as seeds of each other.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.progress import work_progress
    from gnncore.command_line.resuming import resumable
    from gnncore.configuration import given
    from graphwsl.landscape import LandscapeSettings, Thresholds, measure
    from graphwsl.zoo.data import load_images

    import_modules(modules)
    if resume and out is None:
        raise typer.BadParameter("--resume needs the file to continue, --out")
    opened, possible = _opened(networks, network, data)
    settings = LandscapeSettings.parse(
        given(
            {
                "metrics": metric or possible,
                "samples": samples,
                "probes": probes,
                "eigenvalues": eigenvalues,
                "layers": layer or None,
                "activations": activation or None,
                "pairs": pairs,
                "curve_steps": curve_steps,
                "seed": seed,
            }
        )
    )
    limits = given(
        {"train_error": train_error, "connectivity": connectivity, "similarity": similarity}
    )
    thresholds = Thresholds.parse(limits)
    _require_pictures(opened, settings.metrics, picture, spectra, ways)
    with (
        resumable("graphwsl"),
        work_progress("parts", quiet=quiet or as_json) as on_progress,
    ):
        measured = measure(
            opened,
            settings,
            epoch=epoch,
            data=None if data is None else load_images(data),
            out=out,
            resume=resume,
            on_progress=on_progress,
        )
    _draw(measured, thresholds, picture, spectra, ways)
    if as_json:
        echo_json(measured.to_dict(thresholds))
    elif not quiet:
        _print(measured, thresholds)


def _opened(
    networks: list[str], network: str | None, data: str | None
) -> tuple["Zoo", list[str] | None]:
    """The networks as a zoo, and what can be measured of them; None for all."""
    from graphwsl.populations.loading import files_of

    first, *others = named = [one for given in networks for one in files_of(given)]
    if Path(first).is_dir() or not _is_network(first):
        from graphwsl.zoo import open_zoo

        if others:
            raise typer.BadParameter(f"a zoo is measured by itself, got {others[0]!r} besides")
        return open_zoo(first), None
    from graphwsl.landscape.own_networks import OwnNetworks

    if data is None:
        raise typer.BadParameter(
            "networks of your own need --data to be measured on, as digits or an .npz file"
        )
    own = OwnNetworks.load(named, network)
    return own, ["hessian", *(["similarity", "curves", "lines"] if own.most_alike > 1 else [])]


def _is_network(reference: str) -> bool:
    from graphwsl.populations.loading import WEIGHTS

    return ":" in reference or reference.endswith((".onnx", *WEIGHTS))


def _require_pictures(
    zoo: "Zoo",
    metrics: Sequence[str],
    picture: Path | None,
    spectra: Path | None,
    ways: Path | None,
) -> None:
    """Refuse before anything is measured what cannot be drawn afterwards."""
    from graphwsl.landscape.groups import cells_of
    from graphwsl.landscape.picture import require_drawable

    if picture is not None:
        last = {checkpoint.model: checkpoint for checkpoint in zoo.checkpoints}
        require_drawable([cell.configuration for cell in cells_of(list(last.values()))])
    if spectra is not None and "hessian" not in metrics:
        raise typer.BadParameter("--spectra needs the metric hessian, which is not measured")
    if ways is not None and not {"curves", "lines"} & set(metrics):
        raise typer.BadParameter("--ways needs the metric curves or lines; neither is measured")


def _draw(
    measured: "Landscape",
    thresholds: "Thresholds",
    picture: Path | None,
    spectra: Path | None,
    ways: Path | None,
) -> None:
    from gnncore.figures import save_figure
    from gnncore.storage import leading_to
    from graphwsl.landscape.picture import draw, draw_spectra, draw_ways

    if picture is not None:
        save_figure(draw(measured, thresholds), leading_to(picture))
    if spectra is not None:
        save_figure(draw_spectra(measured), leading_to(spectra))
    if ways is not None:
        save_figure(draw_ways(measured), leading_to(ways))


def _print(measured: "Landscape", thresholds: "Thresholds") -> None:
    from rich.table import Table

    from gnncore.command_line.output import console

    axes = measured.axes
    columns = {
        "train_error": "train error",
        "test_error": "test error",
        "train_hessian_trace": "trace",
        "train_hessian_eigenvalue": "eigenvalue",
        "similarity": "CKA",
        "train_curve_error_connectivity": "curve",
        "train_line_error_connectivity": "line",
        "train_aligned_line_error_connectivity": "aligned line",
    }
    shown = {name: title for name, title in columns.items() if _has(measured, name)}
    table = Table("networks", *axes, *shown.values(), "phase")
    for cell in measured.cells[: 8 * LISTED]:
        factors = ["" if (v := cell.configuration.get(n)) is None else f"{v}" for n in axes]
        numbers = [f"{cell.metrics[n]:.4g}" if n in cell.metrics else "" for n in shown]
        name = cell.phase(thresholds).name
        table.add_row(str(len(cell.models)), *factors, *numbers, name or "undecided")
    out = console()
    # As wide as it is: numbers that are cut off say nothing.
    out.width = max(out.width, out.measure(table, options=out.options.update(width=1000)).maximum)
    out.print(table)
    if len(measured.cells) > 8 * LISTED:
        typer.echo(f"{len(measured.cells) - 8 * LISTED:,} more cells; --json lists all")
    limits: dict[str, Any] = thresholds.model_dump()
    words = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in limits.items())
    typer.echo(f"phases by the thresholds: {words}")
    seconds = sum(measured.seconds.values())
    typer.echo(f"{counted(len(measured.networks), 'network')} in {seconds:,.0f} s")


def _has(measured: "Landscape", name: str) -> bool:
    return any(name in cell.metrics for cell in measured.cells)
