"""``gridstab evaluate``: how well trained models do on labelled grids."""

from pathlib import Path

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import json_option
from gridstab.cli import app
from gridstab.cli.choices import SPLITS, TRAINING_SETS
from gridstab.cli.options import IMPORT, WORKERS


@app.command()
def evaluate(
    runs: list[Path] = typer.Argument(
        help="Training folders; the predictions of several are averaged."
    ),
    data: str = typer.Option(
        ...,
        help="As for gridstab train, or texas.",
        autocompletion=one_of(*TRAINING_SETS, "texas"),
    ),
    split: str = typer.Option(
        "test", help="train, valid, test, or all of them.", autocompletion=one_of(*SPLITS)
    ),
    sign_invariant: bool | None = typer.Option(
        None,
        "--sign-invariant/--no-sign-invariant",
        help="Predict the mean for a grid and its mirror. [default: as trained]",
    ),
    workers: int | None = WORKERS,
    as_json: bool = json_option(),
    modules: list[str] = IMPORT,
) -> None:
    """Evaluate trained models, also on grids of another size than they were trained on.

    Grids from which they have learnt are left out, unless there are no others.
    """
    from gridstab.cli.folders import require_folders
    from gridstab.learning.mixture import places_of

    require_folders(runs, "training")
    places_of(data)
    # What takes long to import, for which a wrong place need not wait.
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import say
    from gridstab.cli.judged_summary import said_of_judged, summarise_judged
    from gridstab.cli.learning_summary import print_metrics
    from gridstab.cli.prediction_summary import summarise_beyond
    from gridstab.counted import counted
    from gridstab.dynamics.engine import available_threads
    from gridstab.learning.judged import Judged
    from gridstab.learning.splits import SPLITS
    from gridstab.learning.train import load_for_learning
    from gridstab.learning.trained import Ensemble

    import_modules(modules)
    if split not in (*SPLITS, "all"):
        raise typer.BadParameter(f"split must be {', '.join(SPLITS)} or all, got {split!r}")
    model = Ensemble.load(*runs)
    processes = available_threads() if workers is None else workers
    dataset = load_for_learning(data, model.features, model.task, workers=processes)
    for run, member in zip(runs, model.members, strict=True):
        learnt = member.learnt_from(dataset) if split in ("train", "all") else 0
        if learnt and member.learnt_grids is None:
            typer.echo(
                f"gridstab: {str(run)!r} has learnt from {learnt} of these grids; only those of "
                "--split test are new to it",
                err=True,
            )
    for name in SPLITS:
        if name == split:
            dataset = dataset.split(name)
    prediction, beyond = model.predict_with_range(dataset, sign_invariant=sign_invariant)
    judged = Judged.by(model, dataset)
    metrics = judged.evaluate(prediction, dataset, model.task, threshold=model.threshold)
    summary = {
        "runs": list(map(str, runs)),
        "data": dataset.name,
        "split": split,
        "grids": len(dataset),
        "nodes": dataset.store.num_nodes,
        "task": model.task.name,
        "metrics": metrics,
        **summarise_judged(judged, metrics),
        "beyond": summarise_beyond(beyond),
    }
    if as_json:
        echo_json(summary)
        return
    which = split if judged.is_new else f"{split}, all of them seen in the training"
    print_metrics(
        f"{model.task.title}: {counted(len(judged.grids), 'grid')} of {dataset.name} ({which})",
        {split: metrics},
    )
    if (remark := said_of_judged(summary)) is not None:
        say(remark)
    if beyond:
        typer.echo(f"Predictions are {beyond.text}")
