"""From finished cells to the leaderboard: means, spreads, ensembles, published values."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.cells import Result, finished_cells
from benchmarks.leaderboard.rows import MIXTURES, ROWS, Row
from benchmarks.leaderboard.sets import LARGE, TRAINING_SETS, TRANSFERS, GridSets
from benchmarks.leaderboard.training import ensemble
from benchmarks.results import Report, spread
from gridstab.learning import transfers
from gridstab.learning.published import PUBLISHED_RESULTS

SIZES = {"ds20": "20", "ds100": "100", "texas": "Texas"}
TITLES = SIZES | {name: SIZES[size] for name, size in LARGE.items()}


@dataclass(frozen=True)
class Entry:
    """A row on one training set, over all its seeds.

    Attributes:
        row: What was trained.
        cells: The results of its seeds.
        folders: Where the cells are.
        together: The mean of their predictions as :func:`ensemble` gives it; None for one seed.
    """

    row: Row
    cells: list[Result]
    folders: list[Path]
    together: tuple[str, Result] | None = None

    @property
    def trained_on(self) -> str:
        """Name of the training set."""
        return str(self.cells[0]["trained_on"])

    @property
    def ensemble(self) -> dict[str, dict[str, float]]:
        """Metrics of the mean of its predictions, by test set; empty if it is not known."""
        return {} if self.together is None else self.together[1]["metrics"]

    def values(self, evaluated_on: str, metric: str) -> list[float]:
        """A metric of each seed that was judged on this set."""
        known = [
            cell["metrics"][evaluated_on] for cell in self.cells if evaluated_on in cell["metrics"]
        ]
        return [metrics[metric] for metrics in known if metric in metrics]


def collect(out: Path, sets: GridSets) -> list[Entry]:
    """Every row with finished cells for the present test sets.

    Where a row was trained on several numbers of grids or epochs, the largest counts.
    """
    groups: dict[tuple[str, str], dict[tuple[int, int], list[tuple[Path, Result]]]] = {}
    current = {name: sets.labels_hash(name) for name in sets.testable}
    for folder, cell in finished_cells(out / "cells"):
        if _is_current(cell, current):
            extent = cell["grids"], cell.get("planned_epochs", 0)
            group = groups.setdefault((cell["trained_on"], cell["row"]), {})
            group.setdefault(extent, []).append((folder, cell))
    entries = []
    for (_, name), extents in sorted(groups.items()):
        found = extents[max(extents)]
        folders, cells = [folder for folder, _ in found], [cell for _, cell in found]
        shared = [name for name in sets.testable if all(name in cell["labels"] for cell in cells)]
        together = ensemble(folders, shared, sets, out) if len(cells) > 1 else None
        entries.append(Entry(ROWS[name], cells, folders, together))
    return entries


def mix(entries: list[Entry], sets: GridSets, out: Path) -> list[Entry]:
    """Ensembles of several rows, where all of them are there; their cells are those of all."""
    mixtures = []
    for trained_on in TRAINING_SETS:
        known = {entry.row.name: entry for entry in entries if entry.trained_on == trained_on}
        for name, rows in MIXTURES.items():
            if not all(row in known and len(known[row].cells) > 1 for row in rows):
                continue
            members = [known[row] for row in rows]
            cells = [cell for member in members for cell in member.cells]
            folders = [folder for member in members for folder in member.folders]
            shared = [name for name in sets.testable if all(name in c["labels"] for c in cells)]
            row = replace(members[0].row, name=name)
            together = ensemble(folders, shared, sets, out)
            if together is not None:
                mixtures.append(Entry(row, cells, folders, together))
    return mixtures


def write_tables(
    report: Report, entries: list[Entry], mixtures: list[Entry], sets: GridSets
) -> None:
    """A table for each training set, and the published values."""
    for trained_on in TRAINING_SETS:
        chosen, mixed = (
            [entry for entry in some if entry.trained_on == trained_on]
            for some in (entries, mixtures)
        )
        if chosen:
            _leaderboard(report, trained_on, chosen, mixed, sets)
    published = transfers.TRANSFERS
    report.table(
        "Published R², on grids of the same ensembles",
        ["model", "training grids", *(_column(a, b) for a, b in published)],
        [
            [
                result.model,
                f"{result.training_grids:,}",
                *map(_number, map(result.r2.get, published)),
            ]
            for result in PUBLISHED_RESULTS
        ],
    )


def record(entries: list[Entry], mixtures: list[Entry], out: Path) -> dict[str, Result]:
    """All results behind the tables, by their folders, as ``restore_cells`` takes them."""
    found = {
        str(folder.relative_to(out)): cell
        for entry in entries
        for folder, cell in zip(entry.folders, entry.cells, strict=True)
    }
    together = [entry.together for entry in [*entries, *mixtures]]
    return found | dict(filter(None, together))


def cut_warning(entries: Iterable[Entry]) -> list[str]:
    """A sentence if rows were trained for fewer epochs than their settings say."""
    cut = sorted({entry.row.name for entry in entries if any(map(_was_cut, entry.cells))})
    return [f"Trained for fewer epochs than their settings say: {', '.join(cut)}."] if cut else []


def _is_current(cell: Result, labels: dict[str, str]) -> bool:
    """Whether it is of a row as it is now, judged on the test sets as they are now."""
    row = ROWS.get(cell["row"])
    return (
        row is not None
        and cell["digest"] == row.digest
        and bool(cell["labels"])
        and all(labels.get(name) == known for name, known in cell["labels"].items())
    )


def _leaderboard(
    report: Report, trained_on: str, entries: list[Entry], mixed: list[Entry], sets: GridSets
) -> None:
    tests = [b for a, b in TRANSFERS if a == trained_on and b in sets.testable]
    ranked: list[tuple[float, list[str]]] = []
    for entry in entries:
        scores = [entry.values(name, "r2") for name in tests]
        within = entry.values(trained_on, "share_within_0.1")
        cells = [
            entry.row.name,
            entry.row.features_title,
            _parameters(entry.cells[0]),
            *map(spread, scores),
            spread(within),
            _published(entry.row, trained_on, entry.cells[0]["grids"]),
            _epochs(entry.cells),
            _minutes(statistics.mean(cell["seconds"] for cell in entry.cells)),
            str(len(entry.cells)),
        ]
        ranked.append((statistics.mean(scores[0]), cells))
        if entry.ensemble:
            ranked.append((entry.ensemble[trained_on]["r2"], _ensemble(entry, tests)))
    ranked += [(entry.ensemble[trained_on]["r2"], _ensemble(entry, tests)) for entry in mixed]
    ranked.sort(key=lambda pair: -pair[0])
    ceilings = [
        next((value for entry in entries for value in entry.values(name, "r2_ceiling")), None)
        for name in tests
    ]
    grids = max(cell["grids"] for entry in entries for cell in entry.cells)
    rest = [""] * 4
    report.table(
        f"Trained on {grids:,} grids of {TITLES[trained_on]} nodes: R² on test grids",
        [
            "model",
            "features",
            "parameters",
            *(_column(trained_on, name) for name in tests),
            "within 0.1",
            "published (grids)",
            "epochs",
            "minutes",
            "seeds",
        ],
        [
            *(cells for _, cells in ranked),
            [_ceiling(trained_on), "", "", *map(_number, ceilings), "", *rest],
        ],
    )


def _ensemble(entry: Entry, tests: list[str]) -> list[str]:
    metrics = entry.ensemble
    seconds = sum(cell["seconds"] for cell in entry.cells)
    parameters = [cell["parameters"] for cell in entry.cells]
    total = all(parameters) and {"parameters": sum(parameters)}
    return [
        f"{entry.row.name}, mean of {len(entry.cells)}",
        _features(entry.row),
        _parameters(total or {"parameters": None}),
        *(_number(metrics.get(name, {}).get("r2")) for name in tests),
        _number(metrics[entry.trained_on]["share_within_0.1"]),
        "",
        _epochs(entry.cells),
        _minutes(seconds),
        "all",
    ]


def _features(row: Row) -> str:
    """What is seen; of a mixture, what each of its rows sees."""
    titles = [ROWS[name].features_title for name in MIXTURES.get(row.name, ())]
    return " and ".join(dict.fromkeys(titles or [row.features_title]))


def _ceiling(trained_on: str) -> str:
    """What the last line is called: Sobol points scatter less than the counts say."""
    return "ceiling of label noise" + (" (at home at least)" if trained_on in LARGE else "")


def _column(trained_on: str, evaluated_on: str) -> str:
    """What a column is called; of two sets of one size, the other one by its name."""
    title = f"{TITLES[trained_on]} → {TITLES[evaluated_on]}"
    other = trained_on != evaluated_on and TITLES[trained_on] == TITLES[evaluated_on]
    return f"{title} of {evaluated_on}" if other else title


def _published(row: Row, trained_on: str, grids: int) -> str:
    """R² on its own kind of grids, of the result with the nearest number of training grids."""
    size = LARGE.get(trained_on, trained_on)
    pair = (size, size)
    found = [r for r in PUBLISHED_RESULTS if r.model == row.published and pair in r.r2]
    if not found:
        return ""
    nearest = min(found, key=lambda result: abs(result.training_grids - grids))
    return f"{nearest.r2[pair]:.3f} ({nearest.training_grids:,})"


def _epochs(cells: list[Result]) -> str:
    epochs = [cell["epochs"] for cell in cells if cell["epochs"] is not None]
    if not epochs:
        return ""
    low, high = min(epochs), max(epochs)
    words = f"{low}" if low == high else f"{low} to {high}"
    full = max(cell["full_epochs"] for cell in cells if cell["epochs"] is not None)
    return words if high == full and low == high else f"{words} of {full}"


def _was_cut(cell: Result) -> bool:
    return cell["epochs"] is not None and cell["planned_epochs"] < cell["full_epochs"]


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f}" if seconds >= 600 else f"{seconds / 60:.1f}"


def _parameters(cell: Result) -> str:
    return "" if cell["parameters"] is None else f"{cell['parameters']:,}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
