"""The sections of a report's page: what is drawn and tabulated, and in which words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from gridstab.counted import counted
from gridstab.report.bounds import IS_BOUND, bound_of
from gridstab.report.content import Report, ReportedGrid
from gridstab.report.figure_parts import Figure
from gridstab.report.figures import (
    MOST_BARS,
    MOST_POINTS,
    histogram_figure,
    learning_figures,
    metric_name,
    prediction_figure,
)
from gridstab.report.map_figures import grid_figures

WEAKEST = 100


@dataclass(frozen=True)
class Picture:
    """A figure with its words.

    Attributes:
        name: Unique on the page, of letters, digits and dashes.
        figure: For plotly.js.
        caption: Below the figure.
        alt: What stands in place of the figure, for who cannot see it.
    """

    name: str
    figure: Figure
    caption: str
    alt: str


@dataclass(frozen=True)
class Cell:
    """An entry of a table: its text, and the number by which it sorts if it is one."""

    text: str
    number: float | None = None


@dataclass(frozen=True)
class Table:
    """A table; sortable ones have no column of row headers."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        name: Unique on the page.
        title: Its heading.
        text: A paragraph below the heading.
        pictures: The figures.
        shape: ``map`` for grids, which are higher, ``single`` for one figure.
        half: Whether two such sections fit beside each other on a wide screen.
        views: Label of each button, and the names of the pictures that it shows.
        legend: Kind of mark, and what it stands for.
        tables: The tables, below the figures.
    """

    name: str
    title: str
    text: str = ""
    pictures: Sequence[Picture] = ()
    shape: str = ""
    half: bool = False
    views: Sequence[tuple[str, str]] = ()
    legend: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()


def sections_of(report: Report) -> list[Section]:
    """The sections for which the report has content, in order."""
    sections = [_grid(report)]
    if report.has_predictions and not _is_class(report):
        sections.append(_predictions(report))
    if report.metrics:
        sections.append(_metrics(report))
    sections.append(_distribution(report))
    if report.history:
        sections.append(_learning(report))
    sections.append(_weakest(report))
    if report.configuration:
        sections.append(_configuration(report))
    return sections


def _is_class(report: Report) -> bool:
    """Labels of 0 and 1 alone make no scatter plot."""
    return all(bool(np.isin(reported.value, (0, 1)).all()) for reported in report.grids)


def _grid(report: Report) -> Section:
    drawn, quantity = report.drawn, report.quantity
    figures = grid_figures(report)
    described = (
        f"{drawn.grid.name}: {counted(drawn.grid.num_nodes, 'node')} joined by "
        f"{counted(drawn.grid.num_lines, 'line')}, every node coloured by its"
    )
    error = 0.0
    if drawn.prediction is not None:
        error = float(np.abs(drawn.prediction - drawn.value).mean())
    words = {
        "simulated": (
            f"Simulated {quantity}, {_range(drawn.value)}.",
            f"{described} simulated {quantity}, {_range(drawn.value)}.",
        ),
        "predicted": (
            f"Predicted {quantity}, in the same colours.",
            f"{described} predicted {quantity}.",
        ),
        "error": (
            f"Prediction minus simulation, {error:.3f} off on average.",
            f"{described} error of prediction, {error:.3f} on average.",
        ),
    }
    ringed = int(drawn.shown_troublemaker.sum())
    # Random signs make no generators, so the picture says no more than the sign.
    legend = [("circle", "P > 0"), ("square", "P ≤ 0")]
    if ringed:
        legend.append(("ring", counted(ringed, "troublemaker")))
    several = len(report.grids) > 1
    return Section(
        name="grid",
        title=f"Grid {drawn.grid_id}" if several else "The grid",
        text=f"{counted(drawn.grid.num_nodes, 'node')}, {counted(drawn.grid.num_lines, 'line')}.",
        pictures=[Picture(name, figure, *words[name]) for name, figure in figures.items()],
        shape="map" if len(figures) > 1 else "map single",
        views=[
            ("Side by side", "simulated predicted"),
            ("Simulated", "simulated"),
            ("Predicted", "predicted"),
            ("Error", "error"),
        ]
        if len(figures) > 1
        else [],
        legend=legend,
    )


def _predictions(report: Report) -> Section:
    nodes = sum(reported.grid.num_nodes for reported in report.grids)
    caption = (
        "Every point is a node; on the dashed line, predicted and simulated "
        f"{report.quantity} agree."
    )
    if nodes > MOST_POINTS:
        caption += f" An even choice of the {nodes:,} nodes is drawn."
    intervals = [r.interval for r in report.grids if r.interval is not None]
    if len(intervals) == len(report.grids):
        half = float(np.diff(np.concatenate(intervals), axis=1).mean()) / 2
        drawn = "Bars are" if nodes <= MOST_BARS else "Not drawn:"
        most = "at most " if _has_wide_intervals(report) else ""
        caption += f" {drawn} the 95 % intervals of the simulation, {most}±{half:.3f} on average."
    picture = Picture(
        "prediction",
        prediction_figure(report),
        caption,
        f"Scatter plot of predicted against simulated {report.quantity} of {nodes:,} nodes.",
    )
    return Section(
        "predictions",
        "Prediction against simulation",
        pictures=[picture],
        shape="single",
        half=True,
    )


def _metrics(report: Report) -> Section:
    rows = [
        [Cell(f"{metric_name(name)} {bound_of(name, report.metrics)}".strip()), _cell(m, 4)]
        for name, m in report.metrics.items()
        if name != IS_BOUND
    ]
    table = Table(f"Over {_of_grids(report)}", ("metric", "value"), rows)
    return Section("metrics", "Metrics", half=True, tables=[table])


def _distribution(report: Report) -> Section:
    value = np.concatenate([reported.value for reported in report.grids])
    alt = (
        f"Histogram of {report.quantity} over {len(value):,} nodes: mean {value.mean():.3f}, "
        f"{_range(value)}."
    )
    caption = f"{counted(len(value), 'node')} of {_of_grids(report)}; mean {value.mean():.3f}."
    return Section(
        "distribution",
        f"Distribution of {report.quantity}",
        pictures=[Picture("histogram", histogram_figure(report), caption, alt)],
        shape="single",
    )


def _learning(report: Report) -> Section:
    epochs = f"{counted(len(report.history), 'epoch')}."
    if report.best_epoch is not None:
        epochs += f" The dotted line is epoch {report.best_epoch}, whose weights were kept."
    pictures = [
        Picture(
            f"learning-{number}",
            figure,
            f"{metric} by epoch.",
            f"Learning curve of {metric} over {counted(len(report.history), 'epoch')}.",
        )
        for number, (metric, figure) in enumerate(learning_figures(report).items())
    ]
    return Section("learning", "Training", epochs, pictures)


def _weakest(report: Report) -> Section:
    several = len(report.grids) > 1
    columns = [
        *(["grid"] if several else []),
        "node",
        "power P",
        "lines",
        report.quantity,
        "95 % interval at most" if _has_wide_intervals(report) else "95 % interval",
        *(["predicted"] if report.has_predictions else []),
        *(["predicted interval"] if _has_prediction_intervals(report) else []),
        *(["error"] if report.has_predictions else []),
        *(["survivability"] if _has_survivability(report) else []),
        "troublemaker",
    ]
    weakest = sorted(_weakest_nodes(report), key=lambda found: found[:3])[:WEAKEST]
    survived = _has_survivability(report)
    by_id = {reported.grid_id: reported for reported in report.grids}
    rows = [
        [Cell(str(grid_id), grid_id)] * several + _row(by_id[grid_id], node, survived)
        for _, grid_id, node in weakest
    ]
    nodes = sum(reported.grid.num_nodes for reported in report.grids)
    which = f"The {len(rows)} weakest of {nodes:,} nodes" if len(rows) < nodes else "All nodes"
    table = Table(which, columns, rows, sortable=True)
    return Section("weakest", "Weakest nodes", tables=[table])


def _weakest_nodes(report: Report) -> Iterator[tuple[float, int, int]]:
    """Candidates as (strength, grid, node); of every grid no more than the table has rows."""
    for reported in report.grids:
        weakness = reported.value if report.higher_is_better else -reported.value
        for node in np.argsort(weakness, kind="stable")[:WEAKEST].tolist():
            yield float(weakness[node]), reported.grid_id, node


def _has_survivability(report: Report) -> bool:
    return any(reported.survivability is not None for reported in report.grids)


def _has_wide_intervals(report: Report) -> bool:
    return any(reported.interval_is_bound for reported in report.grids)


def _has_prediction_intervals(report: Report) -> bool:
    return any(reported.prediction_interval is not None for reported in report.grids)


def _row(reported: ReportedGrid, node: int, survived: bool) -> list[Cell]:
    grid, label = reported.grid, reported.grid.labels[node]
    interval = Cell("unknown")
    if reported.interval is not None:
        interval = _interval(reported.interval[node])
    row = [
        Cell(label, int(label)) if label.isdecimal() and len(label) < 16 else Cell(label),
        Cell(_signed(grid.power[node], "+.4g"), float(grid.power[node])),
        Cell(str(grid.degree[node]), int(grid.degree[node])),
        _cell(float(reported.value[node])),
        interval,
    ]
    if reported.prediction is not None:
        prediction = float(reported.prediction[node])
        error = prediction - float(reported.value[node])
        row.append(_cell(prediction))
        if reported.prediction_interval is not None:
            row.append(_interval(reported.prediction_interval[node]))
        row.append(Cell(_signed(error, "+.3f"), error))
    if survived:
        known = reported.survivability
        row.append(_cell(None if known is None else float(known[node])))
    if reported.troublemaker is None:
        return [*row, Cell("unknown")]
    return [*row, Cell("yes" if reported.troublemaker[node] else "no")]


def _configuration(report: Report) -> Section:
    rows = [
        [Cell(name.replace("_", " ")), Cell(text)] for name, text in _flat(report.configuration)
    ]
    return Section(
        "configuration",
        "Configuration",
        tables=[Table(f"Made with gridstab {report.version}", ("setting", "value"), rows)],
    )


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{name}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{name}", str(value)


def _interval(ends: np.ndarray) -> Cell:
    low, high = ends.tolist()
    return Cell(f"{low:.3f} to {high:.3f}", low)


def _cell(value: float | None, digits: int = 3) -> Cell:
    if value is None or not isfinite(value):
        return Cell("unknown")
    return Cell(_signed(value, f".{digits}f"), value)


def _signed(value: float, style: str) -> str:
    return format(value, style).replace("-", "−")


def _of_grids(report: Report) -> str:
    return counted(len(report.grids), "grid") if len(report.grids) > 1 else report.drawn.grid.name


def _range(values: np.ndarray) -> str:
    return f"from {values.min():.3f} to {values.max():.3f}"
