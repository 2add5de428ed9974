"""Variants of a data set of images: further data to train on, which are close and yet different."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch.nn.functional import avg_pool2d

from graphwsl.zoo.data_set import DataSet


def inverted(data: DataSet) -> DataSet:
    """The negative: dark for bright. Standardised images change their sign."""
    return replace(data, train=-data.train, test=-data.test)


def rotated(data: DataSet) -> DataSet:
    """A quarter turn, counterclockwise."""
    train, test = (torch.rot90(x, 1, (2, 3)).contiguous() for x in (data.train, data.test))
    return replace(data, train=train, test=test)


def every_second_class(data: DataSet, first: int) -> DataSet:
    """The images of every second class, numbered anew from 0.

    Args:
        data: Images with classes.
        first: 0 for even classes, 1 for odd ones.
    """
    train, test = (labels % 2 == first for labels in (data.train_labels, data.test_labels))
    return replace(
        data,
        train=data.train[train],
        train_labels=data.train_labels[train] // 2,
        test=data.test[test],
        test_labels=data.test_labels[test] // 2,
        classes=((data.classes or 0) + 1 - first) // 2,
    )


def halved(data: DataSet) -> DataSet:
    """Half as many pixels on a side, each the mean of four; an odd last row is left out."""
    train, test = (avg_pool2d(x, 2) for x in (data.train, data.test))
    return replace(data, train=train, test=test)


VARIANTS: dict[str, Callable[[DataSet], DataSet]] = {
    "inverted": inverted,
    "rotated": rotated,
    "halved": halved,
    "even": partial(every_second_class, first=0),
    "odd": partial(every_second_class, first=1),
}
"""Variants by the word that follows the name of the data, as in ``mnist_5000_rotated``."""
