"""Check a run folder: its files against the manifest, and its numbers against each other."""

from pathlib import Path

import numpy as np

from gnncore.storage import Manifest, StorageError, refuse_links
from gridstab.datasets.grid_file import read_labels, read_result, read_theta
from gridstab.datasets.labelled_grid import whole_counts
from gridstab.datasets.resuming import stored_work
from gridstab.datasets.run_folder import RunFolder
from gridstab.dynamics.result import StabilityResult
from gridstab.errors import GridstabError
from gridstab.grids.power_grid import PowerGrid


def verify(path: str | Path) -> list[str]:
    """Every problem of a run folder, one line each; none where all is well.

    Raises:
        RunFolderError: There is no run folder at ``path``.
    """
    folder = RunFolder.open(path)
    ids, problems = folder.listing()[0], []
    if not folder.is_complete:
        problems.append(
            f"unfinished: {len(ids)} of {folder.num_grids} grids and no manifest; "
            "continue it with gridstab simulate --resume"
        )
        problems += stored_work(folder).problems
    else:
        try:
            problems += [problem.text for problem in Manifest.read(folder.path).verify()]
        except StorageError as error:
            problems.append(str(error))
        expected = set(range(1, folder.num_grids + 1)) if folder.config.campaign else set()
        problems += [f"grid {k} is missing" for k in sorted(expected - set(ids))]
    for grid_id in ids:
        try:
            problems += [f"grid {grid_id}: {text}" for text in _inconsistencies(folder, grid_id)]
        except (StorageError, GridstabError) as error:
            problems.append(f"grid {grid_id}: {error}")
    return problems


def _inconsistencies(folder: RunFolder, grid_id: int) -> list[str]:
    path = folder.grid_path(grid_id)
    refuse_links(folder.path, f"grids/{path.name}")
    labels = read_labels(path)
    checks = {"its number is another": labels.grid_id == grid_id}
    if folder.config.imported is not None:
        whole_counts(labels.snbs, folder.config.imported.samples, "snbs")
    else:
        result = read_result(path)
        checks |= {
            "snbs is not n_stable / n_samples": np.array_equal(labels.snbs, result.snbs),
            "surv does not follow from the histogram": labels.survivability is not None
            and np.array_equal(labels.survivability, result.survivability),
            **_sums(result),
            "theta is not the operating point": _is_stationary(result.grid, read_theta(path)),
        }
        campaign = folder.config.campaign
        if campaign is not None and campaign.precision is None:
            checks["a node has fewer samples than configured"] = bool(
                (result.n_samples == campaign.samples).all()
            )
    return [text for text, good in checks.items() if not good]


def _sums(result: StabilityResult) -> dict[str, bool]:
    samples = result.n_samples
    scrambles = result.scramble_stable
    return {
        "a count is negative": all(
            bool((values >= 0).all())
            for values in (result.n_stable, result.n_undecided, result.n_unstable)
        ),
        "max_frequency_counts do not sum to n_samples": np.array_equal(
            result.max_frequency_counts.sum(axis=1), samples
        ),
        "reason_counts do not sum to n_samples": np.array_equal(
            result.reason_counts.sum(axis=1), samples
        ),
        "scramble_stable does not sum to n_stable": scrambles.shape[1] == 0
        or np.array_equal(scrambles.sum(axis=1), result.n_stable),
    }


def _is_stationary(grid: PowerGrid, theta: np.ndarray) -> bool:
    tail, head = grid.lines.T
    flow = grid.coupling * np.sin(theta[head] - theta[tail])
    nodes = grid.num_nodes
    residual = grid.power + np.bincount(tail, flow, nodes) - np.bincount(head, flow, nodes)
    return bool(np.abs(residual).max() < 1e-6 * max(1.0, float(np.abs(grid.power).max())))
