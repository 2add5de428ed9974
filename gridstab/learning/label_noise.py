"""How far labels may be off: the one place that knows it, by how they were sampled.

| perturbations | variance and interval |
|---|---|
| at random | binomial |
| Sobol points of which the shares of independent scrambles are known | from the spread of these |
| other Sobol points, rasters | binomial: an upper bound and an interval that is too wide |
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from gnncore import metrics
from gridstab.dynamics.intervals import binomial_variance, wilson_interval
from gridstab.errors import DatasetError
from gridstab.learning.data import GridDataset
from gridstab.learning.grid_store import SAMPLED_EVENLY, SPREAD
from gridstab.learning.tasks import LabelledGraphs
from gridstab.report.bounds import IS_BOUND


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """The noise of labels that are shares of trajectories; get it from :func:`noise_of`.

    Attributes:
        variance: Estimated variance of each label around the true share; NaN for a single random
            trajectory.
        interval: Lower and upper end of the 95 % interval of each label.
        is_bound: At which nodes the variance is an upper bound and the interval too wide.
    """

    variance: Float[np.ndarray, " nodes"]
    interval: Float[np.ndarray, "nodes 2"]
    is_bound: Bool[np.ndarray, " nodes"]

    def select(self, nodes: slice | Bool[np.ndarray, " all"]) -> "LabelNoise":
        """The noise of some of the nodes."""
        return LabelNoise(self.variance[nodes], self.interval[nodes], self.is_bound[nodes])

    def metrics(
        self, predicted: Float[np.ndarray, " nodes"], label: Float[np.ndarray, " nodes"]
    ) -> dict[str, float]:
        """What the noise says of predictions; see :func:`gridstab.learning.evaluation.evaluate`.

        Args:
            predicted: One prediction a node.
            label: The labels.

        Raises:
            DatasetError: Labels of a single trajectory, whose noise is not known.
        """
        if np.isnan(self.variance).any():
            raise DatasetError("labels of 1 trajectories have unknown noise; simulate at least 2")
        low, high = self.interval.T
        noise = float(self.variance.mean())
        bound: dict[str, float] = {IS_BOUND: True} if self.is_bound.any() else {}
        return {
            "label_noise": noise,
            # Equal labels have no variance to explain.
            **({"r2_ceiling": self.r2_ceiling(label)} if (label != label[:1]).any() else {}),
            "excess_mse": metrics.excess_mse(
                *(torch.from_numpy(one) for one in (predicted, label, self.variance))
            ),
            "share_in_interval": float(((low <= predicted) & (predicted <= high)).mean()),
            **bound,
        }

    def r2_ceiling(self, label: Float[np.ndarray, " nodes"]) -> float:
        """R² that a perfect prediction of the true shares would have on these labels.

        1 − mean(variance) / var(label), with the variance of the labels over all nodes. One minus
        it is the part of that variance that is noise.
        """
        return float(1 - self.variance.mean() / label.var())


def noise_of(dataset: LabelledGraphs) -> LabelNoise | None:
    """The noise of the labels of a data set, whose target is a share or a landscape.

    Of landscapes it is the noise of the basin stability that is their mean.

    Returns:
        None where it is not known how many trajectories stand behind a label.
    """
    tensors = dataset.store.tensors
    if "n_samples" not in tensors:
        return None
    samples = tensors["n_samples"].cpu().numpy()
    counted = tensors.get("n_stable", tensors.get("n_survived"))
    if counted is None:
        share = tensors["y"].reshape(-1).double().cpu().numpy()
        stable = np.rint(share * samples).astype(np.int64)
    else:
        stable = counted.cpu().numpy()
    variance, interval = binomial_variance(stable, samples), wilson_interval(stable, samples)
    is_bound = np.zeros(len(samples), bool)
    known = dataset.grids.tensors if isinstance(dataset, GridDataset) else {}
    if SAMPLED_EVENLY in known:
        is_bound = known[SAMPLED_EVENLY].numpy().copy()
    # The scrambles are counted by what returned, not by what survived.
    if SPREAD in known and "n_stable" in tensors:
        spread = known[SPREAD].numpy()
        there = ~np.isnan(spread[:, 0])
        variance = np.where(there, spread[:, 0], variance)
        interval = np.where(there[:, None], spread[:, 1:], interval)
        is_bound &= ~there
    return LabelNoise(variance, interval, is_bound)
