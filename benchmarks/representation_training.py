"""How long the published zoo takes to be learnt from, and what the time goes into.

    python -m benchmarks.representation_training

Fits of every representation at its small size are measured in processor time on one thread, on
random networks of the CNN-s of the published zoos (2,464 numbers); speed does not depend on their
weights, but alignment takes longer on them. Two fits that differ in their epochs tell what an epoch
takes, its validation included, and what comes before the first one, such as alignment. From both
follows the time of all epochs for 700 networks with 10 checkpoints each, and as many to validate
as a split of 70 and 15 % has beside them. Matrix products are linear layers, attention,
convolutions and einsums of a step in both directions.
"""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch.profiler import ProfilerActivity, profile

from benchmarks.cells import time_warning
from benchmarks.options import names_of
from benchmarks.results import Report
from benchmarks.running import run_benchmark
from benchmarks.timing import timed
from gnncore.training import RaggedRows, TensorBatch
from graphwsl.populations import Function, Population
from graphwsl.representations import REPRESENTATIONS, Representation, make
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.checkpoint import Checkpoint

NAME = "representation_training"

NETWORKS = 7000
"""700 networks with 10 checkpoints each."""

EPOCHS = 3
"""Epochs of the longer one of two fits."""

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "matmul", "linear", "einsum", "convolution")
"""Parts of names of operators that multiply matrices."""


def main(
    networks: Annotated[int, typer.Option(help="Networks that fits learn from.", min=1)] = 320,
    methods: Annotated[str, typer.Option(help="Names with commas; all by default.")] = "",
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Few networks, to see that it runs.")] = False,
) -> None:
    """Measure fits, and say how long one of all networks would take."""
    torch.set_num_threads(1)
    count = 12 if quick else networks
    chosen = names_of(methods or ",".join(REPRESENTATIONS), REPRESENTATIONS, "method")
    report = Report(NAME, f"Learning from {NETWORKS:,} CNN-s, one thread", quick=quick)
    train, valid = random_networks(count), random_networks(max(2, round(count * 15 / 70)))
    rows = [measure(name, train, valid, quick) for name in chosen]
    report.table(
        f"Fits to {count:,} networks, and what follows for {NETWORKS:,}",
        ["method", "before [s]", "epoch [s]", "epochs", "minutes", "before", "not products"],
        [
            [
                row["method"],
                f"{row['before']:.1f}",
                f"{row['epoch']:.2f}",
                f"{row['epochs']}",
                f"{row['minutes']:.0f}",
                f"{row['share_before']:.0%}",
                f"{row['outside']:.0%}",
            ]
            for row in rows
        ],
    )
    report.say(
        "Minutes follow from the seconds before the first epoch and of an epoch; then the share of "
        "what comes before, and that of a step outside matrix products."
    )
    for sentence in time_warning(report.record):
        report.say(sentence)
    report.save({"networks": count, "methods": chosen}, {"rows": rows}, json)


def random_networks(count: int) -> Population:
    """Untrained CNN-s."""
    factors = {"architecture": "cnn_s", "image_size": 28}
    module = build("cnn_s", factors).eval()
    function = Function.of(module, torch.zeros(1, 1, 28, 28), "cnn_s")
    states = [0.1 * torch.randn(function.architecture.num_entries) for _ in range(count)]
    return Population.alike([Checkpoint(str(n), 0, {}, {}) for n in range(count)], states, function)


def measure(name: str, train: Population, valid: Population, quick: bool) -> dict[str, Any]:
    """What an epoch of a method takes and what comes before, and what follows for all networks."""
    options: dict[str, Any] = {"batch_size": 4} if quick else {}
    made = make(name, **options)
    settings = made.settings
    inputs = torch.rand(settings.queries, 1, 28, 28) if settings.structure < 1 else None

    def fitted(epochs: int) -> float:
        return timed(lambda: made.fit(train, valid, epochs=epochs, inputs=inputs)).cpu

    few = train.select(range(min(4, len(train))))
    made.fit(few, few, epochs=1, inputs=inputs)  # so that what is compiled once is compiled
    short, long = fitted(1), fitted(EPOCHS)
    epoch = (long - short) / (EPOCHS - 1)
    before = max(0.0, short - epoch)
    factor = NETWORKS / len(train)
    seconds = factor * (before + settings.epochs * epoch)
    step = stepping(made, train, inputs)
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step()
    events = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    inside = sum(
        event.self_cpu_time_total
        for event in events
        if any(part in event.key for part in PRODUCTS) or "scaled_dot_product" in event.key
    )
    return {
        "method": name,
        "before": before,
        "epoch": epoch,
        "epochs": settings.epochs,
        "minutes": seconds / 60,
        "share_before": factor * before / seconds,
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
    run_benchmark(main)
