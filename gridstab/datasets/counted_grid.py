"""A labelled grid with the counts behind its labels, as far as they are known."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from gridstab.datasets.labelled_grid import LabelledGrid, whole_counts
from gridstab.datasets.run_folder import RunFolder
from gridstab.dynamics.counts import FREQUENCY_BIN
from gridstab.dynamics.result import SURVIVABILITY_BOUND, StabilityResult

Sampler = Literal["mc", "sobol", "raster"]
"""Where the perturbations behind a label lie: at random, on Sobol points, or on a raster."""


@dataclass(frozen=True, eq=False)
class CountedGrid(LabelledGrid):
    """A labelled grid whose labels are shares of counted trajectories.

    Attributes:
        n_samples: Trajectories behind each label, shape ``(nodes,)``, or None if unknown.
        n_stable: Trajectories that returned, or None if unknown.
        n_survived: Trajectories that stayed below 15 rad/s, or None if unknown.
        n_undecided: Trajectories that neither returned nor left, or None if unknown.
        landscape: Share of the perturbations in every pixel from which the grid returns,
            frequencies in the rows, or None where there are no stability landscapes.
        domega_range: Largest frequency offset of the landscapes [rad/s].
        sampler: Where the perturbations behind the labels lie.
        scramble_stable: Trajectories that returned, by independent scramble of the Sobol sequence,
            of which there are at least two, or None if unknown.
    """

    n_samples: Int[np.ndarray, " nodes"] | None = None
    n_stable: Int[np.ndarray, " nodes"] | None = None
    n_survived: Int[np.ndarray, " nodes"] | None = None
    n_undecided: Int[np.ndarray, " nodes"] | None = None
    landscape: Float[np.ndarray, "nodes rows columns"] | None = None
    domega_range: float | None = None
    sampler: Sampler = "mc"
    scramble_stable: Int[np.ndarray, "nodes scrambles"] | None = None

    @classmethod
    def of(cls, grid_id: int, result: StabilityResult) -> "CountedGrid":
        """The labels of simulated counts."""
        below = round(SURVIVABILITY_BOUND / FREQUENCY_BIN)
        scrambles = result.scramble_stable.shape[1]
        return cls(
            grid_id=grid_id,
            grid=result.grid,
            snbs=result.snbs,
            survivability=result.survivability,
            max_frequency_deviation=result.max_frequency_deviation,
            troublemaker=result.troublemaker.astype(np.int64),
            n_samples=result.n_samples,
            n_stable=result.n_stable,
            n_survived=result.max_frequency_counts[:, :below].sum(axis=1),
            n_undecided=result.n_undecided,
            sampler="sobol" if scrambles else "mc",
            scramble_stable=result.scramble_stable if scrambles > 1 else None,
        )

    @classmethod
    def with_samples(cls, labelled: LabelledGrid, samples: int) -> "CountedGrid":
        """Labels of which it is known that ``samples`` trajectories a node stand behind them.

        Raises:
            RunFolderError: A label is no share of ``samples`` trajectories.
        """
        what = f"grid {labelled.grid_id}"
        survivability = labelled.survivability
        return cls(
            **vars(labelled),
            n_samples=np.full(labelled.grid.num_nodes, samples),
            n_stable=whole_counts(labelled.snbs, samples, f"snbs of {what}"),
            n_survived=None
            if survivability is None
            else whole_counts(survivability, samples, f"surv of {what}"),
        )

    @classmethod
    def read(cls, folder: RunFolder, grid_id: int) -> "CountedGrid":
        """A grid of a run folder, simulated or imported.

        Raises:
            RunFolderError: The grid is not there yet.
            CorruptFileError: Its file is damaged, or not what the run stored.
        """
        imported = folder.config.imported
        if imported is None:
            return cls.of(grid_id, folder.result(grid_id))
        return cls.with_samples(folder.label(grid_id), imported.samples)
