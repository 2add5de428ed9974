"""How far does a signal carry? R² against distance, for every layer, each as deep as it takes.

    python -m benchmarks.signal_reach
    python -m benchmarks.signal_reach --shapes ring --distances 6 --models DBGNN --steps 1,2,4

The label of a node is what the nodes exactly k edges away say
(:mod:`benchmarks.graph_tasks.signals`). All models get the same number of parameters, graphs,
epochs and learning rates to choose from; the rate is that of the validation graphs with the first
seed. Trainings are kept in ``--out`` and never repeated, so the program may be killed at any time
and started again.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from benchmarks.graph_tasks.contestants import (
    CARRIERS,
    CONTESTANTS,
    has_steps,
    reaching,
    specification,
)
from benchmarks.graph_tasks.reach import Scores, draw_reach, reach_rows, test_score
from benchmarks.graph_tasks.signals import DISTANCES, FARTHEST, GRAPHS, SHAPES, signal_task
from benchmarks.graph_tasks.training import settings_of
from benchmarks.graph_tasks.tuning import at_best_rate, tuned
from benchmarks.hardware import ROOT
from benchmarks.options import counts_of, names_of, rates_of
from benchmarks.results import Report
from benchmarks.running import run_benchmark


def main(
    models: Annotated[str, typer.Option(help="Names with commas.")] = ",".join(
        (*CONTESTANTS, *CARRIERS)
    ),
    shapes: Annotated[
        str, typer.Option(help=f"Graphs, with commas: {', '.join(SHAPES)}.")
    ] = ",".join(SHAPES),
    distances: Annotated[str, typer.Option(help="Edges that a signal has to go.")] = ",".join(
        map(str, DISTANCES)
    ),
    steps: Annotated[
        str, typer.Option(help="Steps of Dirac–Bianconi models for each of these edges.")
    ] = "2",
    seeds: Annotated[int, typer.Option(help="Trainings of every model.", min=1)] = 3,
    epochs: Annotated[int, typer.Option(help="Epochs of every training.", min=1)] = 20,
    rates: Annotated[str, typer.Option(help="Learning rates to choose from.")] = "0.001,0.003",
    parameters: Annotated[
        int, typer.Option(help="Parameters of every model, at most.", min=1)
    ] = 20_000,
    batch_size: Annotated[int, typer.Option(help="Graphs a step.", min=1)] = 16,
    graphs: Annotated[
        int | None, typer.Option(help="Training graphs of every task.", min=1)
    ] = None,
    out: Annotated[Path, typer.Option(help="Where trainings are kept.")] = ROOT
    / "runs"
    / "signal_reach",
    picture: Annotated[Path | None, typer.Option(help="Picture of the tables.")] = None,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    collect_only: Annotated[
        bool, typer.Option(help="Train nothing; show what is trained so far.")
    ] = False,
    quick: Annotated[bool, typer.Option(help="A few graphs, to see that it runs.")] = False,
) -> None:
    """Train what is not trained yet, and show everything."""
    with TemporaryDirectory() as scratch:
        if quick:
            seeds, epochs, rates, distances, graphs = 2, 1, "0.003", "1,2", 16
            parameters, out = 4000, Path(scratch)
        chosen = names_of(models, (CONTESTANTS | CARRIERS), "model")
        drawn = names_of(shapes, SHAPES, "shape")
        far = counts_of(distances, FARTHEST, "distances")
        an_edge = counts_of(steps, 64, "steps")
        choice = rates_of(rates)
        counts = {
            split: max(2, round((graphs or GRAPHS["train"]) / GRAPHS["train"] * count))
            for split, count in GRAPHS.items()
        }
        report = Report("signal_reach", "How far a signal carries", quick=quick)
        measured: dict[str, Any] = {}
        by_shape: dict[str, Scores] = {}
        for shape in drawn:
            scores: Scores = {}
            for distance in far:
                task = signal_task(shape, distance, counts, seed=0)
                specifications = {
                    f"{name} x{count}" if has_steps(name) else name: specification(
                        name, task, parameters, **reaching(name, distance, steps_an_edge=count)
                    )
                    for name in chosen
                    for count in (an_edge if has_steps(name) else [1])
                }
                done = tuned(
                    specifications,
                    task,
                    choice,
                    seeds,
                    settings_of(epochs, batch_size),
                    out,
                    collect_only=collect_only,
                )
                measured[task.name] = {"facts": task.facts, "cells": done}
                for name in specifications:
                    own = [result for result in done if result["model"] == name]
                    scores.setdefault(name, {})[distance] = [
                        test_score(result) for result in at_best_rate(own, task)
                    ]
            shown = [distance for distance in far if measured[f"{shape}-{distance}"]["cells"]]
            report.table(
                f"{shape}s: R² on unseen graphs against the distance in edges",
                ["model", *map(str, shown)],
                reach_rows(scores, shown),
            )
            by_shape[shape] = scores
        words = ", ".join(f"{count:,} {split}" for split, count in counts.items())
        rate = f"the best of {rates} on validation with seed 1" if len(choice) > 1 else rates
        report.say(
            f"{words} graphs, {epochs} epochs, at most {parameters:,} parameters; the learning "
            f"rate is {rate}. ± is the standard deviation over {seeds} seeds; a number without is "
            "a single training. A model that does not see so far has 0. xN is the number of steps "
            "of a Dirac–Bianconi model for each edge of the distance."
        )
        report.save(
            {
                "seeds": seeds,
                "epochs": epochs,
                "rates": rates,
                "parameters": parameters,
                "batch_size": batch_size,
                "steps": steps,
            },
            measured,
            json,
        )
        if picture is not None:
            draw_reach(by_shape, picture)


if __name__ == "__main__":
    run_benchmark(main)
