"""What several commands have in common: options, and lines about what was not as it should be."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from gnncore.command_line.completion import one_of
from gnncore.command_line.options import import_option
from graphwsl.cli.choices import DEVICES

IMPORT: Any = import_option("architectures, data, predictors or representations")
"""The option by which a command learns of a user's own architectures and predictors."""


def epoch_option(default: str = "all") -> Any:
    """``--epoch``: which checkpoints of a zoo count.

    Args:
        default: Which ones do without it, for the help.
    """
    return typer.Option(
        None,
        min=0,
        help="Only checkpoints of the zoo of this epoch; may be given several times. "
        f"[default: {default}]",
        show_default=False,
    )


EPOCH = epoch_option()
"""The option of commands that learn from all checkpoints of a zoo, if not told otherwise."""

LAST_EPOCH = epoch_option("the last")
"""The option of commands that take the networks as their trainings left them."""

LARGEST_SEED = 2**32 - 1
"""Largest seed of a command: that of scikit-learn, which takes the fewest."""

SIZE: Any = typer.Option(
    "small",
    help="small, which two cores train in minutes, or published.",
    autocompletion=one_of("small", "published"),
)
"""``--size``: which settings a learning method starts from."""

PASSES: Any = typer.Option(None, min=1, help="Passes over the networks. [default: its own]")
"""``--epochs`` of a learning method."""

SPLIT_SEED: Any = typer.Option(
    0,
    min=0,
    max=LARGEST_SEED,
    help="Seed of the split: 70, 15 and 15 % of the networks.",
)
"""``--split-seed``: which networks are learnt from, choose and judge."""

DEVICE: Any = typer.Option(
    None,
    help="auto, cpu, cuda or cuda:1, … [default: cpu]",
    show_default=False,
    autocompletion=one_of(*DEVICES),
)
"""``--device``: where something learns."""

CONTINUE: Any = typer.Option(
    False, "--resume", help="Continue the training in that folder, or repair what it made."
)
"""``--resume`` of a training."""

LISTED = 8
"""Lines about single networks that are printed; ``--json`` lists all."""


def print_left_out(left_out: Sequence[Sequence[str]]) -> None:
    """Say on stderr what could not be used, and why.

    Args:
        left_out: Pairs of a name or path and a reason.
    """
    for path, reason in left_out[:LISTED]:
        typer.echo(f"left out: {path}: {reason}", err=True)
    if len(left_out) > LISTED:
        typer.echo(f"left out: {len(left_out) - LISTED:,} more", err=True)


def counted(number: int, noun: str) -> str:
    """So many of something, as ``1 network`` and ``1,200 networks``.

    Args:
        number: How many.
        noun: One of them, whose plural ends in s.
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def count_of(some: Mapping[str, int]) -> str:
    """So many networks, and checkpoints where these are more.

    Args:
        some: Numbers of ``checkpoints`` and ``networks``.
    """
    networks = counted(some["networks"], "network")
    if some["checkpoints"] == some["networks"]:
        return networks
    return f"{counted(some['checkpoints'], 'checkpoint')} of {networks}"


def print_repaired(repaired: Sequence[str]) -> None:
    """Say on stderr what was made again.

    Args:
        repaired: What was wrong, a line each.
    """
    for line in repaired:
        typer.echo(f"made again: {line}", err=True)


def settings_of(
    given: list[str], name: str = "--option", such_as: str = "latent_channels=64"
) -> dict[str, Any]:
    """Settings as people write them: numbers, words, true, false and none.

    Args:
        given: A name, an equals sign and a value each.
        name: The option of the command, for messages.
        such_as: An example of one, for messages.
    """
    import json

    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise typer.BadParameter(f"{name} must be as {such_as}, got {text!r}")
        plain = {"none": None, "None": None, "True": True, "False": False}
        try:
            found[key.strip()] = plain[value] if value in plain else json.loads(value)
        except json.JSONDecodeError:
            found[key.strip()] = value
    return found
