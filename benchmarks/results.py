"""Where measurements go: tables on the screen, and a JSON file with all that repeats them."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.hardware import ROOT, headline, record
from gnncore.storage import read_json, write_json

FOLDER = ROOT / "benchmarks" / "results"
SCRATCH = ROOT / "runs" / "benchmarks"

console = Console()
if not console.is_terminal:
    console.width = 180


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean and, of several values, standard deviation; nothing of none."""
    if not values:
        return ""
    more = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{more}"


class Report:
    """Prints tables and sentences as they come, and keeps them for the result file.

    Args:
        name: Name of the result file.
        title: What is measured.
        quick: Whether this only shows that the benchmark runs; its file then goes to ``runs/``.
    """

    def __init__(self, name: str, title: str, *, quick: bool) -> None:
        self.name, self.folder = name, SCRATCH if quick else FOLDER
        self.record = record()
        self.title = title
        self.tables: list[dict[str, Any]] = []
        self.sentences: list[str] = []
        console.print(f"[bold]{title}[/bold]")
        console.print(headline(), soft_wrap=True)

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """A table; every column but the first is a number."""
        self.tables.append({"title": title, "columns": columns, "rows": rows})
        view = Table(title=title, title_justify="left", title_style="bold")
        for number, column in enumerate(columns):
            view.add_column(column, justify="right" if number else "left")
        for row in rows:
            view.add_row(*row)
        console.print(view)

    def say(self, sentence: str) -> None:
        """A sentence below the tables."""
        self.sentences.append(sentence)
        console.print(sentence, soft_wrap=True, markup=False, highlight=False)

    def save(self, settings: dict[str, Any], measured: dict[str, Any], path: Path | None) -> None:
        """Writes the result file, or ``path``, with hardware, versions and commit."""
        path = path or self.folder / f"{self.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            **self.record,
            "benchmark": self.name,
            "title": self.title,
            "settings": settings,
            "measured": measured,
            "tables": self.tables,
            "sentences": self.sentences,
        }
        write_json(path, content)
        console.print(f"written to {path}", soft_wrap=True)


def known_cells(name: str) -> dict[str, Any]:
    """All cells in the result file of a benchmark, by their folders.

    Raises:
        StorageError: There is no such file.
    """
    return dict(read_json(FOLDER / f"{name}.json")["measured"]["cells"])


def progress() -> Progress:
    """A line that says what is being measured and for how long."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
