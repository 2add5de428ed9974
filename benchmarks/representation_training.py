"""How long the published zoo takes to be learnt from, and what the time goes into.

    python -m benchmarks.representation_training

Steps of every representation at its small size are measured in processor time on one thread, on
random networks of the CNN-s of the published zoos (2,464 numbers); speed does not depend on their
weights. From the median step follows the time of all epochs for 700 networks with 10 checkpoints
each. Matrix products are linear layers, attention, convolutions and einsums in both directions.
"""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch.profiler import ProfilerActivity, profile

from benchmarks.results import Report
from benchmarks.timing import Spread, timed
from gnncore.training import RaggedRows, TensorBatch
from graphwsl.populations import Function, Population
from graphwsl.representations import REPRESENTATIONS, Representation, make
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.checkpoint import Checkpoint

NETWORKS = 7000
"""700 networks with 10 checkpoints each."""

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "matmul", "linear", "einsum", "convolution")
"""Parts of names of operators that multiply matrices."""


def main(
    steps: Annotated[int, typer.Option(help="Measured steps of each method.")] = 5,
    methods: Annotated[str, typer.Option(help="Names with commas; all by default.")] = "",
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Small batches, to see that it runs.")] = False,
) -> None:
    """Measure steps, and say how long a training would take."""
    torch.set_num_threads(1)
    steps = 1 if quick else steps
    chosen = [name for name in methods.split(",") if name] or list(REPRESENTATIONS)
    report = Report("representation_training", "Learning from 7,000 CNN-s, one thread", quick=quick)
    population = networks(96)
    rows = [measure(name, population, steps, quick) for name in chosen]
    report.table(
        "A step, and what follows for all epochs",
        ["method", "batch", "step [s]", "spread", "steps", "minutes", "outside matrix products"],
        [
            [
                row["method"],
                str(row["batch"]),
                f"{row['step'].median:.3f}",
                f"±{row['step'].percent:.0f} %",
                f"{row['steps']:,}",
                f"{row['minutes']:.0f}",
                f"{row['outside']:.0%}",
            ]
            for row in rows
        ],
    )
    measured = [{**row, "step": row["step"].median} for row in rows]
    report.save({"steps": steps, "methods": chosen}, {"rows": measured}, json)


def networks(count: int) -> Population:
    """Untrained CNN-s."""
    factors = {"architecture": "cnn_s", "image_size": 28}
    module = build("cnn_s", factors).eval()
    function = Function.of(module, torch.zeros(1, 1, 28, 28), "cnn_s")
    states = [0.1 * torch.randn(function.architecture.num_entries) for _ in range(count)]
    return Population.alike([Checkpoint(str(n), 0, {}, {}) for n in range(count)], states, function)


def measure(name: str, population: Population, steps: int, quick: bool) -> dict[str, Any]:
    """The time of a step of a method, the steps that it needs, and their share of products."""
    options: dict[str, Any] = {"batch_size": 4} if quick else {}
    made = make(name, epochs=1, **options)
    settings, published = made.settings, make(name).settings
    # One step, so that everything is prepared.
    inputs = torch.rand(settings.queries, 1, 28, 28) if settings.structure < 1 else None
    small = population.select(range(4))
    made.fit(small, small, inputs=inputs)
    step = stepping(made, population, inputs)
    step()
    spread = Spread.of([timed(step).cpu for _ in range(steps)])
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step()
    events = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    inside = sum(
        event.self_cpu_time_total
        for event in events
        if any(part in event.key for part in PRODUCTS) or "scaled_dot_product" in event.key
    )
    count = -(-NETWORKS // settings.batch_size) * published.epochs
    return {
        "method": name,
        "batch": settings.batch_size,
        "step": spread,
        "steps": count,
        "minutes": count * spread.median / 60,
        "outside": 1 - inside / total,
    }


def stepping(made: Representation, population: Population, inputs: Any) -> Any:
    """One step of the optimiser, as the loop takes it."""
    module, settings = made.module, made.settings
    assert module is not None
    module.train()
    module.queries = inputs
    batch = TensorBatch(
        x=RaggedRows.of(population.states[: settings.batch_size]),
        kind=torch.zeros(settings.batch_size, dtype=torch.int64),
    )
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4)

    def step() -> None:
        optimiser.zero_grad()
        module(batch.x, batch.kind).sum(1).mean().backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()

    return step


if __name__ == "__main__":
    typer.run(main)
