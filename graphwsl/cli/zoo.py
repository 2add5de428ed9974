"""``graphwsl zoo …``: train populations of networks, and look at them."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import ALONE, json_option, quiet_option
from gnncore.command_line.outputs import folder_option
from gnncore.command_line.program import make_group
from graphwsl.cli import app
from graphwsl.cli.choices import DATA, RECIPES
from graphwsl.cli.options import IMPORT, LISTED, counted, print_repaired
from graphwsl.cli.verify import report_problems, zoo_problems

if TYPE_CHECKING:
    from graphwsl.sparsification import TwinSummary
    from graphwsl.zoo.zoo import Zoo

zoo_app = make_group("Populations of trained networks: train, info, verify, export, sparsify.")
app.add_typer(zoo_app, name="zoo")


@zoo_app.command()
def train(
    recipe: str = typer.Argument(
        help="Recipe by name, or a TOML file.", autocompletion=one_of(*RECIPES)
    ),
    data: str | None = typer.Option(
        None,
        help="digits, mnist_5000, cluttered_digits or a variant of them, an .npz file, or data "
        "that an imported module registers. "
        "[default: the recipe's own]",
        autocompletion=one_of(*DATA),
    ),
    epochs: int | None = typer.Option(
        None, help="Passes over the training images. [default: the recipe's own]"
    ),
    keep: str | None = typer.Option(
        None,
        help="Epochs whose weights are kept: every, or numbers with commas, 0 being the "
        "initialisation. [default: the recipe's own]",
        show_default=False,
        autocompletion=one_of("every"),
    ),
    batch_size: int | None = typer.Option(None, help="Images a step. [default: the recipe's own]"),
    seeds: int | None = typer.Option(
        None, help="Networks of each combination of factors. [default: the recipe's own]"
    ),
    sample: int | None = typer.Option(
        None, help="Train so many rows of the grid, drawn at random. [default: the recipe's own]"
    ),
    workers: int | None = typer.Option(
        None, min=1, help="Networks train in so many processes. [default: all processors]"
    ),
    executor: str = typer.Option(
        "local",
        help="local (this machine) or ray (a cluster).",
        autocompletion=one_of("local", "ray"),
    ),
    out: Path | None = folder_option("Folder of the zoo. [default: zoos/<recipe>]"),
    resume: bool = typer.Option(
        False, "--resume", help="Continue the zoo in that folder, or repair what it lost."
    ),
    modules: list[str] = IMPORT,
    as_json: bool = json_option(ALONE),
    quiet: bool = quiet_option(),
) -> None:
    """Train the networks of a recipe and keep their checkpoints.

    The weights depend on the recipe and its data alone: not on workers, executor or interruptions.
    """
    import os

    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.progress import work_progress
    from gnncore.command_line.resuming import resumable
    from graphwsl.zoo.recipe import Recipe

    import_modules(modules)
    resolved = Recipe.resolve(
        recipe, epochs=epochs, keep=_kept(keep), batch_size=batch_size, seeds=seeds, sample=sample
    )
    if data is not None:
        changed = {**resolved.data.model_dump(), "name": data}
        resolved = Recipe.of({**resolved.model_dump(), "data": changed})
    from graphwsl.zoo.training.train import train_zoo  # for which a wrong recipe need not wait

    out = Path("zoos", Path(recipe).stem) if out is None else out
    with (
        resumable("graphwsl"),
        work_progress("epochs", quiet=quiet or as_json) as on_progress,
    ):
        trained = train_zoo(
            resolved,
            out,
            workers=workers or (os.cpu_count() if executor == "local" else None),
            executor=executor,
            resume=resume,
            on_progress=on_progress,
        )
    summary = {
        **summarise(trained.zoo, out),
        "epochs_trained": trained.epochs,
        "seconds": round(trained.seconds, 3),
        "repaired": trained.repaired,
    }
    if as_json:
        echo_json(summary)
        return
    print_repaired(trained.repaired)
    if not quiet:
        _print(summary)


def _kept(text: str | None) -> str | list[int] | None:
    if text is None or text.strip() == "every":
        return "every" if text else None
    try:
        return [int(epoch) for epoch in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"--keep must be every, or epochs with commas such as 0,1,5, got {text!r}"
        ) from None


@zoo_app.command()
def info(
    zoo: Path = typer.Argument(help="Folder of a zoo, of any layout."),
    as_json: bool = json_option(),
) -> None:
    """Show how many networks and checkpoints a zoo has, how good they are, and what is wrong."""
    from gnncore.command_line.json_output import echo_json
    from graphwsl.zoo.layouts.registry import open_zoo

    summary = summarise(open_zoo(zoo), zoo)
    if as_json:
        echo_json(summary)
    else:
        _print(summary)


@zoo_app.command()
def verify(zoo: Path = typer.Argument(help="Folder of a zoo, of any layout.")) -> None:
    """Check every file of a zoo: ours against its manifest, others by reading all weights.

    Lists each problem in a line and exits with code 1 if there is any.
    """
    report_problems(zoo, zoo_problems(zoo))


@zoo_app.command()
def export(
    zoo: Path = typer.Argument(help="Folder of a zoo, of any layout."),
    out: Path = folder_option("Folder to make, in the layout of the published zoos.", default=...),
) -> None:
    """Write a zoo in the layout of the published ones, for programs that read those."""
    from graphwsl.zoo.layouts.ray_tune_writer import write_ray_tune
    from graphwsl.zoo.layouts.registry import open_zoo
    from graphwsl.zoo.zoo import require_beside

    opened = open_zoo(zoo)
    require_beside(out, zoo)
    written = write_ray_tune(opened, out)
    typer.echo(f"{out}: {counted(written, 'checkpoint')}")


@zoo_app.command()
def sparsify(
    zoo: Path = typer.Argument(help="Folder of a zoo that graphwsl zoo train made."),
    method: str = typer.Option(
        "magnitude",
        help="magnitude (the largest weights stay) or variational_dropout (those that bear no "
        "noise).",
        autocompletion=one_of("magnitude", "variational_dropout"),
    ),
    sparsity: list[float] = typer.Option(
        [0.8], help="Share of the weights that go; give it again for further twins."
    ),
    epochs: int = typer.Option(10, help="Passes over the training samples."),
    out: Path | None = folder_option("Folder of the twins. [default: ZOO-METHOD]"),
    resume: bool = typer.Option(False, "--resume", help="Continue what is in that folder."),
    modules: list[str] = IMPORT,
    as_json: bool = json_option(ALONE),
    quiet: bool = quiet_option(),
) -> None:
    """Prune all networks of a zoo, tune what is left, and compare the twins with the originals.

    The twins are a zoo themselves, whose files hold the masks and the weights that are left.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.progress import work_progress
    from gnncore.command_line.resuming import resumable
    from graphwsl.sparsification import sparsify as make
    from graphwsl.sparsification import summarise_twins

    import_modules(modules)
    out = zoo.with_name(f"{zoo.name}-{method}") if out is None else out
    with (
        resumable("graphwsl"),
        work_progress("epochs", quiet=quiet or as_json) as on_progress,
    ):
        made = make(
            zoo,
            out,
            method=method,
            sparsity=sparsity,
            epochs=epochs,
            resume=resume,
            on_progress=on_progress,
        )
    _print_twins(out, method, summarise_twins(made.zoo), as_json=as_json, quiet=quiet)


def _print_twins(
    out: Path, method: str, rows: "list[TwinSummary]", *, as_json: bool, quiet: bool
) -> None:
    from gnncore.command_line.json_output import echo_json

    if as_json:
        echo_json({"zoo": str(out), "method": method, "twins": [row.to_dict() for row in rows]})
    elif not quiet:
        typer.echo(f"{out}: twins by {method}")
        for row in rows:
            alike = "–" if math.isnan(row.correlation) else f"{row.correlation:.2f}"
            typer.echo(
                f"{row.sparsity:.1%} sparse: test accuracy {row.accuracy:.1%} of {row.networks} "
                f"networks, originals {row.original_accuracy:.1%}, {row.points_lost:.1f} points "
                f"lost; agreement {row.agreement:.1%}, correlation {alike}"
            )
    for row in rows:
        if row.emptied:
            most, count = max(row.emptied.items(), key=lambda item: item[1])
            others = len(row.emptied) - 1
            besides = f", nor in {others} other layers of some" if others else ""
            typer.echo(
                f"{row.sparsity:.1%} sparse: {count} of {row.networks} networks have no weight "
                f"left in {most!r}{besides}; choose a lower sparsity",
                err=True,
            )


def summarise(zoo: "Zoo", path: Path) -> dict[str, Any]:
    """What a zoo holds, as plain values."""
    import numpy as np

    last = {checkpoint.model: checkpoint for checkpoint in zoo.checkpoints}
    configurations = [checkpoint.configuration for checkpoint in last.values()]
    names = dict.fromkeys(name for configuration in configurations for name in configuration)
    factors: dict[str, list[Any]] = {
        name: sorted({c[name] for c in configurations if c.get(name) is not None}, key=_order)
        for name in names
    }
    accuracies = [c.metrics["test_accuracy"] for c in last.values() if "test_accuracy" in c.metrics]
    quantiles = np.quantile(accuracies, (0, 0.5, 1)).round(4).tolist() if accuracies else []
    return {
        "zoo": str(path),
        "networks": len(last),
        "checkpoints": len(zoo.checkpoints),
        "epochs": sorted({checkpoint.epoch for checkpoint in zoo.checkpoints}),
        "factors": {name: values for name, values in factors.items() if values},
        "test_accuracy": dict(zip(("lowest", "median", "highest"), quantiles, strict=False)),
        "problems": [[problem.path, problem.reason] for problem in zoo.problems],
    }


def _order(value: Any) -> tuple[str, Any]:
    return (type(value).__name__, value)


def _print(summary: dict[str, Any]) -> None:
    from gnncore.command_line.output import LONGEST_CELL, printable, say

    networks, checkpoints = summary["networks"], summary["checkpoints"]
    sizes = f"{counted(networks, 'network')}, {counted(checkpoints, 'checkpoint')}"
    typer.echo(f"{summary['zoo']}: {sizes}")
    for name, values in {"epochs": summary["epochs"], **summary["factors"]}.items():
        text = ", ".join(map(str, values))
        if len(values) > LISTED:
            text = f"{len(values)} values from {values[0]} to {values[-1]}"
        say(f"{printable(name, LONGEST_CELL)} = {printable(text, 4 * LONGEST_CELL)}")
    if summary["test_accuracy"]:
        accuracy = summary["test_accuracy"]
        typer.echo(
            f"test accuracy at the last epoch: median {accuracy['median']:.1%}, "
            f"from {accuracy['lowest']:.1%} to {accuracy['highest']:.1%}"
        )
    for path, reason in summary["problems"][:LISTED]:
        say(f"left out: {path}: {reason}")
    if len(summary["problems"]) > LISTED:
        typer.echo(f"left out: {len(summary['problems']) - LISTED} more")
    if "seconds" in summary:
        epochs = counted(summary["epochs_trained"], "epoch")
        typer.echo(f"{epochs} in {summary['seconds']:,.0f} s")
