"""How long a scorecard of made networks takes, part by part.

    python -m benchmarks.scorecard

Networks are random: what is measured depends on their weights only in how often they are aligned.
The load of a machine changes, so of repeated measurements the best counts.
"""

import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.results import Report
from benchmarks.running import run_benchmark
from graphwsl.generators import Scorecard, scorecard
from graphwsl.generators.made import population_of
from graphwsl.populations import Function, Population
from graphwsl.zoo.architectures.registry import build

CNN_S = {"in_channels": 1, "image_size": 28, "out_channels": 10, "activation": "tanh"}


def main(
    networks: Annotated[int, typer.Option(help="Networks that are scored.", min=1)] = 1000,
    train: Annotated[int, typer.Option(help="Training networks.", min=1)] = 300,
    held_out: Annotated[int, typer.Option(help="Networks that were held out.", min=0)] = 100,
    samples: Annotated[int, typer.Option(help="Images.", min=1)] = 1000,
    repeats: Annotated[
        int, typer.Option(help="Measurements, of which the best counts.", min=1)
    ] = 3,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Few networks, to see that it runs.")] = False,
) -> None:
    """Measure a card without baselines, and one with all of them."""
    if quick:
        networks, train, held_out, samples, repeats = 24, 16, 8, 64, 1
    report = Report("scorecard", "A scorecard", quick=quick)
    images, labels = torch.randn(samples, 1, 28, 28), torch.randint(0, 10, (samples,))
    function = Function.of(build("cnn_s", CNN_S).eval(), images[:1], "cnn_s")
    made = [population(function, count) for count in (networks, train, held_out)]
    measured = {
        name: best(made, images, labels, baselines, repeats)
        for name, baselines in (("samples alone", ()), ("with all baselines", None))
    }
    parts = sorted({part for one in measured.values() for part in one})
    report.table(
        f"Seconds of a scorecard of {networks:,} CNN-s on {samples:,} images, beside {train:,} "
        f"training networks and {held_out:,} that were held out",
        ["", *parts],
        [[name, *(f"{one[part]:.2f}" for part in parts)] for name, one in measured.items()],
    )
    settings = {"networks": networks, "train": train, "held_out": held_out, "samples": samples}
    report.save(
        {**settings, "repeats": repeats, "threads": torch.get_num_threads()}, measured, json
    )


def population(function: Function, count: int) -> Population:
    """Networks as they are initialised."""
    graph = function.architecture.graph
    states = [build("cnn_s", CNN_S).state_dict() for _ in range(count)]
    rows = torch.stack([graph.flat(state, dtype=torch.float32) for state in states])
    return population_of(rows, function, "random")


def best(
    made: list[Population],
    images: torch.Tensor,
    labels: torch.Tensor,
    baselines: tuple[str, ...] | None,
    repeats: int,
) -> dict[str, float]:
    """Seconds of every part of the quickest of several cards, after one that compiles."""

    def timed(parts: list[Population]) -> dict[str, float]:
        samples, train, held_out = parts
        wall, cpu = time.perf_counter(), time.process_time()
        card: Scorecard = scorecard(samples, train, held_out, images, labels, baselines=baselines)
        whole = {"processor": time.process_time() - cpu, "whole": time.perf_counter() - wall}
        return {**card.seconds, **whole, "other": whole["whole"] - sum(card.seconds.values())}

    timed([part.select(range(min(len(part), 8))) for part in made])
    return min((timed(made) for _ in range(repeats)), key=lambda one: one["whole"])


if __name__ == "__main__":
    run_benchmark(main)
