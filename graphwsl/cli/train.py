"""``graphwsl train``: learn to read a property of networks from their weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import ALONE, json_option, quiet_option
from gnncore.command_line.outputs import folder_option
from graphwsl.cli import app
from graphwsl.cli.choices import PREDICTORS, TARGETS
from graphwsl.cli.options import (
    CONTINUE,
    DEVICE,
    EPOCH,
    IMPORT,
    LARGEST_SEED,
    SPLIT_SEED,
    counted,
    print_left_out,
    print_repaired,
)

if TYPE_CHECKING:
    from graphwsl.properties.train import TrainedPredictor


@app.command()
def train(
    zoo: Path = typer.Argument(help="Folder of a zoo, of any layout."),
    target: str = typer.Option(
        "test_accuracy",
        help="test_accuracy, generalisation_gap, another metric, epoch, or a generating factor.",
        autocompletion=one_of(*TARGETS),
    ),
    predictor: str = typer.Option(
        "forward_propagation",
        help="forward_propagation, message_passing, relational_transformer, dirac_bianconi, "
        "deep_sets, nfn, weight_statistics_boosting, weight_statistics_ridge, flat_mlp, "
        "flat_ridge, probing or stacked.",
        autocompletion=one_of(*PREDICTORS),
    ),
    epochs: int | None = typer.Option(
        None,
        min=1,
        help="Passes over the networks, of predictors that are trained so. [default: its own]",
    ),
    epoch: list[int] | None = EPOCH,
    seed: int = typer.Option(0, min=0, max=LARGEST_SEED, help="Seed of weights and batches."),
    split_seed: int = SPLIT_SEED,
    together: str | None = typer.Option(
        None,
        help="Factors, with commas; networks that agree in all are in one part of the split. "
        "Empty cuts between any two. [default: those on which it depends how a network begins]",
        show_default=False,
    ),
    device: str | None = DEVICE,
    out: Path | None = folder_option(
        "Folder of the predictor. [default: predictors/<zoo>-<target>-<predictor>]"
    ),
    resume: bool = CONTINUE,
    modules: list[str] = IMPORT,
    as_json: bool = json_option(ALONE),
    quiet: bool = quiet_option(),
) -> None:
    """Fit a predictor to a zoo and evaluate it once on the networks that it never saw.

    Networks, not checkpoints, are split: no training has epochs on two sides, and networks that
    began alike are on one side.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.resuming import resumable
    from graphwsl.properties.train import train_predictor

    import_modules(modules)
    name = f"{zoo.resolve().name}-{target}-{predictor}"
    out = Path("predictors", name) if out is None else out
    options: dict[str, Any] = {"epochs": epochs, "device": device, "epochs_of_zoo": epoch}
    if together is not None:
        options["together"] = [name.strip() for name in together.split(",") if name.strip()]
    with resumable("graphwsl"):
        trained = train_predictor(
            zoo,
            out,
            target=target,
            predictor=predictor,
            seed=seed,
            split_seed=split_seed,
            resume=resume,
            progress=not (quiet or as_json),
            **{option: value for option, value in options.items() if value is not None},
        )
    summary = summarise(trained, out)
    if as_json:
        echo_json(summary)
        return
    print_repaired(summary["repaired"])
    print_left_out(summary["left_out"])
    if not quiet:
        _print(summary)


def summarise(trained: "TrainedPredictor", out: Path) -> dict[str, Any]:
    """What was trained and how good it is, as plain values."""
    predictor = trained.predictor
    return {
        "out": str(out),
        "predictor": predictor.name,
        "target": None if predictor.target is None else predictor.target.name,
        "report": predictor.report,
        "left_out": [[problem.path, problem.reason] for problem in trained.left_out],
        "repaired": trained.repaired,
        **trained.metrics,
    }


def _print(summary: dict[str, Any]) -> None:
    from rich.table import Table

    from gnncore.command_line.output import console

    networks, checkpoints = summary["networks"], summary["checkpoints"]
    typer.echo(summary["out"])
    size = f"{summary['parameters']:,} parameters, " if summary["parameters"] else ""
    typer.echo(
        f"{summary['predictor']}: {size}trained on "
        f"{counted(checkpoints['train'], 'checkpoint')} of "
        f"{counted(networks['train'], 'network')} in {summary['seconds']:.1f} s"
    )
    table = Table("metric", "valid", "test")
    names = {"r2": "R²", "kendall_tau": "Kendall τ", "mae": "mean absolute error"}
    for name in summary["valid"] | summary["test"]:
        cells = [_text(summary[part].get(name)) for part in ("valid", "test")]
        table.add_row(names.get(name, name), *cells)
    typer.echo(f"{summary['target']}, predicted")
    console().print(table)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
