"""What is lost by pruning populations, and what is gained by taking out what is dead?

    python -m benchmarks.sparse_twins

A zoo of digits whose networks differ by the seed alone is trained, and pruned by magnitude and by
variational dropout to several sparsities; both have the same number of further epochs. Then whole
channels of larger networks are set to zero, and the networks compacted.
"""

import math
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn

from benchmarks.cells import finished_cells, run_cell
from benchmarks.results import SCRATCH, Report, known_cells
from gnncore.storage import write_json
from graphwsl.sparsification import compact, compared, sparsify, summarise_twins
from graphwsl.sparsification.twins import METHODS
from graphwsl.zoo import train_zoo
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.recipe import Recipe

NAME = "sparse_twins"
SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95)
STRUCTURED = 0.8
"""Share of the channels that are set to zero in the networks that are compacted."""


def main(
    networks: Annotated[int, typer.Option(help="Networks of the zoo.")] = 12,
    width: Annotated[int, typer.Option(help="Channels of their layers.")] = 16,
    epochs: Annotated[int, typer.Option(help="Epochs of the training.")] = 20,
    tuning: Annotated[int, typer.Option(help="Epochs after pruning.")] = 12,
    restore: Annotated[
        bool, typer.Option("--restore", help="Begin with the cells of the result file.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw how time falls with dead channels, and nothing else.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="A minute, to see that it runs.")] = False,
) -> None:
    """Prune a zoo by both methods, and compact networks with dead channels."""
    if picture is not None:
        torch.set_num_threads(1)
        _picture(picture)
        return
    sparsities = SPARSITIES
    if quick:
        networks, width, epochs, tuning, sparsities = 3, 4, 1, 2, (0.5, 0.8)
    settings: dict[str, Any] = {
        "networks": networks,
        "width": width,
        "epochs": epochs,
        "tuning": tuning,
        "sparsities": list(sparsities),
        "structured": STRUCTURED,
    }
    folder = SCRATCH / NAME / ("quick" if quick else "whole")
    if restore:
        for name, cell in known_cells(NAME).items():
            write_json(folder / "cells" / name / "result.json", cell)
    torch.set_num_threads(1)
    report = Report(NAME, f"Sparse twins of {networks} networks of the digits", quick=quick)
    for method in METHODS:
        run_cell(
            folder / "cells" / method,
            lambda cell, method=method: _twins(cell, folder / "zoo", method, settings),
            lambda result: result["settings"] == settings,
        )
    for name in ("vgg", "resnet"):
        run_cell(
            folder / "cells" / f"compact_{name}",
            lambda cell, name=name: _compacted(name, quick),
            lambda result: result["quick"] == quick,
        )
    cells = {path.name: result for path, result in finished_cells(folder / "cells")}
    _tables(report, cells)
    report.save(settings, {"cells": cells}, json)


def _twins(cell: Path, zoo: Path, method: str, settings: dict[str, Any]) -> dict[str, Any]:
    recipe = Recipe.resolve(
        "digits_seed",
        epochs=settings["epochs"],
        keep=[settings["epochs"]],
        seeds=settings["networks"],
    )
    fixed = {**recipe.fixed, "width": settings["width"]}
    train_zoo(Recipe.of({**recipe.model_dump(), "fixed": fixed}), zoo, workers=1, resume=True)
    made = sparsify(
        zoo,
        cell / "zoo",
        method=method,
        sparsity=settings["sparsities"],
        epochs=settings["tuning"],
        resume=True,
    )
    rows = [vars(row) for row in summarise_twins(made.zoo)]
    # JSON has no NaN.
    rows = [{**row, "correlation": _number(row["correlation"])} for row in rows]
    return {"settings": settings, "rows": rows, "seconds": made.seconds}


def _dead(name: str, width: int, share: float) -> tuple[nn.Module, Tensor]:
    """A network of which a share of the channels of every convolution are zero, and inputs."""
    torch.manual_seed(0)
    model, inputs = _network(name, width)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.Conv2d):
                dead = torch.randperm(part.out_channels, generator=generator)
                part.weight[dead[: round(share * part.out_channels)]] = 0
            elif isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(generator=generator)
                part.weight.uniform_(0.5, 1.5, generator=generator)
                part.bias.normal_(generator=generator)
    return model.eval(), inputs


def _picture(path: Path) -> None:
    """How time and parameters fall with the share of dead channels."""
    from matplotlib import pyplot

    shares = (0.0, 0.3, 0.6, 0.9)
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
    for name, colour in (("vgg", "tab:blue"), ("resnet", "tab:orange")):
        tables = []
        for share in shares:
            model, inputs = _dead(name, 16, share)
            tables.append(compared(model, compact(model, inputs[:1]), inputs, repetitions=3))
        for axis, what in zip(axes, ("parameters", "milliseconds"), strict=True):
            left = [getattr(t.after, what) / getattr(t.before, what) for t in tables]
            axis.plot(shares, left, "o-", color=colour, label=name)
            axis.set(xlabel="share of channels that are zero", title=f"{what} that are left")
            axis.grid(alpha=0.3)
    axes[0].legend()
    axes[0].set_ylim(0)
    figure.savefig(path, dpi=110)


def _compacted(name: str, quick: bool) -> dict[str, Any]:
    model, inputs = _dead(name, 8 if quick else 64, STRUCTURED)
    small = compact(model, inputs[:1])
    table = compared(model, small, inputs, repetitions=2 if quick else 10)
    double = model.double()
    precise = compact(double, inputs[:1].double())
    with torch.no_grad():
        expected = double(inputs.double())
        error = float((precise(inputs.double()) - expected).abs().max() / expected.abs().max())
    return {
        "quick": quick,
        "before": vars(table.before),
        "after": vars(table.after),
        "speed_up": table.speed_up,
        "error": error,
    }


def _network(name: str, width: int) -> tuple[nn.Module, Tensor]:
    inputs = torch.randn(8, 3, 32, 32)
    if name == "resnet":
        factors = {"in_channels": 3, "image_size": 32, "out_channels": 10, "width": width}
        return build("resnet18", factors), inputs
    layers: list[nn.Module] = []
    before = 3
    for channels in (width, 2 * width, 4 * width):
        for _ in range(2):
            layers += [
                nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()
            ]  # fmt: skip
            before = channels
        layers.append(nn.MaxPool2d(2))
    head = [nn.Flatten(), nn.Linear(16 * before, 4 * width), nn.ReLU(), nn.Linear(4 * width, 10)]
    return nn.Sequential(*layers, *head), inputs


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _tables(report: Report, cells: dict[str, Any]) -> None:
    rows = [
        [
            method.replace("_", " "),
            f"{row['sparsity']:.1%}",
            f"{row['original_accuracy']:.2%}",
            f"{row['accuracy']:.2%}",
            f"{row['loss']:.2f}",
            f"{row['agreement']:.1%}",
            "" if row["correlation"] is None else f"{row['correlation']:.2f}",
        ]
        for method in METHODS
        if method in cells
        for row in cells[method]["rows"]
    ]
    columns = ["method", "sparsity", "original", "twin", "points lost", "agreement", "correlation"]
    report.table("Test accuracy after tuning", columns, rows)
    rows = []
    for name, cell in cells.items():
        if name.startswith("compact_"):
            before, after = cell["before"], cell["after"]
            rows.append(
                [
                    name.removeprefix("compact_"),
                    f"{before['parameters']:,}",
                    f"{after['parameters']:,}",
                    f"{before['milliseconds']:.1f}",
                    f"{after['milliseconds']:.1f}",
                    f"{cell['speed_up']:.1f} ×",
                    f"{cell['error']:.0e}",
                ]
            )
    columns = ["network", "parameters", "compacted", "ms", "compacted ms", "faster", "error"]
    report.table(f"{STRUCTURED:.0%} of the channels zero, then compacted", columns, rows)


if __name__ == "__main__":
    typer.run(main)
