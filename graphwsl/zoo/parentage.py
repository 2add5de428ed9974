"""Who begins with whom: the parents of networks that were fine-tuned."""

from graphwsl.errors import ZooError
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.store import StoredZoo
from graphwsl.zoo.zoo import Zoo, require_zoo


def parents_of(zoo: Zoo) -> tuple[Zoo, dict[str, Checkpoint]]:
    """The zoo of the parents, and the checkpoint that each network begins with.

    A zoo of our own keeps parents in a zoo of their own, ``zoo.pretraining``; published ones hold
    both. Networks without a parent, or whose parent is not usable, are left out.

    Args:
        zoo: A zoo of fine-tuned networks.

    Raises:
        ZooError: None of its networks has a parent.
        StorageError: The zoo of the parents is damaged.
    """
    require_zoo(zoo)
    named = {c.model: c.configuration.get("parent") for c in zoo.checkpoints}
    if not any(named.values()):
        raise ZooError(
            "no network of the zoo has a parent; give one that was trained in two stages"
        )
    home = zoo.pretraining if isinstance(zoo, StoredZoo) else zoo
    if home is None:
        raise ZooError("the zoo has no pretraining, of which its networks name their parents")
    last = {c.model: c for c in home.checkpoints}
    return home, {child: last[p] for child, p in named.items() if isinstance(p, str) and p in last}
