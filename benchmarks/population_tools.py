"""What all learners on weights share, measured: symmetric views, tokens, alignment.

    python -m benchmarks.population_tools

Networks are random: what is measured does not depend on their weights. Times are processor times on
one thread; the load of a machine changes, so of repeated measurements the best counts.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.results import Report
from benchmarks.running import run_benchmark
from benchmarks.timing import timed
from graphwsl.alignment import align_population, canonical_form
from graphwsl.populations import Architecture, Function, Tokenizer, ViewBank, views
from graphwsl.symmetries import Symmetries, symmetries
from graphwsl.zoo.architectures.registry import build

CNN_S = {"in_channels": 1, "image_size": 28, "out_channels": 10}
BANK = 1000


def main(
    networks: Annotated[int, typer.Option(help="Networks that are moved together.", min=1)] = 4000,
    repeats: Annotated[
        int, typer.Option(help="Measurements, of which the best counts.", min=1)
    ] = 7,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Few networks, to see that it runs.")] = False,
) -> None:
    """Measure every tool."""
    torch.set_num_threads(1)
    if quick:
        networks, repeats = 64, 1
    report = Report("population_tools", "Tools of populations", quick=quick)
    measured = {
        "views": symmetric_views(report, networks, repeats),
        "tokens": tokens(report, networks, repeats),
        "alignment": alignment(report, networks // 10, repeats),
    }
    report.save({"networks": networks, "repeats": repeats}, measured, json)


def symmetric_views(report: Report, networks: int, repeats: int) -> dict[str, Any]:
    """Views a second of CNN-s: drawn, from a bank, one at a time, and the gather alone."""
    rows = torch.randn(networks, 2464)
    order = torch.stack([torch.randperm(2464) for _ in range(64)])
    some, few = rows[:64], max(networks // 100, 2)
    measured = {}
    for activation, kinds in (
        ("gelu", "permutations"),
        ("tanh", "permutations, signs"),
        ("relu", "permutations, scalings"),
    ):
        group = symmetries(cnn_s(activation).graph)
        ways: dict[str, tuple[int, Callable[[], Any]]] = {
            "drawn": (networks, partial(views, rows, group)),
            "from a bank": (networks, partial(ViewBank.draw(group, BANK).views, rows)),
            "one at a time": (few, partial(one_at_a_time, group, few)),
            "a gather alone": (64, partial(some.gather, 1, order)),
        }
        measured[kinds] = {way: count / best(call, repeats) for way, (count, call) in ways.items()}
    columns = list(measured["permutations"])
    report.table(
        "Views a second of networks with 2,464 parameters, on one core",
        ["", *columns],
        [[kinds, *(f"{one[way]:,.0f}" for way in columns)] for kinds, one in measured.items()],
    )
    return measured


def one_at_a_time(group: Symmetries, count: int) -> None:
    """Views whose elements are worked out one after the other."""
    for _ in range(count):
        group.random().apply(group.graph.state)


def tokens(report: Report, networks: int, repeats: int) -> dict[str, Any]:
    """Networks a second that become tokens, and rows again."""
    architecture, rows = cnn_s("tanh"), torch.randn(networks, 2464)
    measured = {}
    for kind in ("sparse", "dense"):
        tokenizer = Tokenizer.of(architecture, kind)
        made = tokenizer.tokens(rows)
        measured[kind] = {
            "to tokens": networks / best(partial(tokenizer.tokens, rows), repeats),
            "to rows": networks / best(made.rows, repeats),
        }
    report.table(
        "Networks a second with 2,464 parameters, as tokens and back",
        ["", "to tokens", "to rows"],
        [[kind, *(f"{rate:,.0f}" for rate in one.values())] for kind, one in measured.items()],
    )
    return measured


def alignment(report: Report, networks: int, repeats: int) -> dict[str, Any]:
    """Seconds to bring permuted copies with noise together, and to make canonical forms."""
    group = symmetries(cnn_s("tanh").graph)
    rows = group.graph.flat(dtype=torch.float32) + 0.01 * torch.randn(networks, 2464)
    moved = views(rows, group, signs=False)
    found = align_population(group, moved)
    seconds = {
        "align_population": best(lambda: align_population(group, moved), min(repeats, 3)),
        "canonical_form": best(lambda: canonical_form(moved, group), min(repeats, 3)),
    }
    report.table(
        f"{networks:,} networks with 2,464 parameters",
        ["", "processor s"],
        [[name, f"{second:.2f}"] for name, second in seconds.items()],
    )
    report.say(
        f"Distances of two networks fall from {found.distance_before:.3f} to {found.distance:.3f}."
    )
    return {"seconds": seconds, "distance": [found.distance_before, found.distance]}


def cnn_s(activation: str) -> Architecture:
    """The small network of the published zoos."""
    module = build("cnn_s", {**CNN_S, "activation": activation}).eval()
    return Function.of(module, torch.zeros(1, 1, 28, 28), "cnn_s").architecture


def best(call: Callable[[], Any], repeats: int) -> float:
    """Processor seconds of the quickest of several runs, after one that warms the caches."""
    call()
    return min(timed(call).cpu for _ in range(repeats))


if __name__ == "__main__":
    run_benchmark(main)
