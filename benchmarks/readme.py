"""Fills the tables of this folder's pages from the result files, and only from them.

python -m benchmarks.readme
"""

import re
from pathlib import Path
from typing import Any

from benchmarks.results import FOLDER
from benchmarks.running import run_benchmark
from gnncore.storage import read_json, write_text

PAGES = tuple(
    FOLDER.parent / f"{name}.md"
    for name in (
        "README",
        "TRANSFER",
        "LONG_RANGE",
        "SIMULATION",
        "WEIGHTS",
        "POPULATIONS",
        "REPRESENTATIONS",
        "GENERATORS",
        "FURTHER_ZOOS",
    )
)
SECTION = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end -->)", re.S)


def section(name: str, folder: Path = FOLDER) -> str:
    """The tables of a benchmark in Markdown, or the command that measures them."""
    path = folder / f"{name}.json"
    if not path.exists():
        return f"Not measured yet; run the command: `python -m benchmarks.{name}`\n"
    result = read_json(path)
    parts = [_origin(result)]
    parts += [_markdown(table) for table in result["tables"]]
    parts += [f"{sentence}\n" for sentence in result["sentences"]]
    return "\n".join(parts)


def _origin(result: dict[str, Any]) -> str:
    machine, revision = result["hardware"], result["commit"]
    commit = (revision["hash"] or "unknown")[:12]
    modified = " with changes" if revision["modified"] else ""
    return (
        f"{result['title']}. {machine['processor']} ({machine['architecture']}), "
        f"{machine['cores']} cores, load {machine['load_average'][0]}; "
        f"commit {commit}{modified}, {result['date'][:10]}.\n"
    )


def _markdown(table: dict[str, Any]) -> str:
    lines = [
        f"**{table['title']}**",
        "",
        _row(table["columns"]),
        _row(["---", *["---:"] * (len(table["columns"]) - 1)]),
        *map(_row, table["rows"]),
    ]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Rewrite the tables of all pages."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        write_text(page, SECTION.sub(lambda found: found[1] + section(found[2]) + found[3], text))


if __name__ == "__main__":
    run_benchmark(main)
