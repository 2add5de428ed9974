"""``graphwsl generate …``: learn to make networks, make some, judge them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import ALONE, json_option, quiet_option
from gnncore.command_line.outputs import file_option, folder_option, picture_option
from gnncore.command_line.program import make_group
from graphwsl.cli import app
from graphwsl.cli.adapter_score import score_adapters
from graphwsl.cli.asked import condition_asked, networks_asked, of_function
from graphwsl.cli.choices import BASELINES, DATA, GENERATORS
from graphwsl.cli.options import (
    CONTINUE,
    DEVICE,
    IMPORT,
    LARGEST_SEED,
    LAST_EPOCH,
    LISTED,
    PASSES,
    SIZE,
    SPLIT_SEED,
    counted,
    print_left_out,
    print_repaired,
    settings_of,
)
from graphwsl.cli.score import epochs_of, judging_data, report

if TYPE_CHECKING:
    from graphwsl.generators.generator import Generator
    from graphwsl.generators.train import TrainedGenerator
    from graphwsl.populations import Population
    from graphwsl.zoo import Zoo

MOST_SAMPLES = 1_000_000

generate_app = make_group("Networks that are made: train, sample, score.")
app.add_typer(generate_app, name="generate")

_GENERATOR: Any = typer.Argument(help="Folder that graphwsl generate train made.")
_CONDITION: Any = typer.Option(
    [],
    help="What is asked for, as test_accuracy=0.9; may be given several times. [default: as in the "
    "networks that were learnt from]",
    show_default=False,
)
_NETWORK: Any = typer.Option(
    [],
    help="Generating factors of the networks, as width=32; may be given several times. Or one of "
    "your own: module:factory, or an ONNX file. [default: those that were learnt from]",
    show_default=False,
)
_SAMPLES: Any = typer.Option(
    None,
    help="Samples on whose training part batch norms are conditioned: digits, mnist_5000, an .npz "
    "file, or your own. [default: none]",
    show_default=False,
    autocompletion=one_of(*DATA),
)


_BASELINE = one_of(*BASELINES)


@generate_app.command()
def train(
    zoo: Path = typer.Argument(help="Folder of a zoo, of any layout."),
    method: str = typer.Option(
        "equivariant_flow",
        help="equivariant_flow, aligned_flow, recurrent_diffusion or prompt_to_lora.",
        autocompletion=one_of(*GENERATORS),
    ),
    size: str = SIZE,
    option: list[str] = typer.Option(
        [],
        help="In place of one of its settings, as channels=64; may be given several times.",
        show_default=False,
    ),
    condition: list[str] = typer.Option(
        [],
        help="Property by which networks can be asked for, as test_accuracy; may be given several "
        "times. [default: none]",
        show_default=False,
    ),
    epochs: int | None = PASSES,
    epoch: list[int] | None = LAST_EPOCH,
    seed: int = typer.Option(
        0, min=0, max=LARGEST_SEED, help="Seed of weights, batches and noise."
    ),
    split_seed: int = SPLIT_SEED,
    device: str | None = DEVICE,
    out: Path | None = folder_option(
        "Folder of the generator. [default: generators/<zoo>-<method>]"
    ),
    resume: bool = CONTINUE,
    modules: list[str] = IMPORT,
    as_json: bool = json_option(ALONE),
    quiet: bool = quiet_option(),
) -> None:
    """Learn from 70 % of a zoo's networks to make others."""
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.resuming import resumable
    from graphwsl.generators.train import train_generator

    import_modules(modules)
    out = Path("generators", f"{zoo.resolve().name}-{method}") if out is None else out
    options: dict[str, Any] = {
        **settings_of(option, such_as="channels=64"), "epochs": epochs, "device": device
    }  # fmt: skip
    with resumable("graphwsl"):
        trained = train_generator(
            zoo,
            out,
            method=method,
            size=size,
            seed=seed,
            split_seed=split_seed,
            condition=condition or None,
            epochs_of_zoo=epoch,
            resume=resume,
            progress=not (quiet or as_json),
            **{name: value for name, value in options.items() if value is not None},
        )
    summary = summarise(trained, out)
    if as_json:
        echo_json(summary)
        return
    print_repaired(summary["repaired"])
    print_left_out(summary["left_out"])
    if summary["report"].get("behaviour") is False and summary["settings"]["behaviour"]:
        typer.echo(
            "learnt from weights alone: the zoo has no samples whose classes its networks could "
            "answer, or the best epoch was before behaviour_start of the training",
            err=True,
        )
    if not quiet:
        typer.echo(summary["out"])
        typer.echo(
            f"{summary['generator']}: {summary['report']['parameters']:,} parameters, learnt from "
            f"{counted(summary['networks']['train'], 'network')}; "
            f"loss {summary['report']['loss']:.4g}"
        )


@generate_app.command()
def sample(
    generator: Path = _GENERATOR,
    out: Path = folder_option(
        "Folder of the networks, a .safetensors file each; new or empty.", default=...
    ),
    count: int | None = typer.Option(
        None,
        min=1,
        max=MOST_SAMPLES,
        help="How many networks. [default: 100; of prompt_to_lora one for each text]",
        show_default=False,
    ),
    condition: list[str] = _CONDITION,
    network: list[str] = _NETWORK,
    data: str | None = _SAMPLES,
    seed: int = typer.Option(0, min=0, max=LARGEST_SEED, help="Seed of the noise."),
    modules: list[str] = IMPORT,
    as_json: bool = json_option(),
) -> None:
    """Make networks, as files of weights."""
    import torch

    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from graphwsl.generators import load
    from graphwsl.representations.files import empty_folder, save_networks
    from graphwsl.zoo.data import load_images

    import_modules(modules)
    empty_folder(out)
    made = load(generator)
    count = _default_count(made, condition) if count is None else count
    asked = condition_asked(made, condition, count)
    architecture = networks_asked(made, generator, network)
    inputs = None if data is None else load_images(data).train
    noise = torch.Generator().manual_seed(seed)
    population = made.sample(count, architecture, asked, noise, inputs=inputs)
    names = [str(generator)] * len(population)
    known = [dict(checkpoint.configuration) for checkpoint in population.checkpoints]
    save_networks(out, population, names, known)
    summary = {
        "out": str(out),
        "generator": made.name,
        "networks": len(population),
        "different": len({state.numpy().tobytes() for state in population.states}),
        "unknown_words": made.conditions.unknown_words(population.checkpoints),
        "beyond_training": made.beyond_training(architecture),
    }
    if as_json:
        echo_json(summary)
        return
    _print_unlike_training(summary)
    typer.echo(summary["out"])
    typer.echo(f"{made.name}: {counted(len(population), 'network')}")


@generate_app.command()
def score(
    generator: Path = _GENERATOR,
    zoo: Path = typer.Option(..., help="Folder of the zoo that was learnt from."),
    count: int = typer.Option(
        100, min=2, max=MOST_SAMPLES, help="How many networks are made and judged."
    ),
    condition: list[str] = _CONDITION,
    network: list[str] = _NETWORK,
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
    tuning_epochs: str | None = typer.Option(
        None,
        help="Judge again after so many epochs of training, as 1,5,25. [default: none]",
        show_default=False,
    ),
    seed: int = typer.Option(
        0, min=0, max=LARGEST_SEED, help="Seed of the noise, and of what baselines draw."
    ),
    out: Path | None = file_option("JSON file of the card."),
    picture: Path | None = picture_option("of accuracy against novelty"),
    modules: list[str] = IMPORT,
    as_json: bool = json_option(),
) -> None:
    """Make networks and judge them, against networks of the zoo that were not learnt from.

    Adapters are judged by their accuracy at tasks that were not learnt from, of which --count is
    the most.
    """
    import torch

    from gnncore.command_line.importing import import_modules
    from graphwsl.generators import load, scorecard
    from graphwsl.generators.aligned_zoo import require_one_function
    from graphwsl.generators.lora import PromptToLora
    from graphwsl.zoo import open_zoo

    import_modules(modules)
    epochs = epochs_of(tuning_epochs)
    made, opened = load(generator), open_zoo(zoo)
    if isinstance(made, PromptToLora):
        unfit = {
            "--condition": condition,
            "--network": network,
            "--data": data,
            "--baseline": baseline,
            "--tuning-epochs": tuning_epochs,
            "--picture": picture,
        }
        train, held_out = _learnt_and_others(generator, made, opened, zoo)
        score_adapters(
            made, train, held_out, opened, unfit, tasks=count, seed=seed, out=out, as_json=as_json
        )
        return
    asked = condition_asked(made, condition, count)
    function = made.function(networks_asked(made, generator, network))
    images = judging_data(opened, data)
    train, held_out = _learnt_and_others(generator, made, opened, zoo)
    train, held_out = of_function(function, train, held_out, zoo, network)
    noise = torch.Generator().manual_seed(seed)
    card = scorecard(
        made.sample(count, require_one_function(train, "train"), asked, noise, inputs=images.train),
        train,
        held_out,
        images.test,
        images.test_labels,
        baselines=baseline or None,
        networks=count,
        tuning_epochs=epochs,
        data=images,
        seed=seed,
    )
    report(card, [], out=out, picture=picture, as_json=as_json)


def summarise(trained: "TrainedGenerator", out: Path) -> dict[str, Any]:
    """What was learnt, as plain values.

    Args:
        trained: The generator and what it learnt from.
        out: Its folder.
    """
    made = trained.generator
    return {
        "out": str(out),
        "generator": made.name,
        "size": made.size,
        "settings": made.settings.model_dump(),
        "condition": made.conditions.names,
        "report": made.report,
        "left_out": [[problem.path, problem.reason] for problem in trained.left_out],
        "repaired": trained.repaired,
        **trained.metrics,
    }


def _default_count(made: "Generator", condition: list[str]) -> int:
    """How many networks are made where nobody says it: an adapter of each text, 100 of others."""
    from graphwsl.generators.lora import PromptToLora

    if not isinstance(made, PromptToLora):
        return 100
    asked = settings_of(condition, "--condition", "prompts=…").get("prompts")
    return max(len(asked), 1) if isinstance(asked, list) else 1


def _print_unlike_training(summary: dict[str, Any]) -> None:
    """Say on stderr what was asked for that was not learnt, and how many networks are the same."""
    from gnncore.command_line.output import say

    if unknown := summary["unknown_words"]:
        more = f" and {len(unknown) - LISTED:,} more" if len(unknown) > LISTED else ""
        say(
            f"unknown words: {', '.join(unknown[:LISTED])}{more}: no training prompt has them, so "
            "that what they ask for was not learnt",
            err=True,
        )
    if summary["beyond_training"]:
        say(f"beyond the training: {summary['beyond_training']}", err=True)
    different, count = summary["different"], summary["networks"]
    if different < count:
        say(
            f"alike: {count:,} networks, {different:,} without repetition, for "
            f"{summary['generator']} makes one of each condition",
            err=True,
        )


def _learnt_and_others(
    folder: Path, made: "Generator", zoo: "Zoo", path: Path
) -> tuple["Population", "Population"]:
    """Networks of a zoo that were learnt from, and those that the generator never saw."""
    from graphwsl.errors import GeneratorError
    from graphwsl.generators.train import epochs_learnt_from
    from graphwsl.populations import Population

    epochs = epochs_learnt_from(folder, zoo)
    kept = [c for c in zoo.checkpoints if epochs is None or c.epoch in epochs]
    if zoo.checkpoints and not kept:
        raise GeneratorError(
            f"{str(path)!r} has no networks of the epochs {epochs} that the generator learnt from; "
            "give the zoo that it learnt from"
        )
    population = Population.load(zoo, kept)
    parts = [] if made.fitted_to is None else made.fitted_to.parts(
        population, [str(path)] * len(population)
    )  # fmt: skip
    train = population.select([n for n, part in enumerate(parts) if part == "train"])
    others = population.select([n for n, part in enumerate(parts) if part is None])
    if not len(train) or not len(others):
        raise GeneratorError(
            f"{str(path)!r} holds {len(train):,} networks that the generator learnt from and "
            f"{len(others):,} that it never saw; give the zoo that it learnt from"
        )
    return train, others
