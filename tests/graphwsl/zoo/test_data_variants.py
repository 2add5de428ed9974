"""Variants of data: negatives, quarter turns, and half of the classes."""

import pytest
import torch

from graphwsl.errors import ZooError
from graphwsl.zoo.data import DATA, NAMES, load_images, register_data
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.data_variants import VARIANTS


def test_every_data_set_has_every_variant() -> None:
    assert set(NAMES) == {*DATA, *(f"{base}_{each}" for base in DATA for each in VARIANTS)}


def test_the_negative_of_the_negative_is_the_image() -> None:
    data, negative = load_images("digits"), load_images("digits_inverted")
    assert torch.equal(negative.train, -data.train)
    assert torch.equal(negative.test, -data.test)
    assert torch.equal(negative.train_labels, data.train_labels)


def test_padding_of_the_negative_is_its_background() -> None:
    padded = load_images("digits_inverted", image_size=28).train
    assert (padded[:, :, :2] == padded.max()).all()


def test_a_quarter_turn_moves_the_upper_right_corner_to_the_upper_left() -> None:
    data, turned = load_images("digits"), load_images("digits_rotated")
    for row, column in ((0, 0), (2, 5), (7, 1)):
        assert torch.equal(turned.test[:, :, 7 - column, row], data.test[:, :, row, column])
    assert not torch.equal(turned.train, data.train)


def test_half_as_many_pixels_are_means_of_four() -> None:
    data, halved = load_images("digits"), load_images("digits_halved")
    assert halved.test.shape[1:] == (1, 4, 4)
    corner = data.test[:, 0, 2:4, 6:8].mean(dim=(1, 2))
    torch.testing.assert_close(halved.test[:, 0, 1, 3], corner)


@pytest.mark.parametrize(("variant", "first"), [("even", 0), ("odd", 1)])
def test_every_second_class_is_numbered_anew(variant: str, first: int) -> None:
    data, half = load_images("digits"), load_images(f"digits_{variant}")
    assert half.classes == half.outputs == 5
    for part in ("train", "test"):
        labels = getattr(data, f"{part}_labels")
        indices = [k for k, label in enumerate(labels.tolist()) if label in range(first, 10, 2)]
        assert torch.equal(getattr(half, part), getattr(data, part)[indices])
        assert torch.equal(2 * getattr(half, f"{part}_labels") + first, labels[indices])


def test_even_and_odd_of_an_odd_number_of_classes() -> None:
    x, y = torch.arange(6.0).reshape(3, 1, 1, 2), torch.arange(3)
    data = DataSet(x, y, x, y, classes=3)
    assert VARIANTS["even"](data).classes == 2
    assert VARIANTS["odd"](data).classes == 1


def test_names_of_variants_are_taken() -> None:
    with pytest.raises(ZooError, match="there are data 'digits_odd' already"):
        register_data("digits_odd")(lambda: load_images("digits"))


def test_unknown_variants_are_said() -> None:
    with pytest.raises(ZooError, match=r"unknown data 'digits_green'.*…_inverted, …_rotated"):
        load_images("digits_green")
