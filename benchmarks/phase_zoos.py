"""Do the published phases hold for residual networks, transformers, language models and PINNs?

    python -m benchmarks.phase_zoos

The recipes ``phases_*`` over temperature and load, some of them thinner or shorter so that each
takes minutes of one core, are trained whole and measured. A cell is a recipe; what is done is kept
in ``--out``: the program may be killed and started again.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from scipy.stats import spearmanr

from benchmarks.cells import RESULT, Result, restore_cells, run_cell
from benchmarks.options import require_known
from benchmarks.results import SCRATCH, Report, known_cells
from benchmarks.running import run_benchmark
from graphwsl.landscape import LandscapeSettings, Thresholds, measure, phase_of
from graphwsl.zoo import Recipe, open_zoo, train_zoo

NAME = "phase_zoos"
SETTINGS = LandscapeSettings(
    metrics=("hessian", "similarity", "curves"), samples=256, probes=16, curve_steps=200
)
METRICS = {
    "train_error": "train error",
    "test_error": "test error",
    "train_hessian_trace": "trace",
    "train_curve_error_connectivity": "connectivity",
    "similarity": "CKA",
}
PHASES = ("I", "II", "III", "IV-A", "IV-B", None)
"""In the order of the columns; None is undecided."""


@dataclass(frozen=True)
class Plane:
    """The axes of a recipe and how it is trained here.

    Attributes:
        temperature: The factor that makes a training noisy.
        hot_is: Whether it is hot where the factor is ``large`` or ``small``.
        load: The factor of the other axis.
        high_is: Whether the load is high where that is ``large`` or ``small``.
        options: Fields of the recipe that are others here.
        settings: What is measured otherwise than of the rest: curves of squared errors diverge at
            the common learning rate, and take more steps at a smaller one; those of language
            models are left out, and what is measured of transformers takes fewer samples.
    """

    temperature: str
    hot_is: str
    load: str
    high_is: str
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


FEWER: dict[str, Any] = {"samples": 64, "probes": 8}
"""Of transformers, whose Hessians take minutes a group of networks."""
NO_CURVES: dict[str, Any] = {**FEWER, "metrics": ("hessian", "similarity")}

PLANES = {
    "phases_pinn": Plane(
        *("learning_rate", "large", "signal", "large"),
        settings={"curve_steps": 5000, "curve_learning_rate": 0.03},
    ),
    "phases_gpt": Plane("batch_size", "small", "width", "small", settings=NO_CURVES),
    "phases_vit": Plane("batch_size", "small", "width", "small", settings=FEWER),
    "phases_resnet": Plane("batch_size", "small", "width", "small"),
}
QUICK = {"epochs": 1, "keep": (1,), "grid": {"signal": (1, 2), "learning_rate": (1e-3, 1e-2)}}
"""Of networks that learn an equation."""


def trained_and_measured(folder: Path, recipe: Recipe, settings: LandscapeSettings) -> Result:
    """The cells of the landscape of a recipe; both train and measure go on where they ended.

    Returns:
        Factors and numbers of each cell, and processor seconds, None of what was interrupted.
    """
    zoo, out = folder / "zoo", folder / "landscape.json"
    is_trained, is_begun = zoo.exists(), out.exists()
    start = time.process_time()
    train_zoo(recipe, zoo, workers=1, resume=is_trained)
    trained = time.process_time() - start
    found = measure(open_zoo(zoo), settings, out=out, resume=is_begun)
    measured = time.process_time() - start - trained
    cells = [
        {
            **{axis: cell.configuration[axis] for axis in found.axes},
            **{name: _rounded(cell.metrics.get(name, math.nan)) for name in METRICS},
        }
        for cell in found.cells
    ]
    return {
        "recipe": recipe.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "networks": len(found.networks),
        "cells": cells,
        "seconds": {
            "training": None if is_trained else round(trained),
            "measuring": None if is_begun else round(measured),
        },
    }


def thresholds_of(cells: Sequence[Result]) -> dict[str, Thresholds]:
    """Three sets of thresholds: the defaults, and two that lie within the population.

    The publications give no numbers, and networks that learn language or an equation are never
    right on all but 5 % of what they have seen. Therefore a median and a quartile of what was
    measured on *training* data divide them; the rule was written before any test error was read.
    """
    errors = [cell["train_error"] for cell in cells]
    alike = [cell["similarity"] for cell in cells if cell["similarity"] is not None]
    median = _share(np.median(errors))
    return {
        "default": Thresholds(),
        "median error": Thresholds(train_error=median, connectivity=0.01),
        "upper quartile of errors, median CKA": Thresholds(
            train_error=_share(np.quantile(errors, 0.75)),
            connectivity=0.01,
            similarity=_share(np.median(alike)),
        ),
    }


def phase_rows(name: str, cells: Sequence[Result]) -> list[list[str]]:
    """Mean test accuracy of the cells of every phase, a row a set of thresholds."""
    rows = []
    for words, limits in thresholds_of(cells).items():
        found: dict[str | None, list[float]] = {phase: [] for phase in PHASES}
        for cell in cells:
            numbers = [cell[key] for key in list(METRICS) if key not in ("test_error",)]
            error, _, connectivity, similarity = (math.nan if n is None else n for n in numbers)
            phase = phase_of(error, connectivity, similarity, limits).name
            found[phase].append(100 * (1 - cell["test_error"]))
        means = {phase: float(np.mean(own)) for phase, own in found.items() if own and phase}
        texts = [f"{np.mean(own):.1f} ({len(own)})" if own else "" for own in found.values()]
        rows.append([f"{name}, {words} ({said(limits)})", *texts, *_order(means)])
    return rows


def said(limits: Thresholds) -> str:
    """Thresholds in one line."""
    return ", ".join(f"{k.replace('_', ' ')} {v:.3g}" for k, v in limits.model_dump().items())


def _order(means: dict[str, float]) -> list[str]:
    """Whether IV-B is the best phase there is, and III the worst; nothing if it is not there."""
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    answers = (("IV-B", best), ("III", worst))
    return [("yes" if name == own else "no") if name in means else "" for name, own in answers]


def trend(cells: Sequence[Result], along: str, sign: int, metric: str) -> float | None:
    """Spearman's correlation of a number with an axis, over cells where it is known."""
    known = [cell for cell in cells if cell[metric] is not None]
    if len(known) < 3:
        return None
    found = spearmanr([sign * cell[along] for cell in known], [cell[metric] for cell in known])
    value = float(found.statistic)
    return None if math.isnan(value) else value


def show(report: Report, done: dict[str, Result]) -> None:
    """Print all tables."""
    rows = []
    for name, result in done.items():
        cells, recipe, seconds = result["cells"], result["recipe"], result["seconds"]
        accuracy = [100 * (1 - cell["test_error"]) for cell in cells]
        grid = [f"{axis.replace('_', ' ')} {_span(own)}" for axis, own in recipe["grid"].items()]
        times = [_of(seconds[part]) for part in ("training", "measuring")]
        row = [name, f"{result['networks']}", f"{recipe['epochs']}", "; ".join(grid)]
        rows.append([*row, f"{min(accuracy):.1f} to {max(accuracy):.1f}", *times])
    report.table(
        "What was trained: three seeds of each point; accuracy of PINNs is the variance of the "
        "wave that is explained [%], that of language models the share of right characters",
        ["", "networks", "epochs", "grid", "test accuracy [%]", "training [s]", "measuring [s]"],
        rows,
    )
    for title, metric, along, across in (
        ("temperature with the trace (published: negative)", "train_hessian_trace", 0, 1),
        ("load with CKA (published: negative)", "similarity", 1, 0),
    ):
        rows = []
        for name, result in done.items():
            plane = PLANES[name]
            axes = (plane.temperature, plane.load)
            signs = [1 if one == "large" else -1 for one in (plane.hot_is, plane.high_is)]
            for level in sorted({cell[axes[across]] for cell in result["cells"]}):
                own = [cell for cell in result["cells"] if cell[axes[across]] == level]
                value = trend(own, axes[along], signs[along], metric)
                label = f"{name}, {axes[across].replace('_', ' ')} {level:g}"
                rows.append([label, "" if value is None else f"{value:.2f}"])
        report.table(f"Spearman's correlation of the {title}", ["", "correlation"], rows)
    report.table(
        "Mean test accuracy [%] of the cells of every phase, how many there are, and whether the "
        "published order holds",
        ["population, thresholds", *(p or "undecided" for p in PHASES), "IV-B best", "III worst"],
        [
            row
            for name, result in done.items()
            if any(cell["train_curve_error_connectivity"] is not None for cell in result["cells"])
            for row in phase_rows(name, result["cells"])
        ],
    )
    for name, result in done.items():
        if "curves" not in result["settings"]["metrics"]:
            report.say(f"Curves between networks of {name}, and so its phases, are not measured.")


def main(
    out: Annotated[Path, typer.Option(help="Folder of the cells.")] = SCRATCH / NAME,
    only: Annotated[list[str] | None, typer.Option(help="Recipes; all by default.")] = None,
    restore: Annotated[bool, typer.Option(help="Begin with the cells of the result file.")] = False,
    json: Annotated[Path | None, typer.Option(help="Result file.")] = None,
    quick: Annotated[bool, typer.Option(help="A tiny zoo, to see that it runs.")] = False,
) -> None:
    """Train the recipes, measure their landscapes, and tell their phases."""
    torch.set_num_threads(1)
    planes, settings = PLANES, SETTINGS
    if quick:
        planes = {"phases_pinn": replace(PLANES["phases_pinn"], options=QUICK, settings={})}
        out = out / "quick"
        settings = SETTINGS.model_copy(update={"samples": 32, "probes": 2, "curve_steps": 2})
    require_known(only or (), planes, "recipe")
    report = Report(NAME, "Populations over temperature and load", quick=quick)
    if restore:
        restore_cells(out, known_cells(NAME))
    done = {}
    for name, plane in planes.items():
        if only and name not in only and not (out / name / RESULT).is_file():
            continue
        recipe = Recipe.resolve(name, **plane.options)
        own = settings.model_copy(update=plane.settings)
        result = run_cell(out / name, lambda at, r=recipe, s=own: trained_and_measured(at, r, s))
        if result is not None:
            done[name] = result
    show(report, done)
    report.save({"settings": settings.model_dump(mode="json")}, {"cells": done}, json)


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _share(value: Any) -> float:
    return float(np.clip(value, 0, 1))


def _span(values: Sequence[Any]) -> str:
    return f"{values[0]:g} to {values[-1]:g} ({len(values)})"


def _of(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds}"


if __name__ == "__main__":
    run_benchmark(main)
