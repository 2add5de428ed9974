"""``graphwsl predict``: a property of networks from their weights, without running them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.options import json_option
from graphwsl.cli import app
from graphwsl.cli.options import IMPORT, print_left_out

if TYPE_CHECKING:
    from graphwsl.populations.loading import LoadedNetworks
    from graphwsl.properties.predictor import Predictor


@app.command()
def predict(
    predictor: Path = typer.Argument(help="Folder that graphwsl train made."),
    networks: list[str] = typer.Argument(
        help="Folders of zoos; ONNX files, or modules as module:factory, with their weights; or "
        "files of weights (.pt, .pth, .safetensors, .npz)."
    ),
    epoch: list[int] | None = typer.Option(
        None, min=0, help="Only checkpoints of this epoch; may be given several times."
    ),
    network: str | None = typer.Option(
        None,
        help="What files of weights belong to: an ONNX file, or module:factory. "
        "[default: the network among those fitted to that has such weights]",
        show_default=False,
    ),
    entry: str | None = typer.Option(
        None, help="Where the weights lie in files of torch that hold more, such as state_dict."
    ),
    limit: int = typer.Option(20, min=0, help="Rows of the table, the highest predictions first."),
    modules: list[str] = IMPORT,
    as_json: bool = json_option("one JSON object, with all rows"),
) -> None:
    """Predict for every network, and compare where the truth is known.

    What cannot be used is left out and named, with the reason; the exit code is 2 if nothing is
    left.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from graphwsl.populations.loading import Homes, load_networks
    from graphwsl.properties.predictors import load_predictor

    import_modules(modules)
    model = load_predictor(predictor)
    homes = Homes(network, model.networks, entry, by_activation=model.runs)
    loaded = load_networks(networks, epochs=epoch, homes=homes)
    summary = summarise(model, loaded)
    if as_json:
        echo_json(summary)
    else:
        _print(summary, limit)


def summarise(model: "Predictor", loaded: "LoadedNetworks") -> dict[str, Any]:
    """Predictions, labels where they are known and the metrics, as plain values.

    Raises:
        PredictorError: No prediction is finite.
    """
    from graphwsl.errors import PredictorError

    target = model.target
    assert target is not None
    prediction = model.predict(loaded.population)
    named = target.classes
    rows: list[dict[str, Any]] = []
    left_out = [[problem.path, problem.reason] for problem in loaded.left_out]
    finite = prediction.isfinite().tolist()
    for network, checkpoint, value, usable in zip(
        loaded.names, loaded.population.checkpoints, prediction.tolist(), finite, strict=True
    ):
        if not usable:
            where = f"epoch {checkpoint.epoch} of model {checkpoint.model!r}"
            place = network if network == checkpoint.model else f"{network}: {where}"
            left_out.append([place, f"its prediction is {value}"])
            continue
        row: dict[str, Any] = {"network": network, "model": checkpoint.model}
        row |= {"epoch": checkpoint.epoch, "prediction": named[int(value)] if named else value}
        row["label"] = _label(checkpoint, target.name)
        rows.append(row)
    if not rows:
        raise PredictorError(f"nothing can be predicted; {left_out[0][0]}: {left_out[0][1]}")
    return {
        "predictor": model.name,
        "target": target.name,
        "rows": rows,
        "left_out": left_out,
        "metrics": _metrics(model, loaded, prediction, rows),
    }


def _label(checkpoint: Any, name: str) -> Any:
    import math

    try:
        value = checkpoint[name]
    except KeyError:
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _metrics(
    model: "Predictor", loaded: "LoadedNetworks", prediction: Any, rows: list[dict[str, Any]]
) -> dict[str, float]:
    """How good the predictions are, where all labels are known."""
    from graphwsl.properties.evaluation import evaluate

    if any(row["label"] is None for row in rows):
        return {}
    assert model.target is not None
    finite = prediction.isfinite()
    members = loaded.population.select(finite.nonzero()[:, 0].tolist())
    return evaluate(prediction[finite], model.target.values(members.checkpoints), model.target)


def _print(summary: dict[str, Any], limit: int) -> None:
    from rich.table import Table

    from gnncore.command_line.output import cell, console

    print_left_out(summary["left_out"])
    rows = summary["rows"]
    if not isinstance(rows[0]["prediction"], str | bool):
        rows = sorted(rows, key=lambda row: -row["prediction"])
    table = Table("network", "model", "epoch", cell(summary["target"]), "truth")
    for row in rows[:limit]:
        cells = [_text(row["prediction"]), _text(row["label"])]
        table.add_row(*map(cell, (row["network"], row["model"], row["epoch"], *cells)))
    console().print(table)
    if len(rows) > limit:
        typer.echo(f"{len(rows) - limit:,} more; --json lists all")
    names = {"r2": "R²", "kendall_tau": "Kendall τ", "mae": "mean absolute error"}
    for name, value in summary["metrics"].items():
        typer.echo(f"{names.get(name, name)} = {value:.4f}")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
