"""The tree made soft: the same structure, but every split is a sigmoid instead of a step.

A threshold that is learnt from few networks is off, and networks near it fall on the wrong side.
The soft tree says for each split how likely a network is above its threshold, and multiplies along
the paths. Its few numbers are those that are likeliest together with a prior, and nothing is tuned:

- Error and barrier span decades, so they are compared on logarithmic scales, which begin at
  0.01 %. All metrics are then standardised by the training networks.
- Every split has a threshold and the logarithm of a slope, in standardised units. A priori all of
  them are normally distributed with mean 0 and deviation 1.
- Networks that differ in the temperature alone are no independent witnesses. Those of one group
  (one width and amount of data) count as one network.
- For the temperature, the curve between two networks is measured by its barrier, the peak above the
  network's own error, for that error has a split of its own. The other trees compare the peak.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import expit

from graphwsl.arguments import described
from graphwsl.diagnosis.estimator import QuestionClassifier
from graphwsl.diagnosis.questions import Split
from graphwsl.errors import DiagnosisError

FLOOR = 0.01
"""Errors and barriers are told apart down to this [%]."""

BARRIER = frozenset({"temperature"})
"""Questions that compare the barrier of a curve, not its peak."""

Matrix = Float[np.ndarray, "networks metrics"]


_FARTHEST = 1e100
"""Beyond it all is equally far; squares and multiples of what is within are finite."""


def log_scaled(x: Matrix, metrics: Sequence[str], by_barrier: bool) -> Matrix:
    """Metrics on the scales on which they are compared, each with its sign.

    Args:
        x: The metrics.
        metrics: Their names, ``train_error`` among them.
        by_barrier: Measure the curve by the peak above the network's own error.
    """
    scaled = x.copy()
    error = x[:, metrics.index("train_error")]
    for at, name in enumerate(metrics):
        if name == "train_error":
            scaled[:, at] = np.log10(error.clip(min=0) + FLOOR)
        elif name == "mode_connectivity_peak":
            height = -x[:, at] - (error if by_barrier else 0)
            scaled[:, at] = -np.log10(height.clip(min=0) + FLOOR)
    return scaled.clip(-_FARTHEST, _FARTHEST)


def probability(
    tree: tuple[Split, ...],
    x: Float[np.ndarray, "networks splits"],
    parameters: Float[np.ndarray, " parameters"],
    answer: str,
) -> Float[np.ndarray, " networks"]:
    """How likely an answer is.

    Args:
        tree: The splits.
        x: The standardised metric of every split.
        parameters: A threshold a split, then the logarithm of a slope a split.
        answer: The answer.
    """
    thresholds, slopes = parameters[: len(tree)], np.exp(parameters[len(tree) :])
    above = expit(slopes * (x - thresholds))

    def below(node: int | str) -> Float[np.ndarray, " networks"]:
        if isinstance(node, str):
            return np.full(len(x), float(node == answer))
        split = tree[node]
        share = above[:, node]
        return (1 - share) * below(split.at_most) + share * below(split.above)

    return below(0)


class SoftTree(QuestionClassifier):
    """MD tree with sigmoids for splits, as likely as the labels and a standard normal prior say.

    After :meth:`fit`, ``parameters_`` holds a threshold a split of ``tree_``, then the logarithm of
    a slope a split, in units of the standardised metrics (``mean_``, ``scale_``).

    Args:
        question: As for :class:`~graphwsl.diagnosis.md_tree.MDTree`.
    """

    def __init__(self, question: str = "temperature") -> None:
        self.question = question

    def fit(self, X: Any, y: Any, groups: Any = None) -> Any:
        """Learn from networks whose answers are known.

        Args:
            X: Table of metrics.
            y: The right answer of each network.
            groups: Networks of one group, a value each, count together as one. None: every
                network counts.

        Raises:
            DiagnosisError: As for :class:`~graphwsl.diagnosis.md_tree.MDTree`, or there are not
                as many groups as networks.
        """
        return super().fit(X, y, groups)

    def _fit(self, x: np.ndarray, y: np.ndarray, groups: Any = None) -> None:
        weights = _weights(groups, len(x))
        self.tree_ = self._question().tree
        scaled = self._scaled(x)
        self.mean_, self.scale_ = scaled.mean(0), scaled.std(0)
        # Where all are alike, there is nothing to compare.
        self.scale_[self.scale_ <= 1e-12 * np.abs(self.mean_)] = 1
        splits = self._of_splits((scaled - self.mean_) / self.scale_)

        def unlikeliness(parameters: np.ndarray) -> float:
            second = probability(self.tree_, splits, parameters, self.classes_[1])
            of_label = np.where(y, second, 1 - second).clip(1e-9)
            return float(parameters @ parameters / 2 - weights @ np.log(of_label))

        found = minimize(unlikeliness, np.zeros(2 * len(self.tree_)), method="L-BFGS-B")
        self.parameters_ = found.x

    def _probability(self, x: np.ndarray) -> np.ndarray:
        splits = self._of_splits((self._scaled(x) - self.mean_) / self.scale_)
        return probability(self.tree_, splits, self.parameters_, self.classes_[1])

    def _scaled(self, x: Matrix) -> Matrix:
        return log_scaled(x, self.metrics, self.question in BARRIER)

    def _of_splits(self, x: Matrix) -> Float[np.ndarray, "networks splits"]:
        return x[:, self._columns([split.metric for split in self.tree_])]


def _weights(groups: Any, networks: int) -> Float[np.ndarray, " networks"]:
    if groups is None:
        return np.ones(networks)
    names = np.asarray(groups)
    if names.shape != (networks,):
        raise DiagnosisError(
            f"there must be a group a network, got {described(groups)} for {networks} networks"
        )
    _, group, sizes = np.unique(names, return_inverse=True, return_counts=True)
    return 1 / sizes[group]
