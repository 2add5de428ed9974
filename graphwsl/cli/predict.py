"""``graphwsl predict``: a property of networks from their weights, without running them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.options import json_option
from graphwsl.cli import app
from graphwsl.cli.options import IMPORT, LISTED, count_of, print_left_out

if TYPE_CHECKING:
    from graphwsl.populations.loading import LoadedNetworks
    from graphwsl.properties.predictor import Predictor


@app.command()
def predict(
    predictor: Path = typer.Argument(help="Folder that graphwsl train made."),
    networks: list[str] = typer.Argument(
        help="Folders of zoos; ONNX files, or modules as module:factory, with their weights; or "
        "files of weights (.pt, .pth, .safetensors, .npz), or folders of these."
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

    The metrics are of networks that the predictor was not fitted to; ``judged`` says of how many
    checkpoints and networks, and which others were left out of them.

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
    parts, is_known = _fitted_to(model, loaded)
    for network, checkpoint, value, usable, part, known in zip(
        loaded.names,
        loaded.population.checkpoints,
        prediction.tolist(),
        finite,
        parts,
        is_known,
        strict=True,
    ):
        if not usable:
            where = f"epoch {checkpoint.epoch} of model {checkpoint.model!r}"
            name = network if network == checkpoint.model else f"{network}: {where}"
            left_out.append([name, f"its prediction is {value}"])
            continue
        row: dict[str, Any] = {"network": network, "model": checkpoint.model}
        row |= {"epoch": checkpoint.epoch, "prediction": named[int(value)] if named else value}
        row |= {"label": _label(checkpoint, target.name), "part": part, "known_architecture": known}
        rows.append(row)
    if not rows:
        raise PredictorError(f"nothing can be predicted; {left_out[0][0]}: {left_out[0][1]}")
    return {
        "predictor": model.name,
        "target": target.name,
        "rows": rows,
        "left_out": left_out,
        **_judged(model, loaded, prediction, parts),
        "fitted_to_is_known": model.fitted_to is not None,
    }


def _fitted_to(
    model: "Predictor", loaded: "LoadedNetworks"
) -> tuple[list[str | None], list[bool | None]]:
    """Of each checkpoint, the part it had in the fit, and whether its architecture had one."""
    known = model.fitted_to
    if known is None:
        nothing = [None] * len(loaded.names)
        return list(nothing), list(nothing)
    return known.parts(loaded.population, loaded.names), [*known.is_known(loaded.population)]


def _label(checkpoint: Any, name: str) -> Any:
    import math

    try:
        value = checkpoint[name]
    except KeyError:
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _judged(
    model: "Predictor", loaded: "LoadedNetworks", prediction: Any, parts: list[str | None]
) -> dict[str, Any]:
    """How good the predictions are for networks that were not fitted to, if all labels are known.

    Returns:
        ``metrics``, and ``judged``: numbers of checkpoints and networks by part, those that the
        metrics are of as ``others``.
    """
    from graphwsl.properties.evaluation import evaluate

    target = model.target
    assert target is not None
    numbers_of: dict[str, list[int]] = {}
    for number in prediction.isfinite().nonzero()[:, 0].tolist():
        numbers_of.setdefault(parts[number] or "others", []).append(number)
    judged = {
        part: {"checkpoints": len(some), "networks": len({_network(loaded, n) for n in some})}
        for part, some in numbers_of.items()
    }
    others = numbers_of.get("others", [])
    members = loaded.population.select(others)
    metrics: dict[str, float] = {}
    if others and all(_label(one, target.name) is not None for one in members.checkpoints):
        metrics = evaluate(prediction[others], target.values(members.checkpoints), target)
    return {"metrics": metrics, "judged": judged}


def _network(loaded: "LoadedNetworks", number: int) -> tuple[str, str]:
    return loaded.names[number], loaded.population.checkpoints[number].model


def _print(summary: dict[str, Any], limit: int) -> None:
    from rich.table import Table

    from gnncore.command_line.output import cell, console

    print_left_out(summary["left_out"])
    rows = summary["rows"]
    if not isinstance(rows[0]["prediction"], str | bool):
        rows = sorted(rows, key=lambda row: -row["prediction"])
    fitted = any(row["part"] for row in rows)
    columns, target = ["network", "model", "epoch"], summary["target"]
    title = f"predicted {target}" if target in columns else target
    table = Table(*columns, cell(title), "truth", *["fitted to"] * fitted)
    for row in rows[:limit]:
        cells = [_text(row[name]) for name in ("epoch", "prediction", "label")]
        cells += [row["part"] or ""] * fitted
        table.add_row(*map(cell, (row["network"], row["model"], *cells)))
    console().print(table)
    if len(rows) > limit:
        typer.echo(f"{len(rows) - limit:,} more; --json lists all")
    _print_metrics(summary)
    _print_beyond(rows)


def _print_metrics(summary: dict[str, Any]) -> None:
    names = {"r2": "R²", "kendall_tau": "Kendall τ", "mae": "mean absolute error"}
    for name, value in summary["metrics"].items():
        typer.echo(f"{names.get(name, name)} = {value:.4f}")
    judged = summary["judged"]
    fitted = [
        f"{count_of(judged[part])} that {what}"
        for part, what in (("train", "it was trained on"), ("valid", "chose its settings"))
        if part in judged
    ]
    if summary["metrics"] and not summary["fitted_to_is_known"]:
        typer.echo(
            "the predictor does not say which networks it was fitted to; those here may be among "
            "them, which makes it look better than it is"
        )
    elif summary["metrics"]:
        left_out = f"; left out: {', '.join(fitted)}" if fitted else ""
        typer.echo(f"of {count_of(judged['others'])} that it was not fitted to{left_out}")
    elif fitted:
        typer.echo(f"fitted to {', '.join(fitted)}: how good it is shows on others")


def _print_beyond(rows: list[dict[str, Any]]) -> None:
    """Which networks are unlike all that the predictor was trained on."""
    from gnncore.command_line.output import say

    beyond = dict.fromkeys(
        row["network"] if row["network"] == row["model"] else f"{row['network']}: {row['model']}"
        for row in rows
        if row["known_architecture"] is False
    )
    for network in list(beyond)[:LISTED]:
        say(
            f"beyond the training: {network} has an architecture that the predictor was not "
            "trained on"
        )
    if len(beyond) > LISTED:
        typer.echo(f"beyond the training: {len(beyond) - LISTED:,} more")


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
