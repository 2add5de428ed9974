"""The regions of a tree: networks at their places, and the answer of the tree behind them."""

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from graphwsl.diagnosis import MDTree
from graphwsl.diagnosis.picture import FIRST, NEITHER, SECOND, draw
from graphwsl.errors import DiagnosisError

RANDOM = np.random.default_rng(0)
TRACE = RANDOM.uniform(4, 9, 40)
TABLE: dict[str, Any] = {
    "train_error": np.repeat([0.0, 20.0], 20),
    "mode_connectivity_peak": RANDOM.uniform(-30, 0, 40),
    "hessian_t": TRACE,
}
LABELS = np.where(
    TABLE["train_error"] < 1,
    "small",
    np.where(TABLE["mode_connectivity_peak"] > -10, "large", np.where(TRACE > 7, "small", "large")),
)


@pytest.fixture(scope="module")
def tree() -> MDTree:
    return MDTree("temperature", search="exact").fit(TABLE, LABELS)


def test_networks_are_at_their_places_in_the_colours_of_their_answers(tree: MDTree) -> None:
    labels = LABELS.astype(object)
    labels[25] = "optimal"
    figure = draw(tree, TABLE, labels)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["error at most 0.1 %", "error above 0.1 %"]
    for axes, rows in zip(figure.axes, (np.arange(20), np.arange(20, 40)), strict=True):
        shown = [part for part in axes.collections if isinstance(part, PathCollection)]
        for answer, colour in (("small", FIRST), ("large", SECOND), ("optimal", NEITHER)):
            expected = [
                (TRACE[row], TABLE["mode_connectivity_peak"][row])
                for row in rows
                if labels[row] == answer
            ]
            found = [
                tuple(place)
                for part in shown
                if [to_hex(one) for one in part.get_facecolors()[:1]] == [colour]
                for place in np.asarray(part.get_offsets())
            ]
            assert len(found) == len(expected)
            np.testing.assert_allclose(sorted(found), sorted(expected))


def test_regions_are_the_answers_of_the_tree(tree: MDTree) -> None:
    axes = draw(tree, TABLE).axes[1]
    image = np.ma.filled(axes.images[0].get_array(), np.nan)
    left, right, low, high = axes.images[0].get_extent()
    for row, column in ((10, 10), (200, 30), (20, 230), (120, 120)):
        asked = {
            "train_error": [20.0],
            "hessian_t": [left + (right - left) * column / (image.shape[1] - 1)],
            "mode_connectivity_peak": [low + (high - low) * row / (image.shape[0] - 1)],
        }
        assert image[row, column] == tree.predict_proba(asked)[0, 1]


def test_only_planes_with_networks_are_drawn_and_a_metric_must_be_there(tree: MDTree) -> None:
    hot = {name: values[20:] for name, values in TABLE.items()}
    assert len(draw(tree, hot).axes) == 1
    with pytest.raises(DiagnosisError, match="hessian_t"):
        draw(tree, {name: values for name, values in TABLE.items() if name != "hessian_t"})
