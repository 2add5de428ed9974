"""How the house stands: circles of imports, lengths of files, tests, repeated lines, contributions.

    python -m benchmarks.house

Nothing is run or measured in time. That each contribution works is `tests/test_contributions.py`.
"""

import ast
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from benchmarks.hardware import ROOT
from benchmarks.results import Report
from benchmarks.running import run_benchmark
from tests import test_imports
from tests.contributions import CHANGES, FOLDER

PACKAGES = ("gnncore", "graphwsl", "gridstab")
LONG = 300
WINDOW = 6
"""So many lines in a row that occur elsewhere are repeated lines."""


def sources(folder: Path) -> dict[Path, list[str]]:
    """The lines of every Python file below a folder."""
    return {
        path: path.read_text(encoding="utf-8").splitlines() for path in sorted(folder.rglob("*.py"))
    }


def statements(text: str) -> list[str]:
    """What is done: lines without docstrings, imports, comments, blanks and indentation."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = [
        line.strip() for number, line in enumerate(text.splitlines(), 1) if number not in left_out
    ]
    return [line for line in lines if line and not line.startswith("#")]


def repeated_lines(texts: Iterable[str], window: int = WINDOW) -> int:
    """Lines of statements in windows of lines that occur more than once, within a file or not."""
    files = [statements(text) for text in texts]
    seen = Counter(found for lines in files for _, found in _windows(lines, window))
    return sum(
        len(
            {
                number
                for start, found in _windows(lines, window)
                if seen[found] > 1
                for number in range(start, start + window)
            }
        )
        for lines in files
    )


def _windows(lines: list[str], window: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    for start in range(len(lines) - window + 1):
        yield start, tuple(lines[start : start + window])


def share(text: str, package: str) -> float:
    """The share of a file's imports of packages that are of this one; 0 where none is of any."""
    imported: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported.append(node.module or "")
    counts = Counter(name.partition(".")[0] for name in imported)
    return counts[package] / max(sum(counts[name] for name in PACKAGES), 1)


def lines_of_tests(package: str) -> float:
    """Lines of the tests that mirror a package, and its share of those that several have.

    Attacks and what else lies beside the mirrored trees count as far as they import a package;
    tests of benchmarks count for none.
    """
    total = 0.0
    for path, lines in sources(ROOT / "tests").items():
        folder = path.relative_to(ROOT / "tests").parts[0]
        if folder in PACKAGES:
            total += len(lines) if folder == package else 0
        elif folder != "benchmarks":
            total += len(lines) * share("\n".join(lines), package)
    return total


def measure(package: str) -> dict[str, Any]:
    """What is said of a package; lines are all lines of files."""
    files = sources(ROOT / package)
    tests = lines_of_tests(package)
    lengths = [len(lines) for lines in files.values() if lines]
    return {
        "files": len(files),
        "lines": sum(lengths),
        "median file": statistics.median(lengths),
        f"files over {LONG} lines": sum(length > LONG for length in lengths),
        "lines of tests over lines": round(tests / sum(lengths), 2),
        "repeated lines": repeated_lines("\n".join(lines) for lines in files.values()),
    }


def circles() -> list[list[str]]:
    """Modules that import themselves by way of others, but for the one that is known."""
    graph = test_imports.imports(test_imports.modules())
    graph.remove_edges_from(test_imports.KNOWN)
    return test_imports.circles(graph)


def contributions(changes: Mapping[str, str] = CHANGES) -> dict[str, dict[str, int]]:
    """Files and lines that a contributor writes for each change; no other file is touched."""
    return {
        change: {"files": 1, "lines": len((FOLDER / file).read_text(encoding="utf-8").splitlines())}
        for change, file in changes.items()
    }


def main(
    quick: bool = typer.Option(False, "--quick", help="The same; it takes seconds."),
    json: Path | None = typer.Option(None, "--json", help="Write the result to this file."),
) -> None:
    """Say how the packages are built."""
    report = Report("house", "How the house stands", quick=quick)
    packages = {package: measure(package) for package in PACKAGES}
    report.table(
        "Packages",
        ["package", *packages["gnncore"]],
        [[package, *map(str, values.values())] for package, values in packages.items()],
    )
    found, changes = circles(), contributions()
    report.say(f"circles of imports: {len(found) or 'none'}")
    report.table(
        "What a contributor writes",
        ["change", "files", "lines"],
        [[change, *map(str, values.values())] for change, values in changes.items()],
    )
    measured = {"packages": packages, "circles": found, "contributions": changes}
    report.save({"long": LONG, "window": WINDOW}, measured, json)


if __name__ == "__main__":
    run_benchmark(main)
