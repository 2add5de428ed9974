"""Networks that are made: how good, how unlike one another, how new, and as asked for.

    python -m benchmarks.generators --zoos mnist_perceptron=300 --networks 100 --seeds 3

Zoos are recipes of the package, from which so many networks are drawn and trained into
``--zoo-folder``, or folders as ``name=folder``. Of each, ``--networks`` are learnt from, and all
others, or ``--held-out`` of them, judge; networks that choose an epoch are some of the former.
Where accuracies are asked for, checkpoints of all epochs are learnt from.
Results are kept in ``--out`` and never worked out twice, so the program may be killed at any time
and started again, also several times at once.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from benchmarks.cells import finished_cells, restore_cells, time_warning
from benchmarks.generator_tasks.cell import Cell, Networks
from benchmarks.generator_tasks.rows import choose_rows
from benchmarks.generator_tasks.tables import LEGEND, report_networks
from benchmarks.hardware import ROOT
from benchmarks.options import counts_of, numbers_of, require_zoos
from benchmarks.representation_tasks.studies import zoo_of_recipe
from benchmarks.results import Report, console, known_cells
from benchmarks.running import run_benchmark
from benchmarks.weights.tasks import ZooOfBenchmark

NAME = "generators"


def main(
    zoos: Annotated[
        str, typer.Option(help="Recipes, or name=folder, or recipe=networks, with commas.")
    ] = "mnist_perceptron=300",
    rows: Annotated[
        str, typer.Option(help="Names of rows, with commas, or methods, or all.")
    ] = "methods",
    networks: Annotated[int, typer.Option(help="Networks that are learnt from.", min=1)] = 100,
    held_out: Annotated[
        int | None, typer.Option(help="Other networks that judge; all others by default.", min=0)
    ] = None,
    cards: Annotated[
        bool, typer.Option(help="Judge networks of all zoos, not only what is asked for below.")
    ] = True,
    requested: Annotated[
        str, typer.Option(help="Zoos of which networks are asked for by accuracy, with commas.")
    ] = "",
    sizes: Annotated[
        str, typer.Option(help="Sizes that are made only, as zoo:width=32+48, with commas.")
    ] = "",
    late: Annotated[
        str, typer.Option(help="Zoos of which so many last checkpoints count, as zoo=10.")
    ] = "",
    seeds: Annotated[int, typer.Option(help="Fits of every row.", min=1)] = 3,
    epochs: Annotated[int | None, typer.Option(help="Passes over the networks.", min=1)] = None,
    size: Annotated[str, typer.Option(help="Settings: small or published.")] = "small",
    generated: Annotated[int, typer.Option(help="Networks that are made and judged.", min=1)] = 100,
    zoo_folder: Annotated[Path, typer.Option(help="Where zoos are kept.")] = ROOT
    / "runs"
    / "generator_zoos",
    out: Annotated[Path, typer.Option(help="Where results are kept.")] = ROOT
    / "runs"
    / "generators",
    collect_only: Annotated[
        bool, typer.Option(help="Fit nothing, only write the tables of what is there.")
    ] = False,
    restore: Annotated[
        bool, typer.Option(help="Begin with what the committed result file holds, and keep it.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A few networks, to see that it runs.")] = False,
) -> None:
    """Work out what is not there yet, and write the tables of all cells in ``--out``."""
    with TemporaryDirectory() as scratch:
        if quick:
            out, zoo_folder = Path(scratch, "cells"), Path(scratch, "zoos")
            zoos, requested, sizes, late = "digits_seed=14", "", "", ""
            networks, seeds, epochs, generated = 8, 1, 2, 4
        chosen = choose_rows(rows)
        last = {
            name: counts_of(number, 10**6, "last checkpoints")[-1]
            for name, _, number in (part.partition("=") for part in late.split(",") if part)
        }
        require_zoos(zoos, requested, sizes, late)
        report = Report(NAME, "Networks that are made", quick=quick)
        before = known_cells(NAME) if restore else {}
        restore_cells(out, before)
        known = {
            zoo.name: zoo for zoo in (_zoo(part, zoo_folder) for part in zoos.split(",") if part)
        }
        options: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
        judged = list(known.values()) if cards else []
        plain = [
            (Networks(zoo, networks, last=last.get(zoo.name, 1), held_out=held_out), False)
            for zoo in judged
        ]
        plain += [
            (Networks(known[name], networks, every_epoch=True), True)
            for name in requested.split(",")
            if name
        ]
        plain += [
            (Networks(known[name], networks, _factor(factor)), False)
            for name, _, factor in (part.partition(":") for part in sizes.split(",") if part)
        ]
        cells = [
            Cell(row, own, seed, size, options, generated, ask)
            for seed in range(1, seeds + 1)
            for own, ask in plain
            for row in chosen
        ]
        if not collect_only:
            _run(cells, out)
        found = finished_cells(out)
        results = before | {folder.relative_to(out).as_posix(): own for folder, own in found}
        for name in dict.fromkeys(one["networks"] for one in results.values()):
            own = [one for one in results.values() if one["networks"] == name]
            report_networks(report, name, own)
        for sentence in (*LEGEND, *time_warning(report.record)):
            report.say(sentence)
        report.save(
            {"zoos": zoos, "rows": rows, "networks": networks, "seeds": seeds, "epochs": epochs}
            | {"held_out": held_out, "late": late}
            | {"size": size, "generated": generated, "requested": requested, "sizes": sizes},
            {"cells": results},
            json,
        )


def _zoo(text: str, folder: Path) -> ZooOfBenchmark:
    """The zoo that ``recipe``, ``recipe=networks`` or ``name=folder`` names."""
    name, _, given = text.partition("=")
    if given and not given.isdecimal():
        return ZooOfBenchmark(name, Path(given))
    wanted = int(given or 300)
    return ZooOfBenchmark(name, zoo_of_recipe(name, folder, wanted))


def _factor(text: str) -> tuple[str, tuple[int, ...]]:
    """A factor and its values, as ``width=32+48``."""
    name, _, values = text.partition("=")
    return name, tuple(numbers_of(values.replace("+", ","), "values"))


def _run(cells: list[Cell], out: Path) -> None:
    """Work out the cells that no other process is at work on."""
    for number, cell in enumerate(cells, 1):
        name = cell.folder(out).relative_to(out).as_posix()
        console.print(f"{number}/{len(cells)} {name}", soft_wrap=True, highlight=False)
        cell.run(out)


if __name__ == "__main__":
    run_benchmark(main)
