"""What batching costs in a training: our loader against PyG's, its share of the time, and threads.

    python -m benchmarks.training_throughput

The graphs are 700 random grids of 100 nodes, as many as in the training set of the first published
data set, with node labels drawn at random: speed does not depend on them. Both loaders shuffle and
run in the training's own process, on one thread. The model is a TAG network of 3 layers with 20
channels and 3 hops.

The last table trains with one thread and with one a core, in wall time, on the machine as it is
and beside two busy processes a core. `gnncore.training.threads` rests on it.
"""

import os
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from benchmarks.results import Report
from benchmarks.running import run_benchmark
from benchmarks.timing import Spread, repeat_for
from gnncore.models import GraphModel, ModelSpecification
from gnncore.processes import end_with_parent
from gnncore.training import (
    GraphStore,
    Loader,
    RegressionObjective,
    TrainingSettings,
    fit,
    seeded,
)
from gridstab.grids.growth import random_grid

MODEL = ModelSpecification(
    in_channels=1,
    edge_channels=1,
    layer="tag",
    layer_options={"K": 3},
    hidden_channels=20,
    num_layers=3,
    output="sigmoid",
)


def main(
    graphs: Annotated[int, typer.Option(help="Training graphs.", min=1)] = 700,
    nodes: Annotated[int, typer.Option(help="Nodes of each.", min=1)] = 100,
    repeats: Annotated[int, typer.Option(help="Epochs of each measurement.", min=1)] = 7,
    seed: Annotated[int, typer.Option(help="Grids, labels, order and weights.", min=0)] = 1,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Few small graphs, to see that it runs.")] = False,
) -> None:
    """Measure the time of an epoch in either loader, and the loader's share of a training."""
    torch.set_num_threads(1)
    if quick:
        graphs, nodes, repeats = 40, 20, 2
    title = f"Training throughput: {graphs} graphs of {nodes} nodes, one thread"
    report = Report("training_throughput", title, quick=quick)
    data = labelled_graphs(graphs, nodes, seed)
    store = GraphStore.from_data_list(data)
    loading = [compare(data, store, size, repeats) for size in (16, 64, 256)]
    report.table(
        "One epoch in the loader",
        ["batch size", "ours [ms]", "spread", "PyG [ms]", "spread", "PyG is ×"],
        [
            [
                str(row["batch_size"]),
                f"{1e3 * row['ours'].median:.1f}",
                f"±{row['ours'].percent:.0f} %",
                f"{1e3 * row['pyg'].median:.1f}",
                f"±{row['pyg'].percent:.0f} %",
                f"{row['ratio']:.1f}",
            ]
            for row in loading
        ],
    )
    training = [train(store, size, repeats, seed) for size in (16, 64, 256)]
    report.table(
        "Training of a small TAG network",
        ["batch size", "graphs a second", "share in the loader", "share with PyG's loader"],
        [
            [
                str(row["batch_size"]),
                f"{row['samples_per_second']:,.0f}",
                f"{row['loader_share']:.2%}",
                f"{share_of_pyg(row['loader_share'], other['ratio']):.2%}",
            ]
            for row, other in zip(training, loading, strict=True)
        ],
    )
    report.say(
        "The share with PyG's loader follows from the ratio of the two loaders, the rest of the "
        "step being the same."
    )
    threads = [race(store, repeats, seed, busy) for busy in (0, 2 * cores())]
    report.table(
        "Threads of a training with batches of 64",
        ["busy processes", "one thread [graphs/s]", f"{cores()} threads [graphs/s]", "one is ×"],
        [
            [
                str(row["busy"]),
                f"{row['one']:,.0f}",
                f"{row['all']:,.0f}",
                f"{row['one'] / row['all']:.1f}",
            ]
            for row in threads
        ],
    )
    settings: dict[str, Any] = {"graphs": graphs, "nodes": nodes, "seed": seed, "repeats": repeats}
    loaders = [{**row, "ours": vars(row["ours"]), "pyg": vars(row["pyg"])} for row in loading]
    report.save(settings, {"loaders": loaders, "training": training, "threads": threads}, json)


def labelled_graphs(count: int, nodes: int, seed: int) -> list[Data]:
    """Random grids with power and coupling as features, and labels between 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    graphs = []
    for number in range(count):
        grid = random_grid(nodes, seed=seed * count + number)
        graphs.append(
            Data(
                x=torch.tensor(grid.power, dtype=torch.float32)[:, None],
                edge_index=torch.tensor(grid.edge_index),
                edge_attr=torch.tensor(grid.edge_attr, dtype=torch.float32)[:, None],
                y=torch.rand(nodes, generator=generator),
            )
        )
    return graphs


def compare(data: list[Data], store: GraphStore, batch_size: int, repeats: int) -> dict[str, Any]:
    """Seconds an epoch in both loaders, one after the other."""
    loaders = {
        "ours": Loader(store, batch_size, shuffle=True),
        "pyg": DataLoader(data, batch_size, shuffle=True),
    }
    spreads: dict[str, Spread] = {}
    for name, loader in loaders.items():
        timings = repeat_for(lambda loader=loader: sum(1 for _ in loader), repeats=repeats)
        spreads[name] = Spread.of([timing.cpu for timing in timings])
    ratio = spreads["pyg"].median / spreads["ours"].median
    return {"batch_size": batch_size, **spreads, "ratio": ratio}


def train(store: GraphStore, batch_size: int, epochs: int, seed: int) -> dict[str, Any]:
    """Speed of a real training, after one epoch to warm up."""
    speeds: dict[str, Any] = {}
    for length in (1, epochs):
        with seeded(seed):
            model = GraphModel(MODEL)
        settings = TrainingSettings(epochs=length, batch_size=batch_size, seed=seed, device="cpu")
        held_out = store.select(range(len(store) // 10))
        result = fit(model, store, held_out, settings, RegressionObjective(), progress=False)
        speeds = {
            "samples_per_second": result.samples_per_second,
            "loader_share": result.loader_share,
        }
    return {"batch_size": batch_size, **speeds}


def race(store: GraphStore, epochs: int, seed: int, busy: int) -> dict[str, Any]:
    """Graphs a second of wall time with one thread and with all, beside ``busy`` processes."""
    context = get_context("spawn")
    stop = context.Event()
    others = [context.Process(target=keep_busy, args=(stop,)) for _ in range(busy)]
    for other in others:
        other.start()
    try:
        speeds = {"one": 0.0, "all": 0.0}
        for name, threads in (("one", 1), ("all", cores())):
            torch.set_num_threads(threads)
            speeds[name] = train(store, 64, epochs, seed)["samples_per_second"]
    finally:
        stop.set()
        for other in others:
            other.join()
        torch.set_num_threads(1)
    return {"busy": busy, **speeds}


def keep_busy(stop: Any) -> None:
    """Compute until asked to stop."""
    end_with_parent()
    while not stop.is_set():
        sum(range(10**6))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def share_of_pyg(share: float, ratio: float) -> float:
    """The share of a loader that takes ``ratio`` times as long."""
    return share * ratio / (1 - share + share * ratio)


if __name__ == "__main__":
    run_benchmark(main)
