"""``graphwsl history …``: order, trainings and parents of networks, from their weights alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.options import json_option
from graphwsl.cli import app
from graphwsl.cli.options import IMPORT

history_app = typer.Typer(
    help="Order, trainings and parents from weights alone: order, separate, parents.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(history_app, name="history")

if TYPE_CHECKING:
    from graphwsl.trajectories.histories import History

_FOLDER: Any = typer.Argument(
    help="Folder of a zoo, or of checkpoints: .pt, .pth, .safetensors or .npz files."
)
_GENERATIONS: Any = typer.Option(
    None, min=1, max=1, help="1 if all were tuned from roots. [default: children may have children]"
)


@history_app.command()
def order(
    folder: Path = _FOLDER,
    picture: Path | None = typer.Option(
        None, help="PNG, SVG or PDF file of the paths in their two principal directions."
    ),
    modules: list[str] = IMPORT,
    as_json: bool = json_option(),
) -> None:
    """Put the checkpoints of each training in the order of time, and say how sure that is.

    Names and epochs are shown, but play no part.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import say
    from graphwsl.trajectories.histories import histories
    from graphwsl.trajectories.ordering import find_order

    import_modules(modules)
    _, trainings = histories(folder)
    found = {training.name: find_order(training.rows) for training in trainings}
    shown: dict[str, dict[str, Any]] = {
        training.name: {
            "order": [training.labels[n] for n in found[training.name].permutation.tolist()],
            "direction_is_certain": found[training.name].direction.is_certain,
            "direction": vars(found[training.name].direction),
            "violations": found[training.name].violations,
        }
        for training in trainings
    }
    if picture is not None:
        from gnncore.figures import save_figure
        from gnncore.storage import leading_to
        from graphwsl.trajectories.pictures import draw_paths

        paths = {one.name: one.rows[found[one.name].permutation] for one in trainings}
        save_figure(draw_paths(paths), leading_to(picture))
    if as_json:
        echo_json({"folder": str(folder), "trainings": shown})
        return
    for name, one in shown.items():
        sure = "" if one["direction_is_certain"] else " (or backward: the direction is uncertain)"
        say(f"{name}: {' '.join(one['order'])}{sure}")


@history_app.command()
def separate(
    folder: Path = _FOLDER, modules: list[str] = IMPORT, as_json: bool = json_option()
) -> None:
    """Say which checkpoints are of one training, whatever they are called."""
    import torch

    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import say
    from graphwsl.trajectories import separation
    from graphwsl.trajectories.histories import histories

    import_modules(modules)
    _, trainings = histories(folder)
    names = _names(trainings)
    labels = separation.separate(torch.cat([training.rows for training in trainings])).tolist()
    groups: list[list[str]] = [[] for _ in range(max(labels) + 1)]
    for name, label in zip(names, labels, strict=True):
        groups[label].append(name)
    if as_json:
        echo_json({"folder": str(folder), "trainings": groups})
        return
    for number, members in enumerate(groups):
        say(f"training {number}: {', '.join(members)}")


@history_app.command()
def parents(
    folder: Path = _FOLDER,
    root: list[str] = typer.Option(
        [],
        help="Name of a network that is known to be a root; may be given several times.",
        show_default=False,
    ),
    generations: int | None = _GENERATIONS,
    modules: list[str] = IMPORT,
    as_json: bool = json_option(),
) -> None:
    """Find the network that each was tuned from; of trainings their last checkpoints count.

    Of a zoo in two stages, parents are among the networks, and heads are left out.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import say
    from graphwsl.errors import TrajectoryError
    from graphwsl.trajectories.histories import histories, is_zoo, last_rows
    from graphwsl.trajectories.lineage import parentage
    from graphwsl.zoo.layouts.registry import open_zoo

    import_modules(modules)
    if is_zoo(folder):
        layers, names, rows = last_rows(open_zoo(folder))
    else:
        layers, (history,) = histories(folder)
        names, rows = history.labels, history.rows
    unknown = [name for name in root if name not in names]
    if unknown:
        raise TrajectoryError(f"there is no network {unknown[0]!r} in {str(folder)!r}")
    found = parentage(
        rows,
        sizes=layers.tensor_sizes,
        roots=[names.index(name) for name in root],
        generations=generations,
    )
    parent = {
        name: None if number < 0 else names[number]
        for name, number in zip(names, found.parents.tolist(), strict=True)
    }
    roots = {
        names[number]: sure for number, sure in zip(found.roots, found.is_certain, strict=True)
    }
    if as_json:
        echo_json({"folder": str(folder), "parents": parent, "root_is_certain": roots})
        return
    for name, of in parent.items():
        sure = "" if of is not None or roots[name] else " (uncertain)"
        say(f"{name}: {f'root{sure}' if of is None else f'from {of}'}")


def _names(trainings: "list[History]") -> list[str]:
    alone = len(trainings) == 1
    return [
        label if alone else f"{training.name}/{label}"
        for training in trainings
        for label in training.labels
    ]
