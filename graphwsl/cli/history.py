"""``graphwsl history …``: order, trainings and parents of networks, from their weights alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gnncore.command_line.options import json_option
from gnncore.command_line.outputs import picture_option
from gnncore.command_line.program import make_group
from graphwsl.cli import app
from graphwsl.cli.options import IMPORT, LISTED, print_left_out

history_app = make_group(
    "Order, trainings and parents from weights alone: order, separate, parents."
)
app.add_typer(history_app, name="history")

if TYPE_CHECKING:
    from graphwsl.trajectories.histories import History, Layers
    from graphwsl.trajectories.ordering import Order
    from graphwsl.trajectories.shared_tensors import Networks

_FOLDER: Any = typer.Argument(
    help="Folder of a zoo, or of checkpoints: .pt, .pth, .safetensors or .npz files."
)
_GENERATIONS: Any = typer.Option(
    None, min=1, max=1, help="1 if all were tuned from roots. [default: children may have children]"
)


@history_app.command()
def order(
    folder: Path = _FOLDER,
    picture: Path | None = picture_option("of the paths in their two principal directions"),
    modules: list[str] = IMPORT,
    as_json: bool = json_option(),
) -> None:
    """Put the checkpoints of each training in the order of time, and say how sure that is.

    Names and epochs are shown, but play no part.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import say
    from graphwsl.trajectories.histories import histories_by_layers

    import_modules(modules)
    parts = [some for _, some in histories_by_layers(folder)]
    trainings = [training for some in parts for training in some]
    short = [training for training in trainings if len(training.rows) < 2]
    if len(short) < len(trainings):
        print_left_out([(one.name, "it has one checkpoint") for one in short])
        parts = [[one for one in some if len(one.rows) > 1] for some in parts]
        trainings = [training for some in parts for training in some]
    found = {training.name: _order_of(training) for training in trainings}
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

        paths = [{t.name: t.rows[found[t.name].permutation] for t in some} for some in parts]
        save_figure(draw_paths(*filter(None, paths)), leading_to(picture))
    if as_json:
        echo_json({"folder": str(folder), "trainings": shown})
        return
    for name, one in shown.items():
        sure = "" if one["direction_is_certain"] else " (or backward: the direction is uncertain)"
        say(f"{name}: {' '.join(one['order'])}{sure}")


def _order_of(training: "History") -> "Order":
    from graphwsl.errors import TrajectoryError
    from graphwsl.trajectories.ordering import find_order

    if len(training.rows) < 2:
        raise TrajectoryError(
            f"training {training.name!r} has one checkpoint, {training.labels[0]}, and an order "
            "needs at least 2; keep more, as by graphwsl zoo train --keep every"
        )
    try:
        return find_order(training.rows)
    except TrajectoryError as error:
        raise TrajectoryError(f"training {training.name!r}: {error}") from error


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
    from graphwsl.trajectories.histories import histories_by_layers

    import_modules(modules)
    parts = [some for _, some in histories_by_layers(folder)]
    alone = sum(map(len, parts)) == 1
    groups: list[list[str]] = []
    for trainings in parts:  # no training has checkpoints of two architectures
        rows = torch.cat([training.rows for training in trainings])
        labels = separation.separate(rows).tolist()
        own: list[list[str]] = [[] for _ in range(max(labels) + 1)]
        for name, label in zip(_names(trainings, alone), labels, strict=True):
            own[label].append(name)
        groups += own
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

    Networks of several architectures are compared by the tensors that they share. Of a zoo that
    was trained in two stages, those of the first one are there too, as roots.
    """
    from gnncore.command_line.importing import import_modules
    from gnncore.command_line.json_output import echo_json
    from gnncore.command_line.output import say
    from graphwsl.errors import TrajectoryError
    from graphwsl.trajectories.histories import histories_by_layers, is_zoo, pretraining_of
    from graphwsl.trajectories.lineage import parentage
    from graphwsl.trajectories.shared_tensors import comparable

    import_modules(modules)
    found_there = [*histories_by_layers(folder), *pretraining_of(folder)]
    kinds = [_networks(*kind, last=is_zoo(folder)) for kind in found_there]
    known = [name for kind in kinds for name in kind.names]
    unknown = [name for name in root if name not in known]
    if unknown:
        raise TrajectoryError(f"there is no network {unknown[0]!r} in {str(folder)!r}")
    parent: dict[str, str | None] = {}
    roots: dict[str, bool] = {}
    pruned: list[str] = []
    left_out: list[str] = []
    for some in comparable(kinds):
        names = some.names
        found = parentage(
            some.rows,
            sizes=some.layers.tensor_sizes,
            roots=_roots(some, root),
            generations=generations,
        )
        numbers = zip(names, found.parents.tolist(), strict=True)
        parent |= {name: None if number < 0 else names[number] for name, number in numbers}
        certain = zip(found.roots, found.is_certain, strict=True)
        roots |= {names[number]: sure for number, sure in certain}
        pruned += [names[number] for number in found.is_pruned.nonzero()[:, 0].tolist()]
        left_out += some.left_out
    parent = {name: parent[name] for name in known}
    if as_json:
        content = {"parents": parent, "root_is_certain": roots, "pruned": pruned}
        echo_json({"folder": str(folder), **content})
        return
    for name, of in parent.items():
        sure = "" if roots.get(name if of is None else of, True) else " (uncertain)"
        say(f"{name}: {'root' if of is None else f'from {of}'}{sure}")
    if left_out:
        say(f"not compared, for shapes differ: {', '.join(left_out[:LISTED])}", err=True)
    if missing := sorted(name for name in roots if name in pruned and not roots[name]):
        say(
            f"pruned: {', '.join(missing[:LISTED])}; what they were pruned from is perhaps not "
            "among these networks, and what seems to come from them are then siblings",
            err=True,
        )


def _networks(layers: "Layers", trainings: "list[History]", *, last: bool) -> "Networks":
    """The networks among which parents are looked for."""
    import torch

    from graphwsl.trajectories.shared_tensors import Networks

    if not last:
        return Networks(trainings[0].labels, layers, trainings[0].rows)
    rows = torch.stack([training.rows[-1] for training in trainings])
    return Networks([training.name for training in trainings], layers, rows)


def _roots(networks: "Networks", given: list[str]) -> list[int]:
    """Those that are known: what the user names, and the networks of a first stage."""
    from graphwsl.zoo.layouts.native import PRETRAINING

    return [
        number
        for number, name in enumerate(networks.names)
        if name in given or name.startswith(f"{PRETRAINING}/")
    ]


def _names(trainings: "list[History]", alone: bool) -> list[str]:
    return [
        label if alone else f"{training.name}/{label}"
        for training in trainings
        for label in training.labels
    ]
