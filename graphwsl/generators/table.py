"""The scorecard as a table of a line a row."""

import io
import math
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.table import Table

from gnncore.command_line.output import cell
from graphwsl.generators.score import Score
from graphwsl.generators.verdicts import RULES

COLUMNS: dict[str, Callable[[Score], str]] = {
    "accuracy": lambda score: _share(score.accuracy_mean),
    "best": lambda score: _share(score.accuracy_best),
    "worst": lambda score: _share(score.accuracy_worst),
    "ensemble": lambda score: _share(score.ensemble_accuracy),
    "dispersion": lambda score: _number(score.dispersion),
    "disagree": lambda score: _number(score.relative_disagreement),
    "distance": lambda score: _number(score.relative_distance),
    "errors": lambda score: _number(score.nearest_error_overlap),
    "copy z": lambda score: _number(score.copy_statistic, 1),
}
"""Title and text. Accuracies are in percent; dispersion and disagreement are relative to the
training networks, distances to held-out ones; errors are their overlap with the nearest."""


@runtime_checkable
class Card(Protocol):
    """What a table shows, of a :class:`graphwsl.generators.card.Scorecard`."""

    @property
    def samples(self) -> Score:
        """The networks that are judged."""
        ...

    @property
    def rows(self) -> Mapping[str, Score]:
        """All that is compared, by name."""
        ...

    @property
    def scratch(self) -> Mapping[int, float]:
        """Accuracy after so many epochs of training from scratch."""
        ...

    @property
    def is_collapsed(self) -> bool | None:
        """Whether the samples are collapsed."""
        ...

    @property
    def is_copying(self) -> bool | None:
        """Whether the samples are copies."""
        ...


def table(card: Card) -> Table:
    """A table for a console."""
    epochs = list(card.samples.tuned_accuracy)
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    made.add_column("", no_wrap=True)
    for title in [*COLUMNS, *(f"+{epoch}" for epoch in epochs), ""]:
        made.add_column(title, justify="right", overflow="fold")
    for name, score in card.rows.items():
        tuned = [_share(score.tuned_accuracy.get(epoch, math.nan)) for epoch in epochs]
        texts = [text(score) for text in COLUMNS.values()]
        made.add_row(cell(name), *texts, *tuned, _verdict(score))
    if card.scratch:
        tuned = [_share(card.scratch[epoch]) for epoch in epochs]
        made.add_row("scratch", *[""] * len(COLUMNS), *tuned, "")
    return made


def verdict_lines(card: Card) -> list[str]:
    """What the samples are found to be, and by which rule."""
    lines = []
    if card.samples.finite < card.samples.networks:
        lost = card.samples.networks - card.samples.finite
        lines.append(f"{lost:,} of {card.samples.networks:,} samples are not finite, left out")
    for name, found in (("is_collapsed", card.is_collapsed), ("is_copying", card.is_copying)):
        limits = {key: value for key, value in RULES[name].items() if key != "rule"}
        measured = [_against(key, getattr(card.samples, key), limits[key]) for key in limits]
        word = "cannot be told" if found is None else "yes" if found else "no"
        lines.append(f"{name}: {word} ({', '.join(measured)})")
    return lines


def as_text(card: Card) -> str:
    """Table and verdicts as plain text."""
    console = Console(file=io.StringIO(), width=140, markup=False, emoji=False, highlight=False)
    console.print(table(card))
    assert isinstance(console.file, io.StringIO)
    return "\n".join([console.file.getvalue().rstrip(), *verdict_lines(card)])


def _verdict(score: Score) -> str:
    found = [word for word, is_so in (("collapsed", score.is_collapsed),
                                      ("copies", score.is_copying)) if is_so]  # fmt: skip
    return ", ".join(found)


def _against(name: str, value: float, limit: float) -> str:
    """A number beside its threshold."""
    if math.isnan(value):
        return f"{name} is not known"
    return f"{name} {value:.2f} {'<' if value < limit else '≥'} {limit:g}"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _number(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
