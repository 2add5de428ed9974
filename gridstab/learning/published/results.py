"""R² of the published studies, for comparison; each number stands in a file of its authors.

The test sets are those of the published data, not of this package: comparable are the grids'
ensembles, not the grids.
"""

from dataclasses import dataclass

from gridstab.learning.transfers import TRANSFERS


@dataclass(frozen=True)
class PublishedResult:
    """R² of a model in the five published transfers.

    Attributes:
        model: As its source names it; "GCN" and "TAG" are not said to be a particular network.
        training_grids: Number of grids that it was trained on.
        r2: R² by training and evaluation set.
        source: Where it stands.
    """

    model: str
    training_grids: int
    r2: dict[tuple[str, str], float]
    source: str


_SIZES = "arXiv:2402.17500, companion repository, models_paper/gnn_mlp_r2_training_size.csv"
_MEASURES = (
    "arXiv:2402.17500, companion repository, outputs_paper/model_info_paper.ipynb; scalers are "
    "fitted on the evaluation sets, and the best three of five seeds are chosen on the test sets"
)
_REPRODUCTION = "github.com/jcreutzig/uda_project_2024"


def _row(model: str, grids: int, percent: str, source: str) -> PublishedResult:
    """One row of percentages in the order of :data:`TRANSFERS`; a dash where there is none."""
    cells = zip(TRANSFERS, percent.split(), strict=True)
    r2 = {pair: float(cell) / 100 for pair, cell in cells if cell != "-"}
    return PublishedResult(model, grids, r2, source)


PUBLISHED_RESULTS: tuple[PublishedResult, ...] = (
    _row("Ar-bench", 700, "45.94 58.02 34.76 33.38 52.06", _SIZES),
    _row("GCN", 700, "50.41 63.92 39.46 22.82 -11.11", _SIZES),
    _row("TAG", 700, "69.36 81.36 54.20 57.97 76.32", _SIZES),
    _row("MLPlarge", 700, "75.29 78.28 -60.56 -3671.8 -2051.7", _SIZES),
    _row("Ar-bench", 7000, "51.82 60.34 38.80 38.55 55.22", _SIZES),
    _row("GCN", 7000, "70.64 75.49 59.46 2.27 -46.02", _SIZES),
    _row("TAG", 7000, "82.49 88.22 66.10 62.69 84.41", _SIZES),
    _row("MLPlarge", 7000, "79.11 82.26 -996.7 -3138.8 -1697.6", _SIZES),
    _row("gradient boosting", 7000, "82.00 84.22 46.46 17.36 26.84", _MEASURES),
    _row("linear regression with interactions", 7000, "74.79 75.23 - - -", _MEASURES),
    _row("TAG 7x25x4", 7000, "76.87 - 56.42 - -", _REPRODUCTION),
    _row("TAG 9x10x4", 7000, "- 83.35 - - 78.62", _REPRODUCTION),
)
"""Rows by number of training grids. Linear regression diverges in the transfers left out."""
