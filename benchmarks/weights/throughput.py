"""How fast weights become graphs, predictors are trained and predict, and how that grows."""

from typing import Any

import numpy as np
import torch

from benchmarks.results import Report
from benchmarks.timing import timed
from graphwsl.populations import Population
from graphwsl.populations.population import Function
from graphwsl.populations.splits import Split
from graphwsl.properties import make_predictor
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.checkpoint import Checkpoint

WIDTHS = (8, 16, 32, 64)
COUNTS = (100, 400, 1600)
STAGES = ("converted", "trained", "predicted")


def random_population(width: int, count: int) -> tuple[Population, float]:
    """Untrained CNNs of three layers, and the processor seconds that one conversion took."""
    module = build("cnn", {"width": width, "depth": 3, "image_size": 28})
    traced = timed(lambda: Function.of(module.eval(), torch.zeros(1, 1, 28, 28), "cnn"))
    size = traced.result.architecture.num_entries
    generator = torch.Generator().manual_seed(0)
    states = [0.1 * torch.randn(size, generator=generator) for _ in range(count)]
    sizes = torch.rand(count, generator=generator).tolist()
    checkpoints = [Checkpoint(f"{n:05d}", 0, {}, {"size": size}) for n, size in enumerate(sizes)]
    return Population.alike(checkpoints, states, traced.result), traced.cpu


def measure(row: str, width: int, count: int) -> dict[str, Any]:
    """Processor seconds a network of every stage."""
    population, traced = random_population(width, count)
    graph = population.architectures[0].graph
    state = graph.to_state_dict()
    converted = timed(lambda: [graph.to_data(state) for _ in range(20)])
    names = [checkpoint.model for checkpoint in population.checkpoints]
    cut = count - count // 10
    split = Split(tuple(names[:cut]), tuple(names[cut:]), ())
    predictor = make_predictor(row, epochs=2)
    fitted = timed(lambda: predictor.fit(population, split, "size"))
    predicted = timed(lambda: predictor.predict(population))
    return {
        "row": row,
        "parameters": graph.num_parameters,
        "networks": count,
        "first_conversion": traced,
        "converted_per_second": 20 / converted.cpu,
        "trained_per_second": 2 * cut / fitted.cpu,
        "predicted_per_second": count / predicted.cpu,
    }


def measure_throughput(rows: list[str], *, quick: bool) -> list[dict[str, Any]]:
    """Against the parameters of the networks, and against their number."""
    widths, counts = (WIDTHS[:2], COUNTS[:1]) if quick else (WIDTHS, COUNTS)
    cases = {
        "parameters": [(width, counts[0]) for width in widths],
        "networks": [(widths[0], count) for count in counts],
    }
    return [
        {"against": against, **measure(row, width, count)}
        for against, some in cases.items()
        for row in rows
        for width, count in some
    ]


def report_throughput(report: Report, measured: list[dict[str, Any]]) -> None:
    """A table, and how times grow, for each of what was varied."""
    for against in dict.fromkeys(one["against"] for one in measured):
        chosen = [one for one in measured if one["against"] == against]
        for row in dict.fromkeys(one["row"] for one in chosen):
            found = [one for one in chosen if one["row"] == row]
            if len(found) > 1:
                report.say(f"{row}: {_growth(found, against)}.")
        report.table(
            f"Networks a processor second, against the number of {against}",
            ["predictor", "parameters", "networks", "trace (s)", "convert", "train", "predict"],
            [
                [
                    one["row"],
                    f"{one['parameters']:,}",
                    f"{one['networks']:,}",
                    f"{one['first_conversion']:.2f}",
                    *(f"{one[f'{stage}_per_second']:,.0f}" for stage in STAGES),
                ]
                for one in chosen
            ],
        )


def _growth(found: list[dict[str, Any]], of: str) -> str:
    sizes = np.log([one[of] for one in found])
    times = []
    for stage in ("trained", "predicted"):
        each = np.log([1 / one[f"{stage}_per_second"] for one in found])
        times.append(f"{stage} {float(np.polyfit(sizes, each, 1)[0]):.2f}")
    return f"the time a network grows with the {of} to the power of {' and '.join(times)}"
