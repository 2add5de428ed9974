"""Networks that begin with a pretrained parent: all of it but the head, which is new."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.registry import ARCHITECTURES
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.inputs import INPUT_FACTORS
from graphwsl.zoo.layouts.native import ZooFolder
from graphwsl.zoo.recipe import Recipe
from graphwsl.zoo.store import StoredZoo
from graphwsl.zoo.sweep import NetworkConfig
from graphwsl.zoo.training.chunk import TrainedChunk, train_chunk
from graphwsl.zoo.training.initialisation import initialised
from graphwsl.zoo.training.tuning import Tuning

States = Mapping[str, Mapping[str, Tensor]]
"""The weights of parents at the end of their training, by name; those that diverged are not there.
"""

Configuration = Mapping[str, Scalar]


def parents_in(folder: ZooFolder) -> States:
    """The parents of the networks of a zoo, read from it; empty where they begin anew.

    Args:
        folder: The zoo; the networks that its own begin with are there already.

    Raises:
        ZooError: They are not there.
        StorageError: They are damaged.
    """
    if folder.pretraining is None:
        return {}
    zoo = StoredZoo(folder.pretraining)
    last = folder.pretraining.config["recipe"]["epochs"]
    return {c.model: zoo.weights(c) for c in zoo.checkpoints if c.epoch == last}


def train_rows(
    recipe: Recipe,
    data: DataSet,
    rows: Sequence[NetworkConfig],
    states: States,
    on_epoch: Callable[[], None] = lambda: None,
) -> TrainedChunk:
    """Train networks of a recipe together: from their initialisation, or from their parents.

    Args:
        recipe: Recipe of the zoo.
        data: Its samples.
        rows: The networks, which train together.
        states: Their parents; empty for a recipe without pretraining.
        on_epoch: Called after every epoch; what it raises ends the training.

    Returns:
        The trained networks; of those whose parent diverged no epoch is usable.
    """
    configurations = [row.configuration for row in rows]
    tuned = recipe.pretraining is not None
    trained = train_chunk(
        configurations,
        data,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        kept=recipe.kept,
        tuning=tuning_of(configurations, states) if tuned else None,
        on_epoch=on_epoch,
    )
    orphans = {
        number: f"its parent {configuration['parent']} diverged"
        for number, configuration in enumerate(configurations)
        if tuned and configuration["parent"] not in states
    }
    usable = trained.usable.clone()
    usable[list(orphans)] = 0
    return replace(trained, usable=usable, problems=orphans)


def tuning_of(configurations: Sequence[Configuration], states: States) -> Tuning:
    """Where networks begin that have parents, and what of them is held.

    Args:
        configurations: The generating factors of each network, ``parent`` and ``frozen`` among
            them; networks that train together share the latter.
        states: The parents; in place of one that is missing, the network begins anew.
    """
    head = head_of(configurations[0])
    begun = []
    for configuration in configurations:
        own = initialised(configuration).state_dict()
        parent = states.get(str(configuration["parent"]), own)
        begun.append({name: v if _within(name, head) else parent[name] for name, v in own.items()})
    weights = {name: torch.stack([state[name] for state in begun]) for name in begun[0]}
    return Tuning(weights, frozen=held_parts(configurations[0], weights))


def held_parts(configuration: Configuration, names: Iterable[str]) -> list[str]:
    """Parameters and buffers that stay as the parent has them: all but the head, if any.

    Args:
        configuration: Generating factors of a network.
        names: Its parameters and buffers.
    """
    if not configuration.get("frozen"):
        return []
    head = head_of(configuration)
    return [name for name in names if not _within(name, head)]


def head_of(configuration: Configuration) -> str:
    """Path of the module that reads out.

    Raises:
        ZooError: The architecture names none.
    """
    name = str(configuration["architecture"])
    head = ARCHITECTURES.find(name).head
    if head is None:
        known = ", ".join(other for other, known in ARCHITECTURES.items() if known.head)
        raise ZooError(
            f"networks of the architecture {name!r} cannot be pretrained, for it names no head; "
            f"take one of {known}, or register it with head="
        )
    return head


def require_same_trunks(
    children: Iterable[Sequence[NetworkConfig]], parents: Iterable[Sequence[NetworkConfig]]
) -> None:
    """Check that networks differ from their parents in the head alone.

    Args:
        children: Chunks of networks.
        parents: Chunks of the networks that they begin with.

    Raises:
        ZooError: A factor of a network is another one than its parent's.
    """
    known = {row.model: row.configuration for rows in parents for row in rows}
    for row in (row for rows in children for row in rows):
        own, parent = row.configuration, known[str(row.configuration["parent"])]
        head_of(own)
        factors = ARCHITECTURES[str(own["architecture"])].factors
        of_data = (name for name in INPUT_FACTORS if name != "out_channels")
        for name in ("architecture", "activation", *factors, *of_data):
            if own.get(name) != parent.get(name) and not name.startswith("head_"):
                raise ZooError(
                    f"networks have the trunk of their parents: {name} is {own.get(name)!r}, in "
                    f"the pretraining {parent.get(name)!r}"
                )


def _within(name: str, head: str) -> bool:
    return name.startswith(f"{head}.")
