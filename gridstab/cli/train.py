"""``gridstab train``: learn to predict stability from labelled grids, or go on learning."""

from pathlib import Path

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import ALONE, json_option, quiet_option
from gnncore.command_line.outputs import default_folder, folder_option
from gridstab.cli import app
from gridstab.cli.choices import DEVICES, FEATURES, MODELS, TASKS, TRAINING_SETS
from gridstab.cli.options import IMPORT, WORKERS

WHAT = "What is learnt"
HOW = "How it is learnt"
WHERE = "Where it runs and goes"


@app.command()
def train(
    data: str = typer.Option(
        ...,
        help="Run folder, packed file, landscapes, folder of published files, ds20, ds100, "
        "ds20-large or ds100-large; several with commas.",
        rich_help_panel=WHAT,
        autocompletion=one_of(*TRAINING_SETS),
    ),
    model: str = typer.Option(
        "default",
        help="Published model by name, a TOML file, or the folder of a training to go on from.",
        rich_help_panel=WHAT,
        autocompletion=one_of(*MODELS),
    ),
    task: str | None = typer.Option(
        None,
        help="snbs, survivability, troublemaker, max_frequency_deviation or landscape. "
        "[default: snbs, or a trained model's own]",
        rich_help_panel=WHAT,
        autocompletion=one_of(*TASKS),
    ),
    features: str | None = typer.Option(
        None,
        help="What the model sees: published, operating_point, … [default: the model's own]",
        rich_help_panel=WHAT,
        autocompletion=one_of(*FEATURES),
    ),
    train_grids: int | None = typer.Option(
        None, help="Learn from the first so many training grids only.", rich_help_panel=WHAT
    ),
    epochs: int | None = typer.Option(
        None, help="Passes over the training grids. [default: the model's own]", rich_help_panel=HOW
    ),
    batch_size: int | None = typer.Option(
        None, help="Grids a step. [default: the model's own]", rich_help_panel=HOW
    ),
    learning_rate: float | None = typer.Option(
        None, help="Largest learning rate. [default: the model's own]", rich_help_panel=HOW
    ),
    patience: int | None = typer.Option(
        None,
        help="Stop after so many epochs without a better validation. [default: the model's own]",
        rich_help_panel=HOW,
    ),
    seed: int | None = typer.Option(
        None,
        help="Seed of initial weights, batches and dropout. [default: the model's own]",
        rich_help_panel=HOW,
    ),
    augment: bool | None = typer.Option(
        None,
        "--augment/--no-augment",
        help="Mirror training grids (P to -P) at random. [default: the model's own]",
        rich_help_panel=HOW,
    ),
    sign_invariant: bool | None = typer.Option(
        None,
        "--sign-invariant/--no-sign-invariant",
        help="Predict the mean for a grid and its mirror. [default: the model's own]",
        rich_help_panel=HOW,
    ),
    clip: float | None = typer.Option(
        None,
        help="Cut features off beyond this share of the training values in either tail. "
        "[default: the model's own]",
        rich_help_panel=HOW,
    ),
    device: str = typer.Option(
        "auto",
        help="auto, cpu, cuda or cuda:1, …",
        rich_help_panel=WHERE,
        autocompletion=one_of(*DEVICES),
    ),
    workers: int | None = WORKERS,
    out: Path | None = folder_option(
        "Training folder. [default: runs/<model>-<data>-<task>]", panel=WHERE
    ),
    resume: bool = typer.Option(
        False, "--resume", help="Continue the training in that folder.", rich_help_panel=WHERE
    ),
    as_json: bool = json_option(ALONE, WHERE),
    quiet: bool = quiet_option(WHERE),
    modules: list[str] = IMPORT,
) -> None:
    """Train a model on labelled grids and evaluate it once on the test split.

    It learns from the training split and is selected on the validation split. On a CPU the result
    depends on the options under "what" and "how" alone, not on interruptions.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.resuming import resumable
    from gridstab.cli.learning_summary import print_training, summarise_training
    from gridstab.dynamics.engine import available_threads
    from gridstab.learning.mixture import places_of

    import_modules(modules)
    places_of(data)
    from gridstab.learning.train import train_model  # for which a wrong place need not wait

    name = f"{Path(model).resolve().stem}-{Path(data).resolve().stem}-{task or 'snbs'}"
    folder = default_folder("runs", name) if out is None else out
    with resumable("gridstab"):
        trained = train_model(
            model,
            data,
            folder,
            task=task,
            features=features,
            train_grids=train_grids,
            augment=augment,
            sign_invariant=sign_invariant,
            clip=clip,
            resume=resume,
            workers=available_threads() if workers is None else workers,
            progress=not quiet,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            patience=patience,
            seed=seed,
            device=device,
        )
    summary = summarise_training(folder, trained)
    if as_json:
        echo_json(summary)
    elif not quiet:
        print_training(summary)
