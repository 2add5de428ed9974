"""What representations of weights keep: properties, the networks themselves, and new ones.

    python -m benchmarks.representations --zoos digits_seed,mnist_seed=100 --seeds 3

Zoos are recipes of the package, from which so many networks are drawn and trained into
``--zoo-folder``, or folders as ``name=folder``. Networks, not checkpoints, are split into 70, 15
and 15 %, the same for all rows and seeds; epochs and penalties are chosen on validation, and the
test part is judged once. Results are kept in ``--out`` and never worked out twice, so the program
may be killed at any time and started again, also several times at once. What a budget cuts short,
the tables say: networks, checkpoints, and epochs.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from benchmarks.cells import Result, restore_cells, time_warning
from benchmarks.hardware import ROOT
from benchmarks.options import numbers_of, require_zoos
from benchmarks.representation_tasks.cell import Cell, FreeCell
from benchmarks.representation_tasks.real_hub import HubCell, report_hub
from benchmarks.representation_tasks.rows import choose_rows
from benchmarks.representation_tasks.studies import Study, zoo_of_recipe
from benchmarks.representation_tasks.tables import LEGEND, report_study, report_widths
from benchmarks.results import FOLDER, Report, console, known_cells
from benchmarks.running import run_benchmark
from benchmarks.weights.tasks import ZooOfBenchmark

QUICK_ROWS = "hyper_representation,sane,sane/not_aligned,hub,graph_autoencoder"
NAME = "representations"


def main(
    zoos: Annotated[
        str,
        typer.Option(help="Recipes, or name=folder, or recipe=networks, with commas."),
    ] = "digits_seed,digits_hyperparameters",
    rows: Annotated[
        str, typer.Option(help="Names of rows, with commas, or methods, or all.")
    ] = "methods",
    held_out: Annotated[
        str, typer.Option(help="Tests on held-out networks as zoo:factor=value, with commas.")
    ] = "",
    transfers: Annotated[
        str,
        typer.Option(help="Tests on other zoos too, as zoo:other, given as zoos are, with commas."),
    ] = "",
    seeds: Annotated[int, typer.Option(help="Fits of every row.", min=1)] = 3,
    networks: Annotated[
        int, typer.Option(help="Networks of a zoo, unless it says else.", min=1)
    ] = 100,
    epochs_of_zoo: Annotated[
        str, typer.Option(help="Kept epochs of the zoos, with commas; all unless given.")
    ] = "",
    epochs: Annotated[int | None, typer.Option(help="Passes over the networks.", min=1)] = None,
    size: Annotated[str, typer.Option(help="Settings: small or published.")] = "small",
    generated: Annotated[int, typer.Option(help="Networks that each sampler makes.", min=1)] = 50,
    tuning: Annotated[
        str, typer.Option(help="Epochs of tuning after which they are judged, with commas.")
    ] = "1",
    hub: Annotated[
        bool, typer.Option(help="Learn from real networks too, which are downloaded (320 MB).")
    ] = False,
    zoo_folder: Annotated[Path, typer.Option(help="Where zoos are kept.")] = ROOT
    / "runs"
    / "representation_zoos",
    out: Annotated[Path, typer.Option(help="Where results are kept.")] = ROOT
    / "runs"
    / "representations",
    collect_only: Annotated[
        bool, typer.Option(help="Fit nothing, only write the tables of what is there.")
    ] = False,
    restore: Annotated[
        bool, typer.Option(help="Begin with what the committed result files hold.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A few networks, to see that it runs.")] = False,
) -> None:
    """Work out what is not there yet, and write all tables."""
    with TemporaryDirectory() as scratch:
        if quick:
            out, zoo_folder, rows = Path(scratch, "cells"), Path(scratch, "zoos"), QUICK_ROWS
            zoos, transfers, held_out, hub = "digits_seed", "", "", False
            networks, seeds, epochs, generated, epochs_of_zoo = 12, 1, 2, 4, "5,10"
        chosen = choose_rows(rows)
        taken = tuple(numbers_of(epochs_of_zoo, "epochs"))
        tuned = tuple(numbers_of(tuning, "epochs of tuning"))
        require_zoos(zoos, transfers, held_out)
        report = Report(NAME, "Representations of networks", quick=quick)
        if restore:
            for path in sorted(FOLDER.glob(f"{NAME}*.json")):
                restore_cells(out, known_cells(path.stem))
        known = {
            zoo.name: zoo
            for zoo in (_zoo(part, zoo_folder, networks, taken) for part in zoos.split(",") if part)
        }
        others = _others(known, transfers, lambda part: _zoo(part, zoo_folder, networks, taken))
        studies = _studies(known, held_out, others)
        options: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
        cells: list[Cell | FreeCell | HubCell] = [
            FreeCell(study, generated, tuned) for study in studies
        ]
        cells += [
            Cell(row, study, seed, size, options, generated, tuned)
            for seed in range(1, seeds + 1)
            for study in studies
            for row in chosen
        ]
        if hub:
            cells += [HubCell(seed, size=size, options=options) for seed in range(1, seeds + 1)]
        if collect_only:
            cells = [cell for cell in cells if cell.is_done(out)]
        results = _run(cells, out)
        for study in studies:
            own = [one for one in results.values() if one["study"] == study.name]
            report_study(
                report,
                study.name,
                [one for one in own if one["row"] != "free"],
                [one for one in own if one["row"] == "free"],
            )
        report_widths(report, [*results.values()])
        report_hub(report, [one for one in results.values() if "tested" in one])
        for sentence in (*LEGEND, *time_warning(report.record)):
            report.say(sentence)
        report.save(
            {"zoos": zoos, "rows": rows, "seeds": seeds, "networks": networks, "size": size}
            | {"epochs": epochs, "epochs_of_zoo": list(taken), "generated": generated}
            | {"tuning": list(tuned)}
            | {"transfers": transfers, "held_out": held_out, "hub": hub},
            {"cells": results},
            json,
        )


def _zoo(text: str, folder: Path, networks: int, epochs: tuple[int, ...]) -> ZooOfBenchmark:
    """The zoo that ``recipe``, ``recipe=networks`` or ``name=folder`` names."""
    name, _, given = text.partition("=")
    if given and not given.isdecimal():
        return ZooOfBenchmark(name, Path(given), networks, epochs)
    wanted = int(given or networks)
    return ZooOfBenchmark(name, zoo_of_recipe(name, folder, wanted), wanted, epochs)


def _others(
    known: dict[str, ZooOfBenchmark], transfers: str, read: Callable[[str], ZooOfBenchmark]
) -> dict[str, tuple[ZooOfBenchmark, ...]]:
    """The zoos on which networks of a zoo are tested too; those that are not known yet are read."""
    others: dict[str, tuple[ZooOfBenchmark, ...]] = {}
    for part in transfers.split(","):
        if part:
            name, _, other = part.partition(":")
            others[name] = (*others.get(name, ()), known.get(other) or read(other))
    return others


def _studies(
    known: dict[str, ZooOfBenchmark], held_out: str, others: dict[str, tuple[ZooOfBenchmark, ...]]
) -> list[Study]:
    """A study a zoo, with the zoos to which it transfers, and one for all that is held out."""
    studies = [Study(zoo, None, others.get(name, ())) for name, zoo in known.items()]
    for part in held_out.split(","):
        if part:
            name, _, condition = part.partition(":")
            factor, _, values = condition.partition("=")
            wanted = tuple(numbers_of(values.replace("+", ","), "values"))
            studies.append(Study(known[name], (factor, wanted)))
    return studies


def _run(cells: list[Cell | FreeCell | HubCell], out: Path) -> dict[str, Result]:
    """The results, by the folders of their cells below ``out``."""
    results = {}
    try:
        for number, cell in enumerate(cells, 1):
            console.print(
                f"{number}/{len(cells)} {cell.folder(out).relative_to(out)}", soft_wrap=True
            )
            result = cell.run(out)
            if result is not None:
                results[str(cell.folder(out).relative_to(out))] = result
    except KeyboardInterrupt:
        console.print("interrupted; the tables show what is there")
    return results


if __name__ == "__main__":
    run_benchmark(main)
