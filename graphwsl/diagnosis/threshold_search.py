"""How thresholds of a tree are found: one after the other, for the accuracy on labelled networks.

The accuracy is a step function of a threshold, so that golden section, as published, stops at some
step. The exact search looks at all of them: a network's fate depends on a threshold only by the
side on which it falls, so a cumulative sum over the sorted networks gives the accuracy of every
threshold at once.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from graphwsl.diagnosis.questions import Split

Thresholds = Float[np.ndarray, " splits"]

MAX_SWEEPS = 20
"""Sweeps of the exact search over all thresholds, at most; it ends when one changes nothing."""


def route(
    tree: tuple[Split, ...],
    x: Float[np.ndarray, "networks splits"],
    thresholds: Thresholds,
    answer: str,
) -> Bool[np.ndarray, " networks"]:
    """Whether a tree gives each network an answer.

    Args:
        tree: The splits.
        x: The metric of every split.
        thresholds: A threshold a split.
        answer: The answer.
    """

    def below(node: int | str) -> Bool[np.ndarray, " networks"]:
        if isinstance(node, str):
            return np.full(len(x), node == answer)
        split = tree[node]
        is_low = x[:, node] <= thresholds[node]
        return np.where(is_low, below(split.at_most), below(split.above))

    return below(0)


def golden_section(
    tree: tuple[Split, ...],
    x: Float[np.ndarray, "networks splits"],
    y: Bool[np.ndarray, " networks"],
    answer: str,
) -> Thresholds:
    """Thresholds as published: one bounded search each, in order, from the published start.

    Args:
        tree: The splits.
        x: The metric of every split.
        y: Whether ``answer`` is right.
        answer: The answer that ``y`` tells of.
    """
    from scipy.optimize import minimize_scalar

    thresholds = np.array([split.start for split in tree])
    for number, split in enumerate(tree):

        def error(threshold: float, number: int = number) -> float:
            thresholds[number] = threshold
            return -float(np.mean(route(tree, x, thresholds, answer) == y))

        found = minimize_scalar(error, method="bounded", bounds=split.bounds)
        thresholds[number] = found.x
    return thresholds


def exact(
    tree: tuple[Split, ...],
    x: Float[np.ndarray, "networks splits"],
    y: Bool[np.ndarray, " networks"],
    answer: str,
) -> Thresholds:
    """The best threshold of each split, the others being as they are, until none changes.

    Where several steps are best, the threshold is in the middle of the widest of them. A sweep
    never lowers the accuracy.

    Args:
        tree: The splits.
        x: The metric of every split.
        y: Whether ``answer`` is right.
        answer: The answer that ``y`` tells of.
    """
    thresholds = np.array([split.start for split in tree])

    def right(number: int, forced: float) -> Float[np.ndarray, " networks"]:
        changed = thresholds.copy()
        changed[number] = forced
        return (route(tree, x, changed, answer) == y).astype(float)

    for _ in range(MAX_SWEEPS):
        before = thresholds.copy()
        for number in range(len(tree)):
            thresholds[number] = best_threshold(
                x[:, number], right(number, np.inf), right(number, -np.inf), thresholds[number]
            )
        if np.array_equal(before, thresholds):
            break
    return thresholds


def best_threshold(
    x: Float[np.ndarray, " networks"],
    low: Float[np.ndarray, " networks"],
    high: Float[np.ndarray, " networks"],
    current: float,
) -> float:
    """The threshold that gets most right; the current one if no other is better.

    Args:
        x: The metric.
        low: What is gained by each network if it is at most the threshold.
        high: What is gained if it is above.
        current: Threshold so far.
    """
    values, group = np.unique(x, return_inverse=True)
    change = np.bincount(group, weights=low - high, minlength=len(values))
    gains = high.sum() + np.concatenate([[0.0], np.cumsum(change)])  # so many values are low
    here = gains[np.searchsorted(values, current, side="right")]
    if here >= gains.max():
        return float(current)
    widths = np.concatenate([[0.0], np.diff(values), [0.0]])
    best = max(np.flatnonzero(gains == gains.max()), key=lambda step: widths[step])
    ends = np.concatenate([[values[0] - 1], values, [values[-1] + 1]])
    return float((ends[best] + ends[best + 1]) / 2)


SEARCHES: dict[str, Callable[..., Thresholds]] = {"golden": golden_section, "exact": exact}
"""Searches by name."""
