"""How long labels of the Texas grid take: the native engine against the published solver.

    python -m benchmarks.texas

Both simulate the same few trajectories on one thread; processor time, without compilation, is
extrapolated to every node. A whole run is ``gridstab simulate --case texas --samples 100``.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.results import Report, progress
from benchmarks.running import run_benchmark
from benchmarks.timing import timed
from gridstab.dynamics.engine import Engine, Perturbations, stop_rule
from gridstab.dynamics.native.engine import NativeEngine
from gridstab.dynamics.reference.engine import ReferenceEngine
from gridstab.dynamics.swing import SwingModel
from gridstab.grids.texas import texas_grid


def main(
    trajectories: Annotated[int, typer.Option(help="Trajectories of each engine.", min=1)] = 200,
    samples: Annotated[int, typer.Option(help="A node, for the extrapolation.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the perturbations.", min=0)] = 1,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A few seconds, to see that it runs.")] = False,
) -> None:
    """Time both engines on the same trajectories of Texas."""
    if quick:
        trajectories = 4
    grid = texas_grid(seed=seed)
    model = SwingModel.of(grid)
    rng = np.random.default_rng(seed)
    drawn = Perturbations(
        rng.integers(0, grid.num_nodes, trajectories),
        rng.uniform(-np.pi, np.pi, trajectories),
        rng.uniform(-15.0, 15.0, trajectories),
    )
    first = Perturbations(drawn.node[:1], drawn.dtheta[:1], drawn.domega[:1])
    report = Report("texas", f"Texas: {trajectories} trajectories", quick=quick)
    contestants: list[tuple[str, Engine, str]] = [
        ("native fast", NativeEngine(), "fast"),
        ("tsit5 1e-6, published stop", ReferenceEngine("tsit5", 1e-6, 1e-6), "published"),
    ]
    seconds, stable = [], []
    with progress() as bar:
        for _, engine, rule in bar.track(contestants, description="engines"):
            stop = stop_rule(rule)
            engine.run(model, first, stop=stop, horizon=0.1)  # compiles
            timing = timed(partial(engine.run, model, drawn, stop=stop))
            seconds.append(timing.cpu)
            stable.append(float((timing.result.status == 1).mean()))
    total = samples * grid.num_nodes
    each = [spent / trajectories for spent in seconds]
    rows = [
        [name, f"{cost:.4f}", f"{cost * total / 3600:.2f}", f"{share:.3f}"]
        for (name, _, _), cost, share in zip(contestants, each, stable, strict=True)
    ]
    report.table(
        f"Texas, {samples} samples for each of {grid.num_nodes} nodes",
        ["engine", "core seconds a trajectory", "core hours", "share returned"],
        rows,
    )
    report.say(f"The published solver takes {seconds[1] / seconds[0]:.0f} times as long.")
    measured = {"names": [name for name, _, _ in contestants], "seconds": each, "returned": stable}
    report.save({"trajectories": trajectories, "samples": samples, "seed": seed}, measured, json)


if __name__ == "__main__":
    run_benchmark(main)
