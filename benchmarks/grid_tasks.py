"""What else can be predicted: survivability, and which nodes make trouble.

    python -m benchmarks.grid_tasks --seeds 3

Survivability is that of the packaged grids. There every node makes trouble, since perturbations
begin at frequencies of nearly 15 rad/s, the bound that a troublemaker exceeds. So troublemakers are
told apart by other labels, those of ``simulations/campaigns/troublemakers-20.toml``, with
perturbations of at most 10 rad/s, made on first use (about five minutes). Trainings are kept and
never repeated.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.cells import Result, run_cell
from benchmarks.hardware import ROOT
from benchmarks.leaderboard.rows import BASELINE_FEATURES, ROWS, Network
from benchmarks.results import SCRATCH, Report, spread
from benchmarks.running import run_benchmark
from gnncore.models import ModelSpecification
from gridstab.datasets.campaign import Campaign
from gridstab.datasets.run import run_campaign
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.baselines import Baseline
from gridstab.learning.data import GridDataset, load_grid_dataset
from gridstab.learning.evaluation import evaluate, tune_threshold
from gridstab.learning.tasks import TASKS, Task
from gridstab.learning.train import train_model

NETWORK = "dirac_bianconi"
"""Row of the leaderboard that is trained for every task."""

CAMPAIGN = ROOT / "simulations" / "campaigns" / "troublemakers-20.toml"
FEATURES = "solitary"
BASELINES = ("mean", "ridge", "gradient_boosting")
METRICS = {
    "r2": "R²",
    "r2_ceiling": "ceiling",
    "mae": "mean absolute error",
    "f2": "F2",
    "recall": "recall",
    "precision": "precision",
    "average_precision": "average precision",
}


@dataclass(frozen=True)
class Fit:
    """A model, trained for a task on one set and judged on others.

    Attributes:
        model: The network, or the name of a baseline.
        task: What it predicts.
        data: Sets by name; the first is trained on, the test grids of all are judged on.
        seed: Of everything random.
        epochs: Of the network; None for its own number.
    """

    model: str
    task: Task
    data: dict[str, str]
    seed: int
    epochs: int | None

    def run(self, out: Path) -> Result | None:
        """The metrics of each set, from the disk where they are there."""
        extent = "" if self.epochs is None else f"-{self.epochs}-epochs"
        model = f"{NETWORK}-{ROWS[NETWORK].digest}" if self.model == NETWORK else self.model
        name = f"{model}-{self.task.name}-{next(iter(self.data))}{extent}-seed-{self.seed}"
        fit = self._network if self.model == NETWORK else self._baseline
        return run_cell(out / name, lambda folder: {"metrics": fit(folder)})

    def _network(self, folder: Path) -> dict[str, dict[str, float]]:
        network = ROWS[NETWORK].model
        assert isinstance(network, Network)
        values = network.specification.model_dump() | {"output": self.task.output}
        settings = network.settings.model_dump() | {"seed": self.seed}
        trained = train_model(
            ModelSpecification(**values),
            next(iter(self.data.values())),
            folder / "training",
            task=self.task.name,
            features=network.features,
            augment=network.augment,
            clip=network.clip,
            resume=True,
            **settings | ({} if self.epochs is None else {"epochs": self.epochs}),
        )
        tests = {name: self._set(name, "test", trained.features) for name in self.data}
        return {
            name: evaluate(trained.predict(test), test, self.task, threshold=trained.threshold)
            for name, test in tests.items()
        }

    def _baseline(self, _: Path) -> dict[str, dict[str, float]]:
        first, *_ = self.data
        features = BASELINE_FEATURES[FEATURES]
        fitted = Baseline(self.model, self.task, seed=self.seed)
        fitted.fit(self._set(first, "train", features))
        threshold = None
        if self.task.has_classes:
            valid = self._set(first, "valid", features)
            threshold = tune_threshold(fitted.predict(valid), valid, self.task)
        tests = {name: self._set(name, "test", features) for name in self.data}
        return {
            name: evaluate(fitted.predict(test), test, self.task, threshold=threshold)
            for name, test in tests.items()
        }

    def _set(self, name: str, split: str, features: FeatureSet) -> GridDataset:
        return load_grid_dataset(
            self.data[name], split=split, features=features, target=self.task.target
        )


def main(
    seeds: Annotated[int, typer.Option(help="Trainings of the network.", min=1)] = 3,
    epochs: Annotated[int | None, typer.Option(help="Epochs, if not its own.", min=1)] = None,
    workers: Annotated[int, typer.Option(help="Processes that simulate.", min=1)] = 2,
    out: Annotated[Path, typer.Option(help="Where trainings are kept.")] = ROOT / "runs" / "tasks",
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Few grids and epochs, to see that it runs.")] = False,
) -> None:
    """Train the network and baselines for every task."""
    with TemporaryDirectory() as scratch:
        labels, campaign = SCRATCH / "troublemakers", Campaign.resolve(CAMPAIGN)
        if quick:
            campaign = Campaign.resolve(CAMPAIGN, grids=20, samples=20)
            seeds, epochs = 1, 1
            labels, out = Path(scratch) / "labels", Path(scratch) / "fits"
        run_campaign(campaign, labels, workers=workers, resume=True)
        packaged = {name: name for name in ("ds20", "ds100", "texas")}
        ours = {"troublemakers": str(labels)}
        report = Report("grid_tasks", "Survivability and troublemakers", quick=quick)
        records = {}
        for name, data in (
            ("survivability", packaged),
            ("max_frequency_deviation", ours),
            ("troublemaker", ours),
        ):
            task = TASKS[name]
            found = {
                model: _fits(model, task, data, seeds if model == NETWORK else 1, epochs, out)
                for model in (*BASELINES, NETWORK)
                if not (model == "mean" and task.has_classes)
            }
            records[name] = found
            _table(report, task, list(data), found)
        report.say(
            f"troublemakers: {campaign.grids:,} grids of {campaign.nodes} nodes, "
            f"{campaign.samples} perturbations a node with frequencies up to "
            f"{campaign.domega_range:g} rad/s. ± is the standard deviation over seeds. "
            f"Baselines see the features of nodes named `{FEATURES}`. Thresholds of classes are "
            "tuned on validation for the largest F2."
        )
        report.save({"seeds": seeds, "campaign": campaign.model_dump()}, records, json)


def _fits(
    model: str, task: Task, data: dict[str, str], seeds: int, epochs: int | None, out: Path
) -> list[Result]:
    fits = [Fit(model, task, data, seed, epochs) for seed in range(1, seeds + 1)]
    return [result for fit in fits if (result := fit.run(out)) is not None]


def _table(report: Report, task: Task, sets: list[str], found: dict[str, list[Result]]) -> None:
    """A line for each model and set, a column for each metric that the task has."""
    first = next(iter(found.values()))[0]["metrics"][sets[0]]
    columns = [metric for metric in METRICS if metric in first]
    report.table(
        f"{task.title[0].upper()}{task.title[1:]}, trained on {sets[0]}",
        ["model", "judged on", *(METRICS[metric] for metric in columns)],
        [
            [
                model,
                name,
                *(spread([fit["metrics"][name][m] for fit in fits]) for m in columns),
            ]
            for name in sets
            for model, fits in found.items()
        ],
    )


if __name__ == "__main__":
    run_benchmark(main)
