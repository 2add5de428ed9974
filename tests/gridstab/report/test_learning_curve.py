import numpy as np
import pytest

from gridstab import random_grid
from gridstab.errors import InvalidParameterError
from gridstab.report.learning_curve import plot_learning_curve
from gridstab.report.prediction_plot import plot_prediction

HISTORY = [
    {"epoch": 1, "loss": 0.5, "validation_loss": 0.4, "validation_r2": -7.0, "loading_seconds": 9},
    {"epoch": 2, "loss": 0.2, "validation_loss": 0.3, "validation_r2": 0.3, "loading_seconds": 9},
    {"epoch": 3, "loss": 0.1, "validation_loss": 0.35, "validation_r2": 0.2, "loading_seconds": 9},
]


def test_the_curves_are_those_of_the_history() -> None:
    losses, metric = plot_learning_curve(HISTORY, best_epoch=2).axes
    training, validation, best = losses.lines
    assert list(training.get_ydata()) == [0.5, 0.2, 0.1]
    assert list(validation.get_ydata()) == [0.4, 0.3, 0.35]
    assert list(best.get_xdata()) == [2, 2]
    assert metric.get_ylabel() == "R²"
    assert list(metric.lines[0].get_ydata()) == [-7.0, 0.3, 0.2]
    assert metric.get_ylim()[0] == -0.1


def test_metrics_that_are_always_bad_are_seen() -> None:
    _, metric = plot_learning_curve([{**row, "validation_r2": -5.0} for row in HISTORY]).axes
    low, high = metric.get_ylim()
    assert low < -5 < high


def test_losses_of_zero_and_single_epochs_are_drawn() -> None:
    (losses,) = plot_learning_curve([{"epoch": 1, "loss": 0.0, "validation_loss": 0.0}]).axes
    assert losses.get_yscale() == "linear"
    assert losses.lines[0].get_marker() == "o"
    with pytest.raises(InvalidParameterError, match="at least one epoch"):
        plot_learning_curve([])


@pytest.mark.parametrize("weak_is_high", [False, True])
def test_every_node_has_the_colour_of_its_prediction(weak_is_high: bool) -> None:
    grid = random_grid(20, seed=2)
    prediction = np.linspace(0.3, 0.9, 20)
    figure = plot_prediction(grid, prediction, quantity="luck", weak_is_high=weak_is_high)
    generators, consumers = figure.axes[0].collections[1:]
    drawn = np.concatenate([generators.get_array(), consumers.get_array()])
    assert sorted(drawn) == pytest.approx(prediction)
    assert sorted(generators.get_array()) == pytest.approx(prediction[grid.power > 0])
    # The nodes that need attention are drawn last.
    last = generators.get_array()[-1]
    wanted = prediction[grid.power > 0]
    assert last == (wanted.max() if weak_is_high else wanted.min())
    assert figure.axes[1].get_ylabel() == "predicted luck"
