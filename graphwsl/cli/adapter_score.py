"""Adapters in ``graphwsl generate score``: at tasks that were held out, beside what is free."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from graphwsl.cli.options import counted

if TYPE_CHECKING:
    from graphwsl.generators.lora import PromptToLora
    from graphwsl.populations import Population
    from graphwsl.zoo import Zoo


def score_adapters(
    made: "PromptToLora",
    train: "Population",
    held_out: "Population",
    zoo: "Zoo",
    unfit: dict[str, Any],
    *,
    tasks: int,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Judge adapters, print the card and write its file.

    Args:
        made: The generator.
        train: Networks that it learnt from.
        held_out: Others.
        zoo: The zoo of both.
        unfit: Options that say nothing about adapters, which must not be given.
        tasks: At most so many tasks.
        seed: Seed of what the generator draws.
        out: JSON file of the card; None for none.
        as_json: Whether to print JSON.
    """
    from rich.table import Table

    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import console
    from gnncore.storage import leading_to
    from graphwsl.generators.lora.adapter_card import adapter_card
    from graphwsl.generators.lora.reference_adapters import REFERENCES

    titles = {
        "made": "made from its prompts",
        "wrong_prompt": "made from those of another task",
        **REFERENCES,
        "trained": "trained on the task",
    }
    for name, value in unfit.items():
        if value:
            raise typer.BadParameter(
                f"adapters are judged at the tasks of the zoo that were held out, and {name} says "
                "nothing about that; leave it out"
            )
    data = zoo.images()
    card = adapter_card(made, made.read(train, zoo), made.read(held_out, zoo), data, tasks, seed)
    if out is not None:
        card.save(leading_to(out))
    values = card.to_dict()
    if as_json:
        echo_json(values)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    table.add_column("adapter")
    table.add_column("accuracy", justify="right")
    for name, accuracy in values["accuracy"].items():
        table.add_row(titles[name], f"{100 * accuracy:.1f}")
    console().print(table)
    typer.echo(f"means over {counted(values['tasks'], 'task')} that no training adapter has")
