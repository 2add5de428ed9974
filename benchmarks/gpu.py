"""Trajectories per second of the CUDA engine, after it has shown that it decides as the CPU does.

    python -m benchmarks.gpu

The gate comes first: on a fixed sample the two float32 engines must agree as well as two float32
builds of one engine do. Rates are trajectories per second of wall time, without compilation, beside
one core of the native engine on the first part of the same trajectories.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.results import Report
from benchmarks.running import run_benchmark
from benchmarks.task import HORIZON, has_returned, model_of, perturb
from benchmarks.timing import timed
from gridstab.dynamics.cuda.engine import CudaEngine
from gridstab.dynamics.engine import STOP_RULES
from gridstab.dynamics.native.engine import NativeEngine
from gridstab.dynamics.swing import SwingModel
from gridstab.grids.texas import texas_grid

LARGEST_DISAGREEMENT = 0.015
"""Reordering float32 arithmetic alone flips 0.5 % of the outcomes, other solvers 1 %."""

STOP = STOP_RULES["fast"]


def main(
    trajectories: Annotated[
        int, typer.Option(help="On the device, at 20 nodes.", min=1)
    ] = 1_000_000,
    sample: Annotated[int, typer.Option(help="Trajectories of the gate.", min=1)] = 4000,
    seed: Annotated[int, typer.Option(help="Grids and perturbations.", min=0)] = 1,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A few seconds, to see that it runs.")] = False,
) -> None:
    """Check and measure the CUDA engine; without a device, say so and stop."""
    engine = CudaEngine()
    state = engine.availability()
    if not state.usable:
        typer.echo(f"nothing to measure: {state.why}")
        raise typer.Exit()
    if quick:
        trajectories, sample = 20_000, 400
    native = NativeEngine()
    report = Report("gpu", f"CUDA engine ({state.version}, {device_name()})", quick=quick)
    models = {
        "20 nodes": model_of(20, seed),
        "100 nodes": model_of(100, seed),
        "Texas": SwingModel.of(texas_grid(seed)),
    }
    rows, measured = [], {}
    for name, model in models.items():
        nodes = model.grid.num_nodes
        count = max(1000, trajectories * 20 // nodes)
        perturbations = perturb(model, count, seed)
        checked = perturbations[: max(50, sample * 20 // nodes)]

        engine.run(model, perturbations[:1], stop=STOP, horizon=1.0)
        native.run(model, perturbations[:1], stop=STOP, horizon=1.0)
        device = timed(
            lambda p=perturbations, m=model: engine.run(m, p, stop=STOP, horizon=HORIZON)
        )
        core = timed(lambda p=checked, m=model: native.run(m, p, stop=STOP, horizon=HORIZON))

        got = has_returned(device.result)[: len(checked)]
        disagreement = float(np.mean(got != has_returned(core.result)))
        result: dict[str, Any] = {
            "trajectories": count,
            "per_second": count / device.wall,
            "core_per_second": len(checked) / core.cpu,
            "checked": len(checked),
            "disagreement": disagreement,
        }
        measured[name] = result
        rows.append(
            [
                name,
                f"{result['per_second']:,.0f}",
                f"{result['core_per_second']:,.0f}",
                f"{result['per_second'] / result['core_per_second']:,.0f}",
                f"{disagreement:.2%} of {len(checked)}",
            ]
        )
    columns = ["grid", "device, 1/s", "one core, 1/s", "ratio", "disagreement"]
    report.table("Trajectories per second, stop rule fast", columns, rows)
    report.save({"seed": seed, "horizon": HORIZON, "stop": STOP.name}, measured, json)
    # Three standard errors above the limit, so that a small sample cannot fail by chance.
    for name, result in measured.items():
        error = np.sqrt(LARGEST_DISAGREEMENT / result["checked"])
        if result["disagreement"] > LARGEST_DISAGREEMENT + 3 * error:
            report.say(f"{name}: {result['disagreement']:.2%} of the outcomes disagree")
            raise typer.Exit(1)


def device_name() -> str:
    """What CUDA calls the device."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return str(properties["name"].decode())


if __name__ == "__main__":
    run_benchmark(main)
