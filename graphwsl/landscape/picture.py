"""Pictures of landscapes: planes of two factors, ways between networks, and spectra."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from graphwsl.errors import LandscapeError
from graphwsl.landscape.landscape import Landscape, MeasuredCell, axes_of
from graphwsl.landscape.phases import TITLES, Thresholds
from graphwsl.zoo.checkpoint import Scalar

COLOURS = {
    "I": "#8d99ae",
    "II": "#e9c46a",
    "III": "#c8553d",
    "IV-A": "#3a86ff",
    "IV-B": "#2a9d8f",
}
"""Colours of the phases."""

PLANES: dict[str, tuple[str, Callable[[float], float]]] = {
    "train_error": ("train error", float),
    "test_error": ("test error", float),
    "train_hessian_trace": ("log₁₀ of the trace, train", lambda v: _log(v)),
    "train_hessian_eigenvalue": ("log₁₀ of the largest eigenvalue, train", lambda v: _log(v)),
    "train_curve_error_connectivity": ("curve connectivity, train", float),
    "similarity": ("CKA of outputs", float),
    "train_line_error_connectivity": ("line connectivity, train", float),
    "train_aligned_line_error_connectivity": ("line connectivity, aligned", float),
}
"""Numbers that have a plane where they were measured, their titles, and how they are shown."""

_WIDE = 3


def draw(measured: Landscape, thresholds: Thresholds | None = None) -> Figure:
    """The cells of a zoo in the plane of the two factors in which they differ, or along the one.

    Args:
        measured: The zoo.
        thresholds: Where phases end; None for the defaults.

    Raises:
        LandscapeError: As :func:`require_drawable`.
    """
    require_drawable([cell.configuration for cell in measured.cells])
    is_plane = len(measured.axes) > 1
    return draw_plane(measured, thresholds) if is_plane else draw_factor(measured, thresholds)


def require_drawable(configurations: Sequence[Mapping[str, Scalar]]) -> None:
    """Refuse cells that cannot be drawn.

    Args:
        configurations: Factors of each cell.

    Raises:
        LandscapeError: Cells differ in nothing but the seed, or in more than two factors in such a
            way that several have one place.
    """
    known = axes_of(configurations)
    if not known:
        raise LandscapeError(
            "a picture needs a factor in which networks differ beside the seed; leave it out, or "
            "draw --spectra or --ways"
        )
    if len(known) > 1:
        plane_of(configurations)


def draw_factor(
    measured: Landscape, thresholds: Thresholds | None = None, x: str | None = None
) -> Figure:
    """The numbers of cells along one factor, a panel a number, coloured by phase.

    Args:
        measured: The zoo.
        thresholds: Where phases end; None for the defaults. They stand below the picture.
        x: The factor; the only one in which cells differ by default.

    Raises:
        LandscapeError: Cells differ in no such factor alone.
    """
    known = measured.axes
    across = x or (known[0] if known else "")
    if tuple(known) != (across,):
        raise LandscapeError(
            f"a picture along {across!r} needs cells that differ in that factor alone; they differ "
            f"in {', '.join(known) or 'nothing'}"
        )
    levels = _levels(measured, across)
    cells = sorted(measured.cells, key=lambda cell: levels.index(cell.configuration.get(across)))
    limits = thresholds or Thresholds()
    colours = [COLOURS.get(cell.phase(limits).name or "", "#b8c0cc") for cell in cells]
    shown = [name for name in PLANES if any(name in c.metrics for c in measured.cells)]
    high = -(-len(shown) // _WIDE)
    figure = Figure(figsize=(3.9 * _WIDE, 3.0 * high))
    panels = figure.subplots(high, _WIDE, squeeze=False).flatten()
    figure.subplots_adjust(wspace=0.35, hspace=0.55)
    for panel, name in zip(panels, shown, strict=False):
        title, scale = PLANES[name]
        values = [scale(cell.metrics.get(name, math.nan)) for cell in cells]
        panel.plot(range(len(cells)), values, color="#b8c0cc", linewidth=0.9, zorder=1)
        panel.scatter(range(len(cells)), values, c=colours, zorder=2)
        panel.set_title(title, fontsize=9)
        panel.set_xticks(range(len(levels)), [str(value) for value in levels], fontsize=7)
        panel.set_xlabel(across.replace("_", " "), fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    names = dict.fromkeys(cell.phase(limits).name or "undecided" for cell in cells)
    _note(figure, limits, f"phases: {', '.join(names)}; ")
    return figure


def draw_plane(
    measured: Landscape,
    thresholds: Thresholds | None = None,
    x: str | None = None,
    y: str | None = None,
) -> Figure:
    """The cells of a zoo in the plane of two factors: their phases, and one panel a number.

    Args:
        measured: The zoo.
        thresholds: Where phases end; None for the defaults. They stand below the picture.
        x: Factor along the horizontal; the first of those that differ by default.
        y: Factor along the vertical; the second one by default.

    Raises:
        LandscapeError: As :func:`plane_of`.
    """
    across, up = plane_of([cell.configuration for cell in measured.cells], x, y)
    columns, rows = (_levels(measured, name) for name in (across, up))
    cells = {(c.configuration.get(across), c.configuration.get(up)): c for c in measured.cells}
    limits = thresholds or Thresholds()
    shown = [name for name in PLANES if any(name in c.metrics for c in measured.cells)]
    high = -(-(len(shown) + 1) // _WIDE)
    figure = Figure(figsize=(3.9 * _WIDE, 3.2 * high))
    panels = figure.subplots(high, _WIDE, squeeze=False).flatten()
    figure.subplots_adjust(wspace=0.5, hspace=0.55)
    _phases(panels[0], cells, columns, rows, limits)
    for panel, name in zip(panels[1:], shown, strict=False):
        title, scale = PLANES[name]
        values = [
            [
                scale(cells[c, r].metrics.get(name, math.nan)) if (c, r) in cells else math.nan
                for c in columns
            ]
            for r in rows
        ]
        image = panel.imshow(values, origin="lower", aspect="auto", cmap="viridis")
        figure.colorbar(image, ax=panel)
        panel.set_title(title, fontsize=9)
    for panel in panels[: len(shown) + 1]:
        panel.set_xticks(range(len(columns)), [str(value) for value in columns], fontsize=7)
        panel.set_yticks(range(len(rows)), [str(value) for value in rows], fontsize=7)
        panel.set_xlabel(across.replace("_", " "), fontsize=8)
        panel.set_ylabel(up.replace("_", " "), fontsize=8)
    for panel in panels[len(shown) + 1 :]:
        panel.set_axis_off()
    _note(figure, limits)
    return figure


def plane_of(
    configurations: Sequence[Mapping[str, Scalar]], x: str | None = None, y: str | None = None
) -> tuple[str, str]:
    """The two factors of a plane in which every cell has a place of its own.

    Args:
        configurations: Factors of each cell.
        x: The first of them; of those that differ the first by default.
        y: The second one.

    Raises:
        LandscapeError: Cells do not differ in two factors, one is named twice, or several cells
            have the same two values.
    """
    known = axes_of(configurations)
    for name in (x, y):
        if name is not None and name not in known:
            raise LandscapeError(
                f"the cells do not differ in {name!r}; they do in {', '.join(known) or 'nothing'}"
            )
    left = [name for name in known if name not in (x, y)]
    chosen = [x or (left.pop(0) if left else ""), y or (left.pop(0) if left else "")]
    if not all(chosen):
        raise LandscapeError(
            "a plane needs two factors in which networks differ beside the seed, the zoo has "
            f"{len(known)}{f': {known[0]}' if known else ''}"
        )
    if chosen[0] == chosen[1]:
        raise LandscapeError(f"a plane needs two different factors, got {chosen[0]!r} twice")
    places = {(factors.get(chosen[0]), factors.get(chosen[1])) for factors in configurations}
    if len(places) < len(configurations):
        raise LandscapeError(
            f"several cells have the same {chosen[0]} and {chosen[1]}: the zoo differs in "
            f"{', '.join(known)}, and a plane has two factors; leave the picture out"
        )
    return chosen[0], chosen[1]


def draw_ways(measured: Landscape, what: str = "test_{way}_error") -> Figure:
    """Losses or errors along curves and lines between networks: one panel a way, one line a cell.

    Args:
        measured: The zoo.
        what: The profile, with ``{way}`` in place of ``curve``, ``line`` or ``aligned_line``.

    Raises:
        LandscapeError: No way was measured.
    """
    ways = [
        way
        for way in ("curve", "line", "aligned_line")
        if any(what.format(way=way) in cell.profiles for cell in measured.cells)
    ]
    if not ways:
        raise LandscapeError(
            f"nothing was measured along ways as {what!r}; measure curves or lines"
        )
    figure = Figure(figsize=(3.6 * len(ways), 3.2))
    panels = figure.subplots(1, len(ways), squeeze=False, sharey=True).flatten()
    for panel, way in zip(panels, ways, strict=True):
        for cell in measured.cells:
            along = cell.profiles.get(what.format(way=way))
            if along:
                places = [number / (len(along) - 1) for number in range(len(along))]
                colour = COLOURS.get(cell.phase().name or "", "#b8c0cc")
                panel.plot(places, along, color=colour, linewidth=0.9, alpha=0.8)
        panel.set_title(way.replace("_", " "), fontsize=9)
        panel.set_xlabel("from one seed to another", fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(what.format(way="").replace("__", " ").replace("_", " "), fontsize=8)
    return figure


def draw_spectra(measured: Landscape, part: str = "train") -> Figure:
    """The largest eigenvalues of all Hessians, from the largest on: one line a network.

    Args:
        measured: The zoo.
        part: ``train`` or ``test``.

    Raises:
        LandscapeError: None were measured.
    """
    figure = Figure(figsize=(5, 3.6))
    axes = figure.add_subplot()
    first = f"{part}_hessian_eigenvalue"
    drawn = 0
    for cell in measured.cells:
        colour = COLOURS.get(cell.phase().name or "", "#b8c0cc")
        for network in measured.networks:
            if network.model not in cell.models or first not in network.metrics:
                continue
            names = [first, *(f"{first}_{n}" for n in range(2, measured.settings.eigenvalues + 1))]
            values = [network.metrics.get(name, math.nan) for name in names]
            axes.plot(range(1, len(values) + 1), values, ".-", color=colour, linewidth=0.7)
            drawn += 1
    if not drawn:
        raise LandscapeError(f"no eigenvalues were measured on {part} samples; measure hessian")
    axes.set_yscale("log")
    axes.set_xlabel("rank")
    axes.set_ylabel(f"eigenvalue, {part}")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _note(figure: Figure, limits: Thresholds, before: str = "") -> None:
    words = ", ".join(f"{n.replace('_', ' ')} {v:g}" for n, v in limits.model_dump().items())
    note = f"{before}phases by the thresholds: {words}"
    figure.text(0.5, 0.0, note, ha="center", fontsize=8)


def _phases(
    panel: Any,
    cells: dict[tuple[Any, Any], MeasuredCell],
    columns: Sequence[Any],
    rows: Sequence[Any],
    limits: Thresholds,
) -> None:
    from matplotlib.patches import Rectangle

    for (column, row), cell in cells.items():
        name = cell.phase(limits).name
        corner = (columns.index(column) - 0.5, rows.index(row) - 0.5)
        panel.add_patch(Rectangle(corner, 1, 1, color=COLOURS.get(name or "", "#edf0f4")))
        panel.text(corner[0] + 0.5, corner[1] + 0.5, name or "?", ha="center", va="center", size=7)
    panel.set_xlim(-0.5, len(columns) - 0.5)
    panel.set_ylim(-0.5, len(rows) - 0.5)
    panel.set_title("phase", fontsize=9)
    panel.set_label(", ".join(f"{name}: {title}" for name, title in TITLES.items()))


def _levels(measured: Landscape, name: str) -> list[Any]:
    values = {cell.configuration.get(name) for cell in measured.cells}
    return sorted(values, key=lambda v: (isinstance(v, str), v is None, v))


def _log(value: float) -> float:
    return math.log10(value) if value > 0 else math.nan
