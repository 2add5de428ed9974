"""What all classifiers of a question have in common: tables in, answers and probabilities out."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from graphwsl.arguments import described
from graphwsl.diagnosis.questions import OPTIMAL, Question, find_question
from graphwsl.diagnosis.table import as_table, is_table, matrix
from graphwsl.errors import DiagnosisError


class QuestionClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of scikit-learn over tables of metrics.

    Tables are DataFrames or dictionaries with the columns of :attr:`metrics`, whatever other
    columns they have, or arrays of just these columns, in order.
    """

    question: str

    @property
    def metrics(self) -> tuple[str, ...]:
        """The columns that are read, in order."""
        return self._question().metrics

    def fit(self, X: Any, y: Any, groups: Any = None) -> Any:
        """Learn from networks whose answers are known.

        Args:
            X: Table of metrics.
            y: The right answer of each network.
            groups: Networks that differ in their temperature alone have one value. Trees that are
                made of thresholds do not look at it.

        Raises:
            DiagnosisError: A column is missing or holds what is no finite number, a label is no
                answer of the question, or there are not as many labels as networks.
        """
        question = self._question()
        x = self._matrix(X)
        labels = np.asarray(y)
        if labels.shape != (len(x),):
            raise DiagnosisError(
                f"there must be a label a network, got {described(labels)} for {len(x)} networks"
            )
        others = sorted(set(labels.tolist()) - set(question.answers), key=str)
        if others:
            advice = "leave these networks out" if others == [OPTIMAL] else "relabel them"
            raise DiagnosisError(
                f"labels of the question {question.name!r} must be "
                f"{' or '.join(map(repr, question.answers))}, got "
                f"{', '.join(map(repr, others[:5]))}; {advice}"
            )
        self.classes_ = np.array(question.answers)
        self.n_features_in_ = x.shape[1]
        self.feature_names_in_ = np.array(self.metrics, dtype=object)
        self._fit(x, labels == question.answers[1], groups)
        return self

    def predict_proba(self, X: Any) -> Float[np.ndarray, "networks 2"]:
        """The probabilities of both answers, in the order of ``classes_``.

        Raises:
            DiagnosisError: As for :meth:`fit`.
            sklearn.exceptions.NotFittedError: It was not fitted.
        """
        check_is_fitted(self)
        second = self._probability(self._matrix(X))
        return np.stack([1 - second, second], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """The likelier answer for each network.

        Raises:
            DiagnosisError: As for :meth:`fit`.
            sklearn.exceptions.NotFittedError: It was not fitted.
        """
        found = self.predict_proba(X)
        return self.classes_[(found[:, 1] > found[:, 0]).astype(int)]

    @abstractmethod
    def _fit(self, x: np.ndarray, y: np.ndarray, groups: Any = None) -> None:
        """Learn when the second answer is right."""

    @abstractmethod
    def _probability(self, x: np.ndarray) -> np.ndarray:
        """The probability of the second answer."""

    def _question(self) -> Question:
        return find_question(self.question)

    def _columns(self, names: Sequence[str]) -> list[int]:
        """Where metrics stand in the matrix."""
        return [self.metrics.index(name) for name in names]

    def _matrix(self, X: Any) -> Float[np.ndarray, "networks metrics"]:
        if is_table(X):
            return matrix(as_table(X), self.metrics)
        x = np.asarray(X)
        if x.ndim != 2 or x.shape[1] != len(self.metrics) or x.dtype.kind not in "fiub":
            raise DiagnosisError(
                f"metrics must be a table with the columns {', '.join(self.metrics)}, or a numeric "
                f"array of just these columns, got {described(X)}"
            )
        return matrix({name: x[:, at] for at, name in enumerate(self.metrics)}, self.metrics)
