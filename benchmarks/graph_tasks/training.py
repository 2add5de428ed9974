"""One cell of the long-range benchmark: a model, trained on a task, judged on its test graphs."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.cells import RESULT, Result, run_cell
from benchmarks.graph_tasks.task import GraphTask
from benchmarks.hardware import hardware
from gnncore.errors import TrainingError
from gnncore.layers.encodings import random_walk_encoding
from gnncore.models import GraphModel, ModelSpecification
from gnncore.storage import read_json
from gnncore.training import GraphStore, TrainingSettings, fit, predict, seeded


@dataclass(frozen=True)
class Cell:
    """A training.

    Attributes:
        name: Of the model.
        specification: Of the model.
        settings: How it is trained.
    """

    name: str
    specification: ModelSpecification
    settings: TrainingSettings

    def folder(self, task: GraphTask, out: Path) -> Path:
        """Where the cell is kept; its name holds a hash of all that the result depends on."""
        digest = hashlib.sha256()
        for part in (
            self.specification.model_dump_json(),
            self.settings.model_dump_json(),
            repr(task.objective),
            *(store.content_hash for store in task.stores.values()),
        ):
            digest.update(part.encode())
        return out / task.name / f"{self.name}-{digest.hexdigest()[:16]}"

    def finished(self, task: GraphTask, out: Path) -> Result | None:
        """The result, if it is on the disk."""
        path = self.folder(task, out) / RESULT
        return read_json(path) if path.is_file() else None

    def run(self, task: GraphTask, out: Path) -> Result | None:
        """The result, from the disk where it is there; None if another process is at work."""

        def work(folder: Path) -> Result:
            stores = {name: self._encoded(store) for name, store in task.stores.items()}
            with seeded(self.settings.seed):
                model = GraphModel(self.specification)
            known = {
                "model": self.name,
                "parameters": model.num_parameters,
                "width": self.specification.blocks[0].out_channels,
                "learning_rate": self.settings.learning_rate,
                "seed": self.settings.seed,
                "processor": hardware()["processor"],
            }
            try:
                trained = fit(
                    model,
                    stores["train"],
                    stores["valid"],
                    self.settings,
                    task.objective,
                    folder / "checkpoint",
                    resume=True,
                )
            except TrainingError as error:
                if "lower learning_rate" not in str(error):
                    raise
                return known | {"diverged": str(error), "validation": None, "test": None}
            prediction = predict(model, stores["test"], self.settings.batch_size)
            return known | {
                "epochs": len(trained.history),
                "best_epoch": trained.best_epoch,
                "seconds": sum(
                    row["training_seconds"] + row["validation_seconds"] for row in trained.history
                ),
                "validation": trained.best_metrics[task.objective.select_by],
                "test": task.score(prediction, task.stores["test"]),
            }

        return run_cell(self.folder(task, out), work)

    def _encoded(self, store: GraphStore) -> GraphStore:
        """With the positional encoding of the model, which would else be computed every epoch."""
        encoding = self.specification.encoding
        if encoding is None:
            return store
        values = random_walk_encoding(store.whole().edge_index, store.num_nodes, encoding.channels)
        return replace(
            store,
            tensors=store.tensors | {"encoding": values},
            levels=store.levels | {"encoding": "node"},
        )


def settings_of(epochs: int, batch_size: int) -> TrainingSettings:
    """How all models are trained, their learning rates and seeds apart."""
    return TrainingSettings(
        epochs=epochs,
        batch_size=batch_size,
        weight_decay=1e-5,
        schedule="cosine",
        warm_up=0.05,
        clip_norm=1.0,
    )
