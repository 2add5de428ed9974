"""``graphwsl graph``: a network as a graph: coverage, symmetries, picture."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.options import json_option
from gnncore.command_line.outputs import picture_option
from graphwsl.cli import app
from graphwsl.cli.options import LARGEST_SEED

if TYPE_CHECKING:
    from graphwsl.neural_graph import Coverage, NeuralGraph

LARGEST_INPUT = 2**28
"""Numbers of one input, at most."""

LARGEST_ERROR = 1e-4
"""Relative change of an output, in single precision, that rounding can explain."""


@app.command()
def graph(
    model: str = typer.Argument(help="ONNX file, or package.module:factory."),
    shape: list[str] = typer.Option(
        [], help="Shape of an input that is left open, as NAME=1,3,32,32; once for each."
    ),
    tensors: bool = typer.Option(False, "--tensors", help="One row a tensor, not an operator."),
    skip_symmetries: bool = typer.Option(
        False, "--skip-symmetries", help="Coverage alone, at once for large networks too."
    ),
    seed: int = typer.Option(
        0, min=0, max=LARGEST_SEED, help="Seed of the symmetry that is drawn for the check."
    ),
    picture: Path | None = picture_option("of the graph"),
    as_json: bool = json_option(),
) -> None:
    """Turn a network into a graph of neurons and weights, and say what became of every parameter.

    Exits with code 1 if a drawn symmetry changes the network's function.
    """
    from gnncore.command_line.json_output import echo_json
    from graphwsl.imports import load_model
    from graphwsl.neural_graph import neural_graph

    shapes = dict(_shape(text) for text in shape)
    made = neural_graph(*load_model(model, shapes=shapes or None))
    coverage = made.coverage()
    found = {} if skip_symmetries else _symmetries(made, seed)
    if picture is not None:
        from gnncore.figures import save_figure
        from gnncore.storage import leading_to
        from graphwsl.neural_graph.picture import draw

        save_figure(draw(made), leading_to(picture))
    if as_json:
        echo_json({**_counts(made, coverage), **found})
    else:
        typer.echo(repr(made))
        _print_coverage(coverage, tensors)
        _print_symmetries(found)
    if found and not found["check"]["error"] <= LARGEST_ERROR:
        raise typer.Exit(1)


def _shape(text: str) -> tuple[str, list[int]]:
    name, _, sizes = text.partition("=")
    try:
        shape = [int(size) for size in sizes.split(",")]
    except ValueError:
        shape = []
    if not name or not shape or min(shape) < 1 or math.prod(shape) > LARGEST_INPUT:
        raise typer.BadParameter(
            f"--shape must be NAME=1,3,32,32 with whole numbers from 1, of at most "
            f"{LARGEST_INPUT:,} in all, got {text!r}"
        )
    return name, shape


def _symmetries(made: "NeuralGraph", seed: int) -> dict[str, Any]:
    import torch

    from graphwsl.symmetries import symmetries, verify

    group = symmetries(made)
    result = verify(group.random(torch.Generator().manual_seed(seed)), seed=seed)
    return {
        "symmetries": {
            "orbits": [list(orbit.nodes.shape) for orbit in group.orbits],
            "log_permutations": group.log_permutations,
            "scalings": int(group.positive.allowed.sum()),
            "sign_flips": int(group.sign.allowed.sum()),
            "general_linear": [own.rank for own in group.general_linear],
        },
        "check": {"error": result.error, "change": result.change},
    }


def _counts(made: "NeuralGraph", coverage: "Coverage") -> dict[str, Any]:
    return {
        "nodes": made.num_nodes,
        "weights": made.num_weights,
        "parameters": coverage.num_parameters,
        "mapped": coverage.mapped,
        "opaque_operators": list(coverage.opaque_operators),
        "tensors": [
            {
                "name": row.name,
                "shape": list(row.shape),
                "is_parameter": row.is_parameter,
                "on_edges": row.weights,
                "at_nodes": row.node_parameters,
                "opaque": row.opaque,
                "unread": row.unread,
                "operators": list(row.operators),
            }
            for row in coverage.tensors
        ],
    }


def _print_coverage(coverage: "Coverage", tensors: bool) -> None:
    from rich.table import Table

    from gnncore.command_line.output import cell, console

    rows: dict[str, list[int]] = {}
    for row in coverage.tensors:
        name = f"{row.name} {row.shape}" if tensors else ", ".join(row.operators) or "none"
        counts = [1, row.weights, row.node_parameters, row.opaque, row.unread]
        rows[name] = [a + b for a, b in zip(rows.get(name, [0] * 5), counts, strict=True)]
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("tensor" if tensors else "read by", overflow="fold")
    for title in ("tensors", "edges", "nodes", "opaque", "unread"):
        table.add_column(title, justify="right")
    for name, counts in rows.items():
        table.add_row(cell(name), *(f"{count:,}" if count else "" for count in counts))
    console().print(table)
    typer.echo(
        f"{coverage.mapped:,} of {coverage.num_parameters:,} parameters mapped "
        f"({coverage.share_mapped:.2%})"
    )


def _print_symmetries(found: dict[str, Any]) -> None:
    if not found:
        return
    group, check = found["symmetries"], found["check"]
    ranks = group["general_linear"]
    typer.echo(
        f"symmetries: e^{group['log_permutations']:.1f} permutations in {len(group['orbits'])} "
        f"orbits, {group['scalings']} scalings, {group['sign_flips']} sign flips"
        + "".join(f", {ranks.count(rank)} × GL({rank})" for rank in sorted(set(ranks)))
    )
    if not math.isfinite(check["error"]):
        typer.echo("check: nothing can be said, weights or outputs are not finite")
        return
    word = "unchanged" if check["error"] <= LARGEST_ERROR else "CHANGED"
    typer.echo(
        f"check: one drawn at random moves {check['change']:.0%} of the parameters, the function "
        f"is {word} (relative error {check['error']:.0e})"
    )
