"""Mini-batches of a store."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import Batch

from gnncore.errors import TrainingError
from gnncore.training.graph_store import GraphStore


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
        groups: A number a graph, on the CPU; shuffled batches are put together from groups of
            graphs with the same number. None mixes all.
        group_size: Graphs of a group; the last of a number may be smaller.

    Raises:
        TrainingError: ``batch_size`` or ``group_size`` is not positive.
    """

    def __init__(
        self,
        store: GraphStore,
        batch_size: int,
        *,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
        groups: Int[Tensor, " graphs"] | None = None,
        group_size: int = 16,
    ) -> None:
        for name, size in (("batch_size", batch_size), ("group_size", group_size)):
            if size < 1:
                raise TrainingError(f"{name} must be at least 1, got {size}")
        self.store = store
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator
        self.groups = groups
        self.group_size = group_size

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
        order = self._shuffled(count) if self.shuffle else torch.arange(count)
        return iter(torch.split(order, self.batch_size))

    def _shuffled(self, count: int) -> Int[Tensor, " graphs"]:
        order = torch.randperm(count, generator=self.generator)
        if self.groups is None or bool((self.groups == self.groups[0]).all()):
            return order
        order = order[self.groups[order].argsort(stable=True)]
        _, sizes = self.groups[order].unique_consecutive(return_counts=True)
        groups = [
            group for alike in order.split(sizes.tolist()) for group in alike.split(self.group_size)
        ]
        places = torch.randperm(len(groups), generator=self.generator)
        return torch.cat([groups[place] for place in places.tolist()])
