"""Pictures of landscapes: what is drawn are the numbers, at their places, in their colours."""

import math
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from graphwsl.errors import LandscapeError
from graphwsl.landscape import Landscape, LandscapeSettings, Thresholds
from graphwsl.landscape.landscape import MeasuredCell, MeasuredNetwork
from graphwsl.landscape.picture import (
    COLOURS,
    draw,
    draw_factor,
    draw_plane,
    draw_spectra,
    draw_ways,
    plane_of,
)


def cell(width: Any, batch: Any, error: float, curve: float, **more: float) -> MeasuredCell:
    metrics = {"train_error": error, "train_curve_error_connectivity": curve, "similarity": 0.9}
    profile = {"test_curve_error": [0.5, 0.25, 0.75]}
    names = (f"{width}-{batch}",)
    return MeasuredCell({"width": width, "batch": batch}, names, metrics | more, profile)


def landscape(*cells: MeasuredCell, eigenvalues: int = 1) -> Landscape:
    networks = tuple(
        MeasuredNetwork(
            name,
            1,
            own.configuration,
            {f"train_hessian_eigenvalue{n}": v for n, v in (("", 8.0), ("_2", 2.0))},
        )
        for own in cells
        for name in own.models
    )
    return Landscape(LandscapeSettings(eigenvalues=eigenvalues), networks, cells, {})


CELLS = (
    cell(16, 8, 0.2, -0.1),
    cell(2, 8, 0.2, 0.1, train_hessian_trace=100.0),
    cell(2, 32, 0.01, -0.1, train_hessian_trace=-1.0),
)


def test_every_number_is_at_the_place_of_its_factors() -> None:
    figure = draw_plane(landscape(*CELLS))
    phases, error, trace = figure.axes[:3]
    assert [t.get_text() for t in error.get_xticklabels()] == ["2", "16"]
    assert [t.get_text() for t in error.get_yticklabels()] == ["8", "32"]
    shown = np.ma.filled(error.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown, [[0.2, 0.2], [0.01, np.nan]])
    # Of a trace the logarithm; where it has none, there is nothing.
    shown = np.ma.filled(trace.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown, [[2.0, np.nan], [np.nan, np.nan]])
    names = {tuple(text.get_position()): text.get_text() for text in phases.texts}
    assert names == {(1.0, 0.0): "I", (0.0, 0.0): "II", (0.0, 1.0): "III"}
    colours = {to_hex(patch.get_facecolor()) for patch in phases.patches}
    assert colours == {COLOURS[name] for name in ("I", "II", "III")}
    assert "train error 0.05, connectivity 0.03" in figure.texts[0].get_text()


def test_one_factor_is_drawn_along_it() -> None:
    cells = (CELLS[0], CELLS[1], cell(8, 8, 0.1, 0.1))
    figure = draw(landscape(*cells))
    error = next(panel for panel in figure.axes if panel.get_title() == "train error")
    assert [t.get_text() for t in error.get_xticklabels()] == ["2", "8", "16"]
    assert np.asarray(error.lines[0].get_ydata()).tolist() == [0.2, 0.1, 0.2]
    colours = [to_hex(colour) for colour in error.collections[0].get_facecolors()]
    assert colours == [COLOURS["II"], COLOURS["II"], COLOURS["I"]]
    assert "phases: II, I; phases by the thresholds" in figure.texts[0].get_text()
    with pytest.raises(LandscapeError, match=r"along 'batch' needs cells .*; they differ in width"):
        draw_factor(landscape(*cells), x="batch")


def test_what_to_draw_depends_on_the_number_of_factors() -> None:
    assert draw(landscape(*CELLS)).axes[0].get_title() == "phase"
    with pytest.raises(LandscapeError, match="a picture needs a factor in which networks differ"):
        draw(landscape(CELLS[0]))


def test_thresholds_and_axes_may_be_chosen() -> None:
    figure = draw_plane(landscape(*CELLS), Thresholds(train_error=0.5), x="batch")
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("batch", "width")
    assert sorted(t.get_text() for t in figure.axes[0].texts) == ["III", "III", "IV-B"]
    undecided = draw_plane(landscape(*CELLS[:2], cell(2, 32, math.nan, 0.0)))
    assert "?" in {t.get_text() for t in undecided.axes[0].texts}


def test_levels_of_numbers_texts_and_none_are_in_one_order() -> None:
    cells = [cell(w, b, 0.1, 0.0) for w in (None, "auto", 10, 9) for b in (1, 2)]
    labels = [t.get_text() for t in draw_plane(landscape(*cells)).axes[0].get_xticklabels()]
    assert labels == ["9", "10", "None", "auto"]


@pytest.mark.parametrize(
    ("configurations", "given", "message"),
    [
        ([], {}, "a plane needs two factors .*, the zoo has 0$"),
        ([{"a": 1}, {"a": 2}], {}, "the zoo has 1: a"),
        ([{"a": 1, "b": 1}], {}, "the zoo has 0"),
        ([{"a": 1, "b": 1}, {"a": 2, "b": 2}], {"x": "c"}, "do not differ in 'c'; they do in a, b"),
        ([{"a": 1}], {"y": "a"}, "do not differ in 'a'; they do in nothing"),
        (
            [{"a": a, "b": b, "c": c} for a in (1, 2) for b in (1, 2) for c in (1, 2)],
            {},
            "several cells have the same a and b: the zoo differs in a, b, c",
        ),
        ([{"a": 1, "b": 1}, {"a": 2, "b": 2}], {"x": "a", "y": "a"}, "two different factors"),
    ],
)
def test_planes_that_there_are_not_are_refused_in_one_line(
    configurations: Any, given: Any, message: str
) -> None:
    with pytest.raises(LandscapeError, match=message) as caught:
        plane_of(configurations, **given)
    assert "\n" not in str(caught.value)


def test_a_plane_takes_what_is_chosen_and_then_what_is_left() -> None:
    both = [{"a": a, "b": b} for a in (1, 2) for b in (1, 2)]
    assert plane_of(both) == ("a", "b")
    assert plane_of(both, x="b") == plane_of(both, y="a") == ("b", "a")
    assert plane_of(both, x="a", y="b") == plane_of(both, y="b") == ("a", "b")


def test_ways_are_drawn_as_they_were_measured() -> None:
    figure = draw_ways(landscape(*CELLS))
    (panel,) = figure.axes
    assert panel.get_title() == "curve"
    assert len(panel.lines) == 3
    for line, name in zip(panel.lines, ("I", "II", "III"), strict=True):
        assert np.asarray(line.get_xdata()).tolist() == [0, 0.5, 1]
        assert np.asarray(line.get_ydata()).tolist() == [0.5, 0.25, 0.75]
        assert line.get_color() == COLOURS[name]
    with pytest.raises(LandscapeError, match="nothing was measured along ways as 'x_"):
        draw_ways(landscape(*CELLS), "x_{way}")


def test_spectra_are_drawn_from_the_largest_on() -> None:
    (axes,) = draw_spectra(landscape(*CELLS, eigenvalues=3)).axes
    assert len(axes.lines) == 3
    values = np.asarray(axes.lines[0].get_ydata())
    np.testing.assert_array_equal(values, [8, 2, np.nan])
    assert np.asarray(axes.lines[0].get_xdata()).tolist() == [1, 2, 3]
    with pytest.raises(LandscapeError, match="no eigenvalues were measured on test samples"):
        draw_spectra(landscape(*CELLS), "test")
