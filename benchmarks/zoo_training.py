"""How fast populations of networks train: ours, torch.func.vmap, and one network at a time.

    python -m benchmarks.zoo_training

All train the first networks of the same recipe, in float32 on one thread, with the same batches and
optimiser; plain torch uses its fused Adam. Epochs of the three take turns, because the load of a
machine changes; the times are processor times. Operations are those of the matrix products and
convolutions, forward and backward, and the peak is that of `benchmarks.fma_peak`.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch.nn import functional

from benchmarks.fma_peak import fma_peak
from benchmarks.results import Report, progress
from benchmarks.running import run_benchmark
from benchmarks.timing import Spread
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.training.batched_networks import MappedNetworks
from graphwsl.zoo.training.chunk import Training
from graphwsl.zoo.training.chunks import operations, plan
from graphwsl.zoo.training.initialisation import initialised
from graphwsl.zoo.training.memory import keep_freed_memory
from graphwsl.zoo.training.streams import stream
from graphwsl.zoo.training.train import images_of

Configuration = dict[str, Any]


def main(
    recipe: Annotated[str, typer.Option(help="Recipe whose networks are trained.")] = "mnist_seed",
    batch_size: Annotated[
        int | None, typer.Option(help="Images a step, if not as there.", min=1)
    ] = None,
    networks: Annotated[int, typer.Option(help="Networks that train together.", min=1)] = 16,
    repeats: Annotated[int, typer.Option(help="Measured epochs of each contestant.", min=1)] = 5,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Small digits, to see that it runs.")] = False,
) -> None:
    """Measure processor time of an epoch of one network, and what a whole zoo takes."""
    torch.set_num_threads(1)
    keep_freed_memory()
    if quick:
        recipe, networks, repeats = "digits_seed", 4, 1
    resolved = Recipe.resolve(recipe, batch_size=batch_size)
    data = images_of(resolved)
    parts = plan(resolved, data)
    configurations = [row.configuration for row in parts[0]][:networks]
    report = Report(
        "zoo_training", f"Training of zoos: {recipe}, batches of {resolved.batch_size}", quick=quick
    )
    forward, both = operations(configurations[0])
    peak = fma_peak("float32", repeats=3).median
    measured = race(configurations, resolved, data, repeats)
    work = both * len(data.train)
    plain = measured["one at a time"].median
    report.table(
        "One epoch of one network, on one core",
        ["", "ms", "spread", "networks · epochs / s", "GFLOP/s", "of the peak", "× as fast"],
        [
            [
                name,
                f"{1e3 * spread.median:.1f}",
                f"±{spread.percent:.0f} %",
                f"{1 / spread.median:.2f}",
                f"{work / spread.median / 1e9:.1f}",
                f"{work / spread.median / 1e9 / peak:.0%}",
                f"{plain / spread.median:.1f}",
            ]
            for name, spread in measured.items()
        ],
    )
    trained, evaluated = measured["ours"].median, measured["ours, measured too"].median
    count, kept = sum(map(len, parts)), len(resolved.kept)
    one = resolved.epochs * trained + kept * (evaluated - trained)
    total = count * (work * resolved.epochs + forward * kept * (len(data.train) + len(data.test)))
    report.say(
        f"The whole zoo, {count:,} networks of {resolved.epochs} epochs with {kept} kept, takes "
        f"{count * one / 3600:.2f} core hours for {total:.2g} floating-point operations."
    )
    report.say(f"The peak of one core is {peak:.1f} GFLOP/s in float32.")
    report.save(
        {"recipe": recipe, "batch_size": resolved.batch_size, "networks": len(configurations)},
        {
            "seconds": {name: vars(spread) for name, spread in measured.items()},
            "operations_of_an_epoch": work,
            "peak_gflops": peak,
            "zoo_core_hours": count * one / 3600,
            "zoo_operations": total,
        },
        json,
    )


def race(
    configurations: list[Configuration], recipe: Recipe, data: DataSet, repeats: int
) -> dict[str, Spread]:
    """Processor seconds of an epoch of one network, of each contestant."""
    count = len(configurations)
    contestants: dict[str, tuple[Iterator[float], int]] = {
        "one at a time": (alone(configurations[0], recipe, data), 1),
        "torch.func.vmap": (mapped(configurations, recipe, data), count),
        "ours": (together(configurations, recipe, data, measured=False), count),
        "ours, measured too": (together(configurations, recipe, data, measured=True), count),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    with progress() as bar:
        task = bar.add_task("epochs", total=(repeats + 1) * len(contestants))
        for turn in range(repeats + 1):
            for name, (epochs, networks) in contestants.items():
                second = next(epochs) / networks
                if turn:  # the first one compiles and warms the caches
                    seconds[name].append(second)
                bar.advance(task)
    return {name: Spread.of(values) for name, values in seconds.items()}


def alone(configuration: Configuration, recipe: Recipe, data: DataSet) -> Iterator[float]:
    """Epochs of one network in plain torch."""
    model = initialised(configuration)
    rate, decay = configuration["learning_rate"], configuration["weight_decay"]
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay, fused=True)

    def epoch(number: int) -> None:
        for indices in order_of(data, number).split(recipe.batch_size):
            optimiser.zero_grad()
            logits = model(data.train[indices])
            functional.cross_entropy(logits, data.train_labels[indices]).backward()
            optimiser.step()

    return timed_epochs(epoch)


def mapped(configurations: list[Configuration], recipe: Recipe, data: DataSet) -> Iterator[float]:
    """Epochs of our training with the networks mapped by torch.func.vmap instead."""
    training = Training(configurations, data, recipe.batch_size)
    training.networks = MappedNetworks(training.networks.module)
    return timed_epochs(training.train_epoch)


def together(
    configurations: list[Configuration], recipe: Recipe, data: DataSet, *, measured: bool
) -> Iterator[float]:
    """Epochs of our training, with or without what a kept epoch is measured by."""
    training = Training(configurations, data, recipe.batch_size)

    def epoch(number: int) -> None:
        training.train_epoch(number)
        if measured:
            training.measure()

    return timed_epochs(epoch)


def order_of(data: DataSet, epoch: int) -> torch.Tensor:
    """The order of the images in an epoch."""
    return torch.randperm(len(data.train), generator=stream(0, "order", epoch))


def timed_epochs(epoch: Callable[[int], None]) -> Iterator[float]:
    """Processor seconds of one epoch after the other."""
    number = 0
    while True:
        number += 1
        start = time.process_time()
        epoch(number)
        yield time.process_time() - start


if __name__ == "__main__":
    run_benchmark(main)
