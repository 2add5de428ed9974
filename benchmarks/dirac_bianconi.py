"""What a step of the Dirac–Bianconi layer costs, and what the plain formula and TAG would cost.

    python -m benchmarks.dirac_bianconi

All see the same random grids in one batch and the same number of channels, on one thread. A step
is one update of nodes and edges; of TAG it is one hop, which updates nodes only. The plain formula
is the published one, written with indexing and ``index_add``. Its results and gradients are
compared with the layer's before anything is timed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from benchmarks.results import Report
from benchmarks.running import run_benchmark
from benchmarks.timing import Spread, repeat_for
from gnncore.layers import DiracBianconiConv, make_layer
from gridstab.grids.growth import random_grid

Run = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


def batch(grids: int, nodes: int, seed: int) -> Tensor:
    """``edge_index`` of several random grids side by side."""
    parts = [
        torch.tensor(random_grid(nodes, seed=seed + number).edge_index) + number * nodes
        for number in range(grids)
    ]
    return torch.cat(parts, dim=1)


def plain(layer: DiracBianconiConv, x: Tensor, edge_index: Tensor, e: Tensor) -> tuple[Tensor, ...]:
    """The layer by the published formula, term by term."""
    source, target = edge_index
    for _ in range(layer.num_steps):
        drive = (x[target] - x[source]) @ layer.W_en
        total = torch.zeros(len(x), e.shape[1], dtype=e.dtype).index_add(0, target, e)
        new_x = x + x @ layer.beta_n.T + total @ layer.W_ne
        x, e = leaky_relu(new_x), leaky_relu(e + e @ layer.beta_e.T + drive)
    return x, e


def contestants(edge_index: Tensor, channels: int, steps: int) -> dict[str, tuple[nn.Module, Run]]:
    """Modules, and how they run on nodes and edges."""
    options = {"edge_channels": channels, "num_steps": steps, "delta": 0.05}
    layer = make_layer("dirac_bianconi", channels, channels, **options)
    semi = make_layer("dirac_bianconi_semi_implicit", channels, channels, **options)
    tag = make_layer("tag", channels, channels, K=steps)
    assert isinstance(layer, DiracBianconiConv)
    return {
        "layer": (layer, lambda x, e: layer(x, edge_index, e)),
        "semi-implicit layer": (semi, lambda x, e: semi(x, edge_index, e)),
        "plain formula": (layer, lambda x, e: plain(layer, x, edge_index, e)),
        "PyG TAGConv": (tag, lambda x, e: tag(x, edge_index)[:1]),
    }


def train(module: nn.Module, run: Run, x: Tensor, e: Tensor) -> list[Tensor]:
    """Forward and backward; the results and all gradients."""
    inputs = [x.clone().requires_grad_(), e.clone().requires_grad_()]
    outputs = run(*inputs)
    leaves = [*inputs[: len(outputs)], *module.parameters()]
    loss = sum((output.sum() for output in outputs), torch.zeros(()))
    return [*outputs, *torch.autograd.grad(loss, leaves)]


def infer(run: Run, x: Tensor, e: Tensor) -> tuple[Tensor, ...]:
    """Forward alone, without what a backward would need."""
    with torch.no_grad():
        return run(x, e)


def main(
    grids: Annotated[int, typer.Option(help="Random grids in the batch.", min=1)] = 100,
    nodes: Annotated[int, typer.Option(help="Nodes of each grid.", min=1)] = 100,
    channels: Annotated[int, typer.Option(help="Channels of nodes and of edges.", min=1)] = 48,
    steps: Annotated[int, typer.Option(help="Steps of a layer.", min=1)] = 12,
    repeats: Annotated[int, typer.Option(help="Measurements of each contestant.", min=1)] = 5,
    seed: Annotated[int, typer.Option(help="Grids, weights and signals.", min=0)] = 1,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="Small grids, to see that it runs.")] = False,
) -> None:
    """Time forward and backward passes per step."""
    if quick:
        grids, nodes, repeats = 2, 20, 2
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    edge_index = batch(grids, nodes, seed)
    x, e = torch.randn(grids * nodes, channels), torch.randn(edge_index.shape[1], channels)
    title = (
        f"Dirac–Bianconi layer: {len(x)} nodes, {len(e)} directed edges, {channels} channels, "
        f"{steps} steps"
    )
    report = Report("dirac_bianconi", title, quick=quick)
    entries = contestants(edge_index, channels, steps)
    difference = worst_difference(entries, x, e)

    measured: dict[str, dict[str, Any]] = {}
    for name, (module, run) in entries.items():
        forward = repeat_for(lambda run=run: infer(run, x, e), repeats=repeats)
        both = repeat_for(lambda m=module, run=run: train(m, run, x, e), repeats=repeats)
        measured[name] = {
            "forward_ms": vars(Spread.of([1e3 * t.cpu / steps for t in forward])),
            "forward_backward_ms": vars(Spread.of([1e3 * t.cpu / steps for t in both])),
        }
    show(report, measured)
    report.say(f"largest relative difference of layer and plain formula: {difference:.1e}")
    settings = {
        "grids": grids,
        "nodes": nodes,
        "edges": len(e),
        "channels": channels,
        "steps": steps,
        "repeats": repeats,
        "seed": seed,
    }
    report.save(settings, {**measured, "largest_relative_difference": difference}, json)


def worst_difference(entries: dict[str, tuple[nn.Module, Run]], x: Tensor, e: Tensor) -> float:
    """Between results and gradients of the layer and those of the plain formula."""
    ours, theirs = (train(*entries[name], x, e) for name in ("layer", "plain formula"))
    pairs = [(a.detach(), b.detach()) for a, b in zip(ours, theirs, strict=True)]
    return max(float((a - b).norm() / b.norm()) for a, b in pairs)


def show(report: Report, measured: dict[str, dict[str, Any]]) -> None:
    """Processor milliseconds a step; lower is better."""
    kinds = ("forward_ms", "forward_backward_ms")
    rows = []
    for name, row in measured.items():
        cells = [name]
        for kind in kinds:
            median = row[kind]["median"]
            cells += [f"{median:.2f}", f"{median / measured['layer'][kind]['median']:.2f}"]
        rows.append(cells)
    report.table(
        "Processor time of one step in milliseconds",
        ["", "forward", "layer is ×", "forward + backward", "layer is ×"],
        rows,
    )


if __name__ == "__main__":
    run_benchmark(main)
