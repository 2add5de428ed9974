"""Training whole populations at once: networks of one shape in one tensor, chunk by chunk."""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.zoo.training.chunk import TrainedChunk as TrainedChunk
    from graphwsl.zoo.training.chunk import train_chunk as train_chunk
    from graphwsl.zoo.training.train import TrainedZoo as TrainedZoo
    from graphwsl.zoo.training.train import train_zoo as train_zoo
    from graphwsl.zoo.training.tuning import Tuning as Tuning

# Imported on first use, as in the package itself.
_HOME = {
    "TrainedChunk": "chunk",
    "TrainedZoo": "train",
    "Tuning": "tuning",
    "train_chunk": "chunk",
    "train_zoo": "train",
}

__all__ = list(_HOME)


__getattr__, __dir__ = lazy(__name__, _HOME)
