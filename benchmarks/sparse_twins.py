"""What is lost by pruning populations, and what is gained by taking out what is dead?

    python -m benchmarks.sparse_twins

A zoo of digits whose networks differ in activation, rate, decay and amount of data, and therefore
in how good they are, is trained for 50 epochs, as published, and pruned by magnitude and by
variational dropout to several sparsities; both have 25 further epochs. Then whole channels of
larger networks, and of every architecture of the coverage corpus, are set to zero, and the networks
compacted.
"""

import math
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn

from benchmarks.cells import finished_cells, run_cell
from benchmarks.coverage_corpus.checks import small
from benchmarks.coverage_corpus.pruning import LARGEST_ERROR, compacted, failure_of
from benchmarks.coverage_corpus.small_configs import SMALL_CONFIGS
from benchmarks.results import SCRATCH, Report, known_cells
from gnncore.storage import write_json
from graphwsl.errors import GraphwslError
from graphwsl.sparsification import compact, compared, sparsify, summarise_twins
from graphwsl.sparsification.twins import METHODS
from graphwsl.zoo import train_zoo
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.recipe import Recipe

NAME = "sparse_twins"
SPARSITIES = {"magnitude": (0.5, 0.8, 0.9, 0.95), "variational_dropout": (0.5, 0.9)}
"""What each method is measured at; the second takes longer."""
GRID: dict[str, Any] = {
    "activation": ["tanh", "relu"],
    "learning_rate": [1e-2, 3e-3],
    "weight_decay": [0.0, 1e-3],
    "data_fraction": [0.15, 0.4, 1.0],
}
"""Of these factors of ``digits_hyperparameters`` come networks that learn, well or less well."""
STRUCTURED = 0.8
"""Share of the channels that are set to zero in the networks that are compacted."""


def main(
    seeds: Annotated[int, typer.Option(help="Networks of every point of the grid.")] = 2,
    width: Annotated[int, typer.Option(help="Channels of their layers.")] = 16,
    epochs: Annotated[int, typer.Option(help="Epochs of the training.")] = 50,
    tuning: Annotated[int, typer.Option(help="Epochs after pruning.")] = 25,
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
    sparsities, grid, corpus = SPARSITIES, GRID, list(SMALL_CONFIGS)
    if quick:
        seeds, width, epochs, tuning = 3, 4, 1, 2
        sparsities = dict.fromkeys(METHODS, (0.5, 0.8))
        grid, corpus = {"activation": ["tanh"]}, ["BERT", "Llama"]
    networks = seeds * math.prod(map(len, grid.values()))
    settings: dict[str, Any] = {
        "grid": grid,
        "seeds": seeds,
        "width": width,
        "epochs": epochs,
        "tuning": tuning,
        "structured": STRUCTURED,
    }
    of_method = {method: {**settings, "sparsities": list(sparsities[method])} for method in METHODS}
    folder = SCRATCH / NAME / ("quick" if quick else "whole")
    if restore:
        for name, cell in known_cells(NAME).items():
            write_json(folder / "cells" / name / "result.json", cell)
    torch.set_num_threads(1)
    report = Report(NAME, f"Sparse twins of {networks} networks of the digits", quick=quick)
    for method in METHODS:
        run_cell(
            folder / "cells" / method,
            lambda cell, method=method: _twins(cell, folder / "zoo", method, of_method[method]),
            lambda result, method=method: result["settings"] == of_method[method],
        )
    for name in ("vgg", "resnet"):
        run_cell(
            folder / "cells" / f"compact_{name}",
            lambda cell, name=name: _compacted(name, quick),
            lambda result: result["quick"] == quick,
        )
    for name in corpus:
        run_cell(folder / "cells" / f"corpus_{name}", lambda cell, name=name: _of_corpus(name))
    cells = {path.name: result for path, result in finished_cells(folder / "cells")}
    _tables(report, cells)
    report.save({**settings, "sparsities": sparsities}, {"cells": cells}, json)


def _twins(cell: Path, zoo: Path, method: str, settings: dict[str, Any]) -> dict[str, Any]:
    recipe = Recipe.resolve(
        "digits_hyperparameters",
        epochs=settings["epochs"],
        keep=[settings["epochs"]],
        seeds=settings["seeds"],
        grid=settings["grid"],
    ).model_dump()
    fixed = {**recipe["fixed"], "width": settings["width"]}
    train_zoo(Recipe.of({**recipe, "fixed": fixed, "sample": None}), zoo, workers=1, resume=True)
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


def _of_corpus(name: str) -> dict[str, Any]:
    try:
        return compacted(partial(small, *SMALL_CONFIGS[name]), STRUCTURED)
    except GraphwslError as error:
        return {"refused": str(error)}


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
            f"{row['points_lost']:.2f}",
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
    found = {
        name.removeprefix("corpus_"): cell
        for name, cell in cells.items()
        if name.startswith("corpus_")
    }
    rows = [
        [name, *(f"{cell[key]:,}" for key in ("layers", "before", "after")), f"{cell['error']:.0e}"]
        for name, cell in found.items()
        if "refused" not in cell
    ]
    columns = ["architecture", "layers", "parameters", "compacted", "error"]
    report.table("The same of the layers of small architectures of transformers", columns, rows)
    failures = {name: reason for name, cell in found.items() if (reason := failure_of(cell))}
    report.say(
        f"{len(found) - len(failures)} of {len(found)} architectures compute the same to "
        f"{LARGEST_ERROR:g} without their dead channels."
    )
    for name, reason in failures.items():
        report.say(f"{name}: {reason}.")


if __name__ == "__main__":
    typer.run(main)
