"""Training whole populations at once: networks of one shape in one tensor, chunk by chunk."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.zoo.training.train import TrainedZoo as TrainedZoo
    from graphwsl.zoo.training.train import train_zoo as train_zoo

# Imported on first use, as in the package itself.
_HOME = {"TrainedZoo": "train", "train_zoo": "train"}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
