"""Mini-batches of a store."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import Batch

from gnncore.errors import TrainingError
from gnncore.training.store import GraphStore


class Loader:
    """Batches of all graphs of a store, in order or shuffled; the last one may be smaller.

    It takes the place of PyG's ``DataLoader`` where the graphs fit into memory: a batch costs a few
    index operations, not a collation of Python objects, so that no worker processes are needed.

    >>> from torch_geometric.data import Data
    >>> graphs = [Data(x=torch.ones(n, 1), edge_index=torch.empty(2, 0).long()) for n in (1, 2, 3)]
    >>> [batch.ptr.tolist() for batch in Loader(GraphStore.from_data_list(graphs), batch_size=2)]
    [[0, 1, 3], [0, 3]]

    Args:
        store: The graphs; batches lie on its device.
        batch_size: Graphs a batch.
        shuffle: Draw a new order for every pass.
        generator: Source of the order, on the CPU; None takes torch's own.

    Raises:
        TrainingError: ``batch_size`` is not positive.
    """

    def __init__(
        self,
        store: GraphStore,
        batch_size: int,
        *,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        if batch_size < 1:
            raise TrainingError(f"batch_size must be at least 1, got {batch_size}")
        self.store = store
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self.store) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return map(self.store.batch, self.graphs())

    def graphs(self) -> Iterator[Int[Tensor, " graphs"]]:
        """The numbers of the graphs of each batch, for those who split batches further."""
        count = len(self.store)
        if not count:
            return iter(())
        order = (
            torch.randperm(count, generator=self.generator) if self.shuffle else torch.arange(count)
        )
        return iter(torch.split(order, self.batch_size))
