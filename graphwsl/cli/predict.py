"""``graphwsl predict``: a property of networks from their weights, without running them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from graphwsl.cli import app

if TYPE_CHECKING:
    from graphwsl.properties.files import LoadedNetworks
    from graphwsl.properties.predictor import Predictor


@app.command()
def predict(
    predictor: Path = typer.Argument(help="Folder that graphwsl train made."),
    networks: list[str] = typer.Argument(
        help="Folders of zoos; or ONNX files, or modules as module:factory, with their weights."
    ),
    epoch: list[int] | None = typer.Option(
        None, help="Only checkpoints of this epoch; may be given several times."
    ),
    limit: int = typer.Option(20, help="Rows of the table, the highest predictions first."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object, with all rows."),
) -> None:
    """Predict for every network, and compare where the truth is known."""
    import json

    from graphwsl.properties.files import load_networks
    from graphwsl.properties.predictors import load_predictor

    model = load_predictor(predictor)
    loaded = load_networks(networks, epochs=epoch)
    summary = summarise(model, loaded)
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        _print(summary, limit)


def summarise(model: "Predictor", loaded: "LoadedNetworks") -> dict[str, Any]:
    """Predictions, labels where they are known and the metrics, as plain values."""
    from graphwsl.properties.train import judge

    target = model.target
    assert target is not None
    values = model.predict(loaded.population).tolist()
    named = target.classes
    rows = []
    for network, checkpoint, value in zip(
        loaded.names, loaded.population.checkpoints, values, strict=True
    ):
        row: dict[str, Any] = {"network": network, "model": checkpoint.model}
        row |= {"epoch": checkpoint.epoch, "prediction": named[int(value)] if named else value}
        try:
            row["label"] = checkpoint[target.name]
        except KeyError:
            row["label"] = None
        rows.append(row)
    metrics: dict[str, float] = {}
    if all(row["label"] is not None for row in rows):
        metrics = judge(model, loaded.population)
    return {
        "predictor": model.name,
        "target": target.name,
        "rows": rows,
        "metrics": metrics,
    }


def _print(summary: dict[str, Any], limit: int) -> None:
    from rich.console import Console
    from rich.table import Table

    rows = summary["rows"]
    if rows and not isinstance(rows[0]["prediction"], str | bool):
        rows = sorted(rows, key=lambda row: -row["prediction"])
    table = Table("network", "model", "epoch", summary["target"], "truth")
    for row in rows[:limit]:
        cells = [_text(row["prediction"]), _text(row["label"])]
        table.add_row(row["network"], row["model"], str(row["epoch"]), *cells)
    Console().print(table)
    if len(rows) > limit:
        typer.echo(f"{len(rows) - limit:,} more; --json lists all")
    names = {"r2": "R²", "kendall_tau": "Kendall τ", "mae": "mean absolute error"}
    for name, value in summary["metrics"].items():
        typer.echo(f"{names.get(name, name)} = {value:.4f}")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
