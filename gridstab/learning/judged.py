"""By which grids models are judged: those that none of them has learnt from, if there are any."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from gnncore.errors import GnncoreError
from gridstab.counted import counted
from gridstab.errors import DatasetError, GridstabError
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning.data import GridDataset
from gridstab.learning.evaluation import evaluate
from gridstab.learning.learnt_grids import Part
from gridstab.learning.tasks import Task
from gridstab.learning.trained import Ensemble


@dataclass(frozen=True, eq=False)
class Judged:
    """The part that grids had in a training, and which of them scores are of.

    Attributes:
        parts: What each grid was in the training; None where the models do not say.
        is_known: Whether all models say it.
        num_nodes: Nodes of each grid.
    """

    parts: Sequence[Part] | None
    is_known: bool
    num_nodes: Int[np.ndarray, " grids"]

    @classmethod
    def by(cls, model: Ensemble, grids: GridDataset | Sequence[PowerGrid]) -> "Judged":
        """Which of these grids a model may be judged by."""
        if isinstance(grids, GridDataset):
            sizes = np.diff(grids.store.pointers["node"].numpy())
        else:
            sizes = np.array([grid.num_nodes for grid in grids], np.int64)
        known = all(member.learnt_grids is not None for member in model.members)
        return cls(model.parts(grids), known, sizes)

    @property
    def is_new(self) -> bool:
        """Whether any of the grids is not known to be learnt from."""
        return self.parts is None or "other" in self.parts

    @property
    def grids(self) -> Int[np.ndarray, " judged"]:
        """Positions of the grids that scores are of; of all if all were learnt from."""
        if self.parts is None or not self.is_new:
            return np.arange(len(self.num_nodes))
        return np.flatnonzero(np.array(self.parts) == "other")

    @property
    def are_left_out(self) -> bool:
        """Whether scores are of some grids alone, the others having been learnt from."""
        return len(self.grids) < len(self.num_nodes)

    @property
    def nodes(self) -> Bool[np.ndarray, " nodes"]:
        """Which nodes of all grids, one after the other, are those of :attr:`grids`."""
        chosen = np.zeros(len(self.num_nodes), bool)
        chosen[self.grids] = True
        return np.repeat(chosen, self.num_nodes)

    def evaluate(
        self, prediction: Tensor, dataset: GridDataset, task: Task, *, threshold: float | None
    ) -> dict[str, float]:
        """What :func:`gridstab.learning.evaluation.evaluate` gives of :attr:`grids`.

        Args:
            prediction: What is predicted for all nodes of the data set.
            dataset: All grids with their labels.
            task: What is predicted.
            threshold: As there.

        Raises:
            GridstabError: As there; where grids were left out, it says so.
            GnncoreError: As there, where none were.
        """
        scored = dataset[self.grids.tolist()]
        chosen = prediction[torch.from_numpy(self.nodes)]
        try:
            return evaluate(chosen, scored, task, threshold=threshold)
        except (GnncoreError, GridstabError) as error:
            if not self.are_left_out:
                raise
            left_out = counted(len(self.num_nodes) - len(self.grids), "grid")
            raise DatasetError(
                f"{left_out} from which a model has learnt are left out, and the others do not "
                f"tell how good it is: {error}; give more grids that are new to it"
            ) from error

    def numbers(self) -> dict[str, dict[str, int]] | None:
        """``grids`` and ``nodes`` of each part that there is; None where it is not known."""
        if self.parts is None:
            return None
        named = np.array(self.parts)
        return {
            part: {"grids": int(mine.sum()), "nodes": int(self.num_nodes[mine].sum())}
            for part in ("train", "valid", "other")
            if (mine := named == part).any()
        }
