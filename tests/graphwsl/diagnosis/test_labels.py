"""Labels from room for improvement: by hand, against a slow loop, and what has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwsl.diagnosis import Axes, failure_labels, mean_over_seeds, room_for_improvement
from graphwsl.errors import DiagnosisError


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(["small", "large"]))
def test_rooms_are_those_of_a_slow_loop_on_ragged_grids(seed: int, hot_is: str) -> None:
    random = np.random.default_rng(seed)
    grid = [(a, b, c) for a in (1, 2, 4) for b in (3, 5) for c in (10, 20, 40)]
    kept = [grid[0], grid[-1], *(one for one in grid[1:-1] if random.random() < 0.7)]
    rate, width, data = (np.array(column, float) for column in zip(*kept, strict=True))
    accuracy = random.integers(0, 5, len(kept)).astype(float)
    table = {"rate": rate, "width": width, "data": data, "accuracy": accuracy}
    axes = Axes("rate", hot_is, "width", "data", "accuracy")
    found = room_for_improvement(table, axes)
    up = {"hotter": hot_is == "large", "colder": hot_is == "small", "width": True, "data": True}
    of_change = {"hotter": 0, "colder": 0, "width": 1, "data": 2}
    for change, grows in up.items():
        axis = of_change[change]
        for row, one in enumerate(kept):
            ahead = [
                accuracy[k]
                for k, other in enumerate(kept)
                if all(other[i] == one[i] for i in range(3) if i != axis)
                and (other[axis] >= one[axis] if grows else other[axis] <= one[axis])
            ]
            assert found[change][row] == max(ahead) - accuracy[row]


def test_the_accuracy_is_found_by_the_names_that_zoos_and_landscapes_use() -> None:
    points = np.array([61.0, 64.0, 72.0, 70.0])
    places = {"bs": [1, 2, 1, 2], "width": [8, 8, 16, 16]}
    axes = Axes(data=None)
    expected = failure_labels({**places, "test_acc": points}, axes)
    for own in ({"test_accuracy": points / 100}, {"test_accuracy": points}):
        found = failure_labels({**places, **own}, axes)
        for name in ("rfi_inc_temp", "rfi_width"):
            np.testing.assert_allclose(found[name], expected[name])
    errors = {**places, "test_error": 100 - points}
    by_name = Axes(data=None, accuracy="test_error")
    for one in (failure_labels(errors, axes), failure_labels(errors, by_name)):
        assert one["width_vs_batch"].tolist() == expected["width_vs_batch"].tolist()
        np.testing.assert_allclose(one["rfi_width"], expected["rfi_width"])
    # What a column holds that was named is in its own unit.
    shares = {**places, "test_accuracy": points / 100}
    found = failure_labels(shares, Axes(data=None, accuracy="test_accuracy"))
    np.testing.assert_allclose(100 * found["rfi_width"], expected["rfi_width"])
    with pytest.raises(DiagnosisError, match=r"must be in percent, the largest is 0\.39"):
        failure_labels({**places, "test_error": 1 - points / 100}, axes)
    with pytest.raises(DiagnosisError, match="unknown column 'test_acc'"):
        failure_labels(places, axes)


def test_labels_by_hand_without_an_axis_of_data() -> None:
    table = {
        "bs": [16, 32, 16, 32],
        "width": [1, 1, 2, 2],
        "test_acc": [50.0, 60.0, 90.0, 40.0],
        "note": ["a", "b", "c", "d"],
    }
    found = failure_labels(table, Axes(data=None))
    assert found["bs_failure"].tolist() == ["large", "optimal", "optimal", "small"]
    assert found["width_vs_batch"].tolist() == ["width", "optimal", "optimal", "batch"]
    assert "data_vs_batch" not in found
    assert "rfi_data" not in found
    assert found["note"].tolist() == ["a", "b", "c", "d"]


def test_seeds_are_averaged_when_asked() -> None:
    table = {
        "bs": [32, 16, 32, 16],
        "width": [1, 1, 1, 1],
        "test_acc": [1.0, 2.0, 3.0, 4.0],
        "data_set": ["x"] * 4,
        "seed_name": ["p", "p", "q", "q"],
    }
    axes = Axes(width=None, data=None)
    with pytest.raises(DiagnosisError, match="rows 1 and 3 have the same bs; average over seeds"):
        failure_labels(table, axes)
    found = mean_over_seeds(table, axes)
    assert found["bs"].tolist() == [32, 16]
    assert found["test_acc"].tolist() == [2.0, 3.0]
    assert found["data_set"].tolist() == ["x", "x"]
    assert "seed_name" not in found
    assert failure_labels(found, axes)["bs_failure"].tolist() == ["small", "optimal"]


def test_populations_without_an_axis_are_refused() -> None:
    table = {"bs": [16, 32], "width": [1, 1], "test_acc": [1.0, 2.0]}
    with pytest.raises(DiagnosisError, match="unknown column 'data'; the table has bs, width"):
        failure_labels(table)
    with pytest.raises(DiagnosisError, match="differ in 'width', all have 1"):
        failure_labels(table, Axes(data=None))
    with pytest.raises(DiagnosisError, match="hot_is must be 'small' or 'large', got 'low'"):
        Axes(hot_is="low")
    with pytest.raises(DiagnosisError, match="columns of a table must have one length"):
        failure_labels({"bs": [1, 2], "test_acc": [1.0]}, Axes(width=None, data=None))
