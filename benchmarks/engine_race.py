"""Trajectories per second and core: the native engine, the published solver, other packages.

    python -m benchmarks.engine_race

All get the same grids, initial states and right-hand side (horizon 500, 100 nodes, α = 0.1, K = 9)
in one process on one thread. Time is processor time, without compilation. The native engine is
measured before, between and after the others, which shows how quiet the machine was.
"""

from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from jaxtyping import Bool
from rich.progress import Progress

from benchmarks.contestants import (
    Contestant,
    julia_contestants,
    native_contestants,
    own_adaptive,
    peer_contestants,
)
from benchmarks.peers import TOLERANCE
from benchmarks.results import Report, progress
from benchmarks.running import run_benchmark
from benchmarks.stepping import FORMULA, SteppingSpeed, stepping_speed
from benchmarks.task import HORIZON, has_returned, model_of, perturb
from benchmarks.timing import Spread, repeat_for, timed
from gridstab.dynamics.engine import Engine, Perturbations, stop_rule
from gridstab.dynamics.julia.engine import JuliaEngine
from gridstab.dynamics.native.engine import NativeEngine
from gridstab.dynamics.native.fixed_step import Precision
from gridstab.dynamics.reference.engine import ReferenceEngine
from gridstab.dynamics.swing import SwingModel

WARM_UP_HORIZON = 0.1
AGREEMENT = 200
"""Trajectories whose outcomes are compared with the reference."""


def main(
    grids: Annotated[
        int, typer.Option(help="Random grids; every contestant runs on each.", min=1)
    ] = 1,
    nodes: Annotated[int, typer.Option(help="Nodes of a grid.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="First grid and stream of perturbations.", min=0)] = 1,
    trajectories: Annotated[
        int, typer.Option(help="Trajectories of the native engine, a measurement.", min=1)
    ] = 4000,
    scale: Annotated[
        float, typer.Option(help="Multiplies the peers' few trajectories.", min=0)
    ] = 1.0,
    rounds: Annotated[int, typer.Option(help="Measurements of each peer.", min=1)] = 1,
    horizon: Annotated[float, typer.Option(help="Longest simulated time.", min=0)] = HORIZON,
    threads: Annotated[int, typer.Option(help="Threads of the scaling measurement.", min=1)] = 2,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A few seconds, to see that it runs.")] = False,
) -> None:
    """Race the engines and print trajectories per second and core."""
    if quick:
        nodes, trajectories, scale, rounds, horizon = 20, 500, 0.25, 1, min(horizon, 120.0)
    title = f"Engine race: {grids} grid(s) of {nodes} nodes, horizon {horizon:g}"
    report = Report("engine_race", title, quick=quick)
    peers, missing = peer_contestants(scale)
    julia, without_julia = julia_contestants(trajectories, max(1, round(100 * scale)))
    missing |= without_julia
    for module, why in missing.items():
        report.say(f"not installed: {module} ({why})")
    peers = [own_adaptive(max(1, round(100 * scale))), *julia, *peers]
    native = native_contestants(trajectories)
    models = [model_of(nodes, seed + k) for k in range(grids)]
    # The peers run the first few of the native engine's list.
    draws = [perturb(model, trajectories, seed + k) for k, model in enumerate(models)]

    with progress() as bar:
        race = Race(native + peers, bar, horizon)
        for model, perturbations in zip(models, draws, strict=True):
            race.run_grid(model, perturbations, rounds)
    rows = race.summary()
    show(report, rows, [contestant.name for contestant in native])
    speeds = measure_stepping(report, models[0], quick)
    scaling = measure_threads(report, NativeEngine(), "fast", models[0], draws[0], horizon, threads)
    julia_scaling = {
        f"julia {method}, {rule} stop": measure_threads(
            report, JuliaEngine(method, TOLERANCE), rule, models[0], some, horizon, threads
        )
        for method, rule, some in (
            ("fast", "fast", draws[0]),
            ("tsit5", "published", draws[0][: max(2, round(100 * scale))]),
        )
        if julia
    }
    settings: dict[str, Any] = {
        "grids": [model.grid.content_hash for model in models],
        "nodes": nodes,
        "lines": [model.grid.num_lines for model in models],
        "seed": seed,
        "horizon": horizon,
        "rounds": rounds,
        "missing": missing,
    }
    measured: dict[str, Any] = {
        "contestants": rows,
        "stepping": [asdict(speed) | {"share_percent": speed.share} for speed in speeds],
        "flop_formula": FORMULA,
        "threads": scaling,
        "julia_threads": julia_scaling,
    }
    report.save(settings, measured, json)


class Race:
    """Measures every contestant, the native engine between all the others."""

    def __init__(self, contestants: list[Contestant], bar: Progress, horizon: float) -> None:
        self.contestants, self.bar, self.horizon = contestants, bar, horizon
        self.rates: dict[str, list[float]] = defaultdict(list)
        self.agreed: dict[tuple[str, str], Bool[np.ndarray, " compared"]] = {}
        self.task = bar.add_task("", total=0)

    def run_grid(self, model: SwingModel, perturbations: Perturbations, rounds: int) -> None:
        """One grid: compile, compute the truth, then take the rounds."""
        native = [one for one in self.contestants if one.native]
        others = [one for one in self.contestants if not one.native]
        laps = len(native) * (rounds * len(others) + 1) + rounds * len(others)
        self.bar.update(self.task, total=laps, completed=0, description="compiling")
        runs = {one.name: one.build(model) for one in self.contestants}
        for one in self.contestants:
            runs[one.name](perturbations[: one.trajectories], WARM_UP_HORIZON)

        self.bar.update(self.task, description="reference dop853 1e-9")
        truth = has_returned(
            ReferenceEngine("dop853").run(
                model,
                perturbations[:AGREEMENT],
                stop=stop_rule("horizon"),
                horizon=self.horizon,
            )
        )

        def measure(one: Contestant) -> None:
            self.bar.update(self.task, description=one.name)
            mine = perturbations[: one.trajectories]
            timing = timed(lambda: runs[one.name](mine, self.horizon))
            self.rates[one.name].append(len(mine) / timing.cpu)
            common = min(len(mine), len(truth))
            same = timing.result[:common] == truth[:common]
            self.agreed[one.name, model.grid.content_hash] = same
            self.bar.advance(self.task)

        for _ in range(rounds):
            for other in others:
                for one in native:
                    measure(one)
                measure(other)
        for one in native:
            measure(one)

    def summary(self) -> list[dict[str, Any]]:
        """One row a contestant, with its ratio to every native one."""
        native = [one.name for one in self.contestants if one.native]
        medians = {name: float(np.median(rates)) for name, rates in self.rates.items()}
        rows: list[dict[str, Any]] = []
        for one in self.contestants:
            same = np.concatenate(
                [part for (name, _), part in self.agreed.items() if name == one.name]
            )
            rows.append(
                {
                    "name": one.name,
                    "trajectories": one.trajectories,
                    "rate": asdict(Spread.of(self.rates[one.name])),
                    "agreement_percent": 100 * float(same.mean()),
                    "compared": len(same),
                    "slower_than": {name: medians[name] / medians[one.name] for name in native},
                }
            )
        return rows


def show(report: Report, rows: list[dict[str, Any]], native: list[str]) -> None:
    """Prints the table of the race."""
    lines = []
    for row in rows:
        rate, slower = Spread(**row["rate"]), row["slower_than"]
        lines.append(
            [
                str(row["name"]),
                str(row["trajectories"]),
                f"{rate.median:,.{0 if rate.median > 1000 else 2}f}",
                f"±{rate.percent:.0f} %" if rate.repeats > 1 else "once",
                f"{row['agreement_percent']:.1f} % of {row['compared']}",
                *(f"{slower[name]:,.{0 if slower[name] > 100 else 2}f}" for name in native),
            ]
        )
    short = [name.replace("native ", "") for name in native]
    report.table(
        "Trajectories a second and core",
        ["", "of", "rate", "spread", "agree with dop853 1e-9", *(f"{n} is ×" for n in short)],
        lines,
    )


def measure_stepping(report: Report, model: SwingModel, quick: bool) -> list[SteppingSpeed]:
    """The bare step in both precisions, printed."""
    steps, repeats = (1000, 2) if quick else (100_000, 5)
    precisions: tuple[Precision, ...] = ("float32", "float64")
    speeds = [
        stepping_speed(model, precision, steps=steps, repeats=repeats) for precision in precisions
    ]
    report.table(
        f"Bare step; FLOP = {FORMULA}",
        ["", "M steps/s", "spread", "FLOP", "GFLOP/s", "peak", "share"],
        [
            [
                speed.precision,
                f"{speed.lane_steps.median:.2f}",
                f"±{speed.lane_steps.percent:.0f} %",
                f"{speed.flop}",
                f"{speed.gflops:.1f}",
                f"{speed.peak.median:.1f}",
                f"{speed.share:.0f} %",
            ]
            for speed in speeds
        ],
    )
    return speeds


def measure_threads(
    report: Report,
    engine: Engine,
    stop: str,
    model: SwingModel,
    perturbations: Perturbations,
    horizon: float,
    threads: int,
) -> dict[str, Any]:
    """Wall time on several threads against one."""

    def wall(count: int) -> Spread:
        timings = repeat_for(
            lambda: engine.run(
                model, perturbations, stop=stop_rule(stop), horizon=horizon, threads=count
            ),
            repeats=3,
        )
        return Spread.of([len(perturbations) / timing.wall for timing in timings])

    one, many = wall(1), wall(threads)
    speedup = many.median / one.median
    report.say(
        f"{engine.name} {stop} by wall time: {one.median:,.0f} trajectories/s on 1 thread, "
        f"{many.median:,.0f} on {threads} ({speedup:.2f} times as many)"
    )
    return {"one": asdict(one), "many": asdict(many), "threads": threads, "speedup": speedup}


if __name__ == "__main__":
    run_benchmark(main)
