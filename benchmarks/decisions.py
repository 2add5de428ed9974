"""The decision gate: does the native engine label trajectories as well as the published solver?

    python -m benchmarks.decisions

The boundary between returning and leaving is fractal, so two accurate solvers disagree about some
trajectories. The truth is DOP853 at rtol = atol = 1e-9 without early stop; Tsit5 at 1e-6 with the
published stop is what labels in the literature come from. The gate fails (exit code 1) when

- a native variant disagrees with the truth more than 1.5 times as often as the published solver,
- its mean stability differs from the truth's by more than 3 paired standard errors,
- ``fast`` and ``certified`` differ in more than 1 of 10,000 trajectories, or
- ``certified`` and ``horizon`` differ at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from jaxtyping import Bool

from benchmarks.agreement import RATIO_LIMIT, SIGMA_LIMIT, Agreement, judge, show
from benchmarks.cache import cached_outcomes
from benchmarks.results import Report, console, progress
from benchmarks.running import run_benchmark
from benchmarks.task import HORIZON, has_returned, model_of, perturb
from benchmarks.timing import timed
from gridstab.dynamics.engine import Engine, Perturbations, Status, stop_rule
from gridstab.dynamics.native.engine import NativeEngine
from gridstab.dynamics.reference.engine import ReferenceEngine
from gridstab.dynamics.swing import SwingModel

FAST_LIMIT = 1e-4

PUBLISHED_SOLVER = "tsit5 1e-6, published"
CHUNK = 50
"""Reference trajectories between two steps of the progress bar."""


@dataclass(frozen=True)
class Case:
    """A grid and its perturbations."""

    model: SwingModel
    perturbations: Perturbations
    seed: int


def main(
    grids: Annotated[int, typer.Option(help="Grids of each size.", min=1)] = 3,
    sizes: Annotated[
        list[int] | None, typer.Option(help="Nodes (default: 100 and 20).", min=1)
    ] = None,
    trajectories: Annotated[
        int, typer.Option(help="Trajectories of each grid, against the truth.", min=1)
    ] = 2000,
    many: Annotated[
        int, typer.Option(help="Trajectories in all, fast against certified.", min=1)
    ] = 100_000,
    some: Annotated[
        int, typer.Option(help="Trajectories in all, certified against horizon.", min=1)
    ] = 10_000,
    seed: Annotated[int, typer.Option(help="First grid and stream of perturbations.", min=0)] = 1,
    horizon: Annotated[float, typer.Option(help="Longest simulated time.", min=0)] = HORIZON,
    threads: Annotated[int, typer.Option(help="Threads of all engines.", min=1)] = 1,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[
        bool, typer.Option(help="Seconds, to see that it runs; gates nothing.")
    ] = False,
) -> None:
    """Compare labels with the truth; exit code 1 when a gate fails."""
    sizes = sizes or [100, 20]
    if quick:
        grids, sizes, trajectories, many, some = 1, [20], 100, 2000, 500
    title = f"Decisions: {grids} grid(s) each of {sizes} nodes, horizon {horizon:g}"
    report = Report("decisions", title, quick=quick)
    cases = [
        Case(model, perturb(model, trajectories, seed + k), seed + k)
        for nodes in sizes
        for k in range(grids)
        for model in [model_of(nodes, seed + k)]
    ]
    estimate(cases, horizon, threads)
    truth = [reference(case, horizon, threads) for case in cases]
    groups = {f"{nodes} nodes": [c.model.grid.num_nodes == nodes for c in cases] for nodes in sizes}
    groups["all"] = [True] * len(cases)

    labels: dict[str, list[np.ndarray]] = {}
    solvers = list(candidates())
    with progress() as bar:
        task = bar.add_task("", total=len(solvers) * len(cases))
        for name, engine, stop in solvers:
            bar.update(task, description=name)
            labels[name] = []
            for case in cases:
                labels[name].append(label(engine, stop, case, horizon, threads))
                bar.advance(task)
    compared = {
        group: [
            Agreement.of(name, _join(mine, members), _join(truth, members))
            for name, mine in labels.items()
        ]
        for group, members in groups.items()
    }
    failures = judge(compared["all"])
    for group, rows in compared.items():
        show(report, group, rows)
    pairs = list(engine_pairs(cases, many, some, horizon, threads))
    report.table(
        "Native engine against itself",
        ["", "trajectories", "differ", "share"],
        [
            [p["name"], f"{p['trajectories']}", f"{p['differing']}", f"{p['share']:.1e}"]
            for p in pairs
        ],
    )
    failures += [f"{p['name']}: {p['differing']} differ" for p in pairs if p["failed"]]

    settings: dict[str, Any] = {
        "grids": [case.model.grid.content_hash for case in cases],
        "sizes": sizes,
        "trajectories": trajectories,
        "seed": seed,
        "horizon": horizon,
        "limits": {"ratio": RATIO_LIMIT, "sigmas": SIGMA_LIMIT, "fast": FAST_LIMIT},
    }
    measured = {
        "agreement": {
            group: [one.as_row(rows[0]) for one in rows] for group, rows in compared.items()
        },
        "pairs": pairs,
        "failures": failures,
    }
    for failure in failures:
        report.say(f"gate failed: {failure}")
    report.save(settings, measured, json)
    if failures and not quick:
        raise typer.Exit(1)


def candidates() -> Iterator[tuple[str, Engine, str]]:
    """Name, engine and stop rule; the published solver comes first."""
    yield PUBLISHED_SOLVER, ReferenceEngine("tsit5", rtol=1e-6, atol=1e-6), "published"
    precisions: tuple[Literal["float32", "float64"], ...] = ("float32", "float64")
    for precision in precisions:
        engine = NativeEngine(precision=precision)
        for stop in ("fast", "certified", "published"):
            yield f"{engine.name} {stop}", engine, stop


def label(
    engine: Engine, stop: str, case: Case, horizon: float, threads: int
) -> Bool[np.ndarray, " n"]:
    """Whether each trajectory has returned."""
    return has_returned(
        engine.run(
            case.model, case.perturbations, stop=stop_rule(stop), horizon=horizon, threads=threads
        )
    )


def reference(case: Case, horizon: float, threads: int) -> Bool[np.ndarray, " n"]:
    """The truth, kept on disk: it is by far the slowest part."""
    key: dict[str, Any] = {
        "engine": "dop853 rtol=atol=1e-9",
        "grid": case.model.grid.content_hash,
        "seed": case.seed,
        "trajectories": len(case.perturbations),
        "stop": "horizon",
        "horizon": horizon,
    }

    def make() -> np.ndarray:
        parts = []
        with progress() as bar:
            task = bar.add_task(f"truth for {case.model.grid.name}", total=len(case.perturbations))
            for first in range(0, len(case.perturbations), CHUNK):
                part = case.perturbations[first : first + CHUNK]
                parts.append(_truth(case.model, part, horizon, threads))
                bar.advance(task, len(part))
        return np.concatenate(parts)

    return cached_outcomes(key, make) == Status.RETURNED


def _truth(
    model: SwingModel, perturbations: Perturbations, horizon: float, threads: int
) -> np.ndarray:
    rule = stop_rule("horizon")
    engine = ReferenceEngine("dop853", rtol=1e-9, atol=1e-9)
    return engine.run(model, perturbations, stop=rule, horizon=horizon, threads=threads).status


def estimate(cases: list[Case], horizon: float, threads: int) -> None:
    """Prints how long the truth takes where it is not on disk already."""
    seconds = 0.0
    for case in cases:
        few = case.perturbations[:8]
        _truth(case.model, few[:1], 1.0, 1)
        timing = timed(partial(_truth, case.model, few, horizon, 1))
        seconds += timing.cpu / len(few) * len(case.perturbations)
    console.print(
        f"truth: about {seconds / 60:.1f} minutes of processor time "
        f"on {threads} thread(s), unless kept from an earlier run"
    )


def engine_pairs(
    cases: list[Case], many: int, some: int, horizon: float, threads: int
) -> Iterator[dict[str, Any]]:
    """The native engine's variants against each other, on samples of their own."""
    single, double = NativeEngine(), NativeEngine(precision="float64")
    for name, count, one, other, limit in (
        ("fast, certified", many, (single, "fast"), (single, "certified"), FAST_LIMIT),
        ("certified, horizon", some, (single, "certified"), (single, "horizon"), 0.0),
        ("float32, float64 (certified)", some, (single, "certified"), (double, "certified"), None),
    ):
        each = -(-count // len(cases))
        differing = 0
        for case in cases:
            sample = Case(case.model, perturb(case.model, each, case.seed + 1000), case.seed)
            labels = [label(*variant, sample, horizon, threads) for variant in (one, other)]
            differing += int((labels[0] != labels[1]).sum())
        share = differing / (each * len(cases))
        yield {
            "name": name,
            "trajectories": each * len(cases),
            "differing": differing,
            "share": share,
            "failed": limit is not None and share > limit,
        }


def _join(parts: list[np.ndarray], members: list[bool]) -> np.ndarray:
    return np.concatenate([part for part, member in zip(parts, members, strict=True) if member])


if __name__ == "__main__":
    run_benchmark(main)
