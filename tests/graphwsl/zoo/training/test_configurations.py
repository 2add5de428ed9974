"""What networks are trained by: defaults, and mistakes that are said in one line."""

from typing import Any

import pytest
import torch

from graphwsl.errors import ZooError
from graphwsl.zoo.training.chunk import train_chunk
from graphwsl.zoo.training.configurations import completed, kept_epochs
from tests.graphwsl.zoo.training.zoo_training_cases import BATCH, configuration, images

DATA = images(8)
SMALL: dict[str, Any] = {"architecture": "mlp", "width": 3}


def train(*configurations: dict[str, Any], **changes: Any) -> Any:
    options = {"epochs": 1, "batch_size": BATCH, "kept": [0, 1], **changes}
    return train_chunk(configurations, DATA, **options)


def test_what_is_not_said_is_the_default() -> None:
    """Those of the tables of the documentation, and what the data say."""
    short, full = train({**SMALL, "seed": 1}), train(configuration("mlp", DATA, width=3))
    for name, values in full.weights.items():
        assert torch.equal(values, short.weights[name])
    for name, values in full.metrics.items():
        assert torch.equal(values, short.metrics[name])


def test_networks_may_have_more_outputs_than_there_are_classes() -> None:
    assert train({**SMALL, "out_channels": 9}).weights["module_list.7.bias"].shape == (1, 2, 9)


def test_factors_that_published_zoos_have_besides_are_no_mistake() -> None:
    (own,) = completed([{**SMALL, "optim::momentum": 0.0, "momentum": 0.0}], DATA)
    assert own["momentum"] == 0.0
    assert own["learning_rate"] == 1e-3


@pytest.mark.parametrize(
    ("configurations", "message"),
    [
        ([], r"configurations must be a list .*, one at least, got \[\]"),
        ("mlp", "configurations must be a list of .*, got 'mlp'"),
        (SMALL, "configurations must be a list of .*, got a dict"),
        (["mlp"], "each of configurations must be a mapping, got 'mlp'; give the gen"),
        ([{"width": 3}], "architecture is missing; set it"),
        ([{**SMALL, "architecture": "cnn_x"}], "unknown architecture 'cnn_x', did you mean 'cnn_"),
        ([{**SMALL, "learning_rat": 1}], "unknown factor 'learning_rat', did you mean 'learning_r"),
        ([{**SMALL, "optimiser": "rms"}], "optimiser must be 'adam', 'adamw' or 'sgd', got 'rms'"),
        ([{**SMALL, "batch_size": 0}], "batch_size must be greater than or equal to 1, got 0"),
        ([{**SMALL, "image_size": 9}], "image_size must be 8, which the data say, got 9; change"),
        ([{**SMALL, "out_channels": 3}], "out_channels must be at least 4, which .*, got 3"),
        ([SMALL, {**SMALL, "width": 4}], "must share width, got 3 and 4; train them in calls"),
        ([SMALL, {**SMALL, "optimiser": "sgd"}], "must share optimiser, got 'adam' and 'sgd'"),
        (
            [SMALL, {**SMALL, "dropout": 0.5}],
            r"must all have dropout or none, got \[0.0, 0.5\]; train",
        ),
    ],
)
def test_wrong_configurations_are_refused(configurations: Any, message: str) -> None:
    with pytest.raises(ZooError, match=message) as caught:
        completed(configurations, DATA)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kept": [0, 5]}, r"kept must be .* epochs from 0 to 1, got \[0, 5\]; range\(2\) keeps"),
        ({"kept": [-1]}, r"kept must be .* epochs from 0 to 1, got \[-1\]"),
        ({"kept": [1, 1]}, r"kept must be a list of different epochs .*, got \[1, 1\]"),
        ({"kept": []}, r"kept must be .*, got \[\]"),
        ({"epochs": -1}, "epochs must be a whole number of at least 0, got -1"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ZooError, match=message):
        train(SMALL, **changes)


def test_a_word_is_no_list_of_epochs() -> None:
    with pytest.raises(ZooError, match=r"got 'every'; range\(3\) keeps every one"):
        kept_epochs("every", 2)
    with pytest.raises(ZooError, match="got 2; range"):
        kept_epochs(2, 2)
    assert kept_epochs(range(3), 2) == [0, 1, 2]


def test_what_was_trained_is_shown_by_its_shapes() -> None:
    shown = repr(train(SMALL))
    assert "module_list.1.weight: (1, 2, 3, 64)" in shown
    assert "usable=[2]" in shown
    assert "tensor" not in shown
