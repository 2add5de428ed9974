"""Do the 95 % intervals hold what they promise?

    python -m benchmarks.coverage

Every node of many grids is simulated twice with independent streams: with few samples, whose
interval is tested, and with at least twenty times as many, whose share stands for the truth. The
reference has an error of its own, so exact intervals would cover it in 94.4 % of the nodes. The
gate fails (exit code 1) below 93 %.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.results import Report, progress
from benchmarks.running import run_benchmark
from gridstab.dynamics.simulate import simulate
from gridstab.grids.growth import random_grid

LIMIT = 0.93

SAMPLES = {"mc": (200, 4000), "sobol": (256, 8192)}
"""Samples of the interval and of the reference; Sobol totals are 8 scrambles of powers of two."""


def main(
    grids: Annotated[int, typer.Option(help="Random grids.", min=1)] = 25,
    nodes: Annotated[int, typer.Option(help="Nodes of a grid.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="First grid and first stream.", min=0)] = 1,
    threads: Annotated[int, typer.Option(help="Threads of the engine.", min=1)] = 1,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[
        bool, typer.Option(help="Seconds, to see that it runs; gates nothing.")
    ] = False,
) -> None:
    """Measure how often 95 % intervals contain a much better estimate."""
    if quick:
        grids = 2
    report = Report(
        "coverage", f"Coverage of the 95 % intervals: {grids} grids of {nodes} nodes", quick=quick
    )
    measured = {}
    with progress() as bar:
        task = bar.add_task("", total=grids * len(SAMPLES))
        for sampler, (few, many) in SAMPLES.items():
            inside, widths = [], []
            for k in range(grids):
                bar.update(task, description=f"{sampler}, grid {k + 1}")
                grid = random_grid(nodes, seed=seed + k)
                tested, reference = (
                    simulate(
                        grid, samples, seed=stream, sampler=sampler, grid_id=k, threads=threads
                    )
                    for samples, stream in ((few, seed), (many, seed + 1))
                )
                low, high = tested.interval.T
                inside.append((low <= reference.snbs) & (reference.snbs <= high))
                widths.append(high - low)
                bar.advance(task)
            measured[sampler] = {
                "samples": few,
                "reference_samples": many,
                "nodes": grids * nodes,
                "coverage": float(np.concatenate(inside).mean()),
                "median_width": float(np.median(np.concatenate(widths))),
            }
    report.table(
        "Nodes whose interval contains the reference",
        ["sampler", "samples", "reference", "nodes", "coverage", "median width"],
        [
            [
                sampler,
                f"{row['samples']}",
                f"{row['reference_samples']}",
                f"{row['nodes']}",
                f"{100 * row['coverage']:.1f} %",
                f"{row['median_width']:.4f}",
            ]
            for sampler, row in measured.items()
        ],
    )
    failures = [sampler for sampler, row in measured.items() if row["coverage"] < LIMIT]
    settings: dict[str, object] = {"grids": grids, "nodes": nodes, "seed": seed, "limit": LIMIT}
    for sampler in failures:
        report.say(f"gate failed: {sampler} covers less than {LIMIT:.0%}")
    report.save(settings, {"samplers": measured, "failures": failures}, json)
    if failures and not quick:
        raise typer.Exit(1)


if __name__ == "__main__":
    run_benchmark(main)
