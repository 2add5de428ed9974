"""How the native engine's cost grows: with the grid, with the samples, and its memory.

    python -m benchmarks.scaling

Every trajectory takes the same number of steps (no early stop, short horizon), so the cost of a
step is measured and not how soon trajectories settle. Ideal is a cost proportional to nodes plus
lines, an exponent of one. Memory is the peak of a fresh process, and should not grow with samples.
"""

import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.cache import cached_grid
from benchmarks.results import Report, console, progress
from benchmarks.running import run_benchmark
from benchmarks.task import perturb
from benchmarks.timing import Spread, repeat_for, timed
from gridstab.dynamics.engine import stop_rule
from gridstab.dynamics.native.engine import NativeEngine
from gridstab.dynamics.schedule import make_schedule
from gridstab.dynamics.simulate import simulate
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import GridstabError
from gridstab.grids.growth import random_grid
from gridstab.grids.matpower import load_case
from gridstab.grids.power_grid import PowerGrid

SIZES = (20, 100, 300, 1000, 3000, 10_000)
CASES = ("case118", "case300", "case1354pegase", "texas", "case2869pegase", "case9241pegase")
SAMPLES = (250, 1000, 4000, 16_000)

HORIZON = 10.0
"""Short of the time at which steps double, so that a trajectory takes equal steps."""

WORK = 4e8
"""Nodes and lines times trajectories times steps of one measurement: about half a second."""


def main(
    repeats: Annotated[int, typer.Option(help="Measurements of each grid.", min=1)] = 5,
    seed: Annotated[int, typer.Option(help="Random grids, powers and perturbations.", min=0)] = 1,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Small grids only, to see that it runs.")] = False,
) -> None:
    """Measure cost against grid size and samples, and memory against samples."""
    sizes, cases, samples = (
        ((20, 100, 300), ("case118",), (100, 400)) if quick else (SIZES, CASES, SAMPLES)
    )
    title = f"Scaling: grids of {sizes[0]} to {sizes[-1]} nodes and {len(cases)} real topologies"
    report = Report("scaling", title, quick=quick)
    random, missing = _grids([(f"random-{n}-{seed}", _grower(n, seed)) for n in sizes])
    real, without = _grids([(f"{name}-{seed}", _loader(name, seed)) for name in cases])
    rows = {
        "random": [cost(grid, 1 if quick else repeats, seed) for grid in random],
        "real": [cost(grid, 1 if quick else repeats, seed) for grid in real],
    }
    exponents = {family: exponent(costs) for family, costs in rows.items() if len(costs) > 1}
    show_cost(report, rows, exponents)
    growth = samples_growth(samples)
    show_samples(report, growth)
    settings: dict[str, Any] = {
        "seed": seed,
        "horizon": HORIZON,
        "repeats": repeats,
        "missing": missing | without,
    }
    measured: dict[str, Any] = {"cost": rows, "exponents": exponents, "samples": growth}
    report.save(settings, measured, json)


def _grower(nodes: int, seed: int) -> Callable[[], PowerGrid]:
    return lambda: random_grid(nodes, seed=seed)


def _loader(name: str, seed: int) -> Callable[[], PowerGrid]:
    return lambda: load_case(name, seed=seed)


def _grids(
    wanted: list[tuple[str, Callable[[], PowerGrid]]],
) -> tuple[list[PowerGrid], dict[str, str]]:
    """The grids that can be made here, and why the others cannot."""
    grids, missing = [], {}
    with progress() as bar:
        task = bar.add_task("", total=len(wanted))
        for name, make in wanted:
            bar.update(task, description=f"making {name}")
            try:
                grids.append(cached_grid(name, make).with_name(name))
            except GridstabError as error:
                missing[name] = str(error)
                console.print(f"left out: {name} ({error})", soft_wrap=True)
            bar.advance(task)
    return grids, missing


def cost(grid: PowerGrid, repeats: int, seed: int) -> dict[str, Any]:
    """Processor time of one step of one trajectory."""
    engine, rule = NativeEngine(), stop_rule("horizon")
    model = SwingModel.of(grid)
    schedule = make_schedule(model, rule, HORIZON)
    steps = schedule.end * schedule.steps
    size = grid.num_nodes + grid.num_lines
    lanes = engine.lanes.count
    trajectories = lanes * max(1, round(WORK / (size * steps * lanes)))
    perturbations = perturb(model, trajectories, seed)
    timings = repeat_for(
        lambda: engine.run(model, perturbations, stop=rule, horizon=HORIZON), repeats=repeats
    )
    spread = Spread.of([1e9 * timing.cpu / (trajectories * steps) for timing in timings])
    return {
        "grid": grid.name,
        "nodes": grid.num_nodes,
        "lines": grid.num_lines,
        "trajectories": trajectories,
        "steps": steps,
        "nanoseconds_per_step": spread.median,
        "spread_percent": spread.percent,
        "nanoseconds_per_node_and_line": spread.median / size,
    }


def exponent(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Slope of log cost over log (nodes + lines), with its standard error."""
    size = np.log([row["nodes"] + row["lines"] for row in rows])
    price = np.log([row["nanoseconds_per_step"] for row in rows])
    slope, intercept = np.polyfit(size, price, 1)
    residual = price - slope * size - intercept
    freedom = max(len(rows) - 2, 1)
    error = np.sqrt(residual @ residual / freedom / ((size - size.mean()) ** 2).sum())
    return {"exponent": float(slope), "standard_error": float(error)}


def samples_growth(samples: tuple[int, ...]) -> list[dict[str, float]]:
    """Time and peak memory of simulating a grid of 20 nodes, each total in a fresh process."""
    rows = []
    with progress() as bar:
        task = bar.add_task("", total=len(samples))
        for count in samples:
            bar.update(task, description=f"{count} samples a node")
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                rows.append(process.submit(_simulated, count).result())
            bar.advance(task)
    return rows


def _simulated(samples: int) -> dict[str, float]:
    grid = random_grid(20, seed=1)
    simulate(grid, 1, threads=1)
    before = _peak_memory()
    timing = timed(lambda: simulate(grid, samples, threads=1))
    return {
        "samples": samples,
        "seconds": timing.cpu,
        "memory_mib": _peak_memory(),
        "memory_before_mib": before,
    }


def _peak_memory() -> float:
    """Peak resident memory of this process [MiB]."""
    # getrusage also counts what the parent held when this process was forked off.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show_cost(
    report: Report, rows: dict[str, list[dict[str, Any]]], exponents: dict[str, dict[str, float]]
) -> None:
    report.table(
        "Cost of one step of one trajectory",
        ["grid", "nodes", "lines", "ns", "spread", "ns / (nodes + lines)"],
        [
            [
                str(row["grid"]),
                f"{row['nodes']}",
                f"{row['lines']}",
                f"{row['nanoseconds_per_step']:,.0f}",
                f"±{row['spread_percent']:.0f} %",
                f"{row['nanoseconds_per_node_and_line']:.3f}",
            ]
            for family in rows.values()
            for row in family
        ],
    )
    for family, fit in exponents.items():
        report.say(
            f"{family}: cost grows as (nodes + lines)^{fit['exponent']:.3f}"
            f" ± {fit['standard_error']:.3f}"
        )


def show_samples(report: Report, rows: list[dict[str, float]]) -> None:
    report.table(
        "Simulating a grid of 20 nodes, one thread",
        ["samples a node", "seconds", "ms a sample", "peak memory", "before"],
        [
            [
                f"{row['samples']:,}",
                f"{row['seconds']:.2f}",
                f"{1e3 * row['seconds'] / row['samples']:.3f}",
                f"{row['memory_mib']:.0f} MiB",
                f"{row['memory_before_mib']:.0f} MiB",
            ]
            for row in rows
        ],
    )


if __name__ == "__main__":
    run_benchmark(main)
