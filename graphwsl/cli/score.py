"""``graphwsl score``: how good networks are that were made, how unlike one another, and how new."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import json_option
from gnncore.command_line.outputs import file_option, picture_option
from graphwsl.cli import app
from graphwsl.cli.asked import of_function
from graphwsl.cli.choices import BASELINES, DATA
from graphwsl.cli.options import IMPORT, LARGEST_SEED, LAST_EPOCH, print_left_out

if TYPE_CHECKING:
    from graphwsl.generators import Scorecard
    from graphwsl.populations import Population
    from graphwsl.zoo import Zoo
    from graphwsl.zoo.data_set import DataSet

_BASELINE = one_of(*BASELINES)


@app.command()
def score(
    population: list[str] = typer.Argument(
        help="What was made: folders of zoos, ONNX files, or files of weights (.pt, .pth, "
        ".safetensors, .npz), or folders of these."
    ),
    zoo: Path = typer.Option(..., help="Folder of the zoo that was learnt from, of any layout."),
    epoch: list[int] | None = LAST_EPOCH,
    split_seed: int = typer.Option(
        0,
        min=0,
        max=LARGEST_SEED,
        help="Seed of the split; 70 % of the zoo's networks were learnt from.",
    ),
    data: str | None = typer.Option(
        None,
        help="Whose test samples judge: digits, mnist_5000, an .npz file, or your own. "
        "[default: the zoo's own]",
        show_default=False,
        autocompletion=one_of(*DATA),
    ),
    baseline: list[str] = typer.Option(
        [],
        help="Only this baseline; may be given several times. [default: all]",
        show_default=False,
        autocompletion=_BASELINE,
    ),
    networks: int = typer.Option(100, min=2, help="That each baseline makes."),
    tuning_epochs: str | None = typer.Option(
        None,
        help="Judge again after so many epochs of training, as 1,5,25. [default: none]",
        show_default=False,
    ),
    seed: int = typer.Option(0, min=0, max=LARGEST_SEED, help="Seed of what baselines draw."),
    out: Path | None = file_option("JSON file of the card."),
    picture: Path | None = picture_option("of accuracy against novelty"),
    modules: list[str] = IMPORT,
    as_json: bool = json_option(),
) -> None:
    """Judge generated networks, against held-out networks and against simple baselines.

    Says whether they are collapsed, and whether they are copies. What cannot be used is left out
    and named, with the reason; the exit code is 2 if nothing is left.
    """
    from gnncore.command_line.importing import import_modules
    from graphwsl.generators import scorecard
    from graphwsl.generators.aligned_zoo import require_one_function
    from graphwsl.populations.loading import Homes, kinds_of_networks, load_networks
    from graphwsl.zoo import open_zoo

    import_modules(modules)
    epochs = epochs_of(tuning_epochs)
    opened = open_zoo(zoo)
    train, held_out = _parts(opened, epoch, split_seed)
    homes = Homes(
        known=kinds_of_networks(train.checkpoints),
        by_activation=True,
        advice="name by --zoo a zoo of such networks",
    )
    loaded = load_networks(population, homes=homes)
    samples = require_one_function(loaded.population, "samples")
    train, held_out = of_function(samples, train, held_out, zoo)
    images = judging_data(opened, data)
    card = scorecard(
        loaded.population,
        train,
        held_out,
        images.test,
        images.test_labels,
        baselines=baseline or None,
        networks=networks,
        tuning_epochs=epochs,
        data=images,
        seed=seed,
    )
    left_out = [[problem.path, problem.reason] for problem in loaded.left_out]
    report(card, left_out, out=out, picture=picture, as_json=as_json)


def report(
    card: "Scorecard",
    left_out: list[list[str]],
    *,
    out: Path | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Print a card, and write its files.

    Args:
        card: The card.
        left_out: What could not be used, and why.
        out: JSON file of the card; None for none.
        picture: Picture of accuracy against novelty; None for none.
        as_json: Whether to print JSON.
    """
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import console
    from gnncore.storage import leading_to
    from graphwsl.generators.table import print_table, verdict_lines

    if out is not None:
        card.save(leading_to(out))
    if picture is not None:
        from gnncore.figures import save_figure
        from graphwsl.generators.picture import draw

        save_figure(draw(card), leading_to(picture))
    if as_json:
        echo_json({**card.to_dict(), "left_out": left_out})
        return
    print_left_out(left_out)
    print_table(card, console())
    for line in verdict_lines(card):
        typer.echo(line)


def _parts(zoo: "Zoo", epochs: list[int] | None, seed: int) -> tuple["Population", "Population"]:
    """Networks that were learnt from, and all others, of some epochs."""
    from graphwsl.errors import ZooError
    from graphwsl.populations import Population, split_models

    known = sorted({c.epoch for c in zoo.checkpoints if c.epoch is not None})
    chosen = set(epochs or known[-1:])
    kept = [c for c in zoo.checkpoints if c.epoch in chosen]
    if not kept:
        raise ZooError(f"the zoo has no checkpoints of the epochs {sorted(chosen)}; it has {known}")
    population = Population.load(zoo, kept)
    split = split_models(population.checkpoints, seed)
    train = split.numbers("train", population.checkpoints)
    others = sorted(set(range(len(population))) - set(train))
    return population.select(train), population.select(others)


def judging_data(zoo: "Zoo", name: str | None) -> "DataSet":
    """Samples with classes: those of a name, or of the zoo.

    Raises:
        ZooError: They have other labels, or the zoo does not say what they are.
    """
    from graphwsl.errors import ZooError
    from graphwsl.zoo.data import load_images

    data = zoo.images() if name is None else load_images(name)
    if data.signals is not None:
        raise ZooError(
            "networks of these data learnt a task each, and of what is made no task is known to be "
            "right; graphwsl generate score judges a prompt_to_lora at tasks that were held out"
        )
    if data.classes is None or data.label_shape:
        raise ZooError("networks are judged by classes of samples, these data have other labels")
    return data


def epochs_of(text: str | None) -> list[int]:
    """Epochs as people write them, such as 1,5,25."""
    if text is None:
        return []
    parts: list[Any] = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"--tuning-epochs must be as 1,5,25, got {text!r}")
    return [int(part) for part in parts]
