"""``gridstab predict``: the stability of a grid without simulating it."""

from pathlib import Path

import typer

from gnncore.command_line.options import json_option
from gnncore.command_line.outputs import file_option, picture_option
from gridstab.cli import app
from gridstab.cli.options import (
    COUPLING,
    DAMPING,
    IMPORT,
    INERTIA,
    INTERVALS,
    LARGEST_COMPONENT,
    NODE_TABLE,
    NORMALISED,
    SETTING,
    WORKERS,
)


@app.command()
def predict(
    runs: list[Path] = typer.Argument(
        help="Training folders; the predictions of several are averaged."
    ),
    case: str = typer.Option(
        ...,
        help="texas, a MATPOWER case by name or file, a grid file, or a folder of labelled grids.",
    ),
    setting: str | None = SETTING,
    coupling: float | None = COUPLING,
    damping: float | None = DAMPING,
    inertia: float | None = INERTIA,
    node_table: str | None = NODE_TABLE,
    largest_component: bool = LARGEST_COMPONENT,
    seed: int = typer.Option(0, help="Seed of the random powers of a case."),
    intervals: float | None = INTERVALS,
    normalised: bool = NORMALISED,
    out: Path | None = file_option(
        "CSV file for all nodes, the weakest first. low and high of a label are wider than need be "
        "where of Sobol points or pixels only the number is known; part says what the grid was in "
        "the training."
    ),
    picture: Path | None = picture_option("of the first grid"),
    sign_invariant: bool | None = typer.Option(
        None,
        "--sign-invariant/--no-sign-invariant",
        help="Predict the mean for a grid and its mirror. [default: as trained]",
    ),
    workers: int | None = WORKERS,
    as_json: bool = json_option(),
    modules: list[str] = IMPORT,
) -> None:
    """Predict the stability of every node of a grid, and compare with its labels if it has any.

    Grids from which the models have learnt are left out of the comparison, unless there are no
    others.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import say
    from gnncore.figures import save_figure
    from gnncore.storage import leading_to
    from gridstab.cli.prediction_summary import print_predictions, summarise_predictions
    from gridstab.cli.summary import remark_on_powers
    from gridstab.dynamics.engine import available_threads
    from gridstab.learning.predicting import load_grids, predict_grids
    from gridstab.learning.prediction_intervals import require_intervals
    from gridstab.learning.trained import Ensemble

    import_modules(modules)
    model = Ensemble.load(*runs)
    if intervals is not None:  # before features are computed, which may take minutes
        require_intervals(model, intervals, sign_invariant)
    loaded = load_grids(
        case,
        model.task,
        features=model.features,
        seed=seed,
        workers=available_threads() if workers is None else workers,
        progress=not as_json,
        setting=setting,
        coupling=coupling,
        damping=damping,
        inertia=inertia,
        node_table=node_table,
        largest_component=largest_component or None,
    )
    found = predict_grids(model, loaded, sign_invariant, intervals=intervals, normalised=normalised)
    if picture is not None:  # first, since it refuses names of other kinds of files
        save_figure(found.plot(), leading_to(picture))
    if out is not None:
        found.write_csv(out)
    summary = summarise_predictions(found)
    if as_json:
        echo_json(summary)
    else:
        print_predictions(summary)
        single = loaded.dataset is None
        asked = {"case": case, "setting": setting, "node_table": node_table}
        if single and (remark := remark_on_powers(asked)):
            say(f"powers: {remark}")
