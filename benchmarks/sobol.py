"""How many independent samples a scrambled Sobol sample is worth.

    python -m benchmarks.sobol

Labels of nodes with intermediate stability are repeated with independent streams; their variance is
compared with the binomial one, p (1 − p) / samples. A node's worth at a total of M points is the
number of independent samples with the same variance, p (1 − p) / variance.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from jaxtyping import Float

from benchmarks.results import Report, progress
from benchmarks.running import run_benchmark
from benchmarks.task import model_of
from gridstab.dynamics.native.engine import NativeEngine
from gridstab.dynamics.sampling import SCRAMBLES
from gridstab.dynamics.settings import Settings
from gridstab.dynamics.simulate import simulate_nodes
from gridstab.dynamics.swing import SwingModel

TOTALS = (256, 512, 1024, 2048)
INTERMEDIATE = (0.5, 0.95)
PILOT = 500
PILOT_SEED = 10_000_000
"""The pilot draws from a stream of its own, so that the choice of nodes does not favour labels."""

Work = list[tuple[SwingModel, np.ndarray]]


def main(
    count: Annotated[int, typer.Option("--nodes", help="Nodes to examine, at least.", min=1)] = 24,
    size: Annotated[int, typer.Option(help="Nodes of a grid.", min=1)] = 20,
    repetitions: Annotated[int, typer.Option(help="Independent labels of each node.", min=1)] = 24,
    seed: Annotated[int, typer.Option(help="First grid and first stream.", min=0)] = 1,
    threads: Annotated[int, typer.Option(help="Threads of the engine.", min=1)] = 1,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Seconds, to see that it runs.")] = False,
) -> None:
    """Measure the variance of Sobol labels against independent samples."""
    totals: tuple[int, ...] = TOTALS
    if quick:
        count, repetitions, totals = 4, 4, TOTALS[:2]
    title = f"Sobol sampling: {count} nodes in grids of {size}, {repetitions} repetitions"
    report = Report("sobol", title, quick=quick)
    work = intermediate_nodes(count, size, seed, threads)
    runs = [("mc", totals[0]), *(("sobol", total) for total in totals)]
    rows: list[dict[str, Any]] = []
    with progress() as bar:
        task = bar.add_task("", total=len(runs) * repetitions)
        for sampler, total in runs:
            bar.update(task, description=f"{sampler}, {total} points")
            labels = []
            for repetition in range(repetitions):
                labels.append(stability(work, sampler, total, seed + repetition, threads))
                bar.advance(task)
            rows.append(worth(sampler, total, np.array(labels)))
    report.table(
        f"Independent samples with the same variance ({SCRAMBLES} scrambles)",
        ["sampler", "points", "worth: median", "quartiles", "gain: median", "standard deviation"],
        [
            [
                str(row["sampler"]),
                f"{row['points']}",
                f"{row['worth'][1]:,.0f}",
                f"{row['worth'][0]:,.0f} to {row['worth'][2]:,.0f}",
                f"{row['gain']:.1f}",
                f"{row['deviation']:.4f}",
            ]
            for row in rows
        ],
    )
    report.say("The mc row checks the method: its gain is 1 up to the noise of the repetitions.")
    settings: dict[str, Any] = {
        "nodes": [[model.grid.content_hash, nodes.tolist()] for model, nodes in work],
        "size": size,
        "repetitions": repetitions,
        "seed": seed,
        "scrambles": SCRAMBLES,
    }
    report.save(settings, {"rows": rows}, json)


def intermediate_nodes(count: int, size: int, seed: int, threads: int) -> Work:
    """All nodes with intermediate stability of as many grids as are needed."""
    work: Work = []
    found = 0
    while found < count:
        model = model_of(size, seed + len(work))
        everything = np.arange(size)
        share = stability([(model, everything)], "mc", PILOT, PILOT_SEED, threads)
        chosen = everything[(share > INTERMEDIATE[0]) & (share < INTERMEDIATE[1])]
        work.append((model, chosen))
        found += len(chosen)
    return work


def stability(
    work: Work, sampler: str, samples: int, seed: int, threads: int
) -> Float[np.ndarray, " nodes"]:
    """One label of every node."""
    settings = Settings(samples=samples, seed=seed, sampler=sampler)
    engine = NativeEngine()
    return np.concatenate(
        [
            simulate_nodes(
                model, nodes, settings, grid_id=number, engine=engine, threads=threads
            ).n_stable
            / samples
            for number, (model, nodes) in enumerate(work)
        ]
    )


def worth(
    sampler: str, points: int, labels: Float[np.ndarray, "repetitions nodes"]
) -> dict[str, Any]:
    """Quartiles over the nodes of p (1 − p) / variance."""
    mean = labels.mean(axis=0)
    variance = labels.var(axis=0, ddof=1)
    equivalent = mean * (1 - mean) / np.maximum(variance, np.finfo(float).tiny)
    quartiles = np.quantile(equivalent, [0.25, 0.5, 0.75]).tolist()
    return {
        "sampler": sampler,
        "points": points,
        "worth": quartiles,
        "gain": quartiles[1] / points,
        "deviation": float(np.median(np.sqrt(variance))),
        "nodes": len(mean),
    }


if __name__ == "__main__":
    run_benchmark(main)
