"""``graphwsl diagnose``: what is wrong with networks, from metrics of their loss landscape."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import json_option
from gnncore.command_line.outputs import file_option, picture_option
from graphwsl.cli import app
from graphwsl.cli.choices import QUESTIONS

if TYPE_CHECKING:
    from graphwsl.diagnosis.diagnoser import Diagnosis

_QUESTION = one_of(*QUESTIONS)


@app.command()
def diagnose(
    metrics: list[Path] = typer.Argument(
        help="Tables of metrics, .csv or .json, a row a network: train_error, and whichever were "
        "measured of mode_connectivity_peak, hessian_t and CKA; or files of graphwsl landscape."
    ),
    question: list[str] = typer.Option(
        [],
        help="Only this question; may be given several times. [default: all]",
        show_default=False,
        autocompletion=_QUESTION,
    ),
    population: Path | None = typer.Option(
        None,
        help="Table of networks that is learnt from. [default: 1,690 ResNet-18 on CIFAR-10]",
        show_default=False,
    ),
    temperature: str = typer.Option("bs", help="Its column of the temperature."),
    hot_is: str = typer.Option(
        "small",
        help="Which temperatures are hot: small, as of batch sizes, or large, as of rates.",
        autocompletion=one_of("small", "large"),
    ),
    width: str = typer.Option("width", help="Its column of the size; none if all have one size."),
    data: str = typer.Option(
        "data", help="Its column of the amount of data; none if all have the same."
    ),
    accuracy: str = typer.Option(
        "test_acc",
        help="Its column of the test accuracy; without it, test_accuracy or 100 - test_error.",
    ),
    tolerance: float = typer.Option(
        1.0, help="Room for improvement that counts as none, in units of the accuracy."
    ),
    out: Path | None = file_option("JSON file of the diagnoses."),
    picture: Path | None = picture_option("of the regions of the first question, and the networks"),
    as_json: bool = json_option(),
) -> None:
    """Say what is wrong with networks, whether anything is, and how sure that is.

    What to change is learnt from a population in which temperature, size and data vary. Metrics
    that are missing are made up for by the networks of the population that look most alike.
    """
    from gnncore.command_line.json_output import echo_json
    from graphwsl.diagnosis.diagnoser import Diagnoser
    from graphwsl.diagnosis.labels import Axes
    from graphwsl.diagnosis.table import read_table

    axes = Axes(temperature, hot_is, _column(width), _column(data), accuracy)
    tables = [read_table(path) for path in metrics]
    diagnoser = Diagnoser(question or None, tolerance).fit(population, axes)
    found = [
        (path, one)
        for path, table in zip(metrics, tables, strict=True)
        for one in diagnoser.diagnose(table)
    ]
    content = {"networks": [{"table": str(path), **one.to_dict()} for path, one in found]}
    if picture is not None:
        _draw(diagnoser, tables, picture)
    if out is not None:
        from gnncore.storage import leading_to, write_json

        write_json(leading_to(out), content)
    if as_json:
        echo_json(content)
        return
    _print([one for _, one in found])


def _column(name: str) -> str | None:
    return None if name == "none" else name


def _draw(diagnoser: Any, tables: list[dict[str, Any]], picture: Path) -> None:
    from gnncore.figures import save_figure
    from gnncore.storage import leading_to
    from graphwsl.diagnosis.picture import draw
    from graphwsl.errors import DiagnosisError

    tree = next(iter(diagnoser.trees.values()))
    for table in tables:
        missing = [metric for metric in tree.metrics if metric not in table]
        if missing:
            raise DiagnosisError(
                f"networks without {', '.join(missing)} cannot be drawn; leave the picture out"
            )
    networks = {
        metric: [value for table in tables for value in table[metric]] for metric in tree.metrics
    }
    save_figure(draw(tree, networks), leading_to(picture))


def _print(found: list["Diagnosis"]) -> None:
    from rich.table import Table

    from gnncore.command_line.output import cell, console
    from graphwsl.diagnosis.diagnoser import ADVICE, NOTHING

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    table.add_column("network", overflow="fold")
    for title in [*found[0].answers, *found[0].rooms]:
        table.add_column(title, justify="right")
    for one in found:
        answers = [f"{made.answer} {made.probability:.0%}" for made in one.answers.values()]
        rooms = [f"+{room:.1f}" for room in one.rooms.values()]
        table.add_row(cell(one.network) + (" *" if one.beyond else ""), *answers, *rooms)
    console().print(table)
    given = {(name, made.answer) for one in found for name, made in one.answers.items()}
    for name, answer in sorted(given & ADVICE.keys()):
        typer.echo(f"{name} {answer}: {ADVICE[name, answer]}")
    typer.echo(
        "+: what each change brought to the networks that look most alike, which may be at odds "
        f"with the answer of the tree; {NOTHING}: less than tolerated"
    )
    missing = sorted({metric for one in found for metric in one.missing})
    if missing:
        typer.echo(f"not measured, made up for by networks that look alike: {', '.join(missing)}")
    beyond = [one for one in found if one.beyond]
    if beyond:
        metrics = sorted({metric for one in beyond for metric in one.beyond})
        typer.echo(
            f"*: {len(beyond):,} of {len(found):,} networks are beyond what was learnt from, by "
            f"{', '.join(metrics)}: their answers are a guess",
            err=True,
        )
