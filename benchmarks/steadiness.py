"""What makes predictions steady on grids unlike those that a network learned from?

    python -m benchmarks.steadiness --seeds 3

A small network is trained on 700 grids of 20 nodes, from several seeds, and again with one thing
changed at a time. All are judged at home, on grids of 100 nodes, on real power systems, by which a
change may be chosen, and on Texas, by which none is. Trainings are kept in ``--out`` and never
repeated. ``taught`` learns from the models of ``base``, which ``--restore`` does not bring back:
train both without it first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from benchmarks.cells import Result, restore_cells, run_cell, time_warning
from benchmarks.hardware import ROOT
from benchmarks.leaderboard.rows import OURS, Network
from benchmarks.leaderboard.sets import PACKAGED, write_tiny_sets
from benchmarks.leaderboard.training import train_network
from benchmarks.options import names_of
from benchmarks.real_grids import CASES, labelled, r2
from benchmarks.results import Report, console, known_cells, spread
from benchmarks.running import run_benchmark
from gnncore.models import ModelSpecification
from gridstab.datasets.labelled_grid import LabelledGrid
from gridstab.datasets.layouts import LAYOUTS
from gridstab.features.feature import node_feature
from gridstab.features.feature_set import FeatureSet
from gridstab.grids.growth import random_grid
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning.data import load_grid_dataset
from gridstab.learning.trained import Ensemble

BASE = OURS["dirac_bianconi_4_steps"]
"""Four steps a layer learn in a quarter of the time of sixteen, at home as well."""

CASES_SEED = 3
"""Seed of the powers of the real systems; with another the default was chosen as well."""

UNLABELLED = 200
"""Grids of 100 nodes that only teachers have looked at."""

Data = Callable[["Sets"], str]


@dataclass(frozen=True)
class Sets:
    """Where grids are, how many are learnt from, and the models that may teach others."""

    paths: dict[str, str]
    train_grids: int
    teachers: list[Path] = field(default_factory=list)
    scratch: Path = Path()


@dataclass(frozen=True)
class Change:
    """One thing that is not as in the base.

    Attributes:
        title: What the table calls it.
        network: What is trained.
        data: Where it learns from.
    """

    title: str
    network: Network = BASE
    data: Data = lambda sets: sets.paths["ds20"]


@node_feature(columns=("relative_eccentricity", "relative_distance"))
def relative_distances(grid: PowerGrid) -> Float[np.ndarray, "nodes 2"]:
    """Largest and mean number of lines to other nodes, over their mean over the grid."""
    start, end = grid.edge_index
    graph = csr_array((np.ones(len(start)), (start, end)), shape=(grid.num_nodes,) * 2)
    distances = shortest_path(graph, unweighted=True)
    both = np.stack([distances.max(1), distances.mean(1)], axis=1)
    return np.asarray(both / both.mean(0))


def seeing(features: FeatureSet) -> Network:
    """The base with other features."""
    values = BASE.specification.model_dump() | {
        "in_channels": features.in_channels,
        "edge_channels": features.edge_channels,
    }
    return replace(BASE, specification=ModelSpecification(**values), features=features)


def trained(**settings: Any) -> Network:
    """The base with other settings of its training."""
    return replace(BASE, settings=BASE.settings.model_copy(update=settings))


def mixed(sets: Sets) -> str:
    """Grids of 20 and of 100 nodes, in turn."""
    return f"{sets.paths['ds20']},{sets.paths['ds100']}"


def taught(sets: Sets) -> str:
    """The training grids and larger ones, labelled by the mean of what the teachers predict.

    As many are learnt from as elsewhere, drawn from both. Validation and test grids are the
    simulated ones of 20 nodes, as at home.
    """
    home = load_grid_dataset(sets.paths["ds20"], features=BASE.features)
    known = home.split("train")[: sets.train_grids]
    larger = [random_grid(100, seed=(99, k)) for k in range(min(UNLABELLED, len(known)))]
    grids = [*known.power_grids(), *larger]
    predictions = Ensemble.load(*sets.teachers).predict_with_range(grids)[0].double().numpy()
    ends = np.cumsum([grid.num_nodes for grid in grids])[:-1]
    # The order is random, so that batches hold grids of both sizes.
    order = np.random.default_rng(0).permutation(len(grids))
    labels = np.split(predictions, ends)
    written = [_labelled(n, grids[k], labels[k]) for n, k in enumerate(order.tolist(), 1)]
    total = round(len(grids) / 0.7)  # where the layout cuts splits
    valid, test = home.split("valid"), home.split("test")
    for part, first in ((valid, len(grids) + 1), (test, total + 1 - len(test))):
        simulated = zip(part.power_grids(), part, strict=True)
        written += [
            _labelled(n, grid, graph.y.double().numpy())
            for n, (grid, graph) in enumerate(simulated, first)
        ]
    LAYOUTS["v2"].write(sets.scratch, written, "ds20")
    return str(sets.scratch / "ds20")


def _labelled(number: int, grid: PowerGrid, snbs: Float[np.ndarray, " nodes"]) -> LabelledGrid:
    """A grid as the published files hold it, with shares of 10,000."""
    return LabelledGrid(number, grid, np.rint(1e4 * snbs.clip(0, 1)) / 1e4)


NODES, LINES = BASE.features.node, BASE.features.edge

CHANGES: dict[str, Change] = {
    "base": Change("four steps a layer, 20 nodes"),
    "mixed_sizes": Change("half of the grids of 100 nodes", data=mixed),
    "no_line_features": Change(
        "lines carry the coupling alone", seeing(FeatureSet.named("local_nodes"))
    ),
    "no_flows": Change(
        "lines carry no flows", seeing(FeatureSet(NODES, ("coupling", "stiffness", "bridge")))
    ),
    "mixed_no_line_features": Change(
        "half of 100 nodes, and lines carry the coupling alone",
        seeing(FeatureSet.named("local_nodes")),
        mixed,
    ),
    "distances": Change(
        "and distances, over their mean", seeing(FeatureSet((*NODES, "relative_distances"), LINES))
    ),
    "parametric": Change(
        "and parametric gains of solitary states",
        seeing(FeatureSet((*NODES, "solitary_gain"), LINES)),
    ),
    "parametric_no_line_features": Change(
        "and parametric gains, and lines carry the coupling alone",
        seeing(FeatureSet((*NODES, "solitary_gain"), ("coupling",))),
    ),
    "averaged_weights": Change("moving average of the weights", trained(average_decay=0.998)),
    "weight_decay": Change("tenfold weight decay", trained(weight_decay=0.1)),
    "sign_invariant": Change("mean over mirror images", replace(BASE, sign_invariant=True)),
    "taught": Change("taught by the mean of the base, also on 100 nodes", data=taught),
}
"""What is tried, by the name that ``--changes`` takes."""


def main(
    changes: Annotated[str, typer.Option(help="With commas.")] = ",".join(CHANGES),
    seeds: Annotated[int, typer.Option(help="Trainings of each.", min=1)] = 3,
    epochs: Annotated[int, typer.Option(help="Of every training.", min=1)] = 40,
    train_grids: Annotated[int, typer.Option(help="Grids to learn from.", min=1)] = 700,
    out: Annotated[Path, typer.Option(help="Where trainings are kept.")] = ROOT
    / "runs"
    / "steadiness",
    workers: Annotated[int, typer.Option(help="Processes that simulate.", min=1)] = 2,
    restore: Annotated[
        bool,
        typer.Option(help="Begin with what the committed result file holds, all but models."),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Tiny made-up grids, to see that it runs.")] = False,
) -> None:
    """Train what is not trained yet, and compare."""
    with TemporaryDirectory() as scratch:
        paths, cases, samples = dict(PACKAGED), tuple(CASES), 100
        if quick:
            paths, out = write_tiny_sets(Path(scratch) / "sets"), Path(scratch) / "trainings"
            seeds, epochs, train_grids, cases, samples = 2, 1, 14, ("case118",), 2
        chosen = names_of(changes, CHANGES, "change")
        if restore:
            restore_cells(out, known_cells("steadiness"))
        report = Report("steadiness", "Steady away from home", quick=quick)
        extent = f"{train_grids}-grids-{epochs}-epochs-seed"
        teachers = [out / "base" / f"{extent}-{seed}" / "model" for seed in range(1, seeds + 1)]
        results: dict[str, Result] = {}
        for name in chosen:
            for seed in range(1, seeds + 1):
                console.print(f"{name}, seed {seed}")

                def work(folder: Path, name: str = name, seed: int = seed) -> Result:
                    sets = Sets(paths, train_grids, teachers, folder)
                    tests = {place: paths[place] for place in ("ds20", "ds100", "texas")}
                    for case in cases:
                        tests[case] = str(labelled(case, CASES_SEED, samples, workers))
                    return train_and_judge(
                        CHANGES[name], sets, tests, folder / "model", seed, epochs
                    )

                found = run_cell(out / name / f"{extent}-{seed}", work)
                if found is not None:
                    results[f"{name}/{extent}-{seed}"] = found
    _table(report, results, cases)
    report.say(
        f"R² on test grids, on {len(cases)} real systems and on Texas; {train_grids:,} grids to "
        f"learn from, {epochs} epochs, means and standard deviations over {seeds} trainings."
    )
    report.say(
        "Only R² at home and on real systems may choose a change; Texas is shown beside them."
    )
    for sentence in time_warning(report.record):
        report.say(sentence)
    settings = {"seeds": seeds, "epochs": epochs, "train_grids": train_grids, "changes": changes}
    report.save(settings, {"cells": results}, json)


def train_and_judge(
    change: Change, sets: Sets, tests: dict[str, str], folder: Path, seed: int, epochs: int
) -> Result:
    """One training, and its R² on every test set."""
    network = change.network
    model = train_network(
        network,
        change.data(sets),
        folder,
        train_grids=sets.train_grids,
        epochs=epochs,
        seed=seed,
    )
    found = {
        name: load_grid_dataset(place, features=network.features, split="test")
        for name, place in tests.items()
    }
    return {
        "r2": {name: r2(model.predict_with_range(one)[0], one) for name, one in found.items()},
        "best_epoch": model.metrics["best_epoch"],
    }


def _table(report: Report, results: dict[str, Result], cases: tuple[str, ...]) -> None:
    lines = []
    for name, change in CHANGES.items():
        r2s = [one["r2"] for key, one in results.items() if key.split("/")[0] == name]
        if r2s:
            real = [mean(one[case] for case in cases) for one in r2s]
            home, larger, texas = ([one[k] for one in r2s] for k in ("ds20", "ds100", "texas"))
            lines.append([change.title, *map(spread, (home, larger, real, texas))])
    columns = ["changed", "20 → 20", "20 → 100", "20 → real systems", "20 → Texas"]
    report.table("One thing changed at a time: R²", columns, lines)


if __name__ == "__main__":
    run_benchmark(main)
