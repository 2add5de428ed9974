"""MD tree: a tree of fixed structure over loss landscapes (Zhou et al., ICML 2024)."""

from typing import Any

import numpy as np

from graphwsl.arguments import instance
from graphwsl.diagnosis.estimator import QuestionClassifier
from graphwsl.diagnosis.questions import TEMPERATURE_BY_SIMILARITY, Question
from graphwsl.diagnosis.threshold_search import SEARCHES, route
from graphwsl.errors import DiagnosisError


class MDTree(QuestionClassifier):
    """The published tree of a question, whose thresholds are learnt.

    Its metrics are ``train_error`` [%], ``mode_connectivity_peak`` [%] and, for most questions,
    ``hessian_t`` (natural logarithm). After :meth:`fit`, ``thresholds_`` holds one threshold a
    split of ``tree_``. Of a tree, the probabilities are 0 and 1.

    Args:
        question: ``temperature``: is it too ``small`` or too ``large``? ``width``: would a larger
            network (``width``) help more than another temperature (``batch``)? ``data``: would
            more ``data`` help more than another temperature (``batch``)?
        search: ``golden``, a golden-section search of each threshold as published, or ``exact``,
            which tries all thresholds that differ.
        similarity: Ask for the temperature by ``CKA`` in place of the Hessian, as published.
    """

    def __init__(
        self, question: str = "temperature", search: str = "golden", similarity: bool = False
    ) -> None:
        self.question = question
        self.search = search
        self.similarity = similarity

    def _question(self) -> Question:
        question = super()._question()
        if not self.similarity:
            return question
        if question.name != TEMPERATURE_BY_SIMILARITY.name:
            raise DiagnosisError(
                f"similarity is for the question 'temperature' alone, got {self.question!r}"
            )
        return TEMPERATURE_BY_SIMILARITY

    def _fit(self, x: np.ndarray, y: np.ndarray, groups: Any = None) -> None:
        del groups
        instance("search", self.search, str, "a text", f"choose one of {', '.join(SEARCHES)}")
        if self.search not in SEARCHES:
            raise DiagnosisError(
                f"unknown search {self.search!r}; choose one of {', '.join(SEARCHES)}"
            )
        question = self._question()
        self.tree_ = question.tree
        self.thresholds_ = SEARCHES[self.search](
            self.tree_, x[:, self._of_splits()], y, question.answers[1]
        )

    def _probability(self, x: np.ndarray) -> np.ndarray:
        answer = self._question().answers[1]
        return route(self.tree_, x[:, self._of_splits()], self.thresholds_, answer).astype(float)

    def _of_splits(self) -> list[int]:
        return self._columns([split.metric for split in self._question().tree])
