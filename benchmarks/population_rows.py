"""What all learners on weights share, measured: rows of zoos, evaluation of populations.

    python -m benchmarks.population_rows

Networks are random: what is measured does not depend on their weights. Processor times are those of
all threads together; the load of a machine changes, so of repeated measurements the best counts.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.results import Report
from benchmarks.running import run_benchmark
from benchmarks.timing import Timing, timed
from graphwsl.populations import Function, Population, evaluate
from graphwsl.zoo import open_zoo
from graphwsl.zoo.architectures.registry import build, shapes_of
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.layouts.native import Hashes, ZooFolder
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.sweep import NetworkConfig, rows
from graphwsl.zoo.training.chunk import METRICS, TrainedChunk

CNN_S = {"in_channels": 1, "image_size": 28, "out_channels": 10, "activation": "tanh"}
EPOCHS, CHUNK = 50, 16


def main(
    networks: Annotated[
        int, typer.Option(help="Networks that are evaluated or read.", min=1)
    ] = 1000,
    repeats: Annotated[
        int, typer.Option(help="Measurements, of which the best counts.", min=1)
    ] = 3,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Few networks, to see that it runs.")] = False,
) -> None:
    """Measure every tool."""
    if quick:
        networks, repeats = 32, 1
    report = Report("population_rows", "Rows of zoos and evaluation of populations", quick=quick)
    measured = {
        "evaluation": evaluation(report, networks, repeats),
        "rows": zoo_rows(report, networks, repeats),
    }
    report.save({"networks": networks, "repeats": repeats}, measured, json)


def evaluation(report: Report, networks: int, repeats: int) -> dict[str, Any]:
    """CNN-s on 1,000 images, in batches and each module alone."""
    images, labels = torch.randn(1000, 1, 28, 28), torch.randint(0, 10, (1000,))
    module = build("cnn_s", CNN_S).eval()
    states = [build("cnn_s", CNN_S).state_dict() for _ in range(networks)]
    function = Function.of(module, images[:1], "cnn_s")
    flat = [function.architecture.graph.flat(state, dtype=torch.float32) for state in states]
    checkpoints = [Checkpoint(str(number), 0, {}, {}) for number in range(networks)]
    population = Population.alike(checkpoints, flat, function)
    few = max(1, networks // 20)

    @torch.no_grad()
    def alone() -> torch.Tensor:
        found = []
        for state in states[:few]:
            module.load_state_dict(state)
            found.append((module(images).argmax(1) == labels).float().mean())
        return torch.stack(found)

    ours = best(lambda: evaluate(population, images, labels), repeats)
    plain = best(alone, repeats)
    differing = int((ours.result.accuracy[:few] - plain.result).abs().gt(1e-3).sum())
    seconds = {
        "in batches": (ours.cpu, ours.wall),
        "one module after the other": (plain.cpu * networks / few, plain.wall * networks / few),
    }
    table(report, f"{networks:,} CNN-s on 1,000 images", seconds)
    report.say(f"{differing} of {few} accuracies differ by more than one image.")
    return {"seconds": seconds, "differing": differing, "threads": torch.get_num_threads()}


def zoo_rows(report: Report, networks: int, repeats: int) -> dict[str, Any]:
    """All checkpoints of a zoo of CNN-s as one matrix, and as a population."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "zoo")
        random_zoo(path, networks)
        zoo: Any = open_zoo(path)
        seconds = {
            name: (timing.cpu, timing.wall)
            for name, timing in {
                "zoo.array": best(zoo.array, repeats),
                "Population.load": best(lambda: Population.load(zoo), repeats),
            }.items()
        }
    count = len(zoo.checkpoints)
    table(report, f"{count:,} checkpoints of 2,464 parameters", seconds)
    return {"seconds": seconds, "checkpoints": count}


def random_zoo(path: Path, networks: int) -> None:
    """A zoo of random CNN-s with 50 epochs each, as a training would store it."""
    recipe = Recipe.resolve("mnist_seed", seeds=networks, epochs=EPOCHS - 1, keep="every")
    shape = {name: CNN_S[name] for name in ("in_channels", "image_size", "out_channels")}
    every = [NetworkConfig(row.model, {**row.configuration, **shape}) for row in rows(recipe)]
    shapes = shapes_of(every[0].configuration)
    folder = ZooFolder(path)
    folder.create(recipe, Hashes("0" * 64))
    starts = range(0, networks, CHUNK)
    for number, start in enumerate(starts):
        part = every[start : start + CHUNK]
        weights = {name: torch.randn(len(part), EPOCHS, *one) for name, one in shapes.items()}
        measured = {name: torch.rand(len(part), EPOCHS) for name in METRICS}
        trained = TrainedChunk(weights, measured, torch.full((len(part),), EPOCHS))
        folder.write_chunk(number, part, recipe.kept, trained)
    folder.finish(len(starts))


def best(call: Callable[[], Any], repeats: int) -> Timing:
    """The quickest of several runs, after one that compiles and warms the caches."""
    call()
    return min((timed(call) for _ in range(repeats)), key=lambda timing: timing.wall)


def table(report: Report, title: str, seconds: dict[str, tuple[float, float]]) -> None:
    """Processor and wall seconds of each way."""
    report.table(
        title,
        ["", "processor s", "s"],
        [[name, f"{cpu:.2f}", f"{wall:.2f}"] for name, (cpu, wall) in seconds.items()],
    )


if __name__ == "__main__":
    run_benchmark(main)
