"""What can be asked of a network that might be better, and the tree for each question.

*Temperature* is the noise of training: small batches and large rates of learning are hot. A
question has two answers; the structure of its tree is that of Zhou et al. (ICML 2024), and only the
thresholds are learnt.
"""

from dataclasses import dataclass
from typing import NamedTuple

from gnncore.names import unknown
from graphwsl.errors import DiagnosisError

OPTIMAL = "optimal"
"""Label of networks that no change would improve."""


class Split(NamedTuple):
    """A node of a tree: which way a network goes.

    Attributes:
        metric: Column that is compared.
        start: Threshold before the search.
        bounds: Thresholds that the golden-section search looks between.
        at_most: Where networks go whose metric is at most the threshold: the number of another
            split, or the answer.
        above: Where the others go.
    """

    metric: str
    start: float
    bounds: tuple[float, float]
    at_most: int | str
    above: int | str


@dataclass(frozen=True)
class Question:
    """A question, its answers and its tree.

    Attributes:
        name: Name of the question.
        label: Column of the published tables that holds the right answers.
        answers: Both answers; probabilities are of the second.
        tree: Splits in the order in which their thresholds are searched; the first is the root.
    """

    name: str
    label: str
    answers: tuple[str, str]
    tree: tuple[Split, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the tree compares, each once."""
        return tuple(dict.fromkeys(split.metric for split in self.tree))


def _error(at_most: int | str, above: int | str) -> Split:
    return Split("train_error", 0.5, (0.0, 1.0), at_most, above)


def _peak(at_most: int | str, above: int | str) -> Split:
    return Split("mode_connectivity_peak", -10.0, (-30.0, 0.0), at_most, above)


def _trace(at_most: int | str, above: int | str) -> Split:
    return Split("hessian_t", 7.0, (4.0, 9.0), at_most, above)


def _similarity(at_most: int | str, above: int | str) -> Split:
    return Split("CKA", 0.5, (0.2, 0.8), at_most, above)


TEMPERATURE = Question(
    "temperature",
    "bs_failure",
    ("small", "large"),
    (_error("small", 1), _peak(2, "large"), _trace("large", "small")),
)
"""Whether the temperature is too small or too large."""

TEMPERATURE_BY_SIMILARITY = Question(
    "temperature",
    "bs_failure",
    ("small", "large"),
    (_error("small", 1), _peak(2, "large"), _similarity("small", "large")),
)
"""The same with CKA in place of the trace."""

WIDTH = Question(
    "width",
    "width_vs_batch",
    ("batch", "width"),
    (_error(1, 2), _peak("width", "batch"), _peak("width", "batch")),
)
"""Whether a larger network would help more than another temperature."""

DATA = Question(
    "data",
    "data_vs_batch",
    ("batch", "data"),
    (
        _error(1, 3),
        _peak(4, 2),
        _trace("data", "batch"),
        _peak("batch", 5),
        _trace("data", "batch"),
        _trace("data", "batch"),
    ),
)
"""Whether more data would help more than another temperature."""

QUESTIONS = {one.name: one for one in (TEMPERATURE, WIDTH, DATA)}
"""All questions by name."""


def find_question(name: object) -> Question:
    """The question of a name.

    Raises:
        DiagnosisError: There is none; the names are listed.
    """
    if isinstance(name, str) and name in QUESTIONS:
        return QUESTIONS[name]
    raise DiagnosisError(unknown("question", name, QUESTIONS))
