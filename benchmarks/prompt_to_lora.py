"""Adapters of tasks that were never trained, from prompts that describe them, beside what is free.

    python -m benchmarks.prompt_to_lora             measure what is missing, print all tables
    python -m benchmarks.prompt_to_lora --restore   begin with the cells of the result file
    python -m benchmarks.prompt_to_lora --measured  print the cells that are there, and no more
    python -m benchmarks.prompt_to_lora --quick     a few steps of everything, to see that it runs

Tasks of the training part choose the epoch. Settings were found on digits of seed 0, whose held-out
tasks were looked at; those of the other seeds and of the language model chose nothing.
"""

from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import torch
import typer

from benchmarks import lora_cells as cells
from benchmarks.cells import (
    Result,
    finished_cells,
    restore_cells,
    run_cell,
    time_warning,
)
from benchmarks.options import require_known
from benchmarks.results import SCRATCH, Report, known_cells
from benchmarks.running import run_benchmark
from graphwsl.generators.lora.reference_adapters import REFERENCES

NAME = cells.NAME
SEEDS = (0, 1, 2)

FREE = {
    "trained": "trained on the task",
    **REFERENCES,
    "base": "no adapter",
}


def main(
    restore: Annotated[bool, typer.Option(help="Begin with what the result file holds.")] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A few steps, to see that it runs.")] = False,
    measured: Annotated[bool, typer.Option(help="Only print what was measured.")] = False,
    world: Annotated[list[str] | None, typer.Option(help="Worlds to measure.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Seeds to measure.", min=0)] = None,
    method: Annotated[list[str] | None, typer.Option(help="Methods to measure.")] = None,
) -> None:
    """Measure every cell that is missing, and print the tables."""
    torch.set_num_threads(1)
    require_known(world or (), cells.WORLDS, "world")
    require_known(method or (), cells.METHODS, "method")
    root = SCRATCH / (f"{NAME}-quick" if quick else NAME)
    if restore:
        restore_cells(root, known_cells(NAME))
    report = Report(NAME, "Adapters from prompts", quick=quick)
    worlds, seeds = world or [*cells.WORLDS], seed or SEEDS[: 1 if quick else None]
    for name, number in product(worlds, () if measured else seeds):
        measure(root, name, number, method or [*cells.METHODS], quick)
    found = {str(at.relative_to(root)): result for at, result in finished_cells(root)}
    for name in worlds:
        table(report, name, found)
    for sentence in (*NOTES, *time_warning(report.record)):
        report.say(sentence)
    report.save({"seeds": list(SEEDS)}, {"cells": found}, json)


NOTES = (
    "Of held-out tasks neither the task nor its complement was trained. The best of all training "
    "adapters is chosen by the answers, and adapters trained on the task need its data: what only "
    "prompts tell is below them. Tasks of the training part choose the epoch; settings were found "
    "on digits of seed 0, whose held-out tasks were looked at.",
    "The language model was trained on all tasks by commands, held-out ones among them; of "
    "adapters and prompts of held-out tasks no generator saw any. Of answers each letter counts, "
    "the right ones before it being given.",
    "Where parts are new, a move, a number or a table of every held-out task is in no task that "
    "was trained, so that half of what its prompts say is new as well. All of its prompts have "
    "words of no training prompt; those of the other worlds have none, where looking up changes "
    "nothing but that random strings get the mean adapter. What is looked up are the trained "
    "adapters of the five tasks nearest by words that are more than three words from any unknown "
    "one. Three was found by leaving families out of the training tasks, with adapters and answers "
    "of these; held-out tasks chose nothing.",
)


def measure(root: Path, name: str, seed: int, methods: list[str], quick: bool) -> None:
    """Work out the cells of a world and seed that are missing."""
    folder = root / name / f"seed-{seed}"
    run_cell(folder / "free", lambda _: cells.free(name, seed, quick))
    for method in methods:
        run_cell(folder / slug(method), partial(cells.generated, name, method, seed, quick))


def slug(method: str) -> str:
    """Name of the folder of a method."""
    return method.replace(", ", "-").replace(" ", "_")


def table(report: Report, name: str, found: dict[str, Result]) -> None:
    """The table of a world."""
    own = {key: one for key, one in found.items() if key.startswith(f"{name}/")}
    free = [one for key, one in own.items() if key.endswith("/free")]
    rows = [
        [title, spread(free, key), "", "", "", "", str(len(free))] for key, title in FREE.items()
    ]
    for method in cells.METHODS:
        of = [one for key, one in own.items() if key.endswith(f"/{slug(method)}")]
        if of:
            asked = [spread(of, key) for key in ("generated", "wrong prompt", "random strings")]
            rows.append(
                [
                    method,
                    *asked,
                    f"{mean(one['seconds'] for one in of):.0f}",
                    f"{mean(one['milliseconds'] for one in of):.1f}",
                    str(len(of)),
                ]
            )
    columns = ["adapters", "held-out tasks", "wrong prompt", "random strings"]
    columns += ["processor s to fit", "ms each", "seeds"]
    report.table(f"{TITLES[name]}: accuracy [%]", columns, rows)


TITLES = {
    "digits": "Subsets of digits",
    "language": "Tasks of a small language model",
    "families": "Tasks of a small language model with a part that none has in training",
}


def spread(results: list[dict[str, Any]], key: str) -> str:
    """Mean and deviation over seeds, as percentages."""
    values = [100 * one[key] for one in results]
    if not values:
        return "–"
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


if __name__ == "__main__":
    run_benchmark(main)
