"""The scorecard as a table of a line a row."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.table import Table

from gnncore.command_line.output import cell
from graphwsl.generators.reached import Reached
from graphwsl.generators.reached import lines as reached_lines
from graphwsl.generators.score import Score
from graphwsl.generators.verdicts import RULES

LARGEST_WIDTH = 1000
"""Characters of a line that a table would take if it could."""

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
    def reached(self) -> Mapping[str, Reached]:
        """What the samples were asked for and what they have, by condition."""
        ...

    @property
    def is_collapsed(self) -> bool | None:
        """Whether the samples are collapsed."""
        ...

    @property
    def is_copying(self) -> bool | None:
        """Whether the samples are copies."""
        ...


def print_table(card: Card, console: Console) -> None:
    """Print the rows of a card; columns that find no place follow below, beside the names again.

    Args:
        card: The card.
        console: Where it is printed.
    """
    columns, shown = _columns(card), False
    while columns:
        count = len(columns)
        while count > 1 and _width(_table(card, columns[:count]), console) > console.width:
            count -= 1
        if shown:
            console.print()
        console.print(_table(card, columns[:count]))
        columns, shown = columns[count:], True


def _columns(card: Card) -> list[tuple[str, list[str]]]:
    """Titles and texts, of a row each."""
    scores = list(card.rows.values())
    blank = [""] * bool(card.scratch)
    columns = [(title, [*map(text, scores), *blank]) for title, text in COLUMNS.items()]
    for epoch in card.samples.tuned_accuracy:
        tuned = [_share(score.tuned_accuracy.get(epoch, math.nan)) for score in scores]
        scratch = [_share(card.scratch[epoch])] if card.scratch else []
        columns.append((f"+{epoch}", [*tuned, *scratch]))
    verdicts = [*map(_verdict, scores), *blank]
    return [*columns, ("", verdicts)] if any(verdicts) else columns


def _table(card: Card, columns: Sequence[tuple[str, Sequence[str]]]) -> Table:
    """Some of the columns, after the names of rows."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for title in ("", *(title for title, _ in columns)):
        made.add_column(title, justify="right" if title else "left", no_wrap=True)
    names = [*card.rows, *["scratch"] * bool(card.scratch)]
    for name, *texts in zip(names, *(texts for _, texts in columns), strict=True):
        made.add_row(cell(name), *texts)
    return made


def _width(table: Table, console: Console) -> int:
    return console.measure(table, options=console.options.update(width=LARGEST_WIDTH)).maximum


def verdict_lines(card: Card) -> list[str]:
    """What the samples are found to be, and by which rule, after what they were asked for."""
    lines = reached_lines(card.reached)
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
    print_table(card, console)
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
